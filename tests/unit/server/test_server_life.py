"""What runs besides requests: how often running calls are swept, and that a heartbeat loses no use."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.certification.test_certification_service import Desk, Records, key

from remit.audit.recovery import OpenCalls
from remit.kernel.clock import DAY, SECOND
from remit.kernel.errors import StorageUnavailable
from remit.policy.view import STALE_AFTER
from remit.server.later import Later
from remit.server.life import Life, sweep_pause


@pytest.mark.parametrize(
    ("asked", "pause"), [(0.0, 0.5), (0.025, 0.5), (0.05, 1.0), (0.1, 2.0), (0.2, 4.0), (3.0, 4.0)]
)
def test_sweeps_rest_twenty_times_as_long_as_they_asked_within_bounds(asked: float, pause: float) -> None:
    assert sweep_pause(asked) == pytest.approx(pause)


def test_what_time_ended_is_cut_within_the_staleness_bound() -> None:
    assert sweep_pause(1e9) * SECOND < STALE_AFTER


def test_a_heartbeat_that_is_not_recorded_loses_no_use() -> None:
    desk = Desk()
    desk.put("write")
    desk.at(29 * DAY)
    desk.known.used(key("write"), desk.clock.now())

    def full(*_: Any) -> None:
        raise StorageUnavailable("the disk is full")

    parts: Any = dict.fromkeys(
        ("outbound", "pipeline", "points", "announcer", "streams", "sequencer", "refresher", "nodes"), None
    )
    life = Life(
        clock=desk.clock, records=Records(), calls=OpenCalls(),  # type: ignore[arg-type]
        database=SimpleNamespace(writer=desk.memory, node=None),  # type: ignore[arg-type]
        coverage=SimpleNamespace(beat=full, reading=lambda: 0),  # type: ignore[arg-type]
        governance=Later(lambda: SimpleNamespace(certifying=SimpleNamespace(service=desk.service))),  # type: ignore[arg-type, return-value]
        **parts,
    )  # fmt: skip
    with pytest.raises(StorageUnavailable):
        life._heartbeat()
    life.coverage = SimpleNamespace(beat=lambda *_: None, reading=lambda: 0)  # type: ignore[assignment]
    life._heartbeat()
    assert desk.stored("write").usage.last == desk.clock.now()
