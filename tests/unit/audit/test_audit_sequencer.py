"""The sequencer on real databases: dense positions, signed growth, compare and swap, nothing signed over damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from remit.audit import sequencer as rules
from remit.audit.checkpoint import parse, verify
from remit.audit.merkle import root
from remit.kernel.clock import MINUTE
from remit.kernel.errors import Conflict, IntegrityFailed, StorageUnavailable
from remit.storage.ports import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.audit.conftest import Ledger


def run(ledger: Ledger, statement: str, **values: object) -> None:
    ledger.database.writer.change(lambda tx: tx.connection.execute(text(statement), values))


def firsts(ledger: Ledger) -> list[tuple[int, int | None]]:
    query = text("SELECT count, first FROM bundles ORDER BY bundle")
    return ledger.database.reader.read(lambda connection: [(row[0], row[1]) for row in connection.execute(query)])


def checkpoints(ledger: Ledger) -> list[int]:
    query = text("SELECT size FROM checkpoints ORDER BY size")
    return ledger.database.reader.read(lambda connection: [row[0] for row in connection.execute(query)])


def test_positions_are_dense_and_the_root_is_signed(either: Ledger) -> None:
    either.grow(3, 1, 5)
    assert firsts(either) == [(3, 0), (1, 3), (5, 4)]
    signed = verify(either.note(), either.log.key)
    assert signed.size == 9
    assert signed.root == root(either.log.entries(0, 100))


def test_an_idle_log_signs_nothing(ledger: Ledger) -> None:
    assert ledger.sequence() == 0
    assert ledger.log.checkpoint() is None
    ledger.grow(2)
    before = ledger.note()
    ledger.clock.at += MINUTE
    assert ledger.sequence() == 0
    assert ledger.note() == before


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_every_growth_continues_the_tree(ledger: Ledger, sizes: list[int]) -> None:
    for size in sizes:
        ledger.grow(size)
        signed = parse(ledger.note())
        assert signed.root == root(ledger.log.entries(0, signed.size))


def test_growth_goes_on_after_a_restart(either: Ledger) -> None:
    either.grow(300)
    either.close()
    either.open()
    either.grow(7)
    assert parse(either.note()).size == 307
    assert parse(either.note()).root == root(either.log.entries(0, 307))


def test_one_run_is_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "_MOST_ENTRIES", 5)
    for size in (3, 3, 9):
        ledger.record(*[ledger.change(str(number)) for number in range(size)])
    assert [ledger.sequencer.run_once() for _ in range(4)] == [3, 3, 9, 0]


def test_of_one_minute_only_the_newest_checkpoint_is_kept(ledger: Ledger) -> None:
    for size in (1, 2, 3):
        ledger.grow(size)
    ledger.clock.at += MINUTE
    ledger.grow(4)
    assert checkpoints(ledger) == [6, 10]


def test_two_sequencers_never_fork_the_log(either: Ledger) -> None:
    one, two = either.new_sequencer(), either.new_sequencer()
    either.grow(2)
    for sequencer in (one, two):
        either.record(either.change("more"))
        sequencer.run_once()  # both have read the tree now; each continues what it knows
    either.record(either.change("last"))
    with pytest.raises(Conflict):
        one.run_once()
    assert one.run_once() == 1
    assert parse(either.note()).root == root(either.log.entries(0, 5))


def test_a_lost_swap_leaves_nothing_behind(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.grow(2)
    before = ledger.note()
    ledger.record(ledger.change("more"))

    def gone(_apply: Callable[[Transaction], None]) -> None:
        raise StorageUnavailable("the database is gone")

    with monkeypatch.context() as patched:
        patched.setattr(ledger.database.writer, "change", gone, raising=True)
        with pytest.raises(StorageUnavailable):
            ledger.sequencer.run_once()
    assert ledger.note() == before
    assert ledger.sequence() == 1


def test_a_damaged_bundle_is_not_signed_over(ledger: Ledger) -> None:
    ledger.grow(2)
    before = ledger.note()
    ledger.record(ledger.change("more"))
    run(ledger, "UPDATE bundles SET headers = substr(headers, 1, 20) WHERE first IS NULL")
    with pytest.raises(IntegrityFailed, match="damaged"):
        ledger.sequencer.run_once()
    assert ledger.note() == before


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM tiles",
        "UPDATE tiles SET hashes = zeroblob(64)",
        "DELETE FROM checkpoints",
        "UPDATE checkpoints SET note = replace(note, '2', '1')",
    ],
)
def test_a_tree_that_is_not_the_signed_one_is_not_extended(ledger: Ledger, damage: str) -> None:
    ledger.grow(2)
    run(ledger, damage)
    ledger.record(ledger.change("more"))
    with pytest.raises((IntegrityFailed, Exception)) as caught:
        ledger.new_sequencer().run_once()
    assert getattr(caught.value, "code", "") == "integrity_failed"


def test_the_thread_signs_what_is_there_when_it_stops(ledger: Ledger) -> None:
    ledger.record(ledger.change("x"), ledger.change("y"))
    ledger.sequencer.start()
    ledger.sequencer.stop()
    assert parse(ledger.note()).size == 2
    assert ledger.sequencer.failure is None


def test_the_thread_says_why_it_does_not_sign(ledger: Ledger) -> None:
    ledger.record(ledger.change("x"))
    run(ledger, "UPDATE bundles SET headers = zeroblob(9)")
    ledger.sequencer.start()
    ledger.sequencer.stop()
    assert isinstance(ledger.sequencer.failure, IntegrityFailed)


def test_neither_topics_nor_epoch_move(ledger: Ledger) -> None:
    heard: list[tuple[str, ...]] = []

    def hear(_epoch: int, topics: tuple[str, ...], _connection: Connection) -> None:
        heard.append(topics)

    ledger.database.feed.subscribe(hear)
    before = ledger.database.epoch
    ledger.grow(3)
    assert (ledger.database.epoch, heard) == (before, [])
