"""What a playing tells of each day, and what it comes to in the end; and what simpler rules would have done (pure)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remit.access.activation import ActivationState
from remit.access.weight import LEVELS
from remit.catalog.model import Tier
from remit.certification.simulation.estate import Estate
from remit.certification.simulation.history import History
from remit.certification.simulation.play import Moved, Outcome, Refused
from remit.kernel.clock import DAY, Instant, rfc3339

_REACHES: Final = ("direct", "latent", "person")
_WITHDRAWN: Final = frozenset({"lapsed", "suspended", "revoked"})
_BACK_AFTER: Final = DAY  # a person gives back what a fixed rule took, on the next day
WINDOWS: Final = (30, 90, 180)
QUARTER: Final = 91  # days


def date_of(day: int) -> str:
    """A UTC day as a date."""
    return rfc3339(Instant(day * DAY))[:10]


def of_day(estate: Estate, day: int) -> dict[str, Any]:
    """Privilege at the end of a day: for all, and what is direct and latent for each agent."""
    weight, count = Counter[str](), Counter[str]()
    agents: dict[str, Counter[str]] = defaultdict(Counter)
    for held in estate.held.values():
        reach = estate.reach(held, estate.state(held))
        weight[reach] += LEVELS[held.tier]
        count[reach] += 1
        agents[held.key.agent][reach] += LEVELS[held.tier]
    said: dict[str, Any] = {"day": date_of(day)}
    said |= {reach: weight[reach] for reach in _REACHES} | {f"{reach}_count": count[reach] for reach in _REACHES}
    said["standing"] = sum(weight[reach] for reach in _REACHES)  # what is granted, withdrawn or not
    said["agents"] = {
        name: {"direct": found["direct"], "latent": found["latent"]} for name, found in sorted(agents.items())
    }
    return said


def moved_line(moved: Moved) -> dict[str, Any]:
    """A change of state as a line."""
    key = moved.key
    return {
        "at": moved.at, "agent": key.agent, "purpose": key.purpose, "action": key.action, "from": moved.before,
        "to": moved.after, "reason": moved.reason, "by": moved.by,
    }  # fmt: skip


def refused_line(refused: Refused) -> dict[str, Any]:
    """A refused use as a line."""
    line, key = refused.line, refused.key
    number = {"seq": line.id} if isinstance(line.id, int) else {"id": line.id}
    return {
        "at": line.at, **number, "agent": key.agent, "purpose": key.purpose, "action": key.action,
        "refusal": refused.refusal,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the kind in use today. What it took comes back when a person gives it back, a day after it was missed.

    `every` is how often it looks: each day, or at a quarterly review.
    """

    name: str
    idle: int  # days without use after which it takes away
    every: int = 1  # days


RULES: Final = (*(Rule(f"idle {days} days", days) for days in WINDOWS), Rule("quarterly review", 90, QUARTER))


def compared(history: History, rule: Rule) -> dict[str, Any]:
    """What a rule would have done over the same history: privilege by the day, refused uses, and what is withdrawn."""
    ruled, refused, days = _Ruled(rule, history.starts // DAY), 0, list[int]()
    day = ruled.first
    for line in history.lines:
        while line.at // DAY > day:
            days.append(ruled.end_of(day))
            day += 1
        key = _key(line.said)
        if line.kind == "entitlement":
            ruled.approve(key, line.at, line.said)
        elif line.kind == "ended":
            ruled.end(key)
        elif line.kind == "use" and key in ruled.last:
            refused += ruled.use(key, line.at)
    days.append(ruled.end_of(day))
    return {"rule": rule.name, "refused": refused, "withdrawn": len(ruled.away), "direct": days}


_Key = tuple[str, str, str]


def _key(said: Mapping[str, Any]) -> _Key:
    return (str(said.get("agent", "")), str(said.get("purpose", "")), str(said.get("action", "")))


@dataclass(slots=True)
class _Ruled:
    """What stands under a rule."""

    rule: Rule
    first: int  # the day on which it begins
    last: dict[_Key, int] = field(default_factory=dict)  # use, or the approval
    weight: dict[_Key, int] = field(default_factory=dict)
    ends: dict[_Key, int] = field(default_factory=dict)
    away: dict[_Key, int] = field(default_factory=dict)  # and from when on a person gives it back (0: nobody)

    def approve(self, key: _Key, at: int, said: Mapping[str, Any]) -> None:
        self.last[key], self.weight[key] = at, LEVELS[Tier(said["tier"])]
        self.ends[key] = said.get("not_after", 2**62)

    def end(self, key: _Key) -> None:
        self.last.pop(key, None)
        self.away.pop(key, None)

    def use(self, key: _Key, at: int) -> int:
        """Whether a use was refused; the first that is sends for a person."""
        back = self.away.get(key)
        if back is None or 0 < back <= at:
            self.away.pop(key, None)
            self.last[key] = at
            return 0
        if back == 0:
            self.away[key] = at + _BACK_AFTER
        return 1

    def end_of(self, day: int) -> int:
        """What is usable at the end of a day, once the rule has looked."""
        now = (day + 1) * DAY
        for key in [each for each in self.last if self.ends[each] <= now]:
            self.end(key)
        if (day - self.first) % self.rule.every == self.rule.every - 1:
            for key, at in self.last.items():
                if key not in self.away and now - at >= self.rule.idle * DAY:
                    self.away[key] = 0
        return sum(self.weight[key] for key in self.last if key not in self.away)


def report(history: History, outcome: Outcome, rules: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What it came to."""
    states: dict[Any, str] = {}
    for each in outcome.moved:
        states[each.key] = each.after
    usual = Counter(each.refusal for each in outcome.refused)
    first, last = outcome.days[0], outcome.days[-1]
    return {
        "lines": len(history.lines),
        "refused_lines": len(history.refused),
        "from": rfc3339(history.starts),
        "until": rfc3339(history.ends),
        "entitlements": first_count(outcome),
        "uses": outcome.uses,
        "unattributed": outcome.unattributed,
        "lapses": sum(1 for each in outcome.moved if each.after == ActivationState.LAPSED.value),
        "reactivations": outcome.restarted,
        "withdrawn_at_the_end": sum(1 for state in states.values() if state in _WITHDRAWN),
        "would_be_refused": dict(sorted(usual.items())),
        "questions": len(outcome.asked),
        "privilege": {"first_day": _shown(first), "last_day": _shown(last)},
        "rules": [{**each, "direct": each["direct"][-1]} for each in rules],
    }


def first_count(outcome: Outcome) -> int:
    """How many entitlements there were at the end, withdrawn or not."""
    last = outcome.days[-1]
    return sum(int(last[f"{reach}_count"]) for reach in _REACHES)


def _shown(day: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(day[name]) for name in (*_REACHES, "standing")}
