"""Refusals of step 10 beside rates and budgets: what each says, and what the agent can do next."""

from __future__ import annotations

from typing import Any

from remit.access.conditions import Step
from remit.access.conditions_document import size_text
from remit.kernel.clock import SECOND, Instant, rfc3339
from remit.policy.model import Call, Code, Denial, Remedy, Violation

_STOP = Remedy(kind="stop")
_STEP = 10


def outside_window(opens: Instant | None, *, now: Instant) -> Denial:
    """Not at this time. `opens`: when it is; None: not within a week."""
    if opens is None:
        return Denial(code=Code.OUTSIDE_WINDOW, step=_STEP, title="Not at this time", remedies=(_STOP,))
    wait = max(1, -(-(opens - now) // SECOND))
    return Denial(
        code=Code.OUTSIDE_WINDOW,
        step=_STEP,
        title=f"Not at this time; from {rfc3339(opens)[:19]}Z on",
        remedies=(Remedy(kind="wait", fields={"retry_after": wait}),),
        retryable=True,
        retry_after=wait,
    )


def delegation_too_deep(depth: int, most: int) -> Denial:
    """More agents act for one another than this may be handed on to."""
    title = f"The call comes through {depth} other agents, and {most} are allowed"
    return Denial(code=Code.DELEGATION_TOO_DEEP, step=_STEP, title=title, remedies=(_STOP,))


def step_missing(call: Call, step: Step) -> Denial:
    """An earlier step of the run is missing, came to nothing, was about something else or is too long ago."""
    fields: dict[str, Any] = {"action": step.action}
    if step.same:
        fields["same"] = {theirs: mine for mine, theirs in step.same}
    within = "" if step.within is None else f" at most {step.within // SECOND} s before"
    title = f"{step.action} has to come to ok{within} in this run, before {call.action}"
    if step.same:
        title += ", with the same " + ", ".join(theirs for _, theirs in step.same)
    remedies = (Remedy(kind="alternative_action", fields=fields), _STOP)
    return Denial(code=Code.SEQUENCE_REQUIRED, step=_STEP, title=title, remedies=remedies)


def step_forbids(call: Call, action: str) -> Denial:
    """Something was let through in this run after which it is forbidden."""
    title = f"{call.action} is forbidden in a run in which {action} was called"
    return Denial(code=Code.SEQUENCE_REQUIRED, step=_STEP, title=title, remedies=(_STOP,))


def run_used(call: Call, most: int) -> Denial:
    """As many calls as one run may make were made."""
    title = f"{call.action} was called {most} times in this run, and may not be called again in it"
    return Denial(code=Code.SEQUENCE_REQUIRED, step=_STEP, title=title, remedies=(_STOP,))


def no_run(call: Call) -> Denial:
    """It hangs on what a run did before, and the call belongs to no run: an enforcement point names none."""
    title = f"{call.action} depends on what its run did before, and this call belongs to no run"
    return Denial(code=Code.SEQUENCE_REQUIRED, step=_STEP, title=title, remedies=(_STOP,))


def volume_used(*, most: int, per: str, retry_after: int) -> Denial:
    """The results of this calendar unit have used up the volume."""
    return Denial(
        code=Code.BUDGET_EXHAUSTED,
        step=_STEP,
        title=f"The volume of {size_text(most)} of results per {per} is used up, or would be with this one",
        violations=(Violation(path="", constraint="volume", limit=str(most), unit="byte"),),
        remedies=(Remedy(kind="wait", fields={"retry_after": retry_after}),),
        retryable=True,
        retry_after=retry_after,
    )


def flow_blocked(call: Call) -> Denial:
    """The run has read what is untrusted or private, and this would carry data out."""
    asking = {"action": call.action, "purpose": call.caller.purpose}
    return Denial(
        code=Code.FLOW_BLOCKED,
        step=_STEP,
        title=f"{call.action} carries data out, and untrusted or private content was read for this purpose",
        remedies=(Remedy(kind="request_access", fields=asking), _STOP),
    )


def not_counted_there(call: Call) -> Denial:
    """The rule counts bytes of results, and an enforcement point's results do not pass here."""
    return Denial(
        code=Code.NOT_GRANTED,
        step=_STEP,
        title=f"{call.action} is granted through Remit's gateway only: its results are counted there",
        remedies=(_STOP,),
        cause="the boundary limits a volume, which an enforcement point's call does not pass through here",
    )
