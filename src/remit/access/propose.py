"""The life of a boundary's versions: proposed, approved, superseded, revoked. Pure.

Humans widen; the machine only narrows. A version that narrows takes over at once and keeps
the approval it narrows; one that widens waits whole, and the one in force stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from remit.access.draft import Draft, History, Version
from remit.access.expand import Expansion, FindServer, expand
from remit.access.model import Boundary, BoundaryState
from remit.access.widen import restricted, widenings
from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict, NotFound
from remit.kernel.names import ActionName, OwnerName, split_action
from remit.people.document import Problem, SpecInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to write, and what it comes to. `now` is the version that a caller should hear of."""

    change: str  # create, update, unchanged, widen, narrow, approve
    writes: tuple[Version, ...]
    now: Version
    reasons: tuple[str, ...] = ()  # why it widens

    @property
    def waits(self) -> bool:
        """Whether a person must approve."""
        return self.now.state in (BoundaryState.PROPOSED, BoundaryState.WAITING_FOR_CATALOG)


def propose(draft: Draft, history: History, find: FindServer, *, now: Instant) -> Step:
    """Bring a boundary in line with its document.

    Raises:
        SpecInvalid: Unknown actions or arguments on a reached server, an end that has passed.
    """
    active, waiting = history.active, history.waiting
    withdrawn = () if waiting is None else (replace(waiting, state=BoundaryState.SUPERSEDED),)
    if active is not None and active.draft == draft:
        return Step(change="update" if withdrawn else "unchanged", writes=withdrawn, now=active)
    again = waiting is not None and waiting.draft == draft
    expansion = expand(draft, find, keep=_in_force(active))
    problems = list(expansion.problems)
    if not again and draft.not_after <= now:
        problems.append(Problem("not_after", "the end has passed"))
    if problems:
        raise SpecInvalid(problems)
    following = Version(draft=draft, version=history.last + 1, state=_waiting_state(expansion))
    reasons = [] if active is None else widenings(active, draft, expansion)
    if active is not None and not reasons and not expansion.waiting:
        return _narrow(active, following, expansion, withdrawn)
    if waiting is not None and again:
        moved = replace(waiting, state=following.state)
        writes = () if moved == waiting else (moved,)
        return Step(change="update" if writes else "unchanged", writes=writes, now=moved, reasons=tuple(reasons))
    change = "create" if active is None else "widen"
    return Step(change=change, writes=(*withdrawn, following), now=following, reasons=tuple(reasons))


def _narrow(active: Version, following: Version, expansion: Expansion, withdrawn: tuple[Version, ...]) -> Step:
    taking_over = replace(
        following,
        state=BoundaryState.ACTIVE,
        rules=restricted(active, expansion),
        approved_by=active.approved_by,
        approved_at=active.approved_at,
    )
    writes = (*withdrawn, replace(active, state=BoundaryState.SUPERSEDED), taking_over)
    return Step(change="narrow", writes=writes, now=taking_over)


def preview(history: History, find: FindServer) -> tuple[Boundary, tuple[str, ...]] | None:
    """What an approval would put in force now, and why that widens; None if nothing waits and nothing new matches."""
    candidate, active = history.waiting or history.active, history.active
    if candidate is None:
        return None
    expansion = expand(candidate.draft, find, keep=_in_force(active))
    if candidate is active and (expansion.rules == candidate.rules or expansion.waiting):
        return None
    rules = {} if active is None else active.rules or {}
    reasons = [] if active is None else widenings(active, candidate.draft, expansion)
    # `widenings` lets pass what a pattern in force would match too; but it is this approval that lets it in.
    reasons += [f"{action} is added" for action in expansion.rules if action not in rules]
    state = _waiting_state(expansion)
    return replace(candidate, state=state, rules=expansion.rules).boundary(), tuple(dict.fromkeys(reasons))


def approve(history: History, find: FindServer, *, by: OwnerName, now: Instant) -> Step:
    """A person says yes to what waits; or, when nothing waits, to what the patterns match today.

    Who may say it was checked before.

    Raises:
        NotFound: There is no version in force and none that waits.
        Conflict: Its servers have no pins yet, a tool waits for review, its end has passed, or it
            no longer fits the catalog.
    """
    candidate = history.waiting or history.active
    if candidate is None:
        raise NotFound("there is nothing to approve")
    name = candidate.draft.boundary
    expansion = expand(candidate.draft, find, keep=_in_force(history.active))
    if expansion.waiting:
        server = expansion.waiting[0]
        raise Conflict(
            f"{name} waits for the tools of {server}: there is nothing yet to approve",
            try_=f"remit server refresh {server}, or remit server review {server} --approve",
        )
    if expansion.unreviewed:
        action = expansion.unreviewed[0]
        raise Conflict(f"{action} waits for review", try_=f"remit server review {split_action(action)[0]} --approve")
    if expansion.problems:
        raise Conflict(f"{name} no longer fits the catalog: {expansion.problems[0]}")
    if candidate.draft.not_after <= now:
        raise Conflict(f"the end of {name} has passed", try_="a later not_after, and remit apply")
    if not expansion.rules:
        raise Conflict(f"{name} matches no approved tool", try_="remit server list")
    if candidate is history.active and expansion.rules == candidate.rules:
        return Step(change="unchanged", writes=(), now=candidate)
    return _approved(history, candidate, expansion, by=by, now=now)


def _approved(history: History, candidate: Version, expansion: Expansion, *, by: OwnerName, now: Instant) -> Step:
    taking_over = replace(
        candidate,
        version=history.last + 1 if candidate is history.active else candidate.version,
        state=BoundaryState.ACTIVE,
        rules=expansion.rules,
        approved_by=by,
        approved_at=now,
    )
    ended = () if history.active is None else (replace(history.active, state=BoundaryState.SUPERSEDED),)
    return Step(change="approve", writes=(*ended, taking_over), now=taking_over)


def after(history: History, step: Step) -> History:
    """Where the boundary stands once `step` was written."""
    versions = {each.version: each for each in (history.active, history.waiting, *step.writes) if each is not None}
    active = [each for each in versions.values() if each.state is BoundaryState.ACTIVE]
    waiting = [
        each for each in versions.values() if each.state in (BoundaryState.PROPOSED, BoundaryState.WAITING_FOR_CATALOG)
    ]
    return History(
        active=active[0] if active else None,
        waiting=waiting[0] if waiting else None,
        last=max([history.last, *versions]),
    )


def _in_force(active: Version | None) -> frozenset[ActionName]:
    return frozenset() if active is None or active.rules is None else frozenset(active.rules)


def _waiting_state(expansion: Expansion) -> BoundaryState:
    return BoundaryState.WAITING_FOR_CATALOG if expansion.waiting else BoundaryState.PROPOSED
