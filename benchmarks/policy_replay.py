"""Recorded decisions made again, a second: the whole log, beside its data, with a candidate policy.

A registry is lived in for a while (lists and transfers, some let through and some refused, while policies and a
boundary change); then `remit policy simulate` goes through its log in two processes. Each decision is made twice.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.report import finish, options, row
from tests.interaction.replay_world import Opens, ReplayWorld

from remit.kernel.clock import SECOND
from remit.policy.simulate import Range
from remit.server.simulating import Work, simulate
from remit.server.what_if import Asked

FLOOR: Final = 1_000_000 // 300  # a million in five minutes
CALLERS, CHANGES = 64, 20
STOP: Final = (
    '@id("stop") @title("Stop") forbid(principal, action == Remit::Action::"payments/transfer", resource)'
    ' when { context.input has amount && context.input.amount.greaterThan(decimal("200.00")) };'
)


def lived(folder: Path, decisions: int) -> None:
    """Leave a log of so many decisions in `folder`."""
    world, numbers = ReplayWorld(folder, pytest.MonkeyPatch()), count()
    each = decisions // CHANGES
    for change in range(CHANGES):
        world.tree.transfer["when"]["amount"]["max"] = f"{500 - change}.00"
        world.apply()
        asyncio.run(_calls(world, numbers, each))
    world.place()
    world.database.close()


async def _calls(world: ReplayWorld, numbers: Iterator[int], most: int) -> None:
    pipeline = world.pipeline()
    end = next(numbers) + most

    async def caller() -> None:
        while (number := next(numbers)) < end:
            world.clock.at += SECOND
            amount = {"amount": Decimal(f"{number % 600}.50"), "currency": "EUR", "to": "x"}
            call = world.asked("payments/list_invoices") if number % 2 else world.asked("payments/transfer", amount)
            await pipeline.admit(call)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await pipeline.drain()


def measure(*, decisions: int, processes: int) -> list[dict[str, Any]]:
    """One log, replayed unchanged and with a candidate."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        lived(folder, decisions)
        work = Work(folder, Opens(folder / "keys" / "keyfile"), Asked(), Range())
        candidate = Asked([{"kind": "policy", "file": "stop.cedar", "text": STOP}])
        plain, whole = _timed(work, processes)
        against, found = _timed(Work(work.where, work.provider, candidate, work.within), processes)
    assert whole["reproduced"] == whole["decisions"], whole["differs"][:3]
    assert found["reproduced"] == found["decisions"], found["differs"][:3]
    assert found["changes"], "the candidate changes nothing"
    many = whole["decisions"]
    return [
        row("decisions made again a second", [many / plain], "/s", floor=FLOOR, aim=2 * FLOOR),
        row("  with a candidate beside", [many / against], "/s", floor=FLOOR, aim=2 * FLOOR),
        row("  decisions", [float(many)], ""),
    ]


def _timed(work: Work, processes: int) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    found = simulate(work, processes=processes)
    return time.perf_counter() - began, found


def main() -> int:
    parser = options(__doc__, rounds=1)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    rows = measure(decisions=chosen.decisions, processes=chosen.processes)
    return finish("policy_replay", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
