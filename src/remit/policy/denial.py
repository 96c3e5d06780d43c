"""Refusals: what each says, and what the agent can do next. A denial is a value.

What travels is `body`; `cause` and the step stay on the operator's side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from remit.access.model import Rule
from remit.kernel.clock import rfc3339
from remit.policy.constraints import plain
from remit.policy.model import Call, Code, Denial, Remedy, Violation
from remit.policy.shape import join

_STOP = Remedy(kind="stop")
# The one place for a denial's HTTP status; other errors have theirs in server/problem.py.
STATUS: Final[Mapping[Code, int]] = {
    Code.RATE_LIMITED: 429,
    Code.BUDGET_EXHAUSTED: 429,
    Code.ENFORCEMENT_UNAVAILABLE: 503,
    Code.NOT_VISIBLE: 404,
    Code.REPLAYED_PROOF: 401,
}
_FORBIDDEN = 403
NOT_OPEN: Final = "break_glass"  # the cause of a refusal that an opening would end
_RETRY = 1  # seconds; a view recovers, or refuses again
_UNDECIDED: Final = "Remit cannot decide or record this now"


def unavailable(*, step: int, cause: str) -> Denial:
    """Remit cannot decide. No decision, and never an allow."""
    return Denial(
        code=Code.ENFORCEMENT_UNAVAILABLE,
        step=step,
        title=_UNDECIDED,
        remedies=(Remedy(kind="wait", fields={"retry_after": _RETRY}),),
        retryable=True,
        retry_after=_RETRY,
        cause=cause,
    )


def undecided() -> dict[str, Any]:
    """As much of `unavailable` as can be said where nobody knows yet what was asked."""
    return {
        "type": f"urn:remit:denial:{Code.ENFORCEMENT_UNAVAILABLE}",
        "title": _UNDECIDED,
        "status": STATUS[Code.ENFORCEMENT_UNAVAILABLE],
        "code": Code.ENFORCEMENT_UNAVAILABLE.value,
        "violations": [],
        "remedies": [{"kind": "wait", "retry_after": _RETRY}],
        "retryable": True,
        "retry_after": _RETRY,
    }


def not_visible() -> Denial:
    """Named by none of the agent's boundaries, or not existing: nobody outside can tell which."""
    return Denial(code=Code.NOT_VISIBLE, step=2, title="Unknown tool")


def replayed() -> Denial:
    """The proof of possession was used before (RFC 9449 section 11.1)."""
    return Denial(code=Code.REPLAYED_PROOF, step=2, title="The proof was used before")


def revoked(*, freeze: str) -> Denial:
    """A freeze covers this call."""
    title = "Stopped: a freeze covers this call"
    return Denial(code=Code.REVOKED, step=3, title=title, remedies=(_STOP,), cause=freeze)


def withdrawn(call: Call, *, cause: str) -> Denial:
    """What the token stands on is no more: the credential it was had with, an unbound token, or its run."""
    again = Remedy(
        kind="alternative_action", fields={"action": "request_token", "scope": f"purpose:{call.caller.purpose}"}
    )
    title = "The token no longer holds: what it was issued on has ended or was withdrawn"
    return Denial(code=Code.REVOKED, step=4, title=title, remedies=(again, _STOP), cause=cause)


def agent_suspended(cause: str) -> Denial:
    """Agent or owner not active."""
    title = "The agent or its owner is not active"
    return Denial(code=Code.AGENT_SUSPENDED, step=4, title=title, remedies=(_STOP,), cause=cause)


def purpose_closed(purpose: str) -> Denial:
    """The purpose has ended or is not active."""
    title = f"The purpose {purpose} has ended or is not active"
    return Denial(code=Code.PURPOSE_CLOSED, step=4, title=title, remedies=(_STOP,))


def purpose_mismatch(call: Call, *, elsewhere: Iterable[str] = ()) -> Denial:
    """The action is not part of the token's purpose. `elsewhere`: the agent's purposes that would do."""
    others = tuple(
        Remedy(kind="alternative_action", fields={"action": "request_token", "scope": f"purpose:{name}"})
        for name in elsewhere
    )
    title = f"{call.action} is not part of the purpose {call.caller.purpose}"
    if not call.caller.purpose:  # an enforcement point named none, and the agent has several
        title = "A purpose has to be named"
        return Denial(code=Code.PURPOSE_MISMATCH, step=4, title=title, remedies=others or (_STOP,))
    return Denial(code=Code.PURPOSE_MISMATCH, step=4, title=title, remedies=others or (ask(call), _STOP))


def tool_definition_changed(*, cause: str) -> Denial:
    """The server changed the tool, or it waits for its first review."""
    return Denial(
        code=Code.TOOL_DEFINITION_CHANGED,
        step=5,
        title="The tool is not as it was approved; a person reviews it",
        remedies=(Remedy(kind="wait"), _STOP),
        cause=cause,
    )


def step_up_required(title: str, *, person: str, cause: str) -> Denial:
    """The person behind the call has to do something first, which nobody can do for them. `person`: "" for nobody."""
    step_up = (Remedy(kind="step_up", fields={"person": person}),) if person else ()
    return Denial(code=Code.STEP_UP_REQUIRED, step=11, title=title, remedies=(*step_up, _STOP), cause=cause)


def invalid_arguments(violations: tuple[Violation, ...], *, cause: str | None = None) -> Denial:
    """The arguments do not fit the pinned schema, or a number is not exact."""
    return Denial(
        code=Code.INVALID_ARGUMENTS,
        step=6,
        title="The arguments do not fit the tool's input schema",
        violations=violations,
        remedies=_changes(violations) or (_STOP,),
        cause=cause,
    )


def forbidden(*, policy: str, title: str | None) -> Denial:
    """An organisation policy forbids it: its id and title, never its text."""
    said = f"Forbidden by policy: {title}" if title else "Forbidden by an organisation policy"
    return Denial(code=Code.FORBIDDEN_BY_POLICY, step=7, title=said, remedies=(_STOP,), policy=policy)


def not_granted(call: Call, *, cause: str | None = None) -> Denial:
    """No boundary of this agent for this purpose covers the action."""
    return Denial(
        code=Code.NOT_GRANTED,
        step=8,
        title=f"No boundary in force covers {call.action} for the purpose {call.caller.purpose}",
        remedies=(ask(call), _STOP),
        cause=cause,
    )


def constraint_violated(violations: tuple[Violation, ...], call: Call, rule: Rule) -> Denial:
    """An argument is outside the boundary's bounds."""
    return Denial(
        code=Code.CONSTRAINT_VIOLATED,
        step=8,
        title="An argument is outside what the boundary allows",
        violations=violations,
        remedies=(*_changes(violations, dict(rule.approval_above)), ask(call)),
    )


def activation_lapsed(call: Call, *, state: str, refusal: str) -> Denial:
    """The entitlement is not in force and may not start by itself; `refusal` says what is missing."""
    # An enforcement point that shows no token proves nothing of the agent's key: the owner helps, and no new token.
    if refusal == "attest" and (call.caller.token or not call.caller.pep):
        scope = f"purpose:{call.caller.purpose}"
        again = Remedy(kind="alternative_action", fields={"action": "request_token", "scope": scope})
        return Denial(
            code=Code.ACTIVATION_LAPSED,
            step=9,
            title=f"{call.action} lapsed; prove your key again (a new token), and it starts",
            remedies=(again,),
            retryable=True,
            state=state,
            cause=refusal,
        )
    return Denial(
        code=Code.ACTIVATION_LAPSED,
        step=9,
        title=_LAPSED.get(state, _LAPSED["lapsed"]).format(action=call.action),
        remedies=(ask(call), _STOP),
        state=state,
        reactivation="owner",
        cause=refusal,
    )


def credential_replaced(call: Call) -> Denial:
    """Its server's credential is known elsewhere: no person starts it again, another value of that does."""
    return Denial(
        code=Code.ACTIVATION_LAPSED,
        step=9,
        title=f"{call.action} is suspended until its server's credential is replaced",
        remedies=(Remedy(kind="wait"), _STOP),
        state="suspended",
        reactivation="never",
        cause="secret_exposed",
    )


_LAPSED = {
    "new": "{action} was never used; its owner starts it",
    "lapsed": "{action} was not used for its time; its owner starts it again",
    "suspended": "{action} is suspended until its owner has looked",
    "needs_human": "{action} waits for a person to look at it",
}


def opening_command(agent: str, boundary: str) -> str:
    """What a person types to open a boundary for emergencies."""
    return f"remit breakglass open {agent} {boundary} --for 30m --reason TEXT --ticket ID"


def not_open(call: Call, *, boundary: str) -> Denial:
    """Only a boundary for emergencies covers it, and nobody holds that open."""
    title = f"{call.action} is for emergencies: a person opens {boundary} for an hour at the most"
    command = opening_command(call.caller.agent, boundary)
    asking = {"action": call.action, "purpose": call.caller.purpose, "break_glass": boundary, "ask_owner": command}
    return Denial(
        code=Code.ACTIVATION_LAPSED,
        step=9,
        title=title,
        remedies=(Remedy(kind="request_access", fields=asking), _STOP),
        state="new",
        reactivation="owner",
        cause=NOT_OPEN,
    )


def rate_limited(*, count: int, per: str, retry_after: int) -> Denial:
    """The rate is used up until the end of its UTC calendar unit."""
    return Denial(
        code=Code.RATE_LIMITED,
        step=10,
        title=f"The rate of {count}/{per} is used up",
        remedies=(Remedy(kind="wait", fields={"retry_after": retry_after}),),
        retryable=True,
        retry_after=retry_after,
    )


def quota_used(*, most: int, retry_after: int) -> Denial:
    """As many entitlements as may start again by themselves in one hour have done so."""
    return Denial(
        code=Code.RATE_LIMITED,
        step=9,
        title=f"{most} entitlements of this agent started again by themselves in this hour; no more may",
        remedies=(Remedy(kind="wait", fields={"retry_after": retry_after}),),
        retryable=True,
        retry_after=retry_after,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgeted:
    """A budget that a call does not fit in. `remaining` is None where it is not known; `ever`: fits an empty one."""

    argument: str
    per: str
    limit: Decimal
    asked: Decimal
    remaining: Decimal | None
    ever: bool


def budget_exhausted(budget: Budgeted, call: Call, *, retry_after: int) -> Denial:
    """The budget is spent or reserved; says what is left of it."""
    path = join("", budget.argument)
    left = "" if budget.remaining is None else f"; {plain(budget.remaining)} is left"
    smaller = budget.remaining or Decimal(0)
    change = Remedy(kind="change_arguments", fields={"path": path, "max": plain(smaller)})
    wait = Remedy(kind="wait", fields={"retry_after": retry_after})
    limit = plain(budget.remaining if budget.remaining is not None else budget.limit)
    return Denial(
        code=Code.BUDGET_EXHAUSTED,
        step=10,
        title=f"The budget of {plain(budget.limit)} per {budget.per} does not cover {plain(budget.asked)}{left}",
        violations=(Violation(path=path, constraint="budget", limit=limit, actual=plain(budget.asked)),),
        remedies=(*((change,) if smaller else ()), *((wait,) if budget.ever else ()), ask(call)),
        retryable=budget.ever,
        retry_after=retry_after,
    )


def approval_required(
    call: Call, *, argument: str = "", threshold: Decimal | None = None, asked: object = None
) -> Denial:
    """A person must approve this call: what it asks is over the boundary's threshold, or it is critical as such."""
    if threshold is None:
        return Denial(
            code=Code.APPROVAL_REQUIRED,
            step=11,
            title=f"A person must approve each call of {call.action}: it is critical, and its boundary sets no limits",
            remedies=(ask(call),),
            state="none",
        )
    path = join("", argument)
    violation = Violation(path=path, constraint="approval_above", limit=plain(threshold), actual=str(asked))
    change = Remedy(kind="change_arguments", fields={"path": path, "max": plain(threshold)})
    return Denial(
        code=Code.APPROVAL_REQUIRED,
        step=11,
        title=f"A person must approve {argument} above {plain(threshold)}",
        violations=(violation,),
        remedies=(change, ask(call)),
        state="none",
    )


def ask(call: Call) -> Remedy:
    """A person may let it pass, or widen the boundary."""
    return Remedy(kind="request_access", fields={"action": call.action, "purpose": call.caller.purpose})


def _changes(violations: Iterable[Violation], thresholds: Mapping[str, Decimal] | None = None) -> tuple[Remedy, ...]:
    """One `change_arguments` for each path, saying what would have been right."""
    found: dict[str, dict[str, Any]] = {}
    for violation in violations:
        limit = violation.limit
        fields = found.setdefault(violation.path, {"path": violation.path})
        fields[violation.constraint] = list(limit) if isinstance(limit, tuple) else True if limit is None else limit
    for argument, threshold in (thresholds or {}).items():
        if "max" in (fields := found.get(join("", argument), {})):
            fields["max_without_approval"] = plain(threshold)
    return tuple(Remedy(kind="change_arguments", fields=fields) for fields in found.values())


def body(
    denial: Denial,
    *,
    call: Call,
    decision_id: str | None,
    epoch: int,
    evaluated_at: int,
    docs: str,
    access_request: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A denial as it travels (RFC 9457 members among them).

    Args:
        denial: The refusal.
        call: What was refused.
        decision_id: The entry that records it; None for a dry run.
        epoch: The number of the state it was decided on.
        evaluated_at: When, in microseconds.
        docs: Where the pages about codes are; the code is appended.
        access_request: How to ask a person, where one could help.
    """
    told: dict[str, Any] = {
        "type": f"urn:remit:denial:{denial.code}",
        "title": denial.title,
        "status": STATUS.get(denial.code, _FORBIDDEN),
        "code": denial.code.value,
        "decision_id": decision_id,
        "epoch": epoch,
        "evaluated_at": rfc3339(evaluated_at),
        "action": call.action,
        "resource": f"{'http' if call.tool and ' ' in call.tool else 'mcp'}:{call.server}",
        "purpose": call.caller.purpose,
        "violations": [violation_body(violation) for violation in denial.violations],
        "remedies": [{"kind": remedy.kind, **remedy.fields} for remedy in denial.remedies],
        "retryable": denial.retryable,
        "retry_after": denial.retry_after,
        "docs": f"{docs.rstrip('/')}/{denial.code}",
    }
    if denial.policy is not None:
        told["policy"] = denial.policy
    if denial.state is not None:
        told["state"] = denial.state
    if denial.reactivation is not None:
        told["reactivation"] = denial.reactivation
    if access_request is not None:
        told["access_request"] = access_request
    return told


def violation_body(violation: Violation) -> dict[str, Any]:
    """A violation as JSON; what it does not say is left out."""
    limit = list(violation.limit) if isinstance(violation.limit, tuple) else violation.limit
    members = {
        "path": violation.path,
        "constraint": violation.constraint,
        "limit": limit,
        "actual": violation.actual,
        "unit": violation.unit,
    }
    return {name: value for name, value in members.items() if value is not None}
