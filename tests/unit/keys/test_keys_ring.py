from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, select, update
from sqlalchemy.pool import StaticPool

from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import IntegrityFailed, KeyfileWrong, NotFound
from remit.keys import signing
from remit.keys.keyfile import KeyfileProvider
from remit.keys.rotation import KeyState
from remit.keys.seal import seal, unseal
from remit.keys.service import KeyRing
from remit.storage.every_table import metadata
from remit.storage.model import Entry
from remit.storage.schema import data_keys, meta, signing_keys

NOW = Instant(1_800_000_000_000_000)


@dataclass
class Change:
    """A transaction of a change, as far as keys see it."""

    connection: Connection
    touched: list[str] = field(default_factory=list)

    def record(self, entry: Entry) -> None:
        raise AssertionError(f"keys record nothing: {entry}")

    def touch(self, *topics: str) -> None:
        self.touched += topics


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.connect() as open_connection:
        yield open_connection
    engine.dispose()


@pytest.fixture
def provider(tmp_path: Path) -> KeyfileProvider:
    return KeyfileProvider.create(tmp_path / "k" / "keyfile")


@pytest.fixture
def ring(connection: Connection, provider: KeyfileProvider) -> KeyRing:
    KeyRing.create(Change(connection), provider, now=NOW)
    return KeyRing.open(connection, provider, clock=FixedClock(NOW))


def test_what_was_created_opens_to_the_same_keys(
    ring: KeyRing, connection: Connection, provider: KeyfileProvider
) -> None:
    again = KeyRing.open(connection, provider)
    assert again.deployment == ring.deployment
    assert again.deployment.startswith("dep_")
    assert again.log_key.public == ring.log_key.public
    assert again.token_keys.jwks() == ring.token_keys.jwks()
    assert again.derive("mac") == ring.derive("mac")
    assert again.data_key("operators") == ring.data_key("operators")


def test_the_log_key_is_ed25519_and_named_after_the_deployment(ring: KeyRing) -> None:
    assert ring.log_key.origin == f"remit/{ring.deployment}"
    assert len(ring.log_key.public) == 32
    assert ring.log_key.key.public.verifies(ring.log_key.sign(b"note"), b"note")


def test_the_token_key_is_es256_and_public(ring: KeyRing) -> None:
    active = ring.token_keys.active
    assert active.algorithm == "ES256"
    assert ring.token_keys.public(active.kid) == active.public
    assert ring.token_keys.public("other") is None
    (key,) = ring.token_keys.jwks()["keys"]
    assert (key["kid"], key["alg"], key["use"]) == (active.kid, "ES256", "sig")
    assert "d" not in key


def test_another_keyfile_does_not_open_it(ring: KeyRing, connection: Connection, tmp_path: Path) -> None:
    other = KeyfileProvider.create(tmp_path / "o" / "keyfile")
    with pytest.raises(KeyfileWrong):
        KeyRing.open(connection, other)


def test_a_database_without_keys_is_damaged(connection: Connection, provider: KeyfileProvider) -> None:
    with pytest.raises(IntegrityFailed):
        KeyRing.open(connection, provider)


def test_a_root_key_of_another_deployment_does_not_open(
    ring: KeyRing, connection: Connection, provider: KeyfileProvider
) -> None:
    connection.execute(update(meta).where(meta.c.key == "deployment").values(value="dep_other"))
    with pytest.raises(KeyfileWrong):
        KeyRing.open(connection, provider)


@pytest.mark.parametrize("column", ["public", "wrapped", "kid", "use"])
def test_a_changed_signing_key_is_refused(
    ring: KeyRing, connection: Connection, provider: KeyfileProvider, column: str
) -> None:
    mine = signing_keys.c.use == "token"
    value = connection.execute(select(signing_keys.c[column]).where(mine)).scalar_one()
    changed = value[:-1] + bytes([value[-1] ^ 1]) if isinstance(value, bytes) else value + " "
    connection.execute(update(signing_keys).where(mine).values({column: changed}))
    with pytest.raises(IntegrityFailed):
        KeyRing.open(connection, provider)


def test_two_data_keys_cannot_be_swapped(ring: KeyRing, connection: Connection, provider: KeyfileProvider) -> None:
    ring.ensure_data_key(Change(connection), "agent:a")
    wrapped = connection.execute(select(data_keys.c.wrapped).where(data_keys.c.owner == "agent:a")).scalar_one()
    connection.execute(update(data_keys).where(data_keys.c.owner == "operators").values(wrapped=wrapped))
    with pytest.raises(IntegrityFailed):
        KeyRing.open(connection, provider)


def test_no_key_stands_in_the_database_in_clear(ring: KeyRing, connection: Connection) -> None:
    key = ring.ensure_data_key(Change(connection), "agent:a")
    rows = [repr(list(row)) for table in (meta, data_keys, signing_keys) for row in connection.execute(select(table))]
    held = "".join(rows)
    assert repr(key)[2:-1] not in held
    assert '"d"' not in held
    assert ring.token_keys.active.kid in held


def test_a_new_data_key_is_known_to_the_change_and_to_all_after_the_commit(
    ring: KeyRing, connection: Connection
) -> None:
    change = Change(connection)
    key = ring.ensure_data_key(change, "agent:a")
    assert ring.data_key("agent:a") == key == ring.ensure_data_key(change, "agent:a")
    assert change.touched == ["agent:a"]
    ring.follow(1, ("agent:a", "freezes"), connection)
    assert ring.data_key("agent:a") == key


def test_a_data_key_that_was_rolled_back_is_forgotten(ring: KeyRing, connection: Connection) -> None:
    with connection.begin_nested() as savepoint:
        lost = ring.ensure_data_key(Change(connection), "agent:a")
        savepoint.rollback()
    ring.ensure_data_key(Change(connection), "agent:b")
    with pytest.raises(NotFound):
        ring.data_key("agent:a")
    assert ring.ensure_data_key(Change(connection), "agent:a") != lost


def test_a_data_key_made_elsewhere_is_loaded(ring: KeyRing, connection: Connection, provider: KeyfileProvider) -> None:
    elsewhere = KeyRing.open(connection, provider)
    key = elsewhere.ensure_data_key(Change(connection), "secret:s")
    with pytest.raises(NotFound):
        ring.data_key("secret:s")
    assert ring.load_data_key(connection, "secret:s") == key


def test_a_feed_of_many_owners_loads_them_all(ring: KeyRing, connection: Connection) -> None:
    change = Change(connection)
    keys = {f"agent:a{n}": ring.ensure_data_key(change, f"agent:a{n}") for n in range(100)}
    ring.follow(1, tuple(keys), connection)
    assert {owner: ring.data_key(owner) for owner in keys} == keys


def test_an_erased_data_key_is_gone_for_ever(ring: KeyRing, connection: Connection) -> None:
    change = Change(connection)
    key = ring.ensure_data_key(change, "agent:a")
    ring.follow(1, ("agent:a",), connection)
    sealed = seal(key, b"payload", aad=("payloads", "dec_1", 1))
    ring.erase_data_key(change, "agent:a")
    ring.follow(2, ("agent:a",), connection)
    with pytest.raises(NotFound):
        ring.data_key("agent:a")
    with pytest.raises(NotFound):
        ring.load_data_key(connection, "agent:a")
    fresh = ring.ensure_data_key(Change(connection), "agent:a")
    with pytest.raises(IntegrityFailed):
        unseal(fresh, sealed, aad=("payloads", "dec_1", 1))
    assert ring.erased(connection, "agent:a")
    assert not ring.erased(connection, "operators")


def test_labels_give_keys_that_have_nothing_to_do_with_each_other(ring: KeyRing) -> None:
    assert len({ring.derive("a"), ring.derive("b"), ring.derive("wrap")}) == 3
    assert len(ring.derive("a")) == 32


def test_no_kid_is_taken_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter([{"kid": "-abc"}, {"kid": "abc-"}])
    monkeypatch.setattr(signing, "generate", lambda _algorithm: next(made))
    key = signing.new_signing_key(
        bytes(32), generation=1, use="token", algorithm="ES256", state=KeyState.PENDING, now=NOW
    )
    assert key.record.kid == "abc-"
