"""OpenID AuthZEN Authorization API 1.0: from a request to a call, and from an answer to its body (pure).

Of Remit's own types: the subject is `agent` by name, the resource `server` by name, and the
action `server/tool` (or `server:method`). What is said of an agent or a server beyond its
name is ignored: stored attributes win. The purpose stands in `context.purpose`, the tool's
arguments in `context.arguments` or in `action.properties.arguments`, in one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from remit.attestation.model import Caller
from remit.enforcement.model import Point
from remit.kernel.clock import Instant, rfc3339
from remit.kernel.errors import Malformed
from remit.kernel.names import (
    ActionName,
    AgentName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ServerName,
    ToolName,
    check_name,
    split_action,
)
from remit.policy.denial import undecided as nothing_decided
from remit.policy.denial import violation_body
from remit.policy.methods import bounded
from remit.policy.model import Answer, Call, Code, Denial

AGENT: Final = "agent"
SERVER: Final = "server"
_MAX_ACTION: Final = 320
_MAX_SHOWN: Final = 200
# Each of a decision's own; with them, two answers to one question would differ.
_OF_ITS_OWN: Final = ("decision_id", "epoch", "evaluated_at")


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The properties and the context of a request, as they came."""

    subject: Mapping[str, Any] = msgspec.field(default_factory=dict)
    action: Mapping[str, Any] = msgspec.field(default_factory=dict)
    resource: Mapping[str, Any] = msgspec.field(default_factory=dict)
    context: Mapping[str, Any] = msgspec.field(default_factory=dict)


NOTHING_SENT: Final = Sent()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A well-formed evaluation request: (type, id) of subject and resource, and what is asked about them."""

    subject: tuple[str, str]
    action: str
    resource: tuple[str, str]
    purpose: str | None = None
    arguments: Mapping[str, Any] | None = None  # numbers as int or Decimal
    # What types of the organisation's own are asked with.
    sent: Sent = NOTHING_SENT
    approval: str | None = None  # the id of the approval that it is asked again with (ARAP, re-evaluation)


def question(body: object) -> Question:
    """Read a request (AuthZEN 1.0, access evaluation request). Unknown members are ignored.

    Raises:
        Malformed: A member is missing or of another type, arguments stand there twice, or the action is one of
            another server than the resource: the request contradicts itself.
    """
    if not isinstance(body, dict):
        raise Malformed("a JSON object is expected")
    subject, action, resource = (an_object(body, name) for name in ("subject", "action", "resource"))
    sent = Sent(
        subject=an_object(subject, "properties", needed=False),
        action=an_object(action, "properties", needed=False),
        resource=an_object(resource, "properties", needed=False),
        context=an_object(body, "context", needed=False),
    )
    found = Question(
        subject=(a_text(subject, "type"), a_text(subject, "id")),
        action=a_text(action, "name"),
        resource=(a_text(resource, "type"), a_text(resource, "id")),
        sent=sent,
    )
    return _ours(found) if own(found) else found


def with_arguments(found: Question) -> Question:
    """The question with the purpose and the arguments that were sent.

    Raises:
        Malformed: They are of another type, or arguments stand there twice.
    """
    context, properties = found.sent.context, found.sent.action
    if "arguments" in context and "arguments" in properties:
        raise Malformed("arguments stand in context or in action.properties, not in both")
    given = context if "arguments" in context else properties
    return replace(
        found,
        purpose=a_text(context, "purpose") if "purpose" in context else None,
        arguments=an_object(given, "arguments") if "arguments" in given else None,
        approval=a_text(an_object(context, "approval"), "id") if "approval" in context else None,
    )


def _ours(found: Question) -> Question:
    """The question with what is read about Remit's own types; in other questions those names mean anything."""
    if _split(found.action)[0] not in ("", found.resource[1]):
        raise Malformed("the action is one of another server than the resource")
    return with_arguments(found)


def call(asked: Question, *, id: DecisionId, point: Point, purposes: Sequence[PurposeName] | None) -> Call | None:  # noqa: A002 - the call's own word
    """The call that is asked about, as made by the agent through this enforcement point.

    Args:
        asked: The question.
        id: The decision's id.
        point: Who asks.
        purposes: The agent's; None if there is no such agent. Its only one is meant where none is named.

    Returns:
        None if it is about nothing that can exist here: types that are not declared, an unknown agent, no action.
    """
    server, name, is_tool = _split(asked.action)
    if not own(asked) or purposes is None or not server or len(asked.action) > _MAX_ACTION:
        return None
    purpose = asked.purpose if asked.purpose is not None else purposes[0] if len(purposes) == 1 else ""
    return Call(
        id=id,
        caller=Caller(
            agent=AgentName(asked.subject[1]),
            instance=InstanceId(point.instance),
            credential=point.instance,
            purpose=PurposeName(purpose[:_MAX_SHOWN]),
            run=RunId(""),
            token="",
            expires=Instant(0),
            bound=False,
            pep=point.name,
        ),
        server=ServerName(server),
        action=ActionName(asked.action),
        tool=ToolName(name) if is_tool else None,
        arguments=(asked.arguments or {}) if bounded(name, is_tool=is_tool) else None,
        approval=asked.approval,
    )


def recorded(asked: Question, point: Point) -> dict[str, str]:
    """What the log says of a question about nothing that exists here."""
    subject, resource = shown(asked.subject), shown(asked.resource)
    return {
        "agent": "",
        "instance": point.instance,
        "pep": point.name,
        "purpose": (asked.purpose or "")[:_MAX_SHOWN],
        "server": "",
        "action": asked.action[:_MAX_ACTION],
        "subject": subject,
        "resource": resource,
    }


def shown(thing: tuple[str, str]) -> str:
    """A subject or resource as the log names it."""
    return ":".join(thing)[:_MAX_SHOWN]


def denied(denial: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a denial."""
    context = {name: value for name, value in denial.items() if name not in _OF_ITS_OWN}
    return {"decision": False, "context": context}


def refused(asked: Question, denial: Denial, *, docs: str) -> dict[str, Any]:
    """The body of a denial about the organisation's own types: made from question and denial alone."""
    told = hidden(asked, docs=docs)
    context = told["context"] | {
        "type": f"urn:remit:denial:{denial.code}",
        "title": denial.title,
        "code": denial.code.value,
        "violations": [violation_body(each) for each in denial.violations],
        "docs": f"{docs}/{denial.code}",
    }
    if denial.violations:
        context["remedies"] = [{"kind": "change_arguments", "path": each.path} for each in denial.violations]
    if denial.policy is not None:
        context["policy"] = denial.policy
    return told | {"context": context}


def undecided(told: Mapping[str, Any] | None) -> dict[str, Any]:
    """The body of the 503 that says that nothing could be decided or recorded."""
    context: dict[str, Any] = denied(told or nothing_decided())["context"]
    return context


def hidden(asked: Question, *, docs: str) -> dict[str, Any]:
    """The body for what the agent may not see and for what does not exist: made from the question alone."""
    return {
        "decision": False,
        "context": {
            "type": "urn:remit:denial:not_granted",
            "title": "Nothing grants this",
            "status": 403,
            "code": "not_granted",
            "action": asked.action,
            "resource": ":".join(asked.resource),
            "purpose": asked.purpose,
            "violations": [],
            "remedies": [{"kind": "stop"}],
            "retryable": False,
            "retry_after": None,
            "docs": f"{docs}/not_granted",
        },
    }


ALLOWED: Final[Mapping[str, Any]] = {"decision": True}


def allowed(answer: Answer) -> Mapping[str, Any]:
    """The body of an allow; one that used an approval says which."""
    if answer.approval is None or answer.approved_until is None:
        return ALLOWED
    approval = {"id": answer.approval, "approved_until": rfc3339(answer.approved_until)}
    return {"decision": True, "context": {"approval": approval}}


def after_approval(body: dict[str, Any], denial: Denial) -> dict[str, Any]:
    """A denial of a question that came with an approval: what to do next (ARAP, re-evaluation)."""
    next_action, reason = "none", "policy_denied"
    if denial.code is Code.APPROVAL_REQUIRED:
        next_action, reason = _AFTER.get(denial.state or "", ("none", "approval_unverifiable"))
    elif denial.retryable:
        next_action, reason = "retry", "grant_pending"
    body["context"] |= {"next_action": next_action, "reason": reason}
    return body


_AFTER: Final[Mapping[str, tuple[str, str]]] = {
    "pending": ("retry", "grant_pending"),
    "expired": ("request", "approval_expired"),
    "used": ("request", "approval_expired"),
    "stale": ("request", "out_of_scope"),
}


def own(asked: Question) -> bool:
    """Whether the question is about Remit's own types."""
    return asked.subject[0] == AGENT and asked.resource[0] == SERVER


def _split(action: str) -> tuple[str, str, bool]:
    """The server, the name on it, and whether it is a tool's; empty for what is no action."""
    try:
        server, name, is_tool = split_action(action)
        return check_name(server, what="a server"), name, is_tool
    except Malformed:
        return "", "", False


def an_object(of: Mapping[str, Any], name: str, *, needed: bool = True) -> Mapping[str, Any]:
    """A member that is an object; empty where it is not there and not `needed`. Raises Malformed."""
    value = of.get(name)
    if isinstance(value, dict):
        return value
    if name not in of and not needed:
        return {}
    raise Malformed(f"{name} must be an object" if name in of else f"{name} is missing")


def a_text(of: Mapping[str, Any], name: str) -> str:
    """A member that is a string. Raises Malformed."""
    value = of.get(name)
    if not isinstance(value, str):
        raise Malformed(f"{name} must be a string" if name in of else f"{name} is missing")
    return value
