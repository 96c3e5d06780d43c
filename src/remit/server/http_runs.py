"""`/v1/runs`: stretches of work, and the calls of one over all agents that took part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.audit.finding import Finder, Tally
from remit.audit.log import Recorded
from remit.audit.terms import Sought
from remit.kernel.clock import Clock, parse_date_end, rfc3339
from remit.kernel.errors import NotFound
from remit.server.door import Ask, Door
from remit.storage.ports import Reader
from remit.tokens.runs_sql import Opened, SqlOpened

_MOST: Final = 500
_CALLS: Final = 1000
_FAMILY: Final = 50  # runs of other agents that are shown with one


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Runs over HTTP."""

    reader: Reader
    finder: Finder
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/runs", action="readAudit", handle=self.listing,
                query=("agent", "before", "limit"),
                summary="Runs, the newest first (?agent=NAME, ?before=RUN, ?limit=N)",
            ),
            Door(
                method="GET", path="/v1/runs/{run}", action="readAudit", handle=self.show, query=("before", "limit"),
                summary="One run with those that work under it, and their newest calls (?before=INDEX, ?limit=N)",
            ),
        ]  # fmt: skip

    def listing(self, ask: Ask) -> dict[str, Any]:
        """Those of the last thirty days; the log has the calls of all."""
        limit = ask.number("limit", default=100, most=_MOST)
        agent, before = ask.query.get("agent", ""), ask.query.get("before", "")
        found = self.reader.read(lambda connection: SqlOpened(connection).newest(limit, agent=agent, before=before))
        tallies = self.finder.tally([each.run for each in found])
        return {"runs": [self._shape(each, tallies[each.run]) for each in found]}

    def show(self, ask: Ask) -> dict[str, Any]:
        """The run, what works under it and above it, and the calls of all of them."""
        run = ask.path["run"]
        limit = max(1, ask.number("limit", default=300, most=_CALLS))
        before = ask.number("before", default=0, most=10**15) or None
        family = self.reader.read(lambda connection: SqlOpened(connection).family(run, _FAMILY))
        names = [each.run for each in family] or [run]
        calls, more = self._calls(names, before, limit)
        if not family and not calls and more is None:
            raise NotFound("there is no such run", detail=run[:80], try_="remit audit find --kind decision")
        tallies = self.finder.tally(names)
        return {
            "run": run, "runs": [self._shape(each, tallies[each.run]) for each in family],
            "calls": calls, "next": more,
            "count": sum(each.calls for each in tallies.values()),
            "denied": sum(each.denied for each in tallies.values()),
            "whole": all(each.whole for each in tallies.values()),
        }  # fmt: skip

    def _calls(self, runs: Sequence[str], before: int | None, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """The newest calls of these runs, in the order of their times, and where the older ones begin."""
        found: list[tuple[int, Recorded]] = []
        goes_on: list[int] = []
        for run in runs:
            page = self.finder.page(Sought(fields={"kind": "decision", "run": run}), before=before, most=limit)
            found += zip(page.places, page.entries, strict=True)
            goes_on += [] if page.more is None else [page.more]
        shown, behind = _newest(found, limit, whole_from=max(goes_on, default=0))
        placed = {
            each.header["id"]: each.index
            for each in shown
            if each.index is not None and each.header.get("decision") != "deny"  # what went nowhere has no outcome
        }
        outcomes = self.finder.outcomes(placed, {str(each.header.get("agent", "")) for each in shown})
        return [_call(each, outcomes.get(each.header["id"])) for each in reversed(shown)], behind

    def _shape(self, run: Opened, tally: Tally) -> dict[str, Any]:
        now = self.clock.now()
        return {
            "run": run.run, "agent": run.agent, "instance": run.instance, "purpose": run.purpose,
            "opened": rfc3339(run.opened), "ends": rfc3339(run.over), "state": "open" if now < run.over else "ended",
            "above": run.above or None, "calls": tally.calls, "denied": tally.denied, "whole": tally.whole,
        }  # fmt: skip


def _newest(found: list[tuple[int, Recorded]], limit: int, *, whole_from: int) -> tuple[list[Recorded], int | None]:
    """The newest, and the position to go on before, None at the end (pure).

    Each stands with the position that it has, or will have. From `whole_from` on, every run was read; 0: all were read
    to their ends.
    """
    whole = sorted((each for each in found if each[0] >= whole_from), key=lambda each: each[0], reverse=True)
    taken, left = whole[:limit], whole[limit:]
    return [each for _, each in taken], left[0][0] + 1 if left else whole_from or None


def _call(entry: Recorded, outcome: dict[str, Any] | None) -> dict[str, Any]:
    header = entry.header
    began = parse_date_end(str(header["time"]))
    return {
        "decision": header["id"], "index": entry.index, "time": header["time"], "agent": header.get("agent", ""),
        "instance": header.get("instance", ""), "run": header.get("run", ""), "action": header.get("action", ""),
        "answer": header.get("decision", ""), "code": header.get("code"),
        "outcome": None if outcome is None else outcome.get("outcome"),
        "cut": outcome is not None and bool(outcome.get("cause")),
        "took_microseconds": None if outcome is None else max(0, parse_date_end(str(outcome["time"])) - began),
    }  # fmt: skip
