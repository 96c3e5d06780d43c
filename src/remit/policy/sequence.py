"""What was done before in the same run, as marks that the writer keeps and checks (pure).

A decision reads no history: it proposes what must and must not have been, and the writer, who
sees the calls of every node in one order, says whether it was. What it found otherwise comes back
as `Call.otherwise`, and the call is decided once more.

The history is that of the run whose access is used: who acts for another goes on in that one's run.
What is compared between two calls is kept as a keyed hash, never as the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from remit.access.conditions import Conditions, Step
from remit.access.model import Rule
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import ActionName
from remit.policy.model import Call
from remit.storage.model import Effect, Mark, Marked, Reserve, Unmarked

Mac = Callable[[bytes], str]
RUN_KIND: Final = "run"  # what the key of a counter of calls per run begins with
_ALWAYS: Final = Instant(0)  # the start of a counter that has no calendar unit


@dataclass(frozen=True, slots=True)
class Noted:
    """What other rules of the same agent and purpose ask of an action: its calls leave marks."""

    admission: bool = False  # that one was let through
    results: tuple[tuple[str, ...], ...] = ()  # that one came to ok, with these arguments; none: whatever they were


def noted(rules: Iterable[Rule]) -> dict[ActionName, Noted]:
    """What the rules of one agent and purpose ask of one another's actions."""
    found: dict[ActionName, Noted] = {}
    for rule in rules:
        if rule.conditions is None:
            continue
        for action in rule.conditions.forbidden_after:
            found[action] = Noted(admission=True, results=found.get(action, Noted()).results)
        for step in rule.conditions.requires_before:
            known, names = found.get(step.action, Noted()), tuple(theirs for _, theirs in step.same)
            found[step.action] = Noted(known.admission, tuple(sorted({*known.results, names})))
    return found


def run_of(call: Call) -> str:
    """The run that the call's history hangs on; empty if it belongs to none."""
    return call.caller.links[0].run if call.caller.links else call.caller.run


def missing(conditions: Conditions, call: Call, mac: Mac) -> Step | None:
    """The first earlier step of which the writer said that it is missing."""
    return next((step for step in conditions.requires_before if _done(step, call, mac) in call.otherwise), None)


def hindered(conditions: Conditions, call: Call) -> ActionName | None:
    """The first action of which the writer said that it was let through before."""
    return next((each for each in conditions.forbidden_after if _seen(each, call) in call.otherwise), None)


def effects(conditions: Conditions, call: Call, mac: Mac, *, boundary: str, now: Instant) -> list[Effect]:
    """What must hold at the writer, and what is counted there."""
    found: list[Effect] = []
    for step in conditions.requires_before:
        since = 1 if step.within is None else max(1, now - step.within)
        found.append(Marked(_done(step, call, mac), Instant(since)))
    found += [Unmarked(_seen(action, call), _kept(call, now)) for action in conditions.forbidden_after]
    if conditions.per_run is not None:
        key = f"{RUN_KIND} {run_of(call)} {boundary} {call.action}"
        found.append(Reserve(key, _ALWAYS, _kept(call, now), 1, conditions.per_run))
    return found


def marks(asked: Noted, call: Call, mac: Mac, *, now: Instant) -> tuple[list[Mark], tuple[Mark, ...]]:
    """What this call leaves behind: once it is let through, and once it has come to ok."""
    if not run_of(call):
        return [], ()
    kept, arguments = _kept(call, now), call.arguments or {}
    let_through = admitted(call, now=now) if asked.admission else []
    results = (
        _result(call, call.action, [(name, arguments.get(name)) for name in names], mac) for names in asked.results
    )
    return let_through, tuple(Mark(key, now, kept) for key in results if key is not None)


def admitted(call: Call, *, now: Instant) -> list[Mark]:
    """That a call goes on, for what is forbidden after it; nothing of one that belongs to no run."""
    return [Mark(_seen(call.action, call), now, _kept(call, now))] if run_of(call) else []


def _done(step: Step, call: Call, mac: Mac) -> str:
    """The key under which that step stands if it was done; of values that cannot be compared, one that never does."""
    arguments: Mapping[str, Any] = call.arguments or {}
    pairs = [(theirs, arguments.get(mine)) for mine, theirs in step.same]
    return _result(call, step.action, pairs, mac) or f"done {run_of(call)} {step.action} -"


def _result(call: Call, action: str, pairs: Sequence[tuple[str, object]], mac: Mac) -> str | None:
    run = run_of(call)
    if not pairs:
        return f"done {run} {action}"
    values = [_text(value) for _, value in pairs]
    if None in values:
        return None
    said = [["step", run, action], *([name, value] for (name, _), value in zip(pairs, values, strict=True))]
    return f"done {run} {action} {mac(canonical(said))}"


def _text(value: object) -> str | None:
    """A scalar with its kind, so that 5 is 5.00 and not "5"; None for what is not compared."""
    if isinstance(value, bool):
        return f"boolean {value}"
    if isinstance(value, str):
        return f"text {value}"
    if isinstance(value, (int, Decimal)):
        return f"number {Decimal(value).normalize():f}"
    return None


def _seen(action: str, call: Call) -> str:
    return f"seen {run_of(call)} {action}"


def _kept(call: Call, now: Instant) -> Instant:
    """Longer than the run goes on: it holds for a day at most, and that of one for whom another acts may outlast it."""
    return Instant(max(call.caller.run_ends, now + DAY))
