"""An access request: what an agent wants to do once, who may say yes, and what was said.

Its states are those of the AuthZEN Access Request and Approval Profile (draft 1, task status). There is no `partial`,
because one request is about one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from remit.kernel.clock import DAY, EPOCH, MINUTE, Instant, Micros
from remit.kernel.errors import Conflict, Forbidden, Malformed, NotFound, RemitError
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.policy.model import Approvers

OPEN_FOR: Final = DAY  # how long it waits for people
LASTS: Final = Micros(15 * MINUTE)  # how long an approval may be used, at the most
SAYS_FOR: Final = DAY  # how long what became of it is told to who calls again
KEPT_FOR: Final = 90 * DAY  # after it ended; then the log alone says what became of it
NEVER: Final = Instant(2**62)  # nothing happens by itself any more
_URN: Final = "urn:openid:authzen:access-request:error:"


class RequestState(StrEnum):
    """Pending, and then once and for ever one of the others."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"  # nobody may approve it


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """One request. A value: what people say makes a new one. The arguments stand sealed beside it."""

    request: str  # `arq_`
    agent: AgentName
    principal: AgentName  # whose access the call uses
    purpose: PurposeName
    action: ActionName
    binding: str  # keyed hash of the very call (`policy.approved.bound_to`)
    code: str  # of the denial that it answers
    asker: str  # `agent:NAME`, `pep:NAME`, or a person
    asked: Instant
    open_until: Instant
    approvers: Approvers
    on_behalf: str = ""  # the person for whom the agent acts, where one let it
    why: str = ""  # in the asker's words
    state: RequestState = RequestState.PENDING
    yes: tuple[str, ...] = ()  # who said yes so far
    decided: Instant | None = None
    decided_by: str = ""
    note: str = ""
    approval: str = ""  # `apr_`, once approved
    until: Instant = EPOCH  # until when that may be used
    most: Instant = NEVER  # the asker wants it no longer than this
    callback: str = ""
    callback_state: str = ""
    due: Instant = NEVER  # when something happens by itself
    gone: Instant = NEVER  # when it is deleted, and what the agent would have sent with it
    idem: str = ""  # hash of the asker's own key for it
    idem_body: str = ""  # hash of what was asked with that key


class AccessRequestError(RemitError):
    """A refusal with a problem type of the profile."""

    urn: ClassVar[str]
    status: ClassVar[int]


class NotRequestable(AccessRequestError, Malformed):
    """No denial that a person could end."""

    urn, status = _URN + "not_requestable", 400


class BindingInvalid(AccessRequestError, Malformed):
    """The request is not about the call that was denied."""

    urn, status = _URN + "invalid_denial_binding", 400


class DenialExpired(AccessRequestError, Conflict):
    """The denial is too old to ask about: it is had again by calling again."""

    urn, status = _URN + "expired_denial", 410


class DuplicateRequest(AccessRequestError, Conflict):
    """The key was used for another request."""

    urn, status = _URN + "duplicate_request", 409


class UnknownTask(AccessRequestError, NotFound):
    """There is no such request, or it is another's."""

    urn, status = _URN + "unknown_task", 404


class InvalidTaskState(AccessRequestError, Conflict):
    """It is over."""

    urn, status = _URN + "invalid_task_state", 409


class ApprovalDenied(Forbidden):
    """This person may not approve it: they asked for it, act by it, or do not answer for the agent."""

    code = "approval_denied"
