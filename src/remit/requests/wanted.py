"""What somebody asks people for, before it is a request."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from remit.kernel.clock import Instant
from remit.policy.approved import ANYBODY
from remit.policy.model import Answer, Call
from remit.requests.model import NEVER, OPEN_FOR, AccessRequest, DuplicateRequest, RequestState
from remit.requests.sql import SqlRequests


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One question, as its asker put it."""

    call: Call
    asker: str  # `agent:NAME`, `pep:NAME`, or a person
    why: str = ""
    token: str | None = None  # what the denial carried; None: a person asks, who needs none
    most: Instant = NEVER  # the approval is wanted no longer than until then
    callback: str = ""
    callback_state: str = ""
    key: str = ""  # the asker's own, for this question (Idempotency-Key)
    body: bytes = b""  # what was sent with it

    @property
    def idem(self) -> str:
        """The key as it is kept."""
        return sha256(self.key.encode("utf-8")).hexdigest() if self.key else ""

    def elsewhere(self, known: AccessRequest) -> bool:
        """Whether the asker names another place to be called back at than `known`, which still waits, has."""
        here = (known.callback, known.callback_state)
        return (
            known.state is RequestState.PENDING and self.callback != "" and here != (self.callback, self.callback_state)
        )


def repeated(rows: SqlRequests, wanted: Wanted, binding: str, on_behalf: str) -> AccessRequest | None:
    """The request that this is, once more: by its key, or because the very call waits for people already.

    Raises:
        DuplicateRequest: The key stands for another question.
    """
    known = rows.asked_with(wanted.asker, wanted.idem) if wanted.idem else None
    if known is not None:
        if known.idem_body != sha256(wanted.body).hexdigest():
            raise DuplicateRequest("that Idempotency-Key was used for another request", try_="use a new key")
        return known
    # What waits for one person is not what another lets the agent do: who may approve it differs.
    return next((each for each in rows.pending(binding, wanted.asker) if each.on_behalf == on_behalf), None)


def request_of(
    wanted: Wanted, answer: Answer, *, binding: str, on_behalf: str, name: str, now: Instant
) -> AccessRequest:
    """The request that `wanted` makes, with what the denial says about who may approve."""
    call, denial = wanted.call, answer.denial
    open_until = Instant(now + OPEN_FOR)
    return AccessRequest(
        request=name, agent=call.caller.agent, principal=call.caller.principal, purpose=call.caller.purpose,
        action=call.action, binding=binding, code="" if denial is None else denial.code.value, asker=wanted.asker,
        asked=now, open_until=open_until, due=open_until, on_behalf=on_behalf, why=wanted.why, most=wanted.most,
        approvers=(denial.approvers if denial else None) or ANYBODY, callback=wanted.callback,
        callback_state=wanted.callback_state, idem=wanted.idem,
        idem_body=sha256(wanted.body).hexdigest() if wanted.idem else "",
    )  # fmt: skip
