"""Signing keys through the real writer and feed, on SQLite and PostgreSQL, and changed by two nodes at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from remit.kernel.clock import DAY, MINUTE, Instant
from remit.kernel.errors import Conflict, IntegrityFailed, KeyfileWrong
from remit.keys import jose
from remit.keys.keyfile import KeyfileProvider
from remit.keys.passphrase import PassphraseProvider
from remit.keys.rotating import Rotating, Turn
from remit.keys.rotation import SET, KeyState, Schedule
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.keys.set_key import set_key
from remit.keys.signing import prepared
from remit.storage.database import Database
from remit.storage.ports import Transaction
from remit.storage.schema import data_keys, meta, roots, signing_keys

NOW = Instant(1_800_000_000_000_000)
LATER = Instant(NOW + 15 * MINUTE)


@pytest.fixture
def provider(tmp_path: Path) -> KeyfileProvider:
    return KeyfileProvider.create(tmp_path / "k" / "keyfile")


def opened_keys(database: Database, provider: KeyfileProvider) -> KeyRing:
    ring = database.reader.read(lambda connection: KeyRing.open(connection, provider))
    database.feed.subscribe(ring.follow)
    return ring


def created(database: Database, provider: KeyfileProvider) -> KeyRing:
    database.writer.change(lambda tx: KeyRing.create(tx, provider, now=NOW))
    return opened_keys(database, provider)


def states(ring: KeyRing) -> list[str]:
    return sorted(record.state.value for record in ring.records if record.use == "token")


def advanced(ring: KeyRing, node: Database, *, now: Instant) -> list[Turn]:
    return node.writer.change(lambda tx: Rotating(ring, Schedule()).advance(tx, now=now))


def test_a_life_of_a_key(any_database: Database, provider: KeyfileProvider) -> None:
    ring, change = created(any_database, provider), any_database.writer.change
    rotating, old = Rotating(ring, Schedule()), ring.token_keys.active
    (turn,) = change(lambda tx: rotating.begin(tx, algorithm="Ed25519", now=NOW))
    assert (turn.before, turn.after.state) == (None, KeyState.PENDING)
    assert ring.token_keys.active.kid == old.kid
    assert change(lambda tx: rotating.advance(tx, now=NOW)) == []
    assert change(lambda tx: rotating.advance(tx, now=LATER))
    assert ring.token_keys.active.kid == turn.after.kid
    assert ring.token_keys.active.algorithm == "Ed25519"
    assert ring.token_keys.public(old.kid) is not None
    change(lambda tx: rotating.advance(tx, now=Instant(LATER + 15 * MINUTE)))
    assert ring.token_keys.public(old.kid) is None
    again = any_database.reader.read(lambda connection: KeyRing.open(connection, provider))
    assert again.records == ring.records
    assert again.token_keys.active.kid == turn.after.kid


def test_a_row_that_is_older_than_its_columns_is_read(any_database: Database, provider: KeyfileProvider) -> None:
    ring = created(any_database, provider)
    any_database.writer.change(
        lambda tx: tx.connection.execute(update(signing_keys).values(since=None, distrusted=None))
    )
    again = opened_keys(any_database, provider)
    assert again.records == ring.records
    rotating = Rotating(again, Schedule())
    assert not rotating.waits(now=Instant(NOW + 90 * DAY - 1))
    assert rotating.waits(now=Instant(NOW + 90 * DAY))


@pytest.mark.parametrize("state", ["verify_only", "pending", "active", "lost"])
def test_a_retired_key_does_not_come_back_by_its_state(
    any_database: Database, provider: KeyfileProvider, state: str
) -> None:
    ring = created(any_database, provider)
    old = ring.token_keys.active.kid
    any_database.writer.change(lambda tx: Rotating(ring, Schedule()).emergency(tx, algorithm=None, now=NOW))

    def forge(tx: Transaction) -> None:
        tx.connection.execute(update(signing_keys).where(signing_keys.c.kid == old).values(state=state))

    any_database.writer.change(forge)
    with pytest.raises(IntegrityFailed):
        any_database.reader.read(lambda connection: KeyRing.open(connection, provider))


def test_two_nodes_that_begin_at_once_begin_one_rotation(
    postgres_url: str, opened: Callable[[Path | str], Database], provider: KeyfileProvider
) -> None:
    nodes = [opened(postgres_url), opened(postgres_url)]
    rings = [created(nodes[0], provider), opened_keys(nodes[1], provider)]
    start = threading.Barrier(2)
    found: list[list[Turn] | Conflict] = []

    def begin(node: int, at: Instant) -> None:
        start.wait()
        rotating = Rotating(rings[node], Schedule())
        try:
            found.append(nodes[node].writer.change(lambda tx: rotating.begin(tx, algorithm=None, now=at)))
        except Conflict as error:
            found.append(error)

    for number in range(5):
        at = Instant(NOW + number * DAY)
        found.clear()
        threads = [threading.Thread(target=begin, args=(node, at)) for node in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(type(each).__name__ for each in found) == ["Conflict", "list"]
        for ring, node in zip(rings, nodes, strict=True):
            node.reader.read(lambda connection, ring=ring: ring.follow(1, ("keys",), connection))  # type: ignore[misc]
        assert states(rings[0]) == states(rings[1])
        assert states(rings[0]).count("pending") == 1
        # Both do what is due: one of them does it, the other finds nothing to do.
        turns = [advanced(*each, now=Instant(at + 15 * MINUTE)) for each in zip(rings, nodes, strict=True)]
        assert [bool(each) for each in turns] == [True, False]


def test_a_node_waits_for_another_that_is_changing_keys(
    postgres_url: str, opened: Callable[[Path | str], Database], provider: KeyfileProvider
) -> None:
    nodes = [opened(postgres_url), opened(postgres_url)]
    rings = [created(nodes[0], provider), opened_keys(nodes[1], provider)]
    begun, passed = threading.Event(), threading.Event()
    overtaken: list[bool] = []

    def first(tx: Transaction) -> None:
        Rotating(rings[0], Schedule()).begin(tx, algorithm=None, now=NOW)
        begun.set()
        overtaken.append(passed.wait(1))  # the other one is in the same place now, and must not get past it

    def second(tx: Transaction) -> None:
        try:
            Rotating(rings[1], Schedule()).begin(tx, algorithm=None, now=NOW)
        finally:
            passed.set()

    thread = threading.Thread(target=nodes[0].writer.change, args=(first,))
    thread.start()
    assert begun.wait(30)
    with pytest.raises(Conflict, match="under way"):
        nodes[1].writer.change(second)
    thread.join()
    assert overtaken == [False]


def test_a_node_that_has_not_heard_signs_what_the_others_verify(
    postgres_url: str, opened: Callable[[Path | str], Database], provider: KeyfileProvider
) -> None:
    nodes = [opened(postgres_url), opened(postgres_url)]
    here, there = created(nodes[0], provider), opened_keys(nodes[1], provider)
    rotating = Rotating(here, Schedule())
    nodes[0].writer.change(lambda tx: rotating.begin(tx, algorithm=None, now=NOW))
    nodes[1].reader.read(lambda connection: there.follow(1, ("keys",), connection))
    nodes[0].writer.change(lambda tx: rotating.advance(tx, now=LATER))

    def told(signer: KeyRing, verifier: KeyRing) -> None:
        token = jose.sign({"a": 1}, typ="at+jwt", key=signer.token_keys.active)
        jose.verify(token, typ="at+jwt", algorithms=("ES256",), key=lambda h: verifier.token_keys.public(h["kid"]))

    assert here.token_keys.active.kid != there.token_keys.active.kid
    told(here, there)
    told(there, here)


def sets(ring: KeyRing) -> list[str]:
    return sorted(record.state.value for record in ring.records if record.use == SET)


def test_a_life_of_a_key_for_events(any_database: Database, provider: KeyfileProvider) -> None:
    ring, change = created(any_database, provider), any_database.writer.change
    token = ring.token_keys.active
    rotating = Rotating(ring, Schedule(), SET)
    # A database has none until the first one is made, and opens without.
    assert (ring.set_keys.active, ring.set_keys.jwks(), rotating.waits(now=NOW)) == (None, {"keys": []}, True)
    assert change(lambda tx: rotating.advance(tx, now=NOW)) == [], "none is made within a change"
    first, second = rotating.prepared(), rotating.prepared()
    (turn,) = change(lambda tx: rotating.advance(tx, now=NOW, jwk=first))
    assert (turn.before, turn.after.state, turn.after.algorithm) == (None, KeyState.ACTIVE, "RS256")
    assert first is not None
    assert second is not None
    assert ring.set_keys.active is not None
    assert ring.set_keys.active.kid == first["kid"]
    assert not rotating.waits(now=NOW)
    (turn,) = change(lambda tx: rotating.begin(tx, algorithm=None, now=NOW, jwk=second))
    assert turn.after.state is KeyState.PENDING
    assert [key["kid"] for key in ring.set_keys.jwks()["keys"]] == sorted([first["kid"], second["kid"]])
    assert ring.set_keys.active.kid == first["kid"]
    assert change(lambda tx: rotating.advance(tx, now=LATER))
    assert ring.set_keys.active.kid == second["kid"]
    change(lambda tx: rotating.advance(tx, now=Instant(LATER + 15 * MINUTE)))
    again = opened_keys(any_database, provider)
    for each in (ring, again):
        assert each.set_keys.active is not None
        assert each.set_keys.active.sign(b"x") == set_key(second).sign(b"x")
        assert each.set_keys.jwks() == {"keys": [dict(set_key(second).jwk)]}
        # The keys of tokens are not touched by any of it.
        assert (each.token_keys.active.kid, states(each)) == (token.kid, ["active"])
        assert each.token_keys.public(second["kid"]) is None
    assert sets(again) == ["active", "retired"]


def test_nothing_private_of_it_stands_in_clear_and_it_goes_when_it_is_retired(
    any_database: Database, provider: KeyfileProvider
) -> None:
    ring, change = created(any_database, provider), any_database.writer.change
    rotating, jwk = Rotating(ring, Schedule(), SET), prepared(SET)
    assert jwk is not None
    change(lambda tx: rotating.advance(tx, now=NOW, jwk=jwk))

    def rows(connection: Connection) -> list[Any]:
        return list(connection.execute(select(signing_keys).where(signing_keys.c.use == SET)).all())

    (row,) = any_database.reader.read(rows)
    for name in ("d", "p", "q", "dp", "dq", "qi"):
        assert jwk[name] not in repr(row)
    assert jwk["n"] in row.public
    turns = change(lambda tx: rotating.emergency(tx, algorithm=None, now=NOW, jwk=prepared(SET)))
    assert [(each.after.state, each.after.distrusted) for each in turns] == [
        (KeyState.RETIRED, True), (KeyState.ACTIVE, False),
    ]  # fmt: skip
    gone, here = sorted(any_database.reader.read(rows), key=lambda each: str(each.state), reverse=True)
    assert (gone.kid, bytes(gone.wrapped)) == (jwk["kid"], b"")
    assert bytes(here.wrapped)
    assert not ring.token_keys.distrusts(jwk["kid"]), "no token was begun with it"


@pytest.mark.parametrize("use", ["token", "log"])
def test_a_key_for_events_becomes_no_other_by_its_row(
    any_database: Database, provider: KeyfileProvider, use: str
) -> None:
    ring = created(any_database, provider)
    jwk = prepared(SET)
    any_database.writer.change(lambda tx: Rotating(ring, Schedule(), SET).advance(tx, now=NOW, jwk=jwk))
    any_database.writer.change(
        lambda tx: tx.connection.execute(update(signing_keys).where(signing_keys.c.use == SET).values(use=use))
    )
    with pytest.raises(IntegrityFailed):
        any_database.reader.read(lambda connection: KeyRing.open(connection, provider))


def test_two_nodes_make_the_first_key_for_events_once(
    postgres_url: str, opened: Callable[[Path | str], Database], provider: KeyfileProvider
) -> None:
    nodes = [opened(postgres_url), opened(postgres_url)]
    rings = [created(nodes[0], provider), opened_keys(nodes[1], provider)]
    start, found = threading.Barrier(2), []

    def first(node: int) -> None:
        rotating, jwk = Rotating(rings[node], Schedule(), SET), prepared(SET)
        start.wait()
        found.append(nodes[node].writer.change(lambda tx: rotating.advance(tx, now=NOW, jwk=jwk)))

    threads = [threading.Thread(target=first, args=(node,)) for node in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(each) for each in found) == [0, 1]
    for ring, node in zip(rings, nodes, strict=True):
        node.reader.read(lambda connection, ring=ring: ring.follow(1, ("keys",), connection))  # type: ignore[misc]
    assert sets(rings[0]) == sets(rings[1]) == ["active"]
    assert rings[0].set_keys.jwks() == rings[1].set_keys.jwks()


def test_rewrapping_touches_nothing_below_the_root(any_database: Database, provider: KeyfileProvider) -> None:
    ring = created(any_database, provider)

    def read(connection: Connection) -> tuple[list[Any], list[Any]]:
        rows = [connection.execute(select(table)).all() for table in (data_keys, signing_keys, meta)]
        return rows, list(connection.execute(select(roots)).all())

    below, before = any_database.reader.read(read)
    phrase = PassphraseProvider(Secret("correct horse battery staple"))
    any_database.writer.change(lambda tx: ring.rewrap(tx, phrase))
    still, after = any_database.reader.read(read)
    assert still == below
    ((old,), (new,)) = before, after
    assert new.wrapped != old.wrapped
    assert (new.generation, new.created, new.retired) == (old.generation, old.created, old.retired)
    again = any_database.reader.read(lambda connection: KeyRing.open(connection, phrase))
    assert again.token_keys.jwks() == ring.token_keys.jwks()
    assert again.derive("mac") == ring.derive("mac")
    with pytest.raises(KeyfileWrong):
        any_database.reader.read(lambda connection: KeyRing.open(connection, provider))
