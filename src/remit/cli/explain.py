"""How a decision is told to a person: what was asked, what decided it, what would make it allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from shlex import quote
from typing import Any

from remit.cli.output import data_text, facts, foreign, talk

_STEPS = {
    1: "the view is fresh",
    2: "the caller is known and may see the target",
    3: "nothing on the path is frozen",
    4: "agent, owner and purpose are active, and the action is part of the purpose",
    5: "the tool is as it was approved",
    6: "the arguments fit the tool's schema",
    7: "no organisation policy forbids it",
    8: "a boundary covers the call",
    9: "the entitlement is in force",
    10: "rate and budget are not used up",
    11: "no person has to approve it",
}
_REMEDIES = {
    "change_arguments": "change the arguments",
    "wait": "wait",
    "request_access": "ask the owner for a wider boundary",
    "step_up": "the person behind the call signs in again",
    "alternative_action": "use another action",
    "stop": "nothing the agent can do",
}


def show_answer(agent: str, action: str, answer: Mapping[str, Any]) -> None:
    """What `remit can` says."""
    if answer["decision"]:
        data_text(f"✓ {agent} may call {action}", style="green")
        if answer.get("boundary"):
            talk(f"  because  boundary {answer['boundary']} version {answer.get('boundary_version')} allows it")
        return
    denial = answer["denial"]
    data_text(f"✗ {agent} may not call {action}: {denial['code']}", style="red")
    _because(agent, denial)


def _because(agent: str, denial: Mapping[str, Any]) -> None:
    talk(f"  because  {denial.get('title', denial['code'])}")
    for violation in denial.get("violations") or ():
        talk(f"           {told_violation(violation)}")
    for remedy in denial.get("remedies") or ():
        talk(f"  try      {told_remedy(remedy, agent=agent, code=denial['code'])}")


def told_violation(violation: Mapping[str, Any]) -> str:
    """One violation in words: `/amount is 900.00, over its max of 500.00 EUR`."""
    path, constraint = violation.get("path") or "/", violation.get("constraint", "")
    actual, limit, unit = violation.get("actual"), violation.get("limit"), violation.get("unit") or ""
    said = f"{path}: {constraint}"
    if isinstance(limit, list):
        limit = ", ".join(str(member) for member in limit)
    if limit is not None:
        said += f" is {limit} {unit}".rstrip()
    if actual is not None:
        said += f", asked was {foreign(actual)}"
    return said


def told_remedy(remedy: Mapping[str, Any], *, agent: str, code: str) -> str:
    """One remedy in words; what to type, where a wider boundary would not help: it is wide enough."""
    kind = str(remedy.get("kind"))
    if (code, kind) == ("activation_lapsed", "request_access"):
        purpose = f" --purpose {remedy['purpose']}" if remedy.get("purpose") else ""
        return f"as its owner: remit activation start {agent} {quote(str(remedy.get('action')))}{purpose}"
    if (code, kind) == ("approval_required", "request_access"):
        return f"a person lets it pass once: remit approval ask {agent} {quote(str(remedy.get('action')))} --arg K=V"
    rest = {name: value for name, value in remedy.items() if name != "kind"}
    said = ", ".join(f"{name} {value}" for name, value in rest.items() if value not in (None, {}, []))
    return _REMEDIES.get(kind, kind) + (f": {said}" if said else "")


def show_decision(found: Mapping[str, Any]) -> None:
    """What `remit why` says."""
    denial = found.get("denial")
    verb = "allowed" if found["decision"] else "denied"
    if found.get("would_deny"):
        verb = "let through, though it would be denied were the server not only observed:"
    style = "green" if found["decision"] else "red"
    who, what = found["agent"], found["action"]
    if not who:  # of types of the organisation's own
        who, what = found.get("subject"), f"{what} on {found.get('resource')}"
    data_text(f"{'✓' if found['decision'] else '✗'} {foreign(who)} was {verb} {foreign(what)}", style=style)
    facts({f"  {name}": value for name, value in _what(found).items() if value not in (None, "", {}, [])})
    data_text(f"  path     {_path(found.get('path') or [])}")
    if denial:
        _show_denial(str(found["agent"]), denial)
    elif found.get("boundary"):
        data_text(f"  because  boundary {found['boundary']} version {found.get('boundary_version')} covers the call,")
        data_text(f"           and the policies agree: {_joined(found.get('named') or ['none but the boundary'])}")
    elif not found["agent"]:
        data_text(f"  because  policies permit it: {_joined(found.get('named') or ())}")
    else:
        data_text("  because  an agent with any boundary on a server may make this call")
    for each in found.get("policies_then") or ():
        data_text(f"  policy   {_standing(each)}")
    if found.get("boundary"):
        data_text(f"  boundary {_boundary(found)}")
    _show_now(found)
    data_text(f"  outcome  {_outcome(found)}")
    index = found.get("index")
    where = f"entry {index} of the log" if index is not None else "recorded, and not yet under a checkpoint"
    data_text(f"  proof    {where}; remit audit verify")


def _path(steps: Sequence[Mapping[str, Any]]) -> str:
    refused = next((each["step"] for each in steps if each["said"] == "refused"), None)
    if any(each["said"] == "not asked" for each in steps):
        return _path_of_own_types(steps, refused)
    passed = sum(each["said"] == "passed" for each in steps)
    if refused is None:
        return f"steps 1 to {passed} passed" if passed else "not recorded"
    if refused <= 2:  # noqa: PLR2004 - one step before it, or none
        return "step 1 refused" if refused == 1 else "step 1 passed, step 2 refused"
    return f"steps 1 to {refused - 1} passed, step {refused} refused"


def _path_of_own_types(steps: Sequence[Mapping[str, Any]], refused: int | None) -> str:
    passed = _joined(each["step"] for each in steps if each["said"] == "passed")
    end = "" if refused is None else f", step {refused} refused"
    return f"steps {passed} passed{end}; the others are asked of agents' calls"


def _standing(each: Mapping[str, Any]) -> str:
    name, title = each["policy"], f" ({each['title']})" if each.get("title") else ""
    if each["since"] == "gone":
        return f"{name}: no longer in force; the files have changed since that decision"
    place = f"{name}{title}, {each['file']}:{each['line']}"
    return place if each["since"] == "unchanged" else f"{place} now; the files have changed since that decision"


def _boundary(found: Mapping[str, Any]) -> str:
    then, now = found.get("boundary_version"), found.get("boundary_now")
    said = f"{found['boundary']} version {then}"
    if now == then:
        return f"{said}, still in force"
    return f"{said}; version {now} is in force now" if now else f"{said}, no longer in force"


def _show_now(found: Mapping[str, Any]) -> None:
    """The same call decided now, and what would have it let through."""
    now = found.get("now")
    if now is None:
        if found.get("not_tried"):
            data_text(f"  now      not tried: {found['not_tried']}")
        return
    data_text(
        f"  now      {'it would be allowed: checked' if now['decision'] else 'it would be denied: ' + now['code']}"
    )
    for way in found.get("would") or ():
        then = way["then"]
        said = "it would be allowed: checked" if then["decision"] else f"then {then['code']}: {then['title']}"
        data_text(f"  if       {way['if']}, {said}")
        if way["needs"] and then["decision"]:
            data_text(f"           {way['who']}: {way['needs']}")


def _what(found: Mapping[str, Any]) -> dict[str, object]:
    return {
        "asked": f"{found.get('time')}",
        "purpose": found.get("purpose"),
        "instance": found.get("instance"),
        "run": found.get("run"),
        "arguments": _arguments(found.get("arguments")),
        "epoch": found.get("epoch"),
        "approval": (found.get("header") or {}).get("approval"),
    }


def _arguments(arguments: object) -> object:
    if isinstance(arguments, Mapping):
        return _joined(f"{name}={value}" for name, value in arguments.items())
    return arguments


def _show_denial(agent: str, denial: Mapping[str, Any]) -> None:
    step = denial.get("step")
    data_text(f"  because  {denial['code']}: {denial.get('title', '')}")
    if step in _STEPS:
        data_text(f"           it got to step {step} of 11, which asks that {_STEPS[step]}")
    if denial.get("policy"):
        data_text(f"           policy {denial['policy']}")
    if denial.get("cause"):
        data_text(f"           {foreign(denial['cause'])}")
    for violation in denial.get("violations") or ():
        data_text(f"           {told_violation(violation)}")
    remedies = [told_remedy(each, agent=agent, code=denial["code"]) for each in denial.get("remedies") or ()]
    otherwise = "nothing the agent can do" if agent else "a policy of the organisation permits it, and none forbids it"
    for remedy in remedies or [otherwise]:
        data_text(f"  allowed  if: {remedy}")


def _outcome(found: Mapping[str, Any]) -> str:
    outcome = found.get("outcome")
    if not found["decision"] and not found.get("would_deny"):
        return "nothing was forwarded"
    if not found["agent"]:
        return "the application that asked acts by itself"
    if not outcome:
        return "not yet known"
    return f"{outcome.get('outcome')} at {outcome.get('time')}"


def _joined(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)
