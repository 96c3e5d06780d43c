"""What an estate remembers beside a state: it decides later as in a server, and is the same judged in full or not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import cast

import pytest
from tests.unit.certification.test_certification_estate import BENCH, held, put

from remit.access.activation import ActivationState, Under
from remit.agents.signals import Noticed, Signal
from remit.catalog.model import Tier
from remit.certification.estate.judging import STATES, Bench, Terms
from remit.certification.estate.model import Row
from remit.certification.estate.ports import Estate
from remit.certification.estate.verdicts import Verdicts, changed, differences, full, incremental, judging
from remit.certification.usage.windows import windows
from remit.kernel.clock import DAY, HOUR, SECOND, Instant
from remit.policy.entitlement import Holder

START = Instant(20_000 * DAY)
EXPOSED = (Noticed(Signal.CREDENTIAL_EXPOSED, "k1", START),)


class Rows:
    """An estate that is a list."""

    def __init__(self, *rows: Row) -> None:
        self.rows = list(rows)

    def habits(self, eids: Collection[int] | None = None) -> Iterator[Row]:
        return iter(self.rows if eids is None else [self.rows[eid] for eid in sorted(eids)])


class Days:
    """One critical entitlement, judged hour by hour where something moved; each time full comes to the same."""

    def __init__(self, *, complete: int) -> None:
        self.estate, self.complete = Rows(Row(0, 0, START, 0, START, 1, "")), complete
        self.noticed: tuple[Noticed, ...] = ()
        self.stands = Verdicts()

    def at(self, hours: int, *, dirty: Sequence[int] = ()) -> tuple[str, str]:
        """Judge, so many hours after the start."""
        now = Instant(START + hours * HOUR)
        holder = Holder(version="1", state="active", owner_active=True, risk=0, noticed=self.noticed)
        terms = (Terms(tier=Tier.CRITICAL, holder=holder, version="1"),)
        record = windows([(0, min(now, START + self.complete * HOUR))])
        estate, before = cast("Estate", self.estate), self.stands
        with judging(Bench(now=now, windows=record, terms=terms)) as judge:
            self.stands, _ = incremental(estate, before, dirty or range(len(before) == 0), now=now, judge=judge)
            whole = full(estate, before, judge=judge)
        assert differences(self.stands, whole) == []
        assert changed(before, self.stands) == changed(before, whole)
        return STATES[self.stands.states[0]].value, self.stands.reasons[0]

    def used(self, hours: int) -> None:
        row = self.estate.rows[0]
        self.estate.rows[0] = row._replace(last=START + hours * HOUR, days=row.days + 1, gaps="1")

    def exposed(self, hours: int, *, on: bool) -> tuple[str, str]:
        self.noticed = EXPOSED if on else ()
        return self.at(hours, dirty=[0])


def test_what_is_critical_has_one_day_on_an_incomplete_record_as_in_a_server() -> None:
    days = Days(complete=1)
    days.at(1)
    assert days.at(24) == ("needs_usage", "record_incomplete")
    assert days.stands.unsures == {0: START + DAY}
    assert days.at(47) == ("needs_usage", "record_incomplete")
    assert days.at(48) == ("suspended", "record_incomplete_too_long")


def test_it_runs_on_through_a_suspension_and_its_beginning_there_is_written() -> None:
    days = Days(complete=1)
    days.at(1)
    days.exposed(20, on=True)
    before = days.stands
    assert days.at(24) == ("suspended", "credential_exposed")
    assert (days.stands.unsures, changed(before, days.stands)) == ({0: START + DAY}, [0])
    assert days.exposed(49, on=False) == ("suspended", "record_incomplete_too_long")


def test_with_a_use_nothing_of_it_is_left() -> None:
    days = Days(complete=1)
    days.at(1)
    days.at(24)
    days.used(30)
    assert days.at(31, dirty=[0]) == ("active", "used")
    assert days.stands.unsures == {}


def test_what_is_used_while_something_goes_before_its_lapse_comes_back_with_the_end_of_that() -> None:
    """At the end nothing else would ask for it: what judges everything must not be the only one to find it."""
    days = Days(complete=1000)
    days.at(1)
    assert days.at(24) == ("lapsed", "idle")
    assert days.exposed(30, on=True) == ("suspended", "credential_exposed")
    assert days.stands.unders == {0: Under(ActivationState.LAPSED, "idle", Instant(START + DAY))}
    days.used(40)
    assert days.at(41, dirty=[0]) == ("suspended", "credential_exposed")
    assert days.exposed(45, on=False) == ("active", "used")
    assert days.at(46) == ("active", "used")


@pytest.mark.parametrize("what", ["unders", "unsures"])
def test_what_is_remembered_otherwise_does_not_stand_alike(what: str) -> None:
    left = put(BENCH.judge([held(0), held(1)]))
    right = left.copy()
    getattr(right, what)[1] = Under(ActivationState.LAPSED, "idle", START) if what == "unders" else START + SECOND
    assert (differences(left, right), differences(right, left)) == ([1], [1])
    assert differences(right, right.copy()) == []
