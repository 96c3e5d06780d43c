"""Several nodes on one PostgreSQL: each view gets every change in order and once; who lives, leads, was given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, delete, insert, select, text

from remit.kernel.clock import Instant
from remit.kernel.errors import StorageUnavailable
from remit.storage.database import Database
from remit.storage.feed import Beat
from remit.storage.model import Entry, Work
from remit.storage.node_schema import feed, nodes
from remit.storage.node_sql import SqlNodes
from remit.storage.postgres import PostgresJournal
from remit.storage.schema import meta

PATIENCE = 20.0
NOW = Instant(1_800_000_000_000_000)


@dataclass
class Node:
    """An open database that has joined, and what its subscriber was told."""

    database: Database
    told: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    reloads: int = 0
    _more: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.database.feed.subscribe(self._apply, self._reload)

    def _apply(self, epoch: int, topics: tuple[str, ...], _connection: Connection) -> None:
        with self._more:
            self.told.append((epoch, topics))
            self._more.notify_all()

    def _reload(self, _connection: Connection) -> None:
        with self._more:
            self.reloads += 1
            self._more.notify_all()

    def wait(self, until: Callable[[], bool]) -> None:
        """Until what it was told makes that true."""
        with self._more:
            assert self._more.wait_for(until, PATIENCE), (self.told, self.reloads)

    def heard(self, epoch: int) -> None:
        """Until its view has that epoch."""
        self.wait(lambda: bool(self.told) and self.told[-1][0] >= epoch)

    def touch(self, *topics: str) -> int:
        """A change that touches `topics`; its epoch."""
        self.database.writer.change(lambda tx: tx.touch(*topics))
        return self.database.epoch


@pytest.fixture
def node(postgres_url: str, opened: Callable[[Path | str], Database]) -> Callable[[str], Node]:
    def make(name: str) -> Node:
        made = Node(opened(postgres_url))
        made.database.join(name, now=NOW)
        made.database.follow()
        return made

    return make


@pytest.fixture
def sql(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with closing(psycopg.connect(postgres_url, autocommit=True)) as connection:
        yield connection


def until(what: Callable[[], object]) -> None:
    """Ask again until it is true."""
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not what():
        assert time.monotonic() < end
        pause.wait(0.02)


def test_a_change_reaches_the_other_node(node: Callable[[str], Node]) -> None:
    one, two = node("nod_1"), node("nod_2")
    epoch = one.touch("agent:a", "freezes")
    assert one.told == [(epoch, ("agent:a", "freezes"))]  # here, before it was answered
    two.heard(epoch)
    assert two.told == one.told
    assert two.database.epoch == two.database.writer.applied == epoch


def test_each_view_gets_every_change_in_order_and_once(node: Callable[[str], Node]) -> None:
    both = [node("nod_1"), node("nod_2")]

    def storm(number: int) -> None:
        for each in range(40):
            both[number].touch(f"agent:{number}-{each}")

    threads = [threading.Thread(target=storm, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in both:
        each.heard(80)
        assert [epoch for epoch, _ in each.told] == list(range(1, 81))
        assert each.reloads == 0
    assert both[0].told == both[1].told


def test_a_change_is_made_on_a_view_that_lacks_nothing(node: Callable[[str], Node]) -> None:
    one, two = node("nod_1"), node("nod_2")
    two.database.writer._look = lambda _journal: None  # type: ignore[assignment, method-assign]  # it hears of nothing by itself
    two.database.writer.change(lambda _tx: None)  # a look that had begun is over
    epoch = one.touch("agent:a")
    seen: list[int] = []
    two.database.writer.change(lambda _tx: seen.append(two.database.writer.applied))
    assert seen == [epoch]


def test_what_was_pruned_makes_a_node_read_everything(
    node: Callable[[str], Node], sql: psycopg.Connection[Any]
) -> None:
    one, two = node("nod_1"), node("nod_2")
    with sql.transaction():  # as if another node had made a change whose row is gone
        sql.execute("UPDATE epoch SET value = value + 3")
    for each in (one, two):
        each.wait(lambda each=each: each.reloads == 1)  # type: ignore[misc]
        until(lambda each=each: each.database.writer.applied == 3)  # type: ignore[misc]
        assert each.told == []
    assert one.touch("freezes") == 4
    two.heard(4)
    assert two.reloads == 1


def test_a_subscriber_without_reload_is_told_of_everything(
    node: Callable[[str], Node], sql: psycopg.Connection[Any]
) -> None:
    one = node("nod_1")
    told: list[tuple[str, ...]] = []
    one.database.feed.subscribe(lambda _epoch, topics, _connection: told.append(topics))
    sql.execute("UPDATE epoch SET value = value + 2")
    until(lambda: told)
    assert told == [("*",)]


def test_without_listening_changes_are_polled(node: Callable[[str], Node], sql: psycopg.Connection[Any]) -> None:
    one, two = node("nod_1"), node("nod_2")
    until(lambda: len(two.database.peers.others()) == 1)
    two.database.peers.stop()
    until(lambda: len(_listening(sql)) == 1)
    two.heard(one.touch("freezes"))


def test_a_lost_connection_is_made_again(node: Callable[[str], Node], sql: psycopg.Connection[Any]) -> None:
    one, two = node("nod_1"), node("nod_2")
    until(lambda: len(_listening(sql)) == 2)
    before = _listening(sql)
    for pid in before:
        sql.execute("SELECT pg_terminate_backend(%s)", (pid,))
    two.heard(one.touch("freezes"))
    until(lambda: len(_listening(sql) - before) == 2)
    until(lambda: one.database.peers.leads != two.database.peers.leads)
    two.heard(one.touch("freezes"))


def _listening(sql: psycopg.Connection[Any]) -> set[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'remit-feed' AND datname = current_database()"
    return {pid for (pid,) in sql.execute(query)}


def test_one_leads_and_another_after_it(node: Callable[[str], Node]) -> None:
    one, two = node("nod_1"), node("nod_2")
    until(lambda: one.database.peers.leads or two.database.peers.leads)
    first, second = (one, two) if one.database.peers.leads else (two, one)
    assert not second.database.peers.leads
    first.database.close()
    until(lambda: second.database.peers.leads)


def test_only_a_look_counts_as_contact(node: Callable[[str], Node]) -> None:
    one = node("nod_1")
    writer = one.database.writer
    writer._look = lambda _journal: None  # type: ignore[assignment, method-assign]
    writer.change(lambda _tx: None)  # a look that had begun is over
    before = writer.last_contact
    for number in range(5):
        writer.submit(Work((Entry(f"dec_{number}", b"h"),))).result(timeout=PATIENCE)
        writer.change(lambda tx: tx.touch("freezes"))
    assert writer.last_contact == before


def test_a_node_that_cannot_look_refuses_though_it_could_record(
    node: Callable[[str], Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = node("nod_1")
    one.database.writer.submit(Work((Entry("dec_1", b"h"),))).result(timeout=PATIENCE)

    def fail(*_: Any, **__: Any) -> None:
        raise psycopg.OperationalError("permission denied for table feed")

    with monkeypatch.context() as broken:
        broken.setattr(PostgresJournal, "look", fail)
        until(lambda: not one.database.healthy)
        with pytest.raises(StorageUnavailable):
            one.database.writer.submit(Work((Entry("dec_2", b"h"),))).result(timeout=PATIENCE)
    until(lambda: one.database.healthy)
    one.database.writer.submit(Work((Entry("dec_3", b"h"),))).result(timeout=PATIENCE)


def test_a_node_tells_how_far_it_is_and_that_it_lives(node: Callable[[str], Node]) -> None:
    one, two = node("nod_1"), node("nod_2")
    epoch = one.touch("freezes")

    def others() -> tuple[int, int] | None:
        found = one.database.peers.others()
        return (found[0].node.applied, found[0].node.held) if found else None

    until(lambda: others() == (epoch, epoch))
    two.database.writer.held = lambda applied: applied - 1
    until(lambda: others() == (epoch, epoch - 1))
    beat = one.database.peers.others()[0].node.beat
    until(lambda: one.database.peers.others()[0].node.beat > beat)


def test_what_was_given_up_records_nothing_any_more(node: Callable[[str], Node]) -> None:
    one, two = node("nod_1"), node("nod_2")
    claimed = one.database.writer.change(
        lambda tx: SqlNodes(tx.connection).claim("nod_2", settler="nod_1", seen=None, now=NOW)
    )
    assert claimed == 1
    with pytest.raises(StorageUnavailable):
        two.database.writer.submit(Work((Entry("dec_late", b"h"),))).result(timeout=PATIENCE)
    until(lambda: two.database.given_up)
    assert not two.database.healthy
    with pytest.raises(StorageUnavailable):
        two.database.writer.change(lambda tx: tx.connection.execute(insert(meta).values(key="late", value="x")))
    found = one.database.reader.read(lambda c: c.execute(text("SELECT count(*) FROM entries")).scalar())
    assert found == 0


def test_a_node_that_beats_is_not_given_up(node: Callable[[str], Node]) -> None:
    one, _two = node("nod_1"), node("nod_2")
    claimed = one.database.writer.change(
        lambda tx: SqlNodes(tx.connection).claim("nod_2", settler="nod_1", seen=(-1, -1), now=NOW)
    )
    assert claimed is None


def test_the_last_to_claim_settles(node: Callable[[str], Node]) -> None:
    one = node("nod_1")

    def claim(settler: str) -> None:
        one.database.writer.change(
            lambda tx: SqlNodes(tx.connection).claim("nod_0", settler=settler, seen=None, now=NOW)
        )

    one.database.writer.change(lambda tx: SqlNodes(tx.connection).register("nod_0", now=NOW, covered=0))
    claim("nod_1")
    claim("nod_3")
    held = one.database.writer.change(
        lambda tx: [SqlNodes(tx.connection).settles("nod_0", settler) for settler in ("nod_1", "nod_3")]
    )
    assert held == [False, True]


def test_old_rows_are_pruned(node: Callable[[str], Node]) -> None:
    one = node("nod_1")
    one.touch("freezes")
    one.database.writer.change(lambda tx: tx.connection.execute(insert(feed).values(epoch=0, topics="[]", at=5)))
    journal = one.database.writer._journal
    assert journal is not None
    one.database.writer.change(lambda _tx: journal.prune(6))
    left = one.database.reader.read(lambda c: list(c.execute(select(feed.c.epoch)).scalars()))
    assert left == [1]


def test_a_single_node_has_no_peers(tmp_path: Path, opened: Callable[[Path | str], Database]) -> None:
    database = opened(tmp_path / "remit.db")
    database.join("nod_1", now=NOW)
    database.follow()
    assert (database.node, database.peers.leads, database.peers.others()) == (None, True, [])
    assert database.reader.read(lambda c: list(c.execute(select(nodes)))) == []
    database.writer.change(lambda tx: tx.touch("freezes"))
    assert database.writer.applied == 1
    assert database.reader.read(lambda c: list(c.execute(select(feed)))) == []


def test_a_beat_says_what_it_is_given(node: Callable[[str], Node]) -> None:
    one = node("nod_1")
    journal = one.database.writer._journal
    assert journal is not None
    one.database.writer.change(lambda tx: tx.connection.execute(delete(feed)))
    found: list[tuple[int, int]] = []

    def tell(tx: Any) -> None:
        journal.tell(Beat(7, 5))
        found.append(tuple(tx.connection.execute(select(nodes.c.applied, nodes.c.held)).one()))

    one.database.writer.change(tell)
    assert found == [(7, 5)]
