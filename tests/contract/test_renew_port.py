"""A run that goes on as an effect: the same on memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, make_url, select, update

from remit.kernel.clock import DAY, MINUTE, Instant
from remit.storage import postgres
from remit.storage.commit import commit
from remit.storage.database import Database
from remit.storage.memory import MemoryWriter
from remit.storage.model import Committed, ConsumeProof, Entry, Renew, Work
from remit.storage.schema import instances, runs

NOON = Instant(1_795_608_000_000_000)
ENDS = Instant(NOON + DAY)
FAR = Instant(4_000_000_000_000_000)


class Scene:
    """A writer, with two runs of one agent that are open."""

    def __init__(self, writer: Any, read: Callable[[Any], Any]) -> None:
        self.writer, self._read = writer, read
        writer.change(self._open)

    def _open(self, tx: Any) -> None:
        for name in ("run_1", "run_2"):
            run = {"run": name, "agent": "a", "instance": f"of {name}", "purpose": "p", "opened": NOON}
            tx.connection.execute(insert(runs).values(**run, ends=ENDS, token_expires=NOON + 5 * MINUTE))
            seen = {"agent": "a", "instance": f"of {name}", "credential": "old", "first_seen": NOON, "last_seen": NOON}
            tx.connection.execute(insert(instances).values(**seen))

    def batch(self, *works: Work) -> list[Committed]:
        """Several works that wait for the writer together."""
        if isinstance(self.writer, MemoryWriter):
            return [self.writer.submit(work).result() for work in works]
        futures = self.writer.change(lambda _: [self.writer.submit(work) for work in works])
        return [future.result(timeout=10) for future in futures]

    def ends(self, run: str) -> int:
        """When the run's newest token ends."""
        query = select(runs.c.token_expires).where(runs.c.run == run)
        return int(self._read(lambda connection: connection.execute(query).scalar_one()))

    def seen(self, instance: str) -> tuple[str, int]:
        """By which credential an instance was seen last, and when."""
        query = select(instances.c.credential, instances.c.last_seen).where(instances.c.instance == instance)
        return tuple(self._read(lambda connection: connection.execute(query).one()))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, opened: Callable[[Path | str], Database]) -> Iterator[Scene]:
    if request.param == "memory":
        memory = MemoryWriter()
        yield Scene(memory, memory.read)
        return
    database = opened(tmp_path / "remit.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    yield Scene(database.writer, database.reader.read)


def renew(run: str = "run_1", *, expires: int = NOON + 9 * MINUTE, ends: int = ENDS, live: int = NOON) -> Renew:
    return Renew(
        run=run, ends=Instant(ends), live=Instant(live), expires=Instant(expires), agent="a", instance=f"of {run}",
        credential="new", seen=Instant(NOON + MINUTE),
    )  # fmt: skip


def work(name: str, *effects: Any) -> Work:
    return Work((Entry(f"tok_{name}", b"token"),), effects, lambda _failed: ())


def test_a_run_goes_on_and_its_instance_was_seen(scene: Scene) -> None:
    assert scene.batch(work("a", renew())) == [Committed(None)]
    assert (scene.ends("run_1"), scene.ends("run_2")) == (NOON + 9 * MINUTE, NOON + 5 * MINUTE)
    assert scene.seen("of run_1") == ("new", NOON + MINUTE)
    assert scene.seen("of run_2") == ("old", NOON)


def test_of_many_in_one_batch_the_latest_end_stays(scene: Scene) -> None:
    later, sooner = renew(expires=NOON + 9 * MINUTE), renew(expires=NOON + 7 * MINUTE)
    done = scene.batch(work("a", later), work("b", sooner), work("c", renew("run_2")))
    assert done == [Committed(None)] * 3
    assert (scene.ends("run_1"), scene.ends("run_2")) == (NOON + 9 * MINUTE, NOON + 9 * MINUTE)


def test_an_end_is_never_brought_forward(scene: Scene) -> None:
    assert scene.batch(work("a", renew(expires=NOON + MINUTE))) == [Committed(None)]
    assert scene.ends("run_1") == NOON + 5 * MINUTE


@pytest.mark.parametrize(
    "stale",
    [
        renew("run_9"),  # there is none
        renew(ends=ENDS - 1),  # its end is another
        renew(live=NOON + 5 * MINUTE),  # it was idle for too long
    ],
    ids=["none", "another end", "idle"],
)
def test_a_run_that_is_over_or_another_does_not_go_on(scene: Scene, stale: Renew) -> None:
    proof = ConsumeProof("dpop:x", FAR)
    assert scene.batch(work("a", proof, stale), work("b", renew("run_2"))) == [Committed(stale), Committed(None)]
    assert scene.ends("run_1") == NOON + 5 * MINUTE
    assert scene.seen("of run_1") == ("old", NOON)
    # What was shown has been seen, whatever came of it.
    assert scene.batch(work("c", proof))[0].failed == proof


def test_a_replayed_proof_renews_nothing(scene: Scene) -> None:
    proof = ConsumeProof("dpop:x", FAR)
    first, second = scene.batch(work("a", proof), work("b", proof, renew()))
    assert (first.failed, second.failed) == (None, proof)
    assert scene.ends("run_1") == NOON + 5 * MINUTE


def test_a_change_that_ended_the_run_is_seen(scene: Scene) -> None:
    scene.writer.change(lambda tx: tx.connection.execute(update(runs).values(ends=NOON + MINUTE)).rowcount)
    stale = renew()
    assert scene.batch(work("a", stale)) == [Committed(stale)]


def test_where_states_change_too_the_turn_is_taken_before_a_run_is_locked(
    postgres_url: str, opened: Callable[[Path | str], Database]
) -> None:
    """Changes lock runs while they have the turn: the other way round, two nodes would wait for each other."""
    database = opened(postgres_url)
    Scene(database.writer, database.reader.read)
    engine = postgres.engine(make_url(postgres_url).set(drivername="postgresql+psycopg"), reading=False)
    journal = postgres.PostgresJournal(engine)
    said: list[str] = []
    execute = journal._execute

    def heard(query: Any, *arguments: Any) -> Any:
        said.append(str(query))
        return execute(query, *arguments)

    journal._execute = heard  # type: ignore[assignment]
    event.listen(journal.connection, "before_cursor_execute", lambda *each: said.append(each[2]))
    result = commit(journal, [work("a", renew())], [lambda tx: tx.touch("x")], allow=lambda _seconds: None)
    journal.close()
    engine.dispose()
    assert result.answers == [Committed(None)]
    turn = next(at for at, each in enumerate(said) if "FROM epoch" in each and "FOR UPDATE" in each)
    locked = next(at for at, each in enumerate(said) if "FROM runs" in each and "FOR UPDATE" in each)
    assert turn < locked
