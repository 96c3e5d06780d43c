"""kill -9 at random instants under eight writers: nothing that was answered is lost.

`REMIT_KILLS=200 pytest tests/fault` for the long run.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from remit.storage import bundle
from remit.storage.database import Database
from remit.storage.schema import bundles, counters, entries, epoch, meta, payloads, proofs

KILLS = int(os.environ.get("REMIT_KILLS", "20"))
STORM = Path(__file__).with_name("storm.py")


def storm(where: Path | str, answers: Path, seconds: float) -> None:
    """Run the writers for `seconds` from their first moment, then kill them."""
    with subprocess.Popen([sys.executable, str(STORM), str(where), str(answers)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        killer = threading.Timer(seconds, process.kill)
        killer.start()
        process.wait()
        killer.join()


def check_log(connection: Connection) -> set[str]:
    """Every index row leads to its own entry, every entry has its row, every bundle its payloads."""
    index = {(row.bundle, row.slot): row.entry for row in connection.execute(select(entries))}
    sealed = {row.bundle: row.sealed for row in connection.execute(select(payloads))}
    found: dict[tuple[int, int], str] = {}
    for row in connection.execute(select(bundles)):
        headers = bundle.unpack(bundle.decompress(row.headers))
        assert len(headers) == row._mapping["count"]
        kinds = [header[7:10] for header in headers]
        if row.bundle in sealed:
            assert [bool(part) for part in bundle.unpack(sealed[row.bundle])] == [kind == b"dec" for kind in kinds]
        else:
            assert b"dec" not in kinds
        found |= {(row.bundle, slot): header[7:-2].decode() for slot, header in enumerate(headers)}
    assert found == index
    return set(index.values())


def check(connection: Connection, answers: list[list[str]]) -> None:
    """The database against what was answered, and against itself."""
    recorded = check_log(connection)
    answered = {name for _, name, _ in answers}
    assert answered <= recorded, f"{len(answered - recorded)} answered entries are lost"
    decisions = {name for name in recorded if name.startswith("dec_")}
    assert set(connection.execute(select(proofs.c.key)).scalars()) == {f"proof:{name}" for name in decisions}
    assert connection.execute(select(func.sum(counters.c.used))).scalar_one() == len(decisions)
    changes = recorded - decisions
    assert set(connection.execute(select(meta.c.key)).scalars()) == changes
    assert connection.execute(select(epoch.c.value)).scalar_one() == len(changes)
    used = [int(number) for kind, _, number in answers if kind == "decision"]
    assert len(set(used)) == len(used), "two decisions were told the same place in the budget"


@pytest.mark.timeout(60 + 10 * KILLS)
def test_nothing_answered_is_lost(where: Path | str, tmp_path: Path, opened: Callable[[Path | str], Database]) -> None:
    kills = KILLS if isinstance(where, Path) else max(1, KILLS // 4)
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    answers = tmp_path / "answers"
    answers.touch()
    for kill in range(kills):
        storm(where, answers, chance.uniform(0.05, 0.6))
        database = opened(where)
        told = [line.split() for line in answers.read_text(encoding="ascii").splitlines()]
        try:
            database.reader.read(lambda connection, told=told: check(connection, told))  # type: ignore[misc]
        except AssertionError as error:
            pytest.fail(f"kill {kill} of seed {seed}: {error}")
        database.close()
    assert len(told) > 50 * kills
    print(f"{kills} kills, {len(told)} answers, none lost")  # noqa: T201 - what the run was worth
