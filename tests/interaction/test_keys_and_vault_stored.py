"""Keys and secrets through the real writer and feed, on SQLite and PostgreSQL."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from remit.catalog.injection import Injection
from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed, NotFound
from remit.kernel.names import OwnerName, SecretName
from remit.keys.keyfile import KeyfileProvider
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.server.compose_rotators import admins
from remit.storage.database import Database
from remit.storage.ports import Transaction
from remit.vault.document import Allowed, SecretDocument
from remit.vault.document_json import text
from remit.vault.model import SecretUnavailable, topic
from remit.vault.service import Vault
from remit.vault.signing_in import signs_in_at
from remit.vault.sql import SqlSecrets

NOW = Instant(1_800_000_000_000_000)
NAME = SecretName("payments-key")
BEARER = Injection(secret=NAME, header="Authorization", format="Bearer {}")


@pytest.fixture
def provider(tmp_path: Path) -> KeyfileProvider:
    return KeyfileProvider.create(tmp_path / "k" / "keyfile")


@pytest.fixture
def keys(any_database: Database, provider: KeyfileProvider) -> KeyRing:
    any_database.writer.change(lambda tx: KeyRing.create(tx, provider, now=NOW))
    return any_database.reader.read(lambda connection: KeyRing.open(connection, provider))


def _subscribed(database: Database, keys: KeyRing) -> Vault:
    vault = Vault(keys)
    database.feed.subscribe(keys.follow)
    database.feed.subscribe(vault.follow)
    return vault


def test_a_secret_can_be_used_as_soon_as_its_change_is_answered(any_database: Database, keys: KeyRing) -> None:
    vault = _subscribed(any_database, keys)
    for value in ("first-value", "second-value"):
        any_database.writer.change(lambda tx, value=value: vault.put(tx, NAME, Secret(value), now=NOW))  # type: ignore[misc]
        assert vault.header(BEARER, "http://127.0.0.1:9101/mcp")[:2] == ("Authorization", f"Bearer {value}")
    assert any_database.reader.read(vault.names) == [NAME]


def test_a_restart_finds_the_same_keys_and_secrets(
    any_database: Database, keys: KeyRing, provider: KeyfileProvider
) -> None:
    vault = _subscribed(any_database, keys)
    any_database.writer.change(lambda tx: vault.put(tx, NAME, Secret("canary-value"), now=NOW))
    again = any_database.reader.read(lambda connection: KeyRing.open(connection, provider))
    restarted = Vault(again)
    any_database.reader.read(restarted.reload)
    assert restarted.header(BEARER, "http://127.0.0.1:9101/mcp") == vault.header(BEARER, "http://127.0.0.1:9101/mcp")
    assert again.log_key.public == keys.log_key.public


def test_a_change_that_fails_leaves_no_key_behind(any_database: Database, keys: KeyRing) -> None:
    _subscribed(any_database, keys)

    def failing(tx: Transaction) -> None:
        keys.ensure_data_key(tx, "agent:bot")
        raise Malformed("no")

    with pytest.raises(Malformed):
        any_database.writer.change(failing)
    with pytest.raises(NotFound):
        keys.data_key("agent:bot")
    made = any_database.writer.change(lambda tx: keys.ensure_data_key(tx, "agent:bot"))
    assert keys.data_key("agent:bot") == made


def test_an_erased_key_is_gone_for_this_process_too(any_database: Database, keys: KeyRing) -> None:
    _subscribed(any_database, keys)
    any_database.writer.change(lambda tx: keys.ensure_data_key(tx, "agent:bot"))
    any_database.writer.change(lambda tx: keys.erase_data_key(tx, "agent:bot"))
    with pytest.raises(NotFound):
        keys.data_key("agent:bot")


@pytest.mark.parametrize(
    ("who", "settings"),
    [("postgres", {"host": "db.test", "port": 443}), ("openbao", {"url": "https://db.test"}),
     ("http", {"create": {"url": "https://db.test/keys"}})],
)  # fmt: skip
def test_a_secret_is_signed_in_with_only_where_its_document_says_now(
    any_database: Database, keys: KeyRing, who: str, settings: dict[str, Any]
) -> None:
    """Attack: another secret's document names it, and a host of the author's own. Also when it was narrowed since."""
    vault = _subscribed(any_database, keys)
    any_database.writer.change(lambda tx: vault.put(tx, NAME, Secret("canary-value"), now=NOW))
    admin = partial(admins(vault, lambda _name: False), at=signs_in_at(who, settings))

    def allow(*places: Allowed) -> None:
        said = SecretDocument(secret=NAME, owner=OwnerName("dana"), allow=places)

        def apply(tx: Transaction) -> None:
            SqlSecrets(tx.connection).put_document(NAME, text(said))
            tx.touch(topic(NAME))

        any_database.writer.change(apply)

    assert admin(NAME).value == Secret("canary-value")
    allow(Allowed(host="db.test:443", place="rotation"))
    assert admin(NAME).value == Secret("canary-value")
    for elsewhere in (Allowed(host="bank.test"), Allowed(host="db.test", place="basic"), Allowed(host="db.test:1")):
        allow(elsewhere)
        with pytest.raises(SecretUnavailable, match="does not let a rotator sign in") as caught:
            admin(NAME)
        assert caught.value.detail.startswith("payments-key: rotation at db.test:443")
