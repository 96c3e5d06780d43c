"""Would a call pass once people say yes? Asked before they are asked, and again before their word counts (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from remit.attestation.model import Caller
from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed
from remit.kernel.names import (
    ActionName,
    AgentName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ToolName,
    split_action,
)
from remit.policy.approved import APPROVED, Standing, asked_of
from remit.policy.model import Answer, Approvers, Call, Code
from remit.policy.view import View
from remit.requests.binding import requestable
from remit.requests.model import LASTS, AccessRequest, NotRequestable

# What stays refused whatever a person says here: its boundary, its arguments or a policy would have to be others.
_HOPELESS: Final = frozenset(
    {
        Code.NOT_GRANTED, Code.CONSTRAINT_VIOLATED, Code.INVALID_ARGUMENTS, Code.FORBIDDEN_BY_POLICY,
        Code.PURPOSE_MISMATCH, Code.PURPOSE_CLOSED, Code.TOOL_DEFINITION_CHANGED, Code.NOT_VISIBLE,
        Code.ACTIVATION_LAPSED,
    }
)  # fmt: skip


def check_requestable(answer: Answer, *, person: bool) -> None:
    """See that a person could let pass what is refused.

    Raises:
        NotRequestable: It would be let through now; or no person could end its denial; or one said no.
    """
    denial = answer.denial
    if denial is None:
        raise NotRequestable("this call needs nobody: it would be let through now", try_="make the call")
    again = person and denial.code is Code.APPROVAL_DENIED  # a person may ask once more where an agent may not
    if not again and not requestable(denial.code):
        raise NotRequestable(f"nobody can let this pass: {denial.title}", detail=denial.code.value)


def again(request: AccessRequest, arguments: Mapping[str, Any]) -> Call:
    """The call that a request is about, as a question without a token behind it."""
    return question(request.agent, request.purpose, request.action, arguments, attested=request.asked)


def question(agent: str, purpose: str, action: str, arguments: Mapping[str, Any], *, attested: Instant) -> Call:
    """A tool's call that nobody makes.

    Raises:
        Malformed: The action is no tool's.
    """
    server, tool, is_tool = split_action(action)
    if not is_tool:
        raise Malformed("people are asked about a tool's call: server/tool")
    caller = Caller(
        agent=AgentName(agent), instance=InstanceId(""), credential="", purpose=PurposeName(purpose), run=RunId(""),
        token="", expires=Instant(0), bound=False, attested=attested,
    )  # fmt: skip
    return Call(
        id=DecisionId(""), caller=caller, server=server, action=ActionName(action), tool=ToolName(tool),
        arguments=arguments, hypothetical=True,
    )  # fmt: skip


def without(view: View) -> View:
    """The view before anybody said anything."""
    return replace(view, approvals={})


def with_all(view: View, call: Call, request: AccessRequest, approvers: Approvers, *, now: Instant) -> View:
    """The view once as many people as are needed have said yes."""
    enough = approvers.by or tuple(str(each) for each in range(approvers.quorum))
    said = Standing(
        request=request.request, asked=asked_of(call), binding=request.binding, state=APPROVED,
        until=Instant(now + LASTS), approval="apr", by=enough,
    )  # fmt: skip
    return replace(view, approvals={asked_of(call): (said,)}, consumed={})


def hopeless(answer: Answer) -> bool:
    """Whether no approval lets this pass, and waiting does not either."""
    return answer.denial is not None and answer.denial.code in _HOPELESS
