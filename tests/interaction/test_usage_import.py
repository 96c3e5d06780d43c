"""Imports of usage: the same record in whatever order it came, holes that close, and who is told what."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Table, select

from remit.access.activation import ActivationKey, Usage
from remit.certification.usage import importing
from remit.certification.usage.days import usage_of
from remit.certification.usage.imported import Imported
from remit.certification.usage.importing import UsageService
from remit.certification.usage.ingest import Line
from remit.certification.usage.line import event_of
from remit.certification.usage.model import Kind, RefusedLine, UsageEvent, digest
from remit.certification.usage.sources import told
from remit.certification.usage.sql import SqlUsage, SqlUseDays
from remit.certification.usage.windows import Windows, windows
from remit.kernel.clock import DAY, HOUR, FixedClock, Instant, Micros
from remit.kernel.errors import Conflict, Malformed, NotFound
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.people.change import Actor
from remit.storage.database import Database
from remit.storage.governance_schema import (
    coverage_claims,
    coverage_windows,
    usage_events,
    usage_sources,
    usage_stretches,
    use_days,
)
from remit.storage.memory import MemoryWriter
from remit.storage.model import Entry

NOW = Instant(1_795_521_600_000_000)
FIRST = NOW - 45 * DAY
OPS = Actor(by="ops")
TABLES: Sequence[Table] = (
    coverage_claims, coverage_windows, usage_events, usage_sources, usage_stretches, use_days,
)  # fmt: skip
GRANTS = {("work", "s/one"), ("work", "s/two"), ("play", "s/two")}


class Records:
    count = 0

    def entry(self, kind: str, fields: Any, **_: Any) -> Entry:
        Records.count += 1
        return Entry(f"chg_{Records.count}", json.dumps({"kind": kind, **fields}).encode())


def view() -> Any:
    """Two agents; one boundary in force names each of `GRANTS`."""
    boundary = SimpleNamespace(boundary=SimpleNamespace(not_after=NOW + DAY))
    ended = SimpleNamespace(boundary=SimpleNamespace(not_after=NOW - DAY))
    grants = dict.fromkeys(GRANTS, (boundary,)) | {("play", "s/one"): (ended,)}
    reach = SimpleNamespace(grants=grants)
    return SimpleNamespace(agents={"bot": SimpleNamespace(reach=reach), "other": SimpleNamespace(reach=reach)})


class Estate:
    """A service over a database in memory, with the source `src` registered for the server `s`."""

    def __init__(self, database: Database | None = None) -> None:
        self.memory, self.clock = MemoryWriter(), FixedClock(NOW)
        self.read = self.memory.read if database is None else database.reader.read
        self.topics: list[tuple[str, ...]] = []
        self.dirty: list[ActivationKey] = []
        self.signals: list[UsageEvent] = []
        self.memory.feed.subscribe(lambda _epoch, topics, _connection: self.topics.append(topics))
        self.usage = UsageService(
            writer=database.writer if database else self.memory, reader=database.reader if database else self.memory,
            records=Records(), clock=self.clock, view=view,
            dirty=lambda _tx, keys: self.dirty.extend(keys), noticed=lambda _tx, event: self.signals.append(event),
        )  # fmt: skip
        self.usage.register("src", ["s", "elsewhere"], by=OPS)

    def take(self, events: Iterable[UsageEvent], covers: Sequence[tuple[int, int]] = ()) -> Imported:
        lines = [Line(number, event) for number, event in enumerate(events, 1)]
        return self.usage.import_batch("src", lines, covers=covers, by=OPS)

    def tables(self) -> list[list[Any]]:
        """Every row of every table, but for the numbers of batches."""
        return [self.rows(table) for table in TABLES]

    def rows(self, table: Table) -> list[Any]:
        columns = [column for column in table.c if column.name != "batch"]
        return self.read(lambda connection: sorted(tuple(row) for row in connection.execute(select(*columns))))

    def windows(self) -> Windows:
        return self.usage.coverage()["s"]

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(entry.header) for entry in self.memory.entries]


def history(count: int, order: random.Random) -> list[UsageEvent]:
    """`count` numbered events over 45 days: calls of known and unknown agents, and each day's word that it is told."""
    times = sorted(order.randrange(FIRST, NOW) for _ in range(count))
    events = []
    for number, at in enumerate(times, 1):
        said: dict[str, Any] = {"seq": number, "at": at}
        if number % 44 == 0:
            said |= {"kind": "coverage", "from": FIRST if number == 44 else times[number - 45], "to": at}
        elif number % 301 == 0:
            on = order.random() < 0.5
            said |= {"kind": "signal", "agent": "bot", "signal": "anomaly", "about": "", "on": on}
        else:
            said |= {
                "kind": order.choice(["use", "use", "use", "denial", "error"]),
                "agent": order.choice(["bot", "bot", "other", "stranger"]),
                "action": order.choice(["s/one", "s/two", "s/unknown", "elsewhere/tool"]),
            }
            if order.random() < 0.3:
                said["purpose"] = "work"
        events.append(event_of(said, source="src"))
    return events


EVENTS = history(2000, random.Random(11))


@pytest.fixture(scope="module")
def in_order() -> list[list[Any]]:
    estate = Estate()
    estate.take(EVENTS)
    return estate.tables()


@pytest.mark.parametrize("seed", range(6))
def test_the_record_is_the_same_whatever_order_events_came_in(seed: int, in_order: list[list[Any]]) -> None:
    order, estate = random.Random(seed), Estate()
    waiting = [*EVENTS, *order.choices(EVENTS, k=500)]
    order.shuffle(waiting)
    while waiting:
        size = order.randint(1, 400)
        batch, waiting = waiting[:size], waiting[size:]
        estate.take(batch)
    assert estate.tables() == in_order
    assert [len(rows) > 0 for rows in in_order] == [True] * len(TABLES)
    newest = max((event for event in EVENTS if event.kind is Kind.SIGNAL), key=lambda event: event.at)
    assert estate.signals[-1] == newest or newest in estate.signals


def test_every_database_comes_to_the_same_record(any_database: Database, in_order: list[list[Any]]) -> None:
    estate, shuffled = Estate(any_database), [*EVENTS, *EVENTS[:300]]
    random.Random(5).shuffle(shuffled)
    for at in range(0, len(shuffled), 600):
        estate.take(shuffled[at : at + 600])
    assert estate.tables() == in_order


def test_numbers_complete_what_is_claimed(in_order: list[list[Any]]) -> None:
    estate = Estate()
    estate.take(EVENTS)
    assert len(estate.windows().spans) == 1
    assert in_order[TABLES.index(usage_stretches)] == [("src", 1, 2000, EVENTS[0].at, EVENTS[-1].at)]


def usage_now(estate: Estate, key: ActivationKey) -> Usage:
    days = estate.memory.read(lambda connection: SqlUseDays(connection).days_of([key])).get(key, [])
    spans = estate.windows()
    return usage_of(Usage(Instant(FIRST), Micros(0)), days, lambda at: spans.measure(0, at))


def test_a_source_that_was_cut_for_20_of_45_days_asserts_nothing_until_it_is_filled() -> None:
    whole, cut = Estate(), Estate()
    whole.take(EVENTS)
    left, right = FIRST + 15 * DAY, FIRST + 35 * DAY
    cut.take(event for event in EVENTS if not left <= event.at < right)
    (first, _), (_, last) = whole.windows().spans[0], whole.windows().spans[-1]
    assert whole.windows().measure(first, last) == last - first
    # The 20 days are missing, and besides at most the day before, whose word was cut off with them.
    missing = last - first - cut.windows().measure(first, last)
    assert 20 * DAY <= missing <= 22 * DAY
    # The part of an idle time that lies in the hole does not count.
    assert cut.windows().measure(left, right) == 0
    cut.take(event for event in EVENTS if left <= event.at < right)
    assert cut.tables() == whole.tables()
    key = ActivationKey(AgentName("bot"), PurposeName("work"), ActionName("s/one"), "s")
    assert usage_now(cut, key) == usage_now(whole, key)
    assert usage_now(cut, key).days > 20


def test_windows_that_an_import_claims_are_taken_once_everything_is_there() -> None:
    estate = Estate()
    use = event_of({"kind": "use", "at": NOW - DAY, "id": "a", "agent": "bot", "action": "s/one"}, source="src")
    found = estate.take([use], [(FIRST, NOW)])
    assert (found.covered, found.taken, estate.windows()) == (True, 2, windows([(FIRST, NOW)]))
    again = estate.take([use], [(FIRST, NOW)])
    assert (again.taken, again.duplicates, again.batch) == (0, 2, 0)


@pytest.mark.parametrize(
    "lost",
    [
        RefusedLine(2, "not understood"),
        Line(2, event_of({"kind": "use", "at": NOW + DAY, "id": "b", "agent": "bot", "action": "s/one"}, source="src")),
    ],
)
def test_nothing_is_complete_where_a_line_was_not_understood(lost: Line | RefusedLine) -> None:
    estate = Estate()
    found = estate.usage.import_batch("src", [lost], covers=[(FIRST, NOW)], by=OPS)
    assert (found.covered, len(found.refused), estate.windows()) == (False, 1, Windows())


def test_a_stranger_does_not_keep_it_from_being_complete() -> None:
    estate = Estate()
    use = event_of({"kind": "use", "at": NOW - DAY, "id": "a", "agent": "stranger", "action": "s/one"}, source="src")
    found = estate.take([use], [(FIRST, NOW)])
    assert (found.covered, dict(found.unknown)) == (True, {"stranger": 1})


def test_who_is_told_of_what() -> None:
    estate = Estate()
    estate.topics.clear()
    uses = [
        {"kind": "use", "at": NOW - DAY, "id": str(number), "agent": "bot", "action": action}
        for number, action in enumerate(["s/one", "s/two", "s/one"])
    ]
    found = estate.take([event_of(each, source="src") for each in uses], [(FIRST, NOW)])
    assert [(key.purpose, key.action, key.scope) for key in estate.dirty] == [("work", "s/one", "s")]
    assert set(estate.dirty) == found.moved
    assert dict(found.unattributed) == {("bot", "s/two"): 1}
    assert estate.topics == [("activations:bot",), ("usage:elsewhere", "usage:s")]


def test_an_import_is_recorded_with_the_digest_of_what_was_new() -> None:
    estate = Estate()
    estate.take(EVENTS[:30])
    new = [event for event in EVENTS[:40] if event.agent != "stranger"]
    estate.take(EVENTS[:40])
    first, second = estate.entries()[-2:]
    assert (first["what"], first["name"], first["change"], first["by"], first["batch"]) == (
        "usage",
        "src",
        "import",
        "ops",
        1,
    )
    stored = estate.memory.read(lambda connection: SqlUsage(connection).stored("src", [each.id for each in new]))
    fresh = [event for event in new if event not in EVENTS[:30]]
    assert set(stored.values()) == set(new)
    assert (second["batch"], second["count"], second["sha256"]) == (2, len(fresh), digest(fresh))
    before = len(estate.entries())
    estate.take(EVENTS[:40])
    assert len(estate.entries()) == before, "what is known already writes nothing"


def test_a_large_import_is_written_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "STEP", 700)
    estate, seen = Estate(), list[int]()
    lines = [Line(number, event) for number, event in enumerate(EVENTS, 1)]
    found = estate.usage.import_batch("src", lines, by=OPS, progress=seen.append)
    assert (seen, found.batch) == ([700, 1400, 2000], 3)


def test_signals_reach_the_agent_by_the_newest_word() -> None:
    estate = Estate()

    def signal(number: int, at: int, *, on: bool) -> UsageEvent:
        said = {"kind": "signal", "seq": number, "at": at, "agent": "bot", "signal": "anomaly", "on": on}
        return event_of(said, source="src")

    late, early = signal(2, NOW - HOUR, on=False), signal(1, NOW - 2 * HOUR, on=True)
    estate.take([late])
    estate.take([early])
    assert estate.signals == [late, late]


def test_sources_are_registered_first() -> None:
    estate = Estate()
    with pytest.raises(NotFound, match="no source other"):
        estate.usage.import_batch("other", [], by=OPS)
    for name, error in (("remit", Conflict), ("sources", Conflict), ("A", Malformed)):
        with pytest.raises(error):
            estate.usage.register(name, ["s"], by=OPS)
    for servers in ([], ["S"]):
        with pytest.raises(Malformed):
            estate.usage.register("x", servers, by=OPS)


def test_the_servers_of_a_source_may_change() -> None:
    estate = Estate()
    estate.take([], [(FIRST, NOW)])
    estate.topics.clear()
    estate.usage.register("src", ["t"], by=OPS)
    estate.usage.register("src", ["t", "t"], by=OPS)
    assert estate.topics == [("usage:elsewhere", "usage:s", "usage:t")]
    assert estate.usage.coverage() == {"t": windows([(FIRST, NOW)])}
    (found,) = estate.read(lambda connection: told(connection, NOW))
    assert (found.source.servers, found.windows) == (("t",), windows([(FIRST, NOW)]))
    # The import is one step, and that it tells of another server is one too.
    assert found.source.batch == 2


def test_a_history_is_refused_whole() -> None:
    estate = Estate()
    owner = event_of({"kind": "owner", "at": NOW, "seq": 2001, "owner": "dana", "status": "left"}, source="src")
    with pytest.raises(Malformed, match="line 11 is of kind owner"):
        estate.take([*EVENTS[:10], owner])
    assert estate.rows(usage_events) == []
