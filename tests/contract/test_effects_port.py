"""The writer's effects, the same on memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from remit.kernel.clock import Instant
from remit.storage import bundle
from remit.storage.database import Database
from remit.storage.memory import MemoryWriter
from remit.storage.model import (
    Committed,
    ConsumeProof,
    Effect,
    Entry,
    Mark,
    Marked,
    Release,
    Reserve,
    Unmarked,
    Work,
)
from remit.storage.ports import Writer
from remit.storage.schema import bundles, counters

FAR = Instant(4_000_000_000_000_000)
NOON = Instant(1_700_000_000_000_000)


class Scene:
    """A writer, and a way to hand it several works as one batch."""

    def __init__(self, writer: Writer, headers: Callable[[], list[bytes]]) -> None:
        self.writer = writer
        self.headers = headers

    def batch(self, *works: Work) -> list[Committed]:
        """Submit from inside a change, while the writer is busy: they all wait, and commit together."""
        if isinstance(self.writer, MemoryWriter):
            return [self.writer.submit(work).result() for work in works]
        futures = self.writer.change(lambda _: [self.writer.submit(work) for work in works])
        return [future.result(timeout=10) for future in futures]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, opened: Callable[[Path | str], Database]) -> Iterator[Scene]:
    if request.param == "memory":
        memory = MemoryWriter()
        yield Scene(memory, lambda: [entry.header for entry in memory.entries])
        return
    database = opened(tmp_path / "remit.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url"))

    def headers() -> list[bytes]:
        rows = database.reader.read(lambda c: c.execute(select(bundles.c.headers).order_by(bundles.c.bundle)).all())
        return [header for (stored,) in rows for header in bundle.unpack(bundle.decompress(stored))]

    yield Scene(database.writer, headers)


def work(name: str, *effects: Effect) -> Work:
    return Work(
        (Entry(f"dec_{name}", b"allow " + name.encode()),),
        effects,
        lambda failed: (Entry(f"dec_{name}", f"deny {name} {type(failed).__name__}".encode()),),
    )


def reserve(key: str, amount: int, limit: int) -> Reserve:
    return Reserve(key, NOON, FAR, amount, limit)


def test_what_has_no_effects_is_simply_recorded(scene: Scene) -> None:
    assert scene.batch(work("a"), work("b")) == [Committed(None), Committed(None)]
    assert scene.headers() == [b"allow a", b"allow b"]


def test_of_two_works_in_one_batch_with_the_same_proof_the_first_has_it(scene: Scene) -> None:
    proof = ConsumeProof("dpop:x", FAR)
    first, second, other = scene.batch(work("a", proof), work("b", proof), work("c", ConsumeProof("dpop:y", FAR)))
    assert (first.failed, second.failed, other.failed) == (None, proof, None)
    assert scene.headers() == [b"allow a", b"deny b ConsumeProof", b"allow c"]


def test_a_proof_seen_in_an_earlier_batch_is_gone(scene: Scene) -> None:
    proof = ConsumeProof("dpop:x", FAR)
    scene.batch(work("a", proof))
    fresh = ConsumeProof("dpop:z", FAR)
    replayed, good = scene.batch(work("b", proof), work("c", fresh))
    assert (replayed.failed, good.failed) == (proof, None)


def test_a_failed_proof_reserves_nothing(scene: Scene) -> None:
    proof = ConsumeProof("dpop:x", FAR)
    scene.batch(work("a", proof))
    assert scene.batch(work("b", reserve("rate", 1, 1), proof))[0].failed == proof
    assert scene.batch(work("c", reserve("rate", 1, 1)))[0] == Committed(None, (1,))


def test_a_failed_reservation_leaves_the_proof_consumed(scene: Scene) -> None:
    proof = ConsumeProof("dpop:x", FAR)
    over = reserve("budget", 2, 1)
    assert scene.batch(work("a", proof, over))[0] == Committed(over)
    assert scene.batch(work("b", proof))[0] == Committed(proof)


def test_a_counter_admits_up_to_its_limit_and_no_further(scene: Scene) -> None:
    one = reserve("budget", 4, 10)
    assert scene.batch(*(work(str(n), one) for n in range(3))) == [
        Committed(None, (4,)),
        Committed(None, (8,)),
        Committed(one),
    ]
    assert scene.batch(work("x", reserve("budget", 2, 10)))[0] == Committed(None, (10,))
    assert scene.headers() == [b"allow 0", b"allow 1", b"deny 2 Reserve", b"allow x"]


def test_a_first_reservation_over_the_limit_fails(scene: Scene) -> None:
    over = reserve("budget", 11, 10)
    assert scene.batch(work("a", over))[0] == Committed(over)
    assert scene.batch(work("b", reserve("budget", 10, 10)))[0] == Committed(None, (10,))


def test_the_second_limit_that_fails_undoes_the_first(scene: Scene) -> None:
    rate, budget = reserve("rate", 1, 5), reserve("budget", 60, 100)
    first, second = scene.batch(work("a", rate, budget), work("b", rate, budget))
    assert first == Committed(None, (1, 60))
    assert second == Committed(budget)
    assert scene.batch(work("c", rate))[0] == Committed(None, (2,))


def test_used_stands_in_the_order_of_the_works_own_effects(scene: Scene) -> None:
    done = scene.batch(work("a", reserve("z", 1, 5), reserve("a", 2, 5), reserve("z", 3, 5)))
    assert done == [Committed(None, (1, 2, 4))]


def test_windows_are_counters_of_their_own(scene: Scene) -> None:
    later = Reserve("budget", Instant(NOON + 1), FAR, 10, 10)
    assert scene.batch(work("a", reserve("budget", 10, 10)), work("b", later)) == [
        Committed(None, (10,)),
        Committed(None, (10,)),
    ]


def test_a_release_gives_back_and_never_goes_below_zero(scene: Scene) -> None:
    scene.batch(work("a", reserve("budget", 8, 10)))
    assert scene.batch(work("b", Release("budget", NOON, 3)))[0] == Committed(None)
    assert scene.batch(work("c", reserve("budget", 5, 10)))[0] == Committed(None, (10,))
    assert scene.batch(work("d", Release("budget", NOON, 99)), work("e", reserve("budget", 10, 10))) == [
        Committed(None),
        Committed(None, (10,)),
    ]


def test_a_release_of_what_was_never_reserved_does_nothing(scene: Scene) -> None:
    assert scene.batch(work("a", Release("nothing", NOON, 3)))[0] == Committed(None)
    assert scene.batch(work("b", reserve("nothing", 3, 3)))[0] == Committed(None, (3,))


def test_a_work_that_fails_without_an_otherwise_records_nothing(scene: Scene) -> None:
    over = reserve("budget", 2, 1)
    assert scene.batch(Work((Entry("dec_a", b"allow"),), (over,)))[0] == Committed(over)
    assert scene.headers() == []


def test_a_work_whose_otherwise_raises_takes_nobody_with_it(scene: Scene) -> None:
    def broken(_: Effect) -> tuple[Entry, ...]:
        raise LookupError("no such code")

    bad = scene.writer.submit(Work((Entry("dec_a", b"allow"),), (reserve("budget", 2, 1),), broken))
    with pytest.raises(LookupError):
        bad.result(timeout=10)
    assert scene.batch(work("b"))[0] == Committed(None)


def test_large_amounts_are_exact(scene: Scene) -> None:
    big = 2**62
    assert scene.batch(work("a", reserve("budget", big, big)))[0] == Committed(None, (big,))
    assert scene.batch(work("b", reserve("budget", 1, big)))[0].failed is not None


def test_keys_may_hold_any_text(scene: Scene) -> None:
    key = 'dpop:"\\\u00e9\u2028\U0001f600%s?$1'
    assert scene.batch(work("a", ConsumeProof(key, FAR), reserve(key, 1, 1)))[0] == Committed(None, (1,))
    assert scene.batch(work("b", ConsumeProof(key, FAR)))[0].failed is not None
    assert scene.batch(work("c", reserve(key, 1, 1)))[0].failed is not None


def mark(key: str, at: int = NOON) -> Mark:
    return Mark(key, Instant(at), FAR)


def test_what_must_have_been_is_looked_at_in_the_order_of_the_works(scene: Scene) -> None:
    needed = Marked("approved", Instant(1))
    before, marking, after = scene.batch(work("a", needed), work("b", mark("approved")), work("c", needed))
    assert (before.failed, marking.failed, after.failed) == (needed, None, None)
    assert scene.batch(work("d", needed))[0] == Committed(None)
    assert scene.headers() == [b"deny a Marked", b"allow b", b"allow c", b"allow d"]


def test_what_was_too_long_ago_is_as_if_it_never_was(scene: Scene) -> None:
    scene.batch(work("a", mark("approved")), work("b", mark("approved", NOON - 5)))
    assert scene.batch(work("c", Marked("approved", NOON)))[0] == Committed(None)  # the latest counts
    late = Marked("approved", Instant(NOON + 1))
    assert scene.batch(work("d", late))[0] == Committed(late)


def test_what_must_not_have_been_is_looked_at_in_the_order_of_the_works(scene: Scene) -> None:
    free = Unmarked("tainted", FAR)
    assert scene.batch(work("a", free), work("b", mark("tainted")), work("c", free)) == [
        Committed(None),
        Committed(None),
        Committed(free),
    ]
    assert scene.batch(work("d", free))[0] == Committed(free)


def test_a_work_that_fails_marks_nothing_and_reserves_nothing(scene: Scene) -> None:
    free, over = Unmarked("tainted", FAR), reserve("budget", 2, 1)
    assert scene.batch(work("a", mark("tainted"), over))[0] == Committed(over)
    assert scene.batch(work("b", free))[0] == Committed(None)
    needed = Marked("approved", Instant(1))
    assert scene.batch(work("c", reserve("budget", 1, 1), needed))[0] == Committed(needed)
    assert scene.batch(work("d", reserve("budget", 1, 1)))[0] == Committed(None, (1,))


def test_one_work_may_ask_that_nothing_was_and_mark_that_it_is(scene: Scene) -> None:
    both = (Unmarked("tainted", FAR), mark("tainted"))
    first, second = scene.batch(work("a", *both), work("b", *both))
    assert (first.failed, second.failed) == (None, both[0])


def test_as_much_as_is_left_is_granted_and_no_less_than_the_least(scene: Scene) -> None:
    some = Reserve("volume", NOON, FAR, 6, 10, least=1)
    found = scene.batch(work("a", some), work("b", some), work("c", some))
    assert [each.granted for each in found] == [(6,), (4,), ()]
    assert [each.failed for each in found] == [None, None, some]
    scene.batch(work("d", Release("volume", NOON, 3)))
    much = Reserve("volume", NOON, FAR, 9, 10, least=4)
    assert scene.batch(work("e", much))[0].failed == much
    assert scene.batch(work("f", Reserve("volume", NOON, FAR, 9, 10, least=3)))[0].granted == (3,)


def test_a_mark_is_kept_for_as_long_as_the_last_one_said(scene: Scene) -> None:
    """A sweep must not forget what is still asked for, because it was first marked for a shorter time."""
    scene.batch(work("a", Mark("tainted", NOON, Instant(NOON + 1))))
    scene.batch(work("b", Mark("tainted", Instant(NOON + 1), FAR)))
    writer = scene.writer
    if isinstance(writer, MemoryWriter):
        return
    found = writer.change(lambda tx: tx.connection.execute(select(counters.c.expires)).scalar_one())
    assert found == FAR
