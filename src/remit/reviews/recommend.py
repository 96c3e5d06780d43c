"""What is recommended, and why: fixed rules over the facts that the person is shown (pure).

The rules are published in docs/reviews.md, in this order; the first that matches counts. A
recommendation decides nothing. Facts that are not there count as unknown, never as good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from remit.access.judge import AT_RISK, CALM
from remit.catalog.model import Tier
from remit.reviews.effect import LONG_DAYS, NEWBORN_DAYS
from remit.reviews.model import Kind, Said

Facts = Mapping[str, Any]
Found = tuple[Said, str]
_MANY_PERCENT: Final = 50


def recommend(kind: Kind, tier: Tier, facts: Facts) -> Found:
    """The recommendation and its reason, one sentence."""
    return _RULES[kind](tier, facts)


def _needs_human(_tier: Tier, facts: Facts) -> Found:
    risk = _number(facts, "risk")
    # (1) Somebody else may hold its key, or is it already.
    if facts.get("exposed") is True or facts.get("critical") is True:
        return Said.END, "a credential of the agent is known to others, or a detector is sure that it is not itself"
    # (2) Not used and not needed: it comes back through its owner if that was wrong.
    if _unused(facts):
        return Said.END, f"it was not used {_for_days(facts)}, and the agent is at risk {_millionths(risk)}"
    # (3) Nobody knows whether it was used.
    if facts.get("record_whole") is False:
        return Said.ASK, "the record of its use has holes, so that nobody can say what was not used"
    # (4) In use, and something is wrong.
    if risk is None or risk >= AT_RISK:
        return Said.ASK, f"it is in use and the agent is at risk {_millionths(risk)}: ask who runs it"
    # (5) In use, and what was wrong has mostly gone.
    return _in_use(facts, risk)


def _in_use(facts: Facts, risk: int) -> Found:
    if facts.get("state") == "suspended":
        return Said.ASK, "it is in use and was suspended: ask who runs it, and start it if that is right"
    if risk <= CALM and (_number(facts, "uses_30") or 0) > 0:
        return Said.KEEP, f"it was used {facts['uses_30']} times in 30 days and the risk has fallen to {risk}"
    return Said.ASK, f"it is used little and the agent is at risk {_millionths(risk)}: ask who runs it"


def _boundary_due(_tier: Tier, facts: Facts) -> Found:
    actions, unused = _number(facts, "actions"), _number(facts, "unused")
    # (1) It is meant not to be used.
    if facts.get("break_glass") is True:
        return Said.ASK, "it is for emergencies, so that its use says nothing: ask whether it is still needed"
    # (2) Nobody knows what was used.
    if facts.get("record_whole") is False:
        return Said.ASK, "the record of its use has holes, so that nobody can say what was not used"
    # (3) Nothing of it was used.
    if _unused(facts):
        return Said.END, f"none of its {actions} actions was used {_for_days(facts)}"
    # (4) A part was not.
    old = (_number(facts, "age_days") or 0) >= NEWBORN_DAYS
    if unused and old:
        return Said.NARROW, f"{unused} of its {actions} actions were not used in {LONG_DAYS} days"
    used = f"its {actions} actions were used {facts.get('uses_90', 0)} times in {LONG_DAYS} days"
    return Said.KEEP, f"{used}, and it is too young to say what is not" if unused is not None and not old else used


def _usage_doubted(_tier: Tier, facts: Facts) -> Found:
    lapses, of, refused = (_number(facts, name) for name in ("would_lapse", "of", "refused"))
    if refused:
        return Said.DISTRUST, f"when it was believed of a few agents, {refused} of their calls were refused"
    if lapses is None or not of:
        many = "so much" if lapses is None else f"the habit of {lapses} entitlements"
        return Said.DISTRUST, f"{many} would end at once, which a broken record does more often than work"
    if lapses * 100 >= of * _MANY_PERCENT:
        return Said.DISTRUST, f"{lapses} of {of} entitlements would lapse at once, as when a record has stopped"
    return Said.TRUST, f"{lapses} of {of} entitlements would lapse, and the others were seen in use"


def _cadence_wanted(tier: Tier, facts: Facts) -> Found:
    cycles = _number(facts, "cycles")
    often = "again and again" if cycles is None else f"{cycles} times in {LONG_DAYS} days"
    if tier is Tier.CRITICAL:
        return Said.ASK, f"it is critical and came back {often}: ask how often it is needed"
    return Said.KEEP, f"it came back {often}: keep it, and declare its `cadence` in the boundary"


def _toxic(_tier: Tier, facts: Facts) -> Found:
    if facts.get("exposed") is True:
        return Said.END, "what should not be held together is held by an agent whose credential is known to others"
    least = facts.get("least_used")
    part = f"{least}, which is used least" if isinstance(least, str) else "the part that is used least"
    return Said.NARROW, f"together these let one agent do what should take two: take away {part}"


def _breakglass(_tier: Tier, facts: Facts) -> Found:
    if not facts.get("reason") or not facts.get("ticket"):
        return Said.ASK, "it was opened without a reason or a ticket: ask who opened it"
    uses = _number(facts, "uses")
    if uses is None:
        return Said.ASK, "how many calls were made under it is not known: ask who opened it"
    if uses == 0:
        return Said.END, "it was opened and nothing was done with it"
    return Said.KEEP, f"it has a reason and a ticket, and {uses} calls were made under it"


_RULES: Final[Mapping[Kind, Callable[[Tier, Facts], Found]]] = {
    Kind.NEEDS_HUMAN: _needs_human,
    Kind.BOUNDARY_DUE: _boundary_due,
    Kind.USAGE_DOUBTED: _usage_doubted,
    Kind.CADENCE_WANTED: _cadence_wanted,
    Kind.TOXIC: _toxic,
    Kind.BREAKGLASS_REVIEW: _breakglass,
}


def _unused(facts: Facts) -> bool:
    """Whether non-use may be asserted: a whole record, old enough, and no use in it."""
    age = _number(facts, "age_days")
    old = age is not None and age >= NEWBORN_DAYS
    return facts.get("record_whole") is True and _number(facts, "uses_90") == 0 and old


def _for_days(facts: Facts) -> str:
    idle = _number(facts, "idle_days")
    return f"in {LONG_DAYS} days" if idle is None else f"for {idle} days"


def _millionths(risk: int | None) -> str:
    return "of unknown size" if risk is None else str(risk)


def _number(facts: Facts, name: str) -> int | None:
    found = facts.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
