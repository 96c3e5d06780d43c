"""The benchmarks of certification on a small scale: whatever the machine, nothing may come out different."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # `benchmarks` is no installed package

from benchmarks import estate_scale, replay_scale


def test_a_day_comes_to_what_everything_judged_comes_to(tmp_path: Path) -> None:
    rows = estate_scale.measure(tmp_path, activations=400, many=20_000)
    found = {row["what"].strip(): row["median"] for row in rows}
    assert found["differences between the day and everything judged"] == 0
    assert found["of them used"] == 4
    assert 0 < found["judged, as used or due"] < 100
    assert 0 < found["entry of a changed state"] < 1536


def test_exactly_what_was_touched_differs(tmp_path: Path) -> None:
    rows = replay_scale.measure(tmp_path, many=150)
    found = {row["what"].strip(): row["median"] for row in rows}
    assert found["not byte for byte the same"] == 0
    assert found["wrong about one byte of use, one rule or one number"] == 0
    assert found["roots of two adapters, in two orders"] == 1
