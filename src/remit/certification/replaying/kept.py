"""What is stored of what a verdict was made from, read by plain queries: the same in a server and beside one.

Nothing here is believed for being stored; it is compared with what the verdict's entry says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from remit.audit.standing import Rows
from remit.catalog.methods import METHODS
from remit.certification.replaying.reading import rules_digest
from remit.certification.usage.days import DayKey, UseDay, added_up, day_of
from remit.certification.usage.model import Kind, UsageEvent
from remit.certification.usage.windows import Windows, windows
from remit.kernel.clock import MINUTE, Instant
from remit.kernel.names import made_at, split_action

Key = tuple[str, str, str, str]  # agent, purpose, action, scope
OWN: Final = "remit"
_DAYS = (
    "SELECT day, source, uses, denied, errors, first, last FROM use_days"
    " WHERE agent = ? AND purpose = ? AND action = ? AND scope = ?"
)
_EVENTS = (
    "SELECT id, at, kind, purpose, run FROM usage_events WHERE agent = ? AND action = ? AND source = ? AND batch <= ?"
)
_RULES = (
    "SELECT agent, purpose, state, not_after, approved_at, rules FROM boundaries WHERE boundary = ? AND version = ?"
)
_ACTIVE = (  # one for emergencies grants only while it is open
    "SELECT boundary, version, not_after, approved_at, rules FROM boundaries"
    " WHERE agent = ? AND purpose = ? AND state = 'active' AND kind IS NULL"
)
_OTHERS = (
    "SELECT approved_at, not_after, rules FROM boundaries"
    " WHERE agent = ? AND purpose = ? AND boundary <> ? AND kind IS NULL"
)
_CHANGED = "SELECT entry FROM states WHERE what = ? AND name = ?"
_PLACE = "SELECT b.first + e.slot FROM entries AS e JOIN bundles AS b ON b.bundle = e.bundle WHERE e.entry = ?"
_BEGAN = "SELECT min(day) FROM use_days WHERE source = ?"
# After that what was approved is known everywhere: several times what a node's view may lag, and clocks may differ.
KNOWN: Final = MINUTE
_MOST: Final = 10_000  # answers that are remembered


class KeptRule(NamedTuple):
    """An action of one version of a boundary."""

    agent: str
    purpose: str
    approved: int | None
    ends: int
    first_use: str | None
    ttl: int | None
    cadence: int | None


class Made(NamedTuple):
    """A verdict's entry, and the moment that it is about."""

    id: str
    at: int


class Stood(NamedTuple):
    """A version of a boundary that was in force."""

    boundary: str
    version: int
    rules: str | None

    @property
    def name(self) -> str:
        """As a verdict says what it read."""
        return f"{self.boundary}@{self.version}"


@dataclass(slots=True)
class Kept:
    """Answers from one snapshot of a database."""

    rows: Rows
    _known: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def days(self, key: Key) -> list[UseDay]:
        """The days of use of an entitlement, in order."""
        found = list(self.rows(_DAYS, key))
        return sorted(UseDay(DayKey(*key, day, source), *numbers) for day, source, *numbers in found)

    def told_by(self, rows: Sequence[UseDay], upto: dict[str, int]) -> list[UseDay]:
        """`rows` as they were when of each source the batch `upto` was the newest.

        A source that told more since then is read again, event by event. What Remit itself saw stands as it is.
        """
        told = self.sources()
        behind = {row.key.source for row in rows if told.get(row.key.source, (0, ()))[0] != upto.get(row.key.source, 0)}
        behind -= {OWN}
        found = [row for row in rows if row.key.source not in behind]
        for source in sorted(behind):
            mine = [row for row in rows if row.key.source == source]
            everything, then = (
                self._events(mine[0].key, source, 2**62),
                self._events(mine[0].key, source, upto.get(source, 0)),
            )
            # Only where the events account for the rows: else nothing is gained by them.
            found += then if everything == mine else mine
        return sorted(found)

    def _events(self, key: DayKey, source: str, batch: int) -> list[UseDay]:
        calls = []
        for id_, at, kind, purpose, run in list(self.rows(_EVENTS, (key.agent, key.action, source, batch))):
            if kind in {Kind.USE, Kind.DENIAL, Kind.ERROR} and purpose in {"", key.purpose}:
                event = UsageEvent(source, id_, Instant(at), Kind(kind), key.agent, purpose, key.action, run)
                calls.append(day_of(event, key.purpose))
        return added_up(calls)

    def sources(self) -> dict[str, tuple[int, tuple[str, ...]]]:
        """By source: its newest batch, and the servers that it tells of."""
        if ("sources",) not in self._known:
            found = list(self.rows("SELECT source, batch, servers FROM usage_sources", ()))
            self._known["sources",] = {name: (batch, tuple(msgspec.json.decode(said))) for name, batch, said in found}
        answer: dict[str, tuple[int, tuple[str, ...]]] = self._known["sources",]
        return answer

    def windows(self, server: str) -> Windows | None:
        """When everybody who tells of a server's use told everything; None if nobody but Remit does."""
        telling = [name for name, (_, servers) in sorted(self.sources().items()) if server in servers]
        found: Windows | None = None
        for name in telling:
            mine = windows(
                (start, until)
                for start, until in list(
                    self.rows("SELECT start, until FROM coverage_windows WHERE source = ?", (name,))
                )
            )
            found = mine if found is None else found.intersect(mine)
        return found

    def began(self) -> int:
        """The day from which on Remit's own use is written down by the day; one that never comes, if none is."""
        return int(self._one(("began",), _BEGAN, (OWN,)) or 2**31)

    def rule(self, boundary: str, version: int, action: str) -> KeptRule | None:
        """A boundary's rule for an action, as that version was approved."""
        known = ("rules", boundary, str(version))
        if known not in self._known:
            self._remember(known, next(iter(list(self.rows(_RULES, (boundary, version)))), None))
        row = self._known[known]
        if row is None or row[5] is None:
            return None
        agent, purpose, _, ends, approved, rules = row
        said = _named(rules, action)
        if said is None:
            return None
        return KeptRule(agent, purpose, approved, ends, said.get("first_use"), said.get("ttl"), said.get("cadence"))

    def needs(self, agent: str, purpose: str, stood: tuple[str, int], at: int) -> list[dict[str, list[str]]]:
        """What actions need by the version of a boundary that stood, and by others that may have stood at that moment.

        When a version was followed by another is not kept: of the other boundaries each one counts that was approved
        by then.
        """
        known = ("rules", stood[0], str(stood[1]))
        if known not in self._known:
            self._remember(known, next(iter(list(self.rows(_RULES, stood))), None))
        row = self._known[known]
        said = [] if row is None else [row[5]]
        others = list(self.rows(_OTHERS, (agent, purpose, stood[0])))
        said += [rules for approved, ends, rules in others if approved is not None and approved <= at < ends]
        return [
            {action: list(rule.get("needs", ())) for action, rule in _by_action(rules).items()}
            for rules in said if isinstance(rules, str)
        ]  # fmt: skip

    def rules(self, boundary: str, version: int) -> str | None:
        """The digest of the rules of one version; None if there is none."""
        known = ("rules", boundary, str(version))
        if known not in self._known:
            self._remember(known, next(iter(list(self.rows(_RULES, (boundary, version)))), None))
        row = self._known[known]
        return rules_digest(row[5]) if row is not None and isinstance(row[5], str) else None

    def standing(self, agent: str, purpose: str, verdict: Made) -> list[Stood]:
        """Boundaries that were in force when a verdict was made, and that whoever made it must have known.

        Those that are in force still. By the wall clock alone it cannot be told: it may have been set back since.
        """
        return sorted(
            Stood(boundary, version, rules)
            for boundary, version, ends, approved, rules in list(self.rows(_ACTIVE, (agent, purpose)))
            if approved is not None
            and approved <= verdict.at - KNOWN
            and verdict.at < ends
            and not self._later(boundary, verdict.id)
        )

    def granting(self, agent: str, purpose: str, action: str, verdict: Made) -> list[str]:
        """Those of them that name an action."""
        found = self.standing(agent, purpose, verdict)
        return [each.name for each in found if _named(each.rules, action) is not None]

    def _later(self, boundary: str, verdict: str) -> bool:
        """Whether the last change of a boundary stands after a verdict in the log, as an approval after it would."""
        entry = self._one(("changed", "boundary", boundary), _CHANGED, ("boundary", boundary))
        mine = self._place(verdict)
        if not isinstance(entry, str) or mine is None:
            return False
        there = self._place(entry)
        return there is None or there > mine

    def _place(self, entry: str) -> int | None:
        """Where an entry stands in the log; None of one that has no place yet."""
        found = self._one(("place", entry), _PLACE, (entry,))
        return found if isinstance(found, int) else None

    def tier(self, action: str) -> str | None:
        """The tier of a tool as it is now; None if it is not known."""
        server, tool, is_tool = split_action(action)
        if not is_tool:
            return METHODS[tool].tier.value if tool in METHODS else None
        found = self._one(("tier", action), "SELECT tier FROM tools WHERE server = ? AND tool = ?", (server, tool))
        return found if isinstance(found, str) else None

    def changed(self, what: str, name: str) -> int:
        """When an object was last changed, by the id of the entry about it; 0 if nothing is known."""
        entry = self._one(("changed", what, name), _CHANGED, (what, name))
        return (made_at(entry) or 0) if isinstance(entry, str) else 0

    def erased(self, agent: str) -> bool:
        """Whether the agent's data key was erased."""
        query = "SELECT count(*) FROM data_keys WHERE owner = ? AND wrapped IS NULL"
        return bool(self._one(("erased", agent), query, (f"agent:{agent}",)))

    def _one(self, known: tuple[str, ...], query: str, values: Sequence[Any]) -> Any:  # noqa: ANN401 - any column
        if known not in self._known:
            found = list(self.rows(query, values))
            self._remember(known, found[0][0] if found else None)
        return self._known[known]

    def _remember(self, known: tuple[str, ...], answer: object) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[known] = answer


def _named(rules: object, action: str) -> Mapping[str, Any] | None:
    return _by_action(rules).get(action) if isinstance(rules, str) else None


@lru_cache(maxsize=256)
def _by_action(rules: str) -> Mapping[str, Mapping[str, Any]]:
    return {each["action"]: each for each in msgspec.json.decode(rules)}
