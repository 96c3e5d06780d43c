"""`/v1/coverage`: which use of credentials has a decision, what was found outside, and what cannot be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remit.audit.log import Log, Recorded
from remit.certification.usage.matching import brokered
from remit.certification.usage.shadowing import SHADOW
from remit.kernel.clock import HOUR, SECOND, Clock, Instant, Micros, parse_date_end, rfc3339
from remit.kernel.errors import Malformed, NotFound
from remit.kernel.names import split_action
from remit.policy.view import View
from remit.server.door import Ask, Door
from remit.server.remembered import Remembered

_MOST: Final = 100_000  # entries of a kind that are read
_LOOKED_UP: Final = 1_000  # decisions that are older than the time asked for
_LONGEST: Final = 24 * 366
_DAY: Final = 24  # hours, if nothing else is said
_OLDEST: Final = 3600  # seconds that an answer may be old, for who says so
_SHOWN: Final = 100
_UNKNOWABLE: Final = (
    "use of a credential that Remit does not hold, or of a copy of one that it does: only the server's own log tells",
    "what a server does with its credential beside the calls that it is asked for",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageDoors:
    """Coverage over HTTP. That of a day is remembered, for whom an older one will do: it reads a day of the log."""

    view: Callable[[], View]
    log: Log
    clock: Clock
    remembered: Remembered[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        """What remembers."""
        object.__setattr__(self, "remembered", Remembered(lambda: self._covered(_DAY), self.clock))

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/coverage", action="readAudit", handle=self.coverage,
                query=("hours", "within"),
                summary="Which use of credentials stands behind a decision, and what was found outside (?hours=N; "
                "?within=SECONDS: an older answer about a day will do)",
            )
        ]  # fmt: skip

    def coverage(self, ask: Ask) -> dict[str, Any]:
        """Of the last hours: by server and secret, and what no decision stands behind.

        `?within=SECONDS`, of the last day: an answer that is about so old will do, and the very first may be that none
        is there yet.
        """
        hours, within = _hours(ask.query.get("hours", str(_DAY))), ask.number("within", default=0, most=_OLDEST)
        if not within or hours != _DAY:
            return self._covered(hours)
        return self.remembered.within(Micros(within * SECOND)) or self._none_yet()

    def _covered(self, hours: int) -> dict[str, Any]:
        now = self.clock.now()
        since = Instant(now - hours * HOUR)
        outcomes = self._since(since, kind="outcome")
        own = [each for each in outcomes if "pep" not in each.header]  # the others' credentials are not Remit's
        ended = [(_server(each), str(each.header["decision"]), str(each.header["outcome"])) for each in own]
        secrets = {
            str(name): str(record.server.credential.secret)
            for name, record in self.view().servers.items() if record.server.credential is not None
        }  # fmt: skip
        rows = brokered(ended, self._decided(since, {decision for _, decision, _ in ended}), secrets)
        found = self._since(since, kind="incident", what=SHADOW)
        return {
            "from": rfc3339(since),
            "to": rfc3339(now),
            "complete": self._complete(since, outcomes),
            "brokered": [row._asdict() for row in rows],
            "not_observed": dict(sorted(_not_observed(outcomes).items())),
            "shadows": [_finding(each) for each in found[:_SHOWN]],
            "shadow_count": len(found),
            "unknown": self._unknown(),
        }

    def _none_yet(self) -> dict[str, Any]:
        now = rfc3339(self.clock.now())
        said = "what happened in the last day: it is read for the first time since the start; ask again"
        return {
            "from": now, "to": now, "complete": False, "brokered": [], "not_observed": {}, "shadows": [],
            "shadow_count": 0, "unknown": [said, *self._unknown()],
        }  # fmt: skip

    def _since(self, since: Instant, **filters: object) -> list[Recorded]:
        found = self.log.since(since, _MOST, **filters)
        return [each for each in found if parse_date_end(each.header["time"]) >= since]

    def _decided(self, since: Instant, wanted: Iterable[str]) -> set[str]:
        """Of the decisions that outcomes name, those that are there and let the call through."""
        found = {str(each.header["id"]) for each in self._since(since, kind="decision", forwarded=True)}
        older = sorted(set(wanted) - found)[:_LOOKED_UP]
        return found | {decision for decision in older if self._forwarded(decision)}

    def _forwarded(self, decision: str) -> bool:
        try:
            return self.log.find(decision).header.get("forwarded") is True
        except NotFound:
            return False

    def _complete(self, since: Instant, outcomes: Sequence[Recorded]) -> bool:
        horizon = self.log.horizon()
        return len(outcomes) < _MOST and (horizon is None or parse_date_end(horizon) <= since)

    def _unknown(self) -> list[str]:
        view = self.view()
        untold = sorted(set(view.servers) - set(view.coverage))
        found = list(_UNKNOWABLE)
        if untold:
            found.append(f"use outside Remit of servers whose own log is not imported: {', '.join(untold[:_SHOWN])}")
        return found


def _hours(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _LONGEST:
        raise Malformed(f"hours is a number from 1 to {_LONGEST}")
    return int(text)


def _server(each: Recorded) -> str:
    return str(split_action(str(each.header["action"]))[0])


def _not_observed(outcomes: Iterable[Recorded]) -> Counter[str]:
    return Counter(_server(each) for each in outcomes if each.header["outcome"] == "not_observed")


def _finding(each: Recorded) -> dict[str, Any]:
    names = ("source", "server", "agent", "action", "count", "first", "last", "registered", "id", "time")
    return {name: each.header[name] for name in names if name in each.header}
