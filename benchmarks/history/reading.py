"""What the oracle reads: the history and the truth about it, and what a simulated engine says that it did."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Key = tuple[str, str, str]  # agent, purpose, action
REFUSALS = frozenset({"owner", "risk", "attest", "quota", "not_granted", "suspended", "never"})
BY = frozenset({"engine", "use", "person"})
_USABLE = frozenset({"active", "expiring", "needs_usage", "at_risk"})
GONE = frozenset({"lapsed", "revoked", "suspended"})
STATES = _USABLE | GONE | {"needs_human", "new"}
_FIRST = ("active", "new")  # what an entitlement may be before anything is said of it


class Unreadable(Exception):
    """A file is missing, or a line of it is not what it should be."""


@dataclass(slots=True, kw_only=True)
class Grant:
    """An entitlement of the history with its label; times are micros. `ends` is when a person ended it, or its end."""

    key: Key
    tier: str
    granted: int
    ends: int
    label: str = ""
    ended: bool = False
    more: dict[str, Any] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A `use` line; `thief` is empty for the agent's own."""

    seq: int
    at: int
    key: Key
    run: str
    thief: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of state that the engine says it made."""

    at: int
    key: Key
    before: str
    after: str
    by: str


@dataclass(slots=True, kw_only=True)
class World:
    """What really happened. `signals` of each agent are (name, at, on) in the order of time."""

    grants: dict[Key, Grant] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    signals: defaultdict[str, list[tuple[str, int, bool]]] = field(default_factory=lambda: defaultdict(list))
    versions: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    first: int = 0
    end: int = 0

    def upgraded(self, agent: str) -> bool:
        """Whether a next version of the agent was registered at any time."""
        return len(self.versions[agent]) > 1

    def on(self, agent: str, at: int, *names: str, after: int = 0) -> bool:
        """Whether one of these signals about the agent was on at a moment, or went off within `after` before it."""
        since: dict[str, int | None] = {}
        for name, when, on in self.signals[agent]:
            if name in names and when <= at:
                since[name] = None if on else when
        return any(off is None or at < off + after for off in since.values())


@dataclass(slots=True, kw_only=True)
class Output:
    """What the engine says. `refused` is by `seq`; `changes` by entitlement, in the order of time."""

    refused: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused_twice: list[int] = field(default_factory=list)
    changes: dict[Key, list[Transition]] = field(default_factory=dict)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)

    def before(self, key: Key, at: int) -> str:
        """The state just before a moment: in force from the start, unless the first change says `new`."""
        changes = self.changes.get(key, [])
        place = bisect_left(changes, at, key=lambda change: change.at)
        if place:
            return changes[place - 1].after
        return changes[0].before if changes and changes[0].before in _FIRST else "active"

    def during(self, key: Key, at: int) -> list[Transition]:
        """The changes at exactly this moment."""
        changes = self.changes.get(key, [])
        place = bisect_left(changes, at, key=lambda change: change.at)
        return [change for change in changes[place : place + 9] if change.at == at]

    def last(self, key: Key) -> str:
        """The state at the end."""
        changes = self.changes.get(key, [])
        return changes[-1].after if changes else "active"


def usable(state: str, tier: str) -> bool:
    """Whether an activation in this state may be used: a question to a person stops critical and high ones only."""
    return state in _USABLE or (state == "needs_human" and tier in ("low", "medium"))


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise Unreadable(f"{path.name}:{number} is no object")
                yield found
    except (OSError, ValueError) as wrong:
        raise Unreadable(f"{path.name}: {wrong}") from wrong


def world(folder: Path) -> World:
    """The history in a folder of `generate.py`, with its labels and thieves."""
    found = World()
    thieves = {row["seq"]: row["thief"] for row in rows(folder / "thief.jsonl")}
    for line in sorted(rows(folder / "history.jsonl"), key=lambda line: (line["at"], line["seq"])):
        _take(found, line, thieves)
    for row in rows(folder / "labels.jsonl"):
        found.grants[_key(row)].label = row["label"]
    return found


def _take(found: World, line: dict[str, Any], thieves: dict[int, str]) -> None:
    at, kind = line["at"], line["kind"]
    if kind == "coverage":
        found.first, found.end = min(found.first or line["from"], line["from"]), max(found.end, line["to"])
    elif kind == "agent":
        found.versions[line["agent"]].add(line["version"])
    elif kind == "signal":
        found.signals[line["agent"]].append((line["signal"], at, line["on"]))
    elif kind == "entitlement":
        key, ends = _key(line), line.get("not_after", 1 << 62)
        found.grants[key] = Grant(key=key, tier=line["tier"], granted=at, ends=ends, more=line)
    elif kind == "ended":
        grant = found.grants[_key(line)]
        grant.ends, grant.ended = min(grant.ends, at), True
    elif kind == "use":
        use = Use(seq=line["seq"], at=at, key=_key(line), run=line["run"], thief=thieves.get(line["seq"], ""))
        found.uses.append(use)
        if use.key in found.grants:
            found.grants[use.key].uses.append(use)


def output(folder: Path) -> Output:
    """What `remit certify simulate --out` wrote into a folder. Raises Unreadable."""
    found = Output()
    try:
        for row in rows(folder / "refused.jsonl"):
            if row["seq"] in found.refused:
                found.refused_twice.append(row["seq"])
            found.refused[row["seq"]] = {**row, "key": _key(row)}
        changes: dict[Key, list[Transition]] = defaultdict(list)
        for row in rows(folder / "transitions.jsonl"):
            changes[_key(row)].append(_transition(row))
        found.changes = {key: sorted(each, key=lambda change: change.at) for key, each in changes.items()}
        found.series = {row["day"]: _sums(row) for row in rows(folder / "series.jsonl")}
    except (KeyError, TypeError) as wrong:
        raise Unreadable(f"a line lacks what it needs: {wrong}") from wrong
    return found


def _transition(row: dict[str, Any]) -> Transition:
    before = row["from"] if row["from"] is not None else "new"
    return Transition(at=row["at"], key=_key(row), before=before, after=row["to"], by=row["by"])


def _sums(row: dict[str, Any]) -> dict[str, Any]:
    """A day of the series. Raises KeyError or TypeError if it lacks what every day has."""
    for part in ("direct", "latent", "person"):
        row[part] + row[f"{part}_count"]
    for agent in row["agents"].values():
        agent["direct"] + agent["latent"]
    return row


def _key(row: dict[str, Any]) -> Key:
    return row["agent"], row.get("purpose", ""), row["action"]
