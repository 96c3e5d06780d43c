"""Why a recorded decision came out as it did, and what would come of it now: for `remit why`."""

from __future__ import annotations

from typing import Any, Final

from remit.attestation.model import Caller
from remit.audit.log import Recorded
from remit.kernel.canonical import parse
from remit.kernel.clock import Instant
from remit.kernel.names import (
    ActionName,
    AgentName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ServerName,
    ToolName,
    split_action,
)
from remit.policy.model import Answer, Call
from remit.policy.remedied import Tried
from remit.policy.service import PolicyService
from remit.policy.view import View

_STEPS: Final = 11
_PASSED: Final = 8  # of a method that passes: it needs any boundary on the server, and no more
_OWN_TYPES: Final = frozenset({1, 2, 3, 6, 7})  # steps of a question about the organisation's own types


def reasons(found: Recorded, policy: PolicyService) -> dict[str, Any]:
    """`path` (what each step said), `policies_then` (those that decided, and where they stand), `boundary_now`,
    `now` (the same call decided anew) and `would` (what would have it let through, each tried).
    """
    call = recorded_call(found)
    if call is None:
        view = policy.view()
        return _told(found, view) | {"now": None, "would": [], "not_tried": _why_not(found)}
    proposal, ways, view = policy.anew(call)
    return _told(found, view) | {
        "now": _answer(proposal.answer),
        "would": [_way(each) for each in ways],
        "not_tried": "",
    }


def recorded_call(found: Recorded) -> Call | None:
    """The call as it was recorded, as a question of an operator; None where it cannot be asked again."""
    header, payload = found.header, found.payload
    if _why_not(found) or not isinstance(payload, dict):
        return None
    action = str(header["action"])
    _, name, is_tool = split_action(action)
    caller = Caller(
        agent=AgentName(header["agent"]), instance=InstanceId(header.get("instance") or ""), credential="",
        purpose=PurposeName(header.get("purpose") or ""), run=RunId(header.get("run") or ""), token="",
        expires=Instant(0), bound=False, attested=Instant(2**61),
    )  # fmt: skip
    said = payload.get("arguments")
    return Call(
        id=DecisionId(""),
        caller=caller,
        server=ServerName(header["server"]),
        action=ActionName(action),
        tool=ToolName(name) if is_tool else None,
        arguments=None if said is None else parse(said),
        hypothetical=True,
    )


def _why_not(found: Recorded) -> str:
    if not found.header.get("agent"):  # what was sent beside what is stored is sealed, and is no call's arguments
        return "it was no agent's call; whoever asked can ask again"
    if found.payload == "erased":
        return "its payload was erased"
    if not isinstance(found.payload, dict):
        return "its payload cannot be read"
    if found.header.get("acts_for"):
        return "the agent acted for another, and what that one handed on is not part of the entry"
    return ""


def _told(found: Recorded, view: View) -> dict[str, Any]:
    header = found.header
    boundary, agent = header.get("boundary"), view.agents.get(str(header.get("agent")))
    versions = {each.boundary: each.version for each in (() if agent is None else agent.boundaries)}
    named = [str(header["policy"])] if header.get("policy") else _named(found)
    return {
        "path": path(header),
        "policies_then": [_where(name, header, view) for name in named],
        "boundary_now": None if boundary is None else versions.get(boundary),
    }


def _named(found: Recorded) -> list[str]:
    header, payload = found.header, found.payload
    if "named" in header:  # of the organisation's own types: policies alone decided
        return [str(name) for name in header["named"]]
    return [str(name) for name in payload.get("named", ())] if isinstance(payload, dict) else []


def path(header: dict[str, Any]) -> list[dict[str, Any]]:
    """Each step of the decision: passed, refused or not reached. A denial says where it ended.

    Of a question about the organisation's own types, the steps that are about agents are not asked.
    """
    refused = header.get("step") if header["decision"] != "allow" else None
    own = not header.get("agent")
    method = not own and not split_action(header["action"])[2]
    last = refused or (_PASSED if method else _STEPS)
    return [
        {"step": step, "said": "not asked" if own and step not in _OWN_TYPES else _said(step, refused, last)}
        for step in range(1, _STEPS + 1)
    ]


def _said(step: int, refused: int | None, last: int) -> str:
    return "refused" if step == refused else "passed" if step <= last else "not reached"


def _where(name: str, header: dict[str, Any], view: View) -> dict[str, Any]:
    """Where a policy stands; `since` says whether the files are those of the decision."""
    same = header.get("policies") == view.organisation.digest
    policy = next((each for each in view.organisation.policies if each.id == name), None)
    if policy is None:
        return {"policy": name, "file": None, "line": None, "title": None, "since": "gone"}
    return {
        "policy": name,
        "file": policy.file,
        "line": policy.line,
        "title": policy.title,
        "since": "unchanged" if same else "changed",
    }


def _answer(answer: Answer) -> dict[str, Any]:
    denial = answer.denial
    if denial is None:
        return {"decision": True, "boundary": answer.boundary, "boundary_version": answer.boundary_version}
    return {
        "decision": False,
        "code": denial.code.value,
        "title": denial.title,
        "step": denial.step,
        "cause": denial.cause,
    }


def _way(each: Tried) -> dict[str, Any]:
    way = each.way
    return {"if": way.what, "who": way.who, "needs": way.needs, "then": _answer(each.proposal.answer)}
