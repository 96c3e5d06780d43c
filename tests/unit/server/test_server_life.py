"""What runs besides requests: how often running calls are swept, and that a heartbeat loses no use."""

from __future__ import annotations

import asyncio
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


def test_what_certifies_is_loaded_once_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full for a second must not leave a server that certifies, withdraws and rotates nothing."""
    monkeypatch.setattr("remit.server.life._SETTLED", 0)
    monkeypatch.setattr("remit.server.life.BEAT_SECONDS", 0)
    ran, tried = [], []

    def make() -> Any:
        tried.append(1)
        if len(tried) < 3:
            raise OSError("no space left on device")

        async def run() -> None:
            ran.append(len(tried))

        return SimpleNamespace(certifying=SimpleNamespace(run=run))

    parts: Any = dict.fromkeys(
        (
            "outbound", "pipeline", "points", "announcer", "streams", "sequencer", "refresher", "nodes", "clock",
            "records", "calls", "database", "coverage",
        ),
        None,
    )  # fmt: skip
    asyncio.run(Life(governance=Later(make), **parts)._certify())
    assert ran == [3]


def test_the_database_is_closed_whatever_fails_at_the_end() -> None:
    done: list[str] = []

    def fails() -> Any:
        raise OSError("no space left on device")

    parts: Any = dict.fromkeys(
        (
            "outbound",
            "pipeline",
            "points",
            "announcer",
            "streams",
            "refresher",
            "nodes",
            "clock",
            "records",
            "coverage",
        ),
        None,
    )
    life = Life(
        governance=Later(fails), calls=OpenCalls(),
        database=SimpleNamespace(node=None, close=lambda: done.append("closed")),  # type: ignore[arg-type]
        sequencer=SimpleNamespace(stop=lambda: done.append("stopped")),  # type: ignore[arg-type]
        **parts,
    )  # fmt: skip
    life.close()
    assert done == ["stopped", "closed"]
