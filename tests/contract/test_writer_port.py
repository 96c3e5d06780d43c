"""What the writer promises about changes, the feed and failures, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.contract.ids import entry_ids

from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict, Overloaded, StorageUnavailable
from remit.storage import commit, writer
from remit.storage.database import Database, open_database
from remit.storage.model import Committed, ConsumeProof, Entry, Work
from remit.storage.ports import Transaction
from remit.storage.schema import meta

FAR = Instant(4_000_000_000_000_000)


def work(name: str) -> Work:
    return Work((Entry(f"dec_{name}", b"header " + name.encode(), b"payload"),))


def put(key: str, *topics: str) -> Callable[[Transaction], str]:
    def apply(tx: Transaction) -> str:
        tx.connection.execute(insert(meta).values(key=key, value="x"))
        tx.record(Entry(f"chg_{key}", b"change"))
        tx.touch(*topics)
        return key

    return apply


def keys(database: Database) -> set[str]:
    return database.reader.read(lambda c: set(c.execute(select(meta.c.key)).scalars()))


def recorded(database: Database) -> set[str]:
    return set(database.reader.read(entry_ids))


def works_again(database: Database) -> float:
    """Submit until a work is recorded; how long that took, in seconds."""
    start = monotonic()
    for number in range(10_000):
        try:
            database.writer.submit(work(f"again{number}")).result(timeout=10)
        except StorageUnavailable:
            threading.Event().wait(0.01)
        else:
            return monotonic() - start
    raise AssertionError("the writer never recovered")


def test_a_change_is_durable_readable_and_recorded_when_it_answers(any_database: Database) -> None:
    assert any_database.writer.change(put("a", "freezes")) == "a"
    assert keys(any_database) == {"a"}
    assert recorded(any_database) == {"chg_a"}


def test_what_a_change_raises_reaches_its_caller_and_undoes_only_that_change(any_database: Database) -> None:
    def refuse(tx: Transaction) -> None:
        put("b", "freezes")(tx)
        raise Conflict("changed meanwhile")

    futures: list[Future[str]] = []

    def together(_: Transaction) -> None:
        # Queued while the writer is busy here, so the three share the next batch.
        futures.extend(any_database.writer._intake.change(apply) for apply in (put("a"), refuse, put("c")))

    any_database.writer.change(together)
    assert futures[0].result(timeout=10) == "a"
    with pytest.raises(Conflict):
        futures[1].result(timeout=10)
    assert futures[2].result(timeout=10) == "c"
    assert keys(any_database) == {"a", "c"}
    assert recorded(any_database) == {"chg_a", "chg_c"}
    assert any_database.epoch == 0


def test_a_broken_constraint_is_the_callers_and_the_writer_stays_well(any_database: Database) -> None:
    any_database.writer.change(put("a"))
    with pytest.raises(IntegrityError):
        any_database.writer.change(put("a"))
    assert any_database.healthy
    assert any_database.writer.submit(work("a")).result(timeout=10) == Committed(None)


def test_a_change_that_swallows_a_database_error_takes_nobody_with_it(any_database: Database) -> None:
    any_database.writer.change(put("a"))

    def swallow(tx: Transaction) -> None:
        try:
            put("a", "freezes")(tx)
        except IntegrityError:
            tx.touch("freezes")

    # PostgreSQL refuses what follows an error, SQLite does not; either way nobody else is touched.
    if any_database.dialect == "postgresql":
        with pytest.raises(Exception, match="current transaction is aborted"):
            any_database.writer.change(swallow)
    else:
        any_database.writer.change(swallow)
    assert any_database.healthy
    any_database.writer.change(put("b"))


def test_epochs_have_no_gaps_and_only_touching_takes_one(any_database: Database) -> None:
    seen: list[tuple[int, tuple[str, ...]]] = []
    any_database.feed.subscribe(lambda epoch, topics, _: seen.append((epoch, topics)))
    any_database.writer.change(put("a", "agent:x", "freezes", "agent:x"))
    any_database.writer.change(put("b"))
    with pytest.raises(IntegrityError):
        any_database.writer.change(put("a", "agent:y"))
    any_database.writer.change(put("c", "policies"))
    assert seen == [(1, ("agent:x", "freezes")), (2, ("policies",))]
    assert any_database.epoch == 2


def test_every_view_has_a_change_before_its_caller_is_answered(any_database: Database) -> None:
    view: list[set[str]] = []

    def reload(_: int, __: tuple[str, ...], connection: Connection) -> None:
        view.append(set(connection.execute(select(meta.c.key)).scalars()))

    any_database.feed.subscribe(reload)
    any_database.writer.change(put("a", "freezes"))
    assert view == [{"a"}]


def test_after_a_view_missed_a_change_nothing_is_taken_until_it_has_it(any_database: Database) -> None:
    tries: list[int] = []

    def reload(epoch: int, _: tuple[str, ...], __: Connection) -> None:
        tries.append(epoch)
        if len(tries) == 1:
            raise LookupError("the view could not be built")

    any_database.feed.subscribe(reload)
    with pytest.raises(StorageUnavailable, match="not yet applied"):
        any_database.writer.change(put("a", "freezes"))
    works_again(any_database)
    assert tries == [1, 1]
    assert keys(any_database) == {"a"}


def test_a_change_on_an_event_loop_is_refused_at_once(any_database: Database) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="event loop"):
            any_database.writer.change(put("a"))

    asyncio.run(main())


def test_a_change_inside_a_change_is_refused_at_once(any_database: Database) -> None:
    with pytest.raises(RuntimeError, match="itself"):
        any_database.writer.change(lambda _: any_database.writer.change(put("a")))


def test_an_event_loop_is_answered_in_the_order_of_its_questions(any_database: Database) -> None:
    proof = ConsumeProof("dpop:x", FAR)

    async def main() -> list[Committed]:
        submit = any_database.writer.submit_async
        first = [submit(Work((Entry(f"dec_{n}", b"h"),), (proof,))) for n in range(3)]
        gone = submit(work("gone"))
        gone.cancel()
        return list(await asyncio.gather(*first))

    assert [done.failed for done in asyncio.run(main())] == [None, proof, proof]
    any_database.writer.submit(work("after")).result(timeout=10)
    assert recorded(any_database) == {"dec_0", "dec_gone", "dec_after"}  # cancelling the wait cancels no record


def test_a_loop_that_closed_before_its_answer_hurts_nobody(any_database: Database) -> None:
    async def main() -> None:
        any_database.writer.submit_async(work("a"))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert any_database.writer.submit(work("b")).result(timeout=10) == Committed(None)
    assert recorded(any_database) == {"dec_a", "dec_b"}


def test_rows_the_database_refuses_fail_alone(any_database: Database) -> None:
    any_database.writer.submit(work("a")).result(timeout=10)

    def together(_: Transaction) -> list[Future[Committed]]:
        return [any_database.writer.submit(work(name)) for name in ("b", "a", "c")]

    good, twice, also = any_database.writer.change(together)
    assert good.result(timeout=10) == also.result(timeout=10) == Committed(None)
    with pytest.raises(StorageUnavailable):
        twice.result(timeout=10)
    assert recorded(any_database) == {"dec_a", "dec_b", "dec_c"}
    assert any_database.healthy


def test_stopping_commits_what_was_queued_and_refuses_what_comes_later(
    where: Path | str, opened: Callable[[Path | str], Database]
) -> None:
    database = opened(where)
    futures = database.writer.change(lambda _: [database.writer.submit(work(str(n))) for n in range(50)])
    database.close()
    assert {future.result(timeout=0) for future in futures} == {Committed(None)}
    with pytest.raises(StorageUnavailable):
        database.writer.submit(work("late")).result(timeout=1)
    with pytest.raises(StorageUnavailable):
        database.writer.change(put("late"))
    again = opened(where)
    assert (again.new, len(recorded(again))) == (False, 50)


def test_the_epoch_is_known_again_after_a_restart(where: Path | str, opened: Callable[[Path | str], Database]) -> None:
    first = opened(where)
    first.writer.change(put("a", "freezes"))
    first.close()
    assert opened(where).epoch == 1


def test_a_reader_sees_one_snapshot_and_cannot_write(any_database: Database) -> None:
    def twice(connection: Connection) -> tuple[int, int]:
        count = select(func.count()).select_from(meta)
        before = connection.execute(count).scalar_one()
        any_database.writer.change(put("a"))
        return before, connection.execute(count).scalar_one()

    assert any_database.reader.read(twice) == (0, 0)
    with pytest.raises((StorageUnavailable, DBAPIError)):
        any_database.reader.read(lambda c: c.execute(delete(meta)))
    assert keys(any_database) == {"a"}


def test_a_full_queue_turns_works_away_and_lets_changes_through(where: Path | str) -> None:
    database = open_database(where, capacity=3)
    try:

        def flood(_: Transaction) -> tuple[list[Future[Committed]], Future[str]]:
            return [database.writer.submit(work(str(n))) for n in range(5)], database.writer._intake.change(put("a"))

        futures, change = database.writer.change(flood)
        assert [isinstance(future.exception(timeout=10), Overloaded) for future in futures] == [False] * 3 + [True] * 2
        assert change.result(timeout=10) == "a"
        assert database.writer.submit(work("later")).result(timeout=10) == Committed(None)
    finally:
        database.close()


# the database fails -----------------------------------------------------------------------


@pytest.fixture
def holder(where: Path | str, any_database: Database) -> Iterator[Callable[[], None]]:
    """Another program holds what the writer needs; call the value to let go."""
    if isinstance(where, Path):
        other = sqlite3.connect(where, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield other.rollback
        other.close()
        return
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is asked for

    with psycopg.connect(where) as connection:
        connection.execute("LOCK TABLE bundles IN ACCESS EXCLUSIVE MODE")
        yield connection.rollback


def test_a_database_that_hangs_is_refused_within_a_second_or_so_and_taken_back(
    any_database: Database, holder: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (commit, writer):  # as a server has it; `tests/conftest.py` gives other tests more
        monkeypatch.setattr(module, "STAGE_SECONDS", 1.0)
    start = monotonic()
    with pytest.raises(StorageUnavailable):
        any_database.writer.submit(work("a")).result(timeout=10)
    assert monotonic() - start < 3  # a second, on a machine that has nothing else to do
    assert not any_database.healthy
    with pytest.raises(StorageUnavailable):
        any_database.writer.submit(work("b")).result(timeout=0)
    holder()
    works_again(any_database)
    assert any_database.healthy


def test_a_full_disk_acknowledges_nothing_and_poisons_nothing(database: Database) -> None:
    def shrink(tx: Transaction) -> None:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 8}")

    database.writer.change(shrink)
    big = Work((Entry("dec_big", b"h", bytes(200_000)),))
    small = work("small")
    futures = database.writer.change(lambda _: [database.writer.submit(each) for each in (small, big)])
    for future in futures:
        with pytest.raises(StorageUnavailable):
            future.result(timeout=10)
    assert recorded(database) == set()
    works_again(database)  # a new connection does not know the limit: somebody made room
    assert database.writer.submit(big).result(timeout=10) == Committed(None)


def test_a_full_disk_inside_a_change_is_not_the_changes_fault(database: Database) -> None:
    def fill(tx: Transaction) -> None:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        tx.connection.execute(insert(meta).values(key="big", value="x" * 100_000))

    with pytest.raises(StorageUnavailable):
        database.writer.change(fill)
    works_again(database)
    assert keys(database) == set()


def test_a_file_that_is_gone_acknowledges_nothing_and_is_not_made_anew(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "remit.db"
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(StorageUnavailable):
        database.writer.submit(work("a")).result(timeout=10)
    with pytest.raises(StorageUnavailable):
        database.writer.submit(work("b")).result(timeout=10)
    assert not path.exists()
    (tmp_path / "elsewhere.db").rename(path)
    assert works_again(database) < 3


def test_a_lost_connection_is_refused_at_once_and_made_again(
    postgres_url: str, postgres_server: str, opened: Callable[[Path | str], Database]
) -> None:
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is asked for

    database = opened(postgres_url)
    name = postgres_url.split("/")[3].split("?", maxsplit=1)[0]
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        start = monotonic()
        with pytest.raises(StorageUnavailable):
            database.writer.submit(work("a")).result(timeout=10)
        with pytest.raises(StorageUnavailable):
            database.reader.read(lambda c: c.execute(select(meta)).all())
        assert monotonic() - start < 3
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    assert works_again(database) < 3
    assert database.reader.read(lambda c: c.execute(select(meta)).all()) == []
