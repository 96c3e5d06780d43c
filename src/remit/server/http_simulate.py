"""`/v1/policies/simulate`: the recorded decisions made again, a part of the log at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from remit.audit.bodies import body_of
from remit.audit.log import Log
from remit.audit.opened import decisions
from remit.audit.states import rows_of
from remit.kernel.canonical import encode
from remit.kernel.errors import Malformed
from remit.policy.history import Change, Past
from remit.policy.ports import Engine, FactSource
from remit.policy.simulate import Part, Range, Simulation
from remit.policy.view import View
from remit.server.door import Ask, Door
from remit.server.what_if import Asked, base_of, candidate_of, changes, within_of
from remit.storage.ports import Reader

_PART: Final = 5_000  # entries of one answer: about a second, in which this server decides less
_FARTHEST: Final = 10**15  # no log has so many entries
_STEP: Final = 50_000  # entries that are looked through for changes at once


@dataclass(slots=True)
class Simulating:
    """Replays over HTTP. The one that was asked for last is kept, because it is asked for part by part.

    What would stand instead is checked against the facts as they are (`view`): a tool that was pinned this second has
    its place in the log a moment later.
    """

    log: Log
    reader: Reader
    view: Callable[[], View]
    source: FactSource
    engine: Engine
    mac: Callable[[bytes], str]
    _changes: list[Change] = field(default_factory=list)
    _seen: int = 0
    _kept: tuple[bytes, Simulation, str | None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST",
                path="/v1/policies/simulate",
                summary="Decide a part of the log again, as it was and as documents would have it",
                action="readDecisions",
                handle=self.simulate,
                body="json",
                fields={
                    "documents": "array?", "prune": "boolean?", "lapsed": "array?", "since": "string?",
                    "until": "string?", "agent": "string?", "base": "string?", "from": "integer?",
                },
            )
        ]  # fmt: skip

    def simulate(self, ask: Ask) -> dict[str, Any]:
        """What up to some thousand entries come to; `next` is where to go on, or null at the end of the log."""
        body, start = ask.body, int(ask.body.get("from") or 0)
        if not 0 <= start <= _FARTHEST:
            raise Malformed("from is the position of an entry, from 0")
        asked = Asked(body.get("documents") or (), bool(body.get("prune")), body.get("lapsed") or ())
        within = within_of(body.get("since"), body.get("until"), body.get("agent"))
        with self._lock:
            base = self.reader.read(lambda connection: base_of(rows_of(connection), body.get("base")))
            # Decisions first, then changes: a decision whose policies came a moment before is not judged without them.
            part, stretches = Part(), self.log.sealed(start, _PART)
            self._look()
            simulation, candidate = self._simulation(asked, within, base)
            known = cache(self.log.any_data_key)
            for stretch in stretches:
                for entry in decisions(stretch, known):
                    simulation.take(part, entry)
            end = stretches[-1].first + stretches[-1].count if stretches else None
            if end is None:
                self._kept = None
        return {**part.body(), "base": base, "candidate": candidate, "from": start, "next": end}

    def _look(self) -> None:
        """Take in the changes that were recorded since."""
        while stretches := self.log.stretches(self._seen, _STEP):
            self._changes += changes(iter(stretches))
            self._seen = stretches[-1].first + stretches[-1].count

    def _simulation(self, asked: Asked, within: Range, base: str) -> tuple[Simulation, str | None]:
        said = [list(asked.documents), asked.prune, list(asked.lapsed), within.since, within.until, within.agent]
        key = encode([base, len(self._changes), *said])
        if self._kept is None or self._kept[0] != key:
            past = Past(self._changes, body=self._body, source=self.source, engine=self.engine, mac=self.mac)
            now = self.view()
            candidate, digest = self.reader.read(
                lambda connection: candidate_of(asked, rows_of(connection), now, self.engine)
            )
            self._kept = key, Simulation(past, within, candidate), digest
        return self._kept[1], self._kept[2]

    def _body(self, digest: str) -> bytes:
        return self.reader.read(lambda connection: body_of(rows_of(connection), digest))
