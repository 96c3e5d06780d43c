"""What people may say about an access request, and what becomes of it (pure)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from remit.kernel.clock import Instant, Micros
from remit.kernel.errors import Malformed
from remit.kernel.names import OwnerName
from remit.people.model import Owner
from remit.people.succession import answers_for
from remit.policy.approved import Standing
from remit.policy.model import Approvers
from remit.requests.model import (
    KEPT_FOR,
    LASTS,
    NEVER,
    SAYS_FOR,
    AccessRequest,
    ApprovalDenied,
    InvalidTaskState,
    RequestState,
)

_SILENT = frozenset({RequestState.FAILED, RequestState.CANCELLED})


def people(approvers: Approvers, owner: Owner | None, find: Callable[[OwnerName], Owner | None]) -> tuple[str, ...]:
    """Who may decide: those whom the boundary names, else the agent's owner and backups. Only who is active."""
    if approvers.by:
        known = ((name, find(OwnerName(name))) for name in approvers.by)
        return tuple(name for name, person in known if person is not None and person.active)
    named = () if owner is None else (owner.owner, *owner.backup)
    return tuple(dict.fromkeys(str(name) for name in named if answers_for(name, owner, find)))


def others(request: AccessRequest, may: Collection[str]) -> tuple[str, ...]:
    """Who of these may approve this request: never who asked for it, nor the person for whom the agent acts."""
    return tuple(name for name in may if name not in (request.asker, request.on_behalf))


def approve(
    request: AccessRequest, *, by: str, may: Collection[str], approval: str, lasts: Micros, now: Instant, note: str = ""
) -> AccessRequest:
    """One more person says yes; with enough of them it is approved.

    Args:
        request: As it is.
        by: Who says yes.
        may: Who may decide such a request (`people`).
        approval: The name of the approval, if this makes one.
        lasts: For how long it may be used then; 15 minutes at the most.
        now: The time.
        note: Why, for the agent to read.

    Raises:
        ApprovalDenied: It is their own request, or not theirs to decide.
        InvalidTaskState: It is over; or this person has said yes already.
        Malformed: No time, or a longer one.
    """
    _entitled(request, by, may)
    _pending(request, now)
    if not 0 < lasts <= LASTS:
        raise Malformed("an approval lasts 15 minutes at the most", try_="--for 15m")
    if by in request.yes:
        raise InvalidTaskState(f"{by} has said yes already; {request.approvers.quorum} are needed")
    yes = (*(each for each in request.yes if each in may), by)  # who decides no more has no word in it any more
    if not request.approvers.satisfied(yes):
        return replace(request, yes=yes)
    until = Instant(min(now + lasts, request.most))
    return replace(
        request, yes=yes, state=RequestState.APPROVED, decided=now, decided_by=by, note=note, approval=approval,
        until=until, due=Instant(until + SAYS_FOR), gone=Instant(now + KEPT_FOR),
    )  # fmt: skip


def deny(request: AccessRequest, *, by: str, may: Collection[str], now: Instant, note: str = "") -> AccessRequest:
    """A person says no; one is enough.

    Raises:
        ApprovalDenied, InvalidTaskState: As `approve`.
    """
    _entitled(request, by, may)
    _pending(request, now)
    return _closed(request, RequestState.DENIED, by, now, note)


def cancel(request: AccessRequest, *, by: str, may: Collection[str], now: Instant) -> AccessRequest:
    """Who asked takes it back, or who may decide does. An approval that nobody used yet is over with it.

    Raises:
        ApprovalDenied: Neither.
        InvalidTaskState: It is over.
    """
    if by != request.asker and by not in may:
        raise ApprovalDenied(f"{by} neither asked for this nor decides it")
    if request.state is RequestState.APPROVED and now < request.until:
        return replace(request, until=now, due=Instant(now + SAYS_FOR))  # a task is approved for ever
    _pending(request, now)
    return _closed(request, RequestState.CANCELLED, by, now)


def failed(request: AccessRequest, *, note: str) -> AccessRequest:
    """Nobody could answer it: it is over as it is asked."""
    return _closed(request, RequestState.FAILED, "", request.asked, note)


def moved(request: AccessRequest, *, now: Instant) -> AccessRequest:
    """What has happened by itself by `now`: one step."""
    if now < request.due:
        return request
    if request.state is RequestState.PENDING:
        return _closed(request, RequestState.EXPIRED, "", now)
    return replace(request, due=NEVER)


def standing(request: AccessRequest, used: str = "") -> Standing:
    """The request as a decision sees it."""
    pending = request.state is RequestState.PENDING
    return Standing(
        request=request.request, asked=(request.agent, request.purpose, request.action), binding=request.binding,
        state=request.state.value, until=request.open_until if pending else request.until, approval=request.approval,
        by=request.yes, used=used,
    )  # fmt: skip


def _entitled(request: AccessRequest, by: str, may: Collection[str]) -> None:
    # A person who asks and approves, or lets an agent act and approves for it, would be alone with what two are for.
    if by in (request.asker, request.on_behalf):
        raise ApprovalDenied(f"{by} asked for this, and somebody else decides it", try_="remit approval list")
    if by not in may:
        raise ApprovalDenied(f"this is not {by}'s to decide", detail=", ".join(may))


def _pending(request: AccessRequest, now: Instant) -> None:
    if request.state is not RequestState.PENDING:
        raise InvalidTaskState(f"{request.request} is {request.state} already")
    if now >= request.open_until:
        raise InvalidTaskState(f"{request.request} has expired", try_="let it be asked again")


def _closed(request: AccessRequest, state: RequestState, by: str, now: Instant, note: str = "") -> AccessRequest:
    due = NEVER if state in _SILENT else Instant(now + SAYS_FOR)
    gone = Instant(now + KEPT_FOR)
    return replace(request, state=state, decided=now, decided_by=by, note=note, due=due, gone=gone)
