"""A small engine for the tests of the oracle, and what it says as the files of a simulation."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))  # `benchmarks` is no installed package

from benchmarks.history.catalog import WEIGHT
from benchmarks.history.days import DAY, date, day_of, moment
from benchmarks.history.reading import Grant, Key, Use, World

Row = dict[str, Any]
Said = dict[str, list[Row]]  # the files of a simulation, by name
TTL = {"critical": 1, "high": 14, "medium": 30, "low": 30}
NEVER = dict.fromkeys(TTL, 10_000)


class Toy:
    """An engine for tests: each entitlement has a fixed idle time, a use brings back what may come back."""

    def __init__(self, truth: World, ttl: dict[str, int]) -> None:
        self.truth, self.ttl = truth, ttl
        self.said: Said = {"transitions": [], "refused": [], "series": []}
        self.steps: dict[Key, list[tuple[int, str]]] = {}
        for use in truth.uses:
            if use.key not in truth.grants:
                self.refuse(use, "not_granted")
        for grant in truth.grants.values():
            self.walk(grant)
        self.said["series"] = list(self.series())

    def walk(self, grant: Grant) -> None:
        self.steps[grant.key] = [(grant.granted, "active")]
        ttl = min(self.ttl[grant.tier], grant.more.get("ttl_days", 10_000)) * DAY
        last, used = grant.granted, False
        for at, event in sorted(self.events(grant), key=lambda each: each[0]):
            if self.steps[grant.key][-1][1] == "active" and last + ttl <= at:
                self.change(grant, last + ttl, "lapsed", "engine")
            state = self.steps[grant.key][-1][1]
            if isinstance(event, Use):
                if (why := self.refusal(grant, state, used=used)) is not None:
                    self.refuse(event, why)
                    continue
                if state == "lapsed":
                    self.change(grant, at, "active", "use")
                last, used = at, True
            elif event == "on" and state != "revoked":
                self.change(grant, at, "suspended", "engine")
            elif event == "off" and state == "suspended":
                self.change(grant, at, "active", "person")
                last = at
            elif event == "ends":
                self.change(grant, at, "revoked", "person" if grant.ended else "engine")

    def events(self, grant: Grant) -> Iterator[tuple[int, Use | str]]:
        yield from ((use.at, use) for use in grant.uses)
        for name, at, on in self.truth.signals[grant.key[0]]:
            if name == "critical" and at > grant.granted:
                yield at, "on" if on else "off"
        yield (grant.ends, "ends") if grant.ends <= self.truth.end else (self.truth.end, "")

    def refusal(self, grant: Grant, state: str, *, used: bool) -> str | None:
        if state in ("revoked", "suspended"):
            return {"revoked": "not_granted", "suspended": "suspended"}[state]
        if grant.tier == "critical" and (not grant.more.get("limited") or (state == "lapsed" and used)):
            return "owner"
        if grant.tier == "high" and not used and grant.more.get("first_use") != "auto":
            return "owner"
        return None

    def change(self, grant: Grant, at: int, after: str, by: str) -> None:
        self.said["transitions"].append(
            {"at": at, **named(grant.key), "from": self.steps[grant.key][-1][1], "to": after, "reason": "", "by": by}
        )
        self.steps[grant.key].append((at, after))

    def refuse(self, use: Use, why: str) -> None:
        self.said["refused"].append({"at": use.at, "seq": use.seq, **named(use.key), "refusal": why})

    def series(self) -> Iterator[Row]:
        for day in range(day_of(self.truth.first), day_of(self.truth.end)):
            sums: dict[str, int] = defaultdict(int)
            agents: dict[str, Row] = defaultdict(lambda: {"direct": 0, "latent": 0})
            for key, steps in self.steps.items():
                state = next((after for at, after in reversed(steps) if at < moment(day + 1)), None)
                if state in (None, "revoked"):
                    continue
                part, weight = self.part(self.truth.grants[key], str(state)), WEIGHT[self.truth.grants[key].tier]
                sums[part] += weight
                sums[f"{part}_count"] += 1
                if part != "person":
                    agents[key[0]][part] += weight
            names = [f"{part}{end}" for end in ("", "_count") for part in ("direct", "latent", "person")]
            yield {"day": date(day).isoformat(), **{name: sums[name] for name in names}, "agents": dict(agents)}

    def part(self, grant: Grant, state: str) -> str:
        if grant.tier == "critical" and not (grant.more.get("limited") and state == "active"):
            return "person"
        return {"active": "direct", "lapsed": "latent"}.get(state, "person")


def named(key: Key) -> Row:
    return dict(zip(("agent", "purpose", "action"), key, strict=True))


def write(said: Said, folder: Path) -> None:
    for name, each in said.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in each), encoding="utf-8")
