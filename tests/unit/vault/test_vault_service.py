from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, select, update
from sqlalchemy.pool import StaticPool

from remit.catalog.injection import Injection, Variable
from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import Malformed, NotFound
from remit.kernel.names import OwnerName, SecretName
from remit.keys.keyfile import KeyfileProvider
from remit.keys.seal import seal
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.storage.credential_schema import secret_versions, secrets
from remit.storage.every_table import metadata
from remit.storage.model import Entry
from remit.vault.document import Allowed, SecretDocument
from remit.vault.document_json import text
from remit.vault.model import SecretUnavailable
from remit.vault.service import Vault
from remit.vault.versions import KEPT

NOW = Instant(1_800_000_000_000_000)
NAME = SecretName("payments-key")
URL = "http://127.0.0.1:9101/mcp"
BEARER = Injection(secret=NAME, header="Authorization", format="Bearer {}")


@dataclass
class Change:
    """A transaction of a change, as far as the vault sees it."""

    connection: Connection
    touched: list[str] = field(default_factory=list)

    def record(self, entry: Entry) -> None:
        raise AssertionError(f"the vault records nothing: {entry}")

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
def keys(connection: Connection, tmp_path: Path) -> KeyRing:
    provider = KeyfileProvider.create(tmp_path / "k" / "keyfile")
    KeyRing.create(Change(connection), provider, now=NOW)
    return KeyRing.open(connection, provider, clock=FixedClock(NOW))


@pytest.fixture
def vault(keys: KeyRing) -> Vault:
    return Vault(keys)


def _put(vault: Vault, keys: KeyRing, connection: Connection, value: str = "canary-value", name: str = NAME) -> int:
    """A committed change: the feed's subscribers are told in order."""
    change = Change(connection)
    version = vault.put(change, SecretName(name), Secret(value), now=NOW)
    for subscriber in (keys.follow, vault.follow):
        subscriber(1, tuple(change.touched), connection)
    return version


def test_what_was_put_is_injected(vault: Vault, keys: KeyRing, connection: Connection) -> None:
    assert _put(vault, keys, connection) == 1
    assert vault.header(BEARER, URL) == ("Authorization", "Bearer canary-value", 1)
    assert vault.names(connection) == [NAME]


def test_a_replaced_value_is_the_next_version(vault: Vault, keys: KeyRing, connection: Connection) -> None:
    _put(vault, keys, connection, "the-first")
    assert _put(vault, keys, connection, "the-second") == 2
    assert vault.header(BEARER, URL)[1] == "Bearer the-second"
    assert [(s.active, s.changed) for s in vault.listing()] == [(2, NOW)]


def test_a_change_says_what_it_touched(vault: Vault, connection: Connection) -> None:
    change = Change(connection)
    vault.put(change, NAME, Secret("canary-value"), now=NOW)
    assert set(change.touched) == {"secret:payments-key", "secret:payments-key@1"}


def test_a_value_from_before_there_were_versions_is_used_until_it_is_replaced(
    vault: Vault, keys: KeyRing, connection: Connection
) -> None:
    change = Change(connection)
    sealed = seal(keys.ensure_data_key(change, f"secret:{NAME}"), b"canary-value", aad=("secrets", NAME, 3))
    connection.execute(insert(secrets).values(secret=NAME, version=3, sealed=sealed, changed=NOW))
    for subscriber in (keys.follow, vault.follow):
        subscriber(1, tuple(change.touched), connection)
    assert vault.header(BEARER, URL)[1] == "Bearer canary-value"
    assert _put(vault, keys, connection, "another-value") == 4
    assert vault.header(BEARER, URL)[1] == "Bearer another-value"
    assert connection.execute(select(secrets.c.sealed)).scalar_one() is None
    with pytest.raises(NotFound):
        keys.data_key(f"secret:{NAME}")


def test_a_vault_that_starts_reads_what_is_there(vault: Vault, keys: KeyRing, connection: Connection) -> None:
    _put(vault, keys, connection)
    again = Vault(keys)
    with pytest.raises(SecretUnavailable):
        again.header(BEARER, URL)
    again.reload(connection)
    assert again.header(BEARER, URL)[1] == "Bearer canary-value"


def test_a_missing_secret_is_unavailable(vault: Vault) -> None:
    with pytest.raises(SecretUnavailable, match="not set"):
        vault.header(BEARER, URL)


def test_an_erased_data_key_makes_the_secret_unavailable(vault: Vault, keys: KeyRing, connection: Connection) -> None:
    _put(vault, keys, connection)
    keys.erase_data_key(Change(connection), f"secret:{NAME}@1")
    keys.follow(2, (f"secret:{NAME}@1",), connection)
    with pytest.raises(SecretUnavailable, match="does not open"):
        vault.header(BEARER, URL)


@pytest.mark.parametrize("tampering", ["rollback", "swap", "damage"])
def test_a_sealed_value_opens_only_in_its_row_and_version(
    vault: Vault, keys: KeyRing, connection: Connection, tampering: str
) -> None:
    def row(name: str) -> Any:
        return (secret_versions.c.secret == name) & (secret_versions.c.state == "active")

    def sealed(name: str) -> Any:
        return connection.execute(select(secret_versions.c.sealed).where(row(name))).scalar_one()

    _put(vault, keys, connection, "first-value")
    old = sealed(NAME)
    _put(vault, keys, connection, "second-value")
    _put(vault, keys, connection, "other-value", name="other")
    changed = {"rollback": old, "swap": sealed("other"), "damage": sealed(NAME)[:-1] + b"\0"}[tampering]
    connection.execute(update(secret_versions).where(row(NAME)).values(sealed=changed))
    vault.reload(connection)
    with pytest.raises(SecretUnavailable):
        vault.header(BEARER, URL)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "canary-a\nb",
        "canary-a\r\nX-Admin: 1",
        "canary-value\n",
        " canary-value",
        "canary-value ",
        "canary-a\tb",
        "canary-a\0b",
        "canary-a\x7fb",
        "pässword",
        "x" * 8193,
        b"\xff\xfe",
    ],
)
def test_a_value_that_cannot_be_a_header_is_refused(vault: Vault, connection: Connection, value: str | bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        vault.put(Change(connection), NAME, Secret(value), now=NOW)
    assert connection.execute(select(secret_versions)).first() is None
    if value:
        assert str(value) not in f"{refusal.value} {refusal.value.detail}"


def test_a_value_too_short_to_be_looked_for_is_refused_and_says_so(vault: Vault, connection: Connection) -> None:
    with pytest.raises(Malformed, match="at least 8 characters"):
        vault.put(Change(connection), NAME, Secret("1234567"), now=NOW)
    assert vault.put(Change(connection), NAME, Secret("12345678"), now=NOW) == 1


@pytest.mark.parametrize("name", ["", "Payments", "a/b", "a b", "ä"])
def test_an_ill_formed_name_is_refused(vault: Vault, connection: Connection, name: str) -> None:
    with pytest.raises(Malformed):
        vault.put(Change(connection), SecretName(name), Secret("canary-value"), now=NOW)


@pytest.mark.parametrize("text", ["Bearer", "{} {}", "{0}", "{secret}", ""])
def test_a_format_without_one_place_is_unavailable(
    vault: Vault, keys: KeyRing, connection: Connection, text: str
) -> None:
    _put(vault, keys, connection)
    with pytest.raises(SecretUnavailable):
        vault.header(Injection(secret=NAME, header="X-Key", format=text), URL)


def test_a_value_that_looks_like_a_format_stays_text(vault: Vault, keys: KeyRing, connection: Connection) -> None:
    _put(vault, keys, connection, "{} {0.__class__}")
    assert vault.header(BEARER, URL)[1] == "Bearer {} {0.__class__}"


def test_the_value_stands_nowhere_in_clear(vault: Vault, keys: KeyRing, connection: Connection) -> None:
    _put(vault, keys, connection)
    stored = repr(connection.execute(select(secret_versions)).all())
    assert "canary-value" not in stored + repr(vars(vault)) + repr(vault.listing())


def test_echoes_are_found_and_ordinary_answers_are_not(vault: Vault, keys: KeyRing, connection: Connection) -> None:
    _put(vault, keys, connection)
    _put(vault, keys, connection, "another-secret", name="other")
    assert vault.echoes(b"Authorization: Bearer canary-value")
    assert vault.echoes(b"another-secret")
    assert not vault.echoes(b'{"result": "fine"}')
    mine = vault.scanner(BEARER)
    assert not mine.feed(b"another-secret, canary-")
    assert mine.feed(b"value")


def test_nothing_is_looked_for_where_nothing_was_sent(vault: Vault) -> None:
    assert not vault.scanner(BEARER).feed(b"canary-value")
    assert not vault.echoes(b"")


def test_of_what_is_made_for_each_instance_its_own_is_looked_for(
    vault: Vault, keys: KeyRing, connection: Connection
) -> None:
    _put(vault, keys, connection)
    made = {"one": b"made-for-the-first", "two": b"made-for-the-second"}
    vault.made = lambda _name, instance: [value for name, value in made.items() if instance in {None, name}]
    assert vault.scanner(BEARER, "one").feed(made["one"])
    assert not vault.scanner(BEARER, "one").feed(made["two"])
    assert not vault.scanner(BEARER).feed(made["one"])
    assert vault.scanner().feed(made["two"])


def test_a_confined_secret_enters_no_other_place(vault: Vault, keys: KeyRing, connection: Connection) -> None:
    _put(vault, keys, connection)
    places = (Allowed(host="127.0.0.1:9101", place="header:authorization", path="/mcp"), Allowed(place="env:KEY"))
    said = SecretDocument(secret=NAME, owner=OwnerName("dana"), allow=places)
    connection.execute(update(secrets).values(body=text(said)))
    vault.reload(connection)
    assert vault.header(BEARER, URL)[1] == "Bearer canary-value"
    assert vault.variable(Variable(secret=NAME, env="KEY", format="{}"))[:2] == ("KEY", "canary-value")
    for url in ("http://127.0.0.1:9102/mcp", "http://127.0.0.1:9101/other", "http://127.0.0.1:9101/mcp/../x"):
        with pytest.raises(SecretUnavailable, match="may not go there"):
            vault.header(BEARER, url)
    with pytest.raises(SecretUnavailable) as caught:
        vault.variable(Variable(secret=NAME, env="OTHER", format="{}"))
    assert caught.value.detail == "payments-key: env:OTHER"


def test_old_versions_are_forgotten_and_their_numbers_are_not(
    vault: Vault, keys: KeyRing, connection: Connection
) -> None:
    for at in range(KEPT + 5):
        assert _put(vault, keys, connection, f"value-number-{at}") == at + 1
        if at == 1:
            change = Change(connection)
            vault.versions.expose(change, vault.versions.find(change, NAME, 2), "it was in a ticket", now=NOW)
    listed = [row.version for row in connection.execute(select(secret_versions)).all()]
    assert sorted(listed) == [2, *range(5, KEPT + 6)]
    assert vault.header(BEARER, URL)[1] == f"Bearer value-number-{KEPT + 4}"
