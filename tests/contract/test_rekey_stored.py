"""Re-keys through the real writer and feed, on SQLite and PostgreSQL; from a database of before; by two nodes."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, insert, select, text

from remit.audit.service import Recorder
from remit.kernel.canonical import canonical
from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import Conflict, KeyfileWrong
from remit.keys import passphrase
from remit.keys.derive import WRAP, derive
from remit.keys.jwk import generate
from remit.keys.keyfile import KeyfileProvider
from remit.keys.offline import OfflineKeys
from remit.keys.passphrase import PassphraseProvider
from remit.keys.ports import Provider
from remit.keys.rekey import BATCH, Rekey
from remit.keys.seal import bind, seal
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.people.change import Actor
from remit.server.rekeying import Rekeying
from remit.storage import migrate
from remit.storage.bundle import decompress, unpack
from remit.storage.database import Database, open_database
from remit.storage.ports import Transaction
from remit.storage.schema import bundles, data_keys, meta, roots, signing_keys

NOW = Instant(1_800_000_000_000_000)
DANA = Actor(by="dana")


@pytest.fixture
def provider(tmp_path: Path) -> KeyfileProvider:
    return KeyfileProvider.create(tmp_path / "k" / "keyfile")


class Node:
    """A server's keys on an open database."""

    def __init__(self, database: Database, provider: Provider, *, batches: int = 10) -> None:
        self.database = database
        self.ring = database.reader.read(lambda connection: KeyRing.open(connection, provider))
        database.feed.subscribe(self.ring.follow, self.ring.reload)
        clock = FixedClock(NOW)
        self.rekeying = Rekeying(
            rekey=Rekey(self.ring), writer=database.writer, reader=database.reader,
            records=Recorder(self.ring, clock, lambda: database.epoch), clock=clock, batches=batches,
        )  # fmt: skip

    def make(self, *owners: str) -> None:
        def apply(tx: Transaction) -> None:
            for owner in owners:
                self.ring.ensure_data_key(tx, owner)

        self.database.writer.change(apply)

    def begin(self) -> None:
        root = self.rekeying.rekey.prepared()
        self.database.writer.change(lambda tx: self.rekeying.begin(tx, root, now=NOW, by=DANA, more={}))

    def told(self) -> None:
        """It hears that keys changed, as of another node's change."""
        self.database.reader.read(lambda connection: self.ring.follow(1, ("keys",), connection))

    def finish(self) -> int:
        ticks = 0
        while self.rekeying.standing().under_way:
            self.rekeying.tick()
            ticks += 1
            assert ticks < 100
        return ticks


def created(database: Database, provider: Provider) -> None:
    database.writer.change(lambda tx: KeyRing.create(tx, provider, now=NOW))


def changes(database: Database) -> list[tuple[str, str, int]]:
    """What the log says of root keys: change, by whom, generation."""

    def read(connection: Connection) -> list[bytes]:
        return list(connection.execute(select(bundles.c.headers).order_by(bundles.c.bundle)).scalars())

    entries = [json.loads(raw) for headers in database.reader.read(read) for raw in unpack(decompress(headers))]
    return [(each["change"], each["by"], each["generation"]) for each in entries if each.get("name") == "root"]


def generations(database: Database) -> set[int | None]:
    """Of everything that is sealed."""

    def read(connection: Connection) -> set[int | None]:
        data = select(data_keys.c.generation).where(data_keys.c.wrapped.is_not(None))
        signing = select(signing_keys.c.generation).where(signing_keys.c.wrapped != b"")
        return {*connection.execute(data).scalars(), *connection.execute(signing).scalars()}

    return database.reader.read(read)


def test_more_keys_than_one_batch_are_sealed_anew(any_database: Database, provider: KeyfileProvider) -> None:
    created(any_database, provider)
    node = Node(any_database, provider, batches=2)
    owners = [f"agent:a{number}" for number in range(2 * BATCH + 10)]
    node.make(*owners)
    before = {owner: node.ring.data_key(owner) for owner in owners}
    epoch = any_database.epoch
    node.begin()
    assert any_database.epoch == epoch + 1
    progress = node.rekeying.standing()
    assert (progress.under_way, progress.left, progress.total) == (True, len(owners) + 4, len(owners) + 4)
    assert node.rekeying.tick() == BATCH + 2, "signing keys, and one batch of data keys"
    # What is made meanwhile, and what is erased.
    node.make("agent:new")
    gone, never = owners[0], owners[-1]
    for owner in (gone, never):
        any_database.writer.change(lambda tx, owner=owner: node.ring.erase_data_key(tx, owner))  # type: ignore[misc]
    node.finish()
    assert generations(any_database) == {2}
    assert node.ring.roots.live == (2,)
    assert any_database.epoch == epoch + 5, "two made or erased, and the beginning and the end; no batch"
    again = Node(any_database, provider)
    for ring in (node.ring, again.ring):
        assert {owner: ring.data_key(owner) for owner in owners[1:-1]} == {
            owner: before[owner] for owner in owners[1:-1]
        }
        for owner in (gone, never):
            assert any_database.reader.read(lambda c, ring=ring, owner=owner: ring.erased(c, owner))  # type: ignore[misc]
    assert again.ring.token_keys.jwks() == node.ring.token_keys.jwks()
    assert changes(any_database) == [("rekey", "dana", 2), ("rekeyed", "remit", 2)]


def test_whoever_starts_next_goes_on(any_database: Database, provider: KeyfileProvider) -> None:
    created(any_database, provider)
    node = Node(any_database, provider, batches=1)
    node.make("agent:a", "agent:b")
    node.begin()
    node.rekeying.tick()
    other = Node(any_database, provider)
    assert other.rekeying.rekey.waits()
    with pytest.raises(Conflict, match="under way"):
        other.rekeying.rekey.check_begin()
    other.finish()
    assert generations(any_database) == {2}
    other.begin()
    other.finish()
    assert generations(any_database) == {3}
    assert other.rekeying.tick() == 0


def test_a_batch_of_nothing_is_not_a_change(any_database: Database, provider: KeyfileProvider) -> None:
    created(any_database, provider)
    node, epoch = Node(any_database, provider), any_database.epoch
    assert node.rekeying.tick() == 0
    assert any_database.epoch == epoch


def before_generations(engine: Engine, provider: Provider) -> tuple[bytes, dict[str, bytes], str]:
    """A database as the version before made it: the root key, the data keys, the log key's kid."""
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    root, deployment = os.urandom(32), "dep_1"
    wrapping = derive(Secret(root), WRAP)
    keys = {owner: os.urandom(32) for owner in ("operators", "agent:a", "secret:s")}
    wrapped = base64.b64encode(provider.wrap(root, aad=bind("meta", "root_key", 1, deployment))).decode()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0016")
        for name, value in (("deployment", deployment), ("root_key", wrapped)):
            connection.execute(insert(meta).values(key=name, value=value))
        data = text("INSERT INTO data_keys (owner, version, wrapped, created) VALUES (:owner, 1, :wrapped, 5)")
        for owner, key in keys.items():
            sealed = seal(wrapping, key, aad=("data_keys", owner, 1))
            connection.execute(data, {"owner": owner, "wrapped": sealed})
        kids = [_signing(connection, wrapping, use, of) for use, of in (("log", "Ed25519"), ("token", "ES256"))]
    return root, keys, kids[0]


def _signing(connection: Connection, wrapping: bytes, use: str, algorithm: str) -> str:
    jwk = generate(algorithm)
    public = canonical({name: value for name, value in jwk.items() if name != "d"}).decode()
    sealed = seal(wrapping, canonical(dict(jwk)), aad=("signing_keys", jwk["kid"], 1, use, algorithm, public))
    values = {"kid": jwk["kid"], "use": use, "algorithm": algorithm, "public": public, "wrapped": sealed}
    connection.execute(
        text(
            "INSERT INTO signing_keys (kid, use, algorithm, public, wrapped, state, created)"
            " VALUES (:kid, :use, :algorithm, :public, :wrapped, 'active', 5)"
        ),
        values,
    )
    return jwk["kid"]


@pytest.fixture
def old(where: Path | str, provider: KeyfileProvider) -> tuple[bytes, dict[str, bytes], str]:
    url = f"sqlite:///{where}" if isinstance(where, Path) else where.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(url)
    try:
        return before_generations(engine, provider)
    finally:
        engine.dispose()


def test_a_database_of_before_opens_and_is_rekeyed(
    where: Path | str, old: tuple[bytes, dict[str, bytes], str], opened: Callable[[Path | str], Database],
    provider: KeyfileProvider,
) -> None:  # fmt: skip
    root, keys, log = old
    database = opened(where)
    node = Node(database, provider)

    def as_before(ring: KeyRing) -> None:
        assert {owner: ring.data_key(owner) for owner in keys} == keys
        assert ring.derive("audit/arguments") == derive(Secret(root), "audit/arguments")
        assert ring.log_key.key.public.kid == log

    as_before(node.ring)
    found = database.reader.read(lambda c: c.execute(select(meta.c.key).where(meta.c.key == "root_key")).all())
    assert (found, generations(database)) == ([], {None})
    node.begin()
    node.finish()
    assert generations(database) == {2}
    as_before(node.ring)
    as_before(Node(database, provider).ring)
    (first, _) = database.reader.read(lambda c: c.execute(select(roots).order_by(roots.c.generation)).all())
    assert (first.generation, first.wrapped, first.created, first.retired) == (1, None, 5, NOW)


def rows_of(engine: Engine) -> Callable[[str, Any], Any]:
    return lambda query, values: list(engine.raw_connection().driver_connection.execute(query, values))  # type: ignore[union-attr]


def test_offline_the_keys_are_found_before_during_and_after(tmp_path: Path, provider: KeyfileProvider) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'remit.db'}")
    root, keys, _ = before_generations(engine, provider)
    mac = derive(Secret(root), "audit/arguments")

    def check() -> None:
        offline = OfflineKeys.open(rows_of(engine), provider)
        assert {owner: offline.data_key(owner)[0] for owner in keys} == keys
        assert offline.derive("audit/arguments") == mac
        with pytest.raises(KeyfileWrong):
            OfflineKeys.open(rows_of(engine), KeyfileProvider(Secret(bytes(32))))

    check()  # a copy of a version that had one root key
    database = open_database(tmp_path / "remit.db")
    try:
        node = Node(database, provider, batches=1)
        check()
        node.begin()
        check()
        node.rekeying.tick()
        check()
        node.finish()
        check()
    finally:
        database.close()
        engine.dispose()


def test_what_was_wiped_stands_nowhere_in_the_file(tmp_path: Path, provider: KeyfileProvider) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'remit.db'}")
    before_generations(engine, provider)
    with engine.begin() as connection:
        said = connection.execute(select(meta.c.value).where(meta.c.key == "root_key")).scalar_one()
    engine.dispose()
    wrapped = [said.encode(), base64.b64decode(said)]

    def found() -> list[bytes]:
        held = b"".join(file.read_bytes() for file in tmp_path.glob("remit.db*"))
        return [each for each in wrapped if each in held]

    assert found() == wrapped[:1]
    database = open_database(tmp_path / "remit.db")
    node = Node(database, provider)
    other = PassphraseProvider(Secret("correct horse battery staple"))
    database.writer.change(lambda tx: node.ring.rewrap(tx, other))
    database.close()
    database = open_database(tmp_path / "remit.db")
    node = Node(database, other)
    (row,) = database.reader.read(lambda c: c.execute(select(roots)).all())
    wrapped.append(bytes(row.wrapped))
    node.begin()
    node.finish()
    (old, new) = database.reader.read(lambda c: c.execute(select(roots).order_by(roots.c.generation)).all())
    assert old.wrapped is None
    wrapped.append(bytes(new.wrapped))
    database.close()  # the write-ahead log goes with the last connection
    assert found() == wrapped[3:]


def test_two_nodes_at_once(
    postgres_url: str, opened: Callable[[Path | str], Database], provider: KeyfileProvider
) -> None:
    databases = [opened(postgres_url), opened(postgres_url)]
    created(databases[0], provider)
    nodes = [Node(database, provider) for database in databases]
    owners = [f"agent:a{number}" for number in range(300)]
    nodes[0].make(*owners)
    nodes[0].begin()
    # The other one has not heard of it, and makes a key.
    assert len(nodes[1].ring.roots.live) == 1
    nodes[1].make("agent:late")
    found = select(data_keys.c.generation).where(data_keys.c.owner == "agent:late")
    assert databases[0].reader.read(lambda c: c.execute(found).scalar_one()) == 2
    nodes[1].told()
    assert len(nodes[1].ring.roots.live) == 2
    start = threading.Barrier(2)

    def finish(node: Node) -> None:
        start.wait()
        node.finish()

    threads = [threading.Thread(target=finish, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert generations(databases[0]) == {2}
    assert changes(databases[0]) == [("rekey", "dana", 2), ("rekeyed", "remit", 2)]
    for node in nodes:
        node.told()
        assert node.ring.roots.live == (2,)
        node.database.reader.read(node.ring.reload)
        assert all(node.ring.data_key(owner) for owner in (*owners, "agent:late"))


def test_another_nodes_root_is_opened_beside_the_feed(
    postgres_url: str, opened: Callable[[Path | str], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passphrase, "MEMORY", 1 << 10)
    asked, go = threading.Event(), threading.Event()

    class Slow(PassphraseProvider):
        def unwrap(self, wrapped: bytes, *, aad: bytes) -> bytes:
            if threading.current_thread().name == "remit-roots":
                asked.set()
                assert go.wait(30)
            return super().unwrap(wrapped, aad=aad)

    provider = Slow(Secret("correct horse battery staple"))
    databases = [opened(postgres_url), opened(postgres_url)]
    created(databases[0], provider)
    here, there = (Node(database, provider) for database in databases)
    here.begin()
    there.told()  # returns although the provider does not answer
    assert asked.wait(30)
    thread = threading.Thread(target=there.make, args=("agent:a",))
    thread.start()
    go.set()
    thread.join(30)
    assert generations(databases[0]) >= {2}


def test_a_node_that_cannot_open_the_new_root_writes_no_key(
    postgres_url: str, opened: Callable[[Path | str], Database], provider: KeyfileProvider, tmp_path: Path
) -> None:
    databases = [opened(postgres_url), opened(postgres_url)]
    created(databases[0], provider)
    stale = Node(databases[1], provider)
    other = KeyfileProvider.create(tmp_path / "o" / "keyfile")
    databases[0].writer.change(lambda tx: stale.ring.rewrap(tx, other))
    with pytest.raises(Conflict, match="another keyfile"):
        stale.begin()
    fresh = Node(databases[0], other)
    fresh.begin()
    with pytest.raises(KeyfileWrong):
        stale.make("agent:a")
    fresh.finish()
    assert generations(databases[0]) == {2}
