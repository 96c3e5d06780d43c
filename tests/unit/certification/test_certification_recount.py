"""Use that is kept up to date is the use that its days come to; where it is not, the later one stands."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_sql import SqlActivations
from remit.access.model import Boundary, BoundaryState, Rule
from remit.catalog.model import Tier
from remit.certification.recount import Counted, Recount, first_day, recounted
from remit.certification.usage.days import DayKey, UseDay
from remit.certification.usage.sql import SqlUseDays
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName
from remit.policy.activations import Activations
from remit.policy.entitlement import Holder, Setting, begin
from remit.storage.memory import MemoryWriter
from remit.storage.model import Entry
from remit.storage.ports import Transaction

FIRST = 20_000
NOW = Instant((FIRST + 900) * DAY)
NOON_OF_LAST = NOW - 10 * DAY
KEY = ActivationKey(AgentName("bot"), PurposeName("work"), ActionName("s/t"), "s")
BOUNDARY = Boundary(
    boundary=BoundaryName("b"), version=1, agent=KEY.agent, purpose=KEY.purpose, rules={},
    not_after=Instant(NOW + DAY), state=BoundaryState.ACTIVE, approved_by=OwnerName("dana"), approved_at=Instant(0),
)  # fmt: skip
STEPS = st.lists(st.tuples(st.integers(0, 80 * 24), st.booleans()), max_size=60)


def setting(now: int) -> Setting:
    return Setting(
        tier=Tier.LOW, boundary=BOUNDARY, rule=Rule(action=KEY.action),
        holder=Holder(version="1", state="active", owner_active=True, risk=0), covered=now, now=Instant(now),
    )  # fmt: skip


def rows(known: Activations) -> list[UseDay]:
    return [
        UseDay(DayKey(*key, day, "remit"), uses, 0, 0, first, last)
        for (key, day), (uses, first, last) in known.take_seen().days.items()
    ]


@given(STEPS)
def test_use_and_starts_in_any_turn_come_to_what_the_days_say(steps: list[tuple[int, bool]]) -> None:
    now = FIRST * DAY
    known = Activations(lambda: Micros(now))
    known.load("bot", lambda: [begin(KEY, None, setting(now), by="")])
    for hours, again in steps:
        now += hours * HOUR
        if again:  # it lapsed, and starts again
            before = known.find(KEY)
            known.put(begin(KEY, before, setting(now), by="", lapsed=True))
        else:
            known.used(KEY, Instant(now))
    found = known.find(KEY)
    assert found is not None
    again_counted = recounted(found, rows(known), since=FIRST)
    assert again_counted is not None
    assert again_counted == found.usage


def activation(usage: Usage) -> Activation:
    return Activation(
        key=KEY, boundary=BOUNDARY.boundary, boundary_version=1, agent_version="1", state=ActivationState.ACTIVE,
        since=Instant(FIRST * DAY), started=Instant(FIRST * DAY), by="", serial=1, usage=usage,
    )  # fmt: skip


def used(*days: int, source: str = "remit", action: str = "s/t") -> list[UseDay]:
    key = KEY._replace(action=ActionName(action))
    return [
        UseDay(DayKey(*key, FIRST + day, source), 1, 0, 0, (FIRST + day) * DAY + 7, (FIRST + day) * DAY + 7)
        for day in days
    ]


def usage(last: int, days: int, *gaps: int) -> Usage:
    return Usage(Instant((FIRST + last) * DAY + 7), Micros(5), days, gaps)


@pytest.mark.parametrize(
    ("kept", "days", "since", "same"),
    [
        (usage(9, 2, 4), (5, 9), 3, True),
        (usage(9, 2, 4), (9,), 5, None),  # day 5 may be from before: that day began in the middle
        (usage(9, 2, 4), (9,), 4, False),  # day 5 must be there
        (usage(9, 1), (5, 9), 3, False),
        (usage(9, 90, *[1] * 20), range(-11, 10), -11, None),  # older days are told of by nobody
        (usage(9, 21, *[1] * 20), range(-11, 10), -11, True),
        (usage(9, 20, *[1] * 19), range(-11, 10), -11, False),
    ],
)
def test_only_what_was_written_down_by_the_day_is_compared(kept: Usage, days: Any, since: int, same: object) -> None:
    found = recounted(activation(kept), used(*days), since=FIRST + since)
    assert (None if found is None else found == kept) is same


class Records:
    def entry(self, kind: str, fields: Any, *, id: str | None = None, about: Any = None, payload: Any = None) -> Entry:  # noqa: A002 - the port's
        assert about is payload is None
        return Entry(id or kind, json.dumps({"kind": kind, **fields}).encode())


def swept(kept: Usage, days: list[UseDay]) -> tuple[Counted, Usage, list[dict[str, Any]]]:
    memory, found = MemoryWriter(), Counted()
    memory.change(lambda tx: SqlActivations(tx.connection).put(activation(kept), expected=0, due=NOW + DAY))
    memory.change(lambda tx: SqlUseDays(tx.connection).add(days))

    def apply(tx: Transaction) -> None:
        at = SqlActivations(tx.connection)
        Recount(tx=tx, rows=at, records=Records(), now=NOW, covered=Micros(99)).step([KEY], found)

    memory.change(apply)
    stands = memory.read(lambda connection: SqlActivations(connection).find(KEY))
    assert stands is not None
    return found, stands.usage, [json.loads(entry.header) for entry in memory.entries]


def test_what_is_the_same_writes_nothing() -> None:
    found, stands, entries = swept(usage(9, 2, 4), used(5, 9))
    assert (found.compared, found.differences, stands, entries) == (1, [], usage(9, 2, 4), [])


def test_a_later_count_stands_and_is_an_incident() -> None:
    kept = usage(9, 2, 4)
    found, stands, (incident,) = swept(kept, used(5, 9, 20))
    assert stands == dataclasses.replace(usage(20, 3, 4, 11), covered=Micros(99))
    assert found.differences == [incident["activation"]] == [activation(kept).id]
    assert (incident["what"], incident["stands"]) == ("usage_differs", "counted")
    assert (incident["kept"]["days"], incident["counted"]["days"]) == (2, 3)


def test_an_earlier_count_is_an_incident_and_takes_nothing_away() -> None:
    found, stands, (incident,) = swept(usage(9, 2, 4), [*used(5), *used(1, action="s/u")])
    assert (stands, incident["stands"], len(found.differences)) == (usage(9, 2, 4), "kept", 1)


def test_the_first_day_is_that_of_our_own_record() -> None:
    memory = MemoryWriter()
    memory.change(lambda tx: SqlUseDays(tx.connection).add(used(1, source="imported")))
    assert memory.change(first_day) > FIRST + 10_000
    memory.change(lambda tx: SqlUseDays(tx.connection).add(used(3, 8)))
    assert memory.change(first_day) == FIRST + 3


def test_an_entry_names_a_hundred_at_most() -> None:
    body = Counted(seen=500, changed=2, compared=400, differences=[f"act_{at}" for at in range(150)]).body()
    assert (body["differences"], len(body["activations"])) == (150, 100)


@pytest.mark.parametrize(("kept", "stands"), [(-50 * DAY, 99 - 10 * DAY), (2 * HOUR, 2 * HOUR)])
def test_a_reading_of_the_clock_that_cannot_be_is_an_incident_and_takes_nothing(kept: int, stands: int) -> None:
    """Lowered it is put where the clock may have been; one that is ahead of it is only told."""
    last = Instant(NOON_OF_LAST)
    wrong = Usage(last, Micros(kept), 1)
    days = [UseDay(DayKey(*KEY, last // DAY, "remit"), 1, 0, 0, last, last)]
    found, now, (incident,) = swept(wrong, days)
    assert (incident["what"], incident["kept"], incident["clock"]) == ("usage_differs", kept, 99)
    assert found.differences == [activation(wrong).id]
    assert now == dataclasses.replace(wrong, covered=Micros(stands))
