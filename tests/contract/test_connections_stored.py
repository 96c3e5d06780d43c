"""What people lent, on SQLite and PostgreSQL: sealed for its place, refreshed by one node at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import update

from remit.catalog.injection import OauthUser
from remit.kernel.clock import MINUTE, SECOND, FixedClock, Instant
from remit.kernel.errors import NotFound
from remit.kernel.names import OwnerName, SecretName
from remit.keys.keyfile import KeyfileProvider
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.people.change import Actor
from remit.server.lending import Lending
from remit.storage.database import Database
from remit.storage.identity_schema import connections
from remit.storage.model import Entry
from remit.vault.authorization import lent_to
from remit.vault.connection import Connection, ConnectionState, NotConnected
from remit.vault.connections import CLAIM, Connections
from remit.vault.model import SecretUnavailable
from remit.vault.user_tokens import UserTokens

NOON = Instant(1_800_000_000_000_000)
DANA = Actor(by="dana")
CREDENTIAL = OauthUser(
    secret=SecretName("mail"), authorize_url="https://mail.test/a", token_url="https://mail.test/t", client_id="remit"
)
CLIENT = Secret("the-clients-secret")


class Entries:
    """Implements the ports' Records with the headers themselves."""

    def __init__(self) -> None:
        self.said: list[Mapping[str, Any]] = []

    def entry(self, kind: str, fields: Mapping[str, Any], **_: Any) -> Entry:
        self.said.append({"kind": kind, **fields})
        return Entry(id=f"ent_{len(self.said)}", header=b"{}", payload=None)


class Node:
    """One node's part of it."""

    def __init__(self, database: Database, keys: KeyRing, clock: FixedClock) -> None:
        self.database, self.records, self.clock, self.keys = database, Entries(), clock, keys
        connections = Connections(keys, records=self.records, clock=clock)
        self.lent = Lending(connections=connections, writer=database.writer)
        database.feed.subscribe(keys.follow)
        database.feed.subscribe(connections.follow)

    def connect(self, person: str = "dana", refresh: str = "first") -> None:
        self.lent.connect(
            SecretName("mail"), OwnerName(person), Secret(refresh), client=lent_to(CREDENTIAL), scope="mail", by=DANA
        )

    def claim(self, person: str = "dana") -> tuple[Connection, str]:
        """What is claimed, and its refresh token."""
        found = self.lent.claim("mail", person)
        assert found is not None
        return found[0], found[1].text()


@pytest.fixture
def provider(tmp_path: Path) -> KeyfileProvider:
    return KeyfileProvider.create(tmp_path / "k" / "keyfile")


@pytest.fixture
def node(any_database: Database, provider: KeyfileProvider) -> Node:
    any_database.writer.change(lambda tx: KeyRing.create(tx, provider, now=NOON))
    return Node(any_database, any_database.reader.read(lambda c: KeyRing.open(c, provider)), FixedClock(NOON))


def test_a_life(node: Node) -> None:
    node.connect()
    node.connect("lee", "hers")
    claimed, first = node.claim()
    assert first == "first"
    node.lent.refreshed(claimed, Secret("second"))
    assert node.claim("lee")[1] == "hers"
    again, second = node.claim()
    assert second == "second"
    node.lent.ended(again)
    found = node.lent.find("mail", "dana")
    assert found is not None
    assert (found.state, found.version) == (ConnectionState.ENDED, 2)
    with pytest.raises(NotFound):
        node.lent.claim("mail", "dana")
    node.connect(refresh="third")
    assert node.claim()[1] == "third"
    assert [(each["name"], each["change"], each["by"]) for each in node.records.said] == [
        ("mail/dana", "connect", "dana"), ("mail/lee", "connect", "dana"), ("mail/dana", "refresh", "remit"),
        ("mail/dana", "end", "remit"), ("mail/dana", "connect", "dana"),
    ]  # fmt: skip
    assert not any(word in str(node.records.said) for word in ("first", "second", "third", "hers"))


def test_one_refreshes_at_a_time_and_a_dead_one_does_not_block_for_ever(node: Node) -> None:
    node.connect()
    first, _ = node.claim()
    assert node.lent.claim("mail", "dana") is None
    node.clock.at = NOON + CLAIM - 1
    assert node.lent.claim("mail", "dana") is None
    node.clock.at = NOON + CLAIM
    node.lent.refreshed(node.claim()[0], Secret("second"))
    with pytest.raises(NotFound):  # who was slower than its claim brings an older token: nothing of it is used
        node.lent.refreshed(first, Secret("late"))
    node.lent.ended(first)  # and its word that it is over is not about the one that stands there
    assert node.claim()[1] == "second"


def test_what_is_disconnected_is_gone_with_its_key(node: Node) -> None:
    node.connect()
    (claimed, _), kept = node.claim(), node.lent.find("mail", "dana")
    assert kept is not None
    found, refresh = node.lent.disconnect("mail", "dana", by=DANA)
    assert (found.name, refresh and refresh.text()) == ("mail/dana", "first")
    assert node.lent.connections.listing() == []
    with pytest.raises(NotFound):
        node.lent.refreshed(claimed, Secret("second"))
    with pytest.raises(NotFound):
        node.lent.disconnect("mail", "dana", by=DANA)
    with pytest.raises(SecretUnavailable):  # a row out of a backup
        node.lent.connections.open(kept)
    node.connect(refresh="anew")
    assert node.claim()[1] == "anew"


def test_a_row_that_was_swapped_does_not_open(node: Node) -> None:
    node.connect()
    node.connect("lee", "hers")
    hers = node.lent.find("mail", "lee")
    assert hers is not None
    mine = connections.c.connection == "mail/dana"
    node.database.writer.change(
        lambda tx: tx.connection.execute(update(connections).where(mine).values(sealed=hers.sealed))
    )
    for _ in range(2):  # and nobody's claim stays
        with pytest.raises(SecretUnavailable):
            node.lent.claim("mail", "dana")


def test_another_node_uses_the_newest_and_waits_for_it(
    postgres_url: str, opened: Callable[[Path | str], Database], provider: KeyfileProvider
) -> None:
    clock, first = FixedClock(NOON), opened(postgres_url)
    first.writer.change(lambda tx: KeyRing.create(tx, provider, now=NOON))
    here = Node(first, first.reader.read(lambda c: KeyRing.open(c, provider)), clock)
    here.connect()
    second = opened(postgres_url)
    there = Node(second, second.reader.read(lambda c: KeyRing.open(c, provider)), clock)
    claimed, _ = here.claim()
    assert there.lent.claim("mail", "dana") is None
    here.lent.refreshed(claimed, Secret("second"))
    assert there.claim()[1] == "second"


class Service:
    """A token endpoint that rotates: what comes twice ends it all. Holds answers until it is let."""

    def __init__(self, *, life: int = 3600) -> None:
        self.newest, self.asked, self.life = "first", 0, life
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Event()
        self.fails = 0

    async def __call__(self, _url: str, _headers: dict[str, str], form: bytes) -> tuple[int, bytes]:
        self.asked += 1
        self.begun.set()
        await self.open.wait()
        if self.fails:
            self.fails -= 1
            return 503, b""
        if dict(parse_qsl(form.decode()))["refresh_token"] != self.newest:
            self.newest = ""
            return 400, b'{"error":"invalid_grant"}'
        self.newest = f"refresh-{self.asked}"
        said = {"access_token": f"access-{self.asked}", "token_type": "Bearer", "expires_in": self.life}
        return 200, json.dumps(said | {"refresh_token": self.newest}).encode()


def test_fifty_calls_refresh_once_and_what_fails_ends_nothing(node: Node) -> None:
    node.connect()

    async def scenario() -> None:
        service = Service()
        tokens = UserTokens(service, node.lent, node.clock)

        async def fifty() -> set[str]:
            service.open.clear()
            asking = [asyncio.ensure_future(tokens.get(CREDENTIAL, CLIENT, "dana")) for _ in range(50)]
            await service.begun.wait()
            service.open.set()
            return {held.value.text() for held in await asyncio.gather(*asking)}

        assert await fifty() == {"access-1"}
        held = await tokens.get(CREDENTIAL, CLIENT, "dana")
        assert not tokens.refused(CREDENTIAL, "dana", held)  # it had just been got: the API's word stands
        node.clock.at = NOON + 11 * SECOND
        assert [tokens.refused(CREDENTIAL, "dana", held) for _ in range(50)] == [True] * 50
        service.fails = 1
        with pytest.raises(SecretUnavailable) as caught:
            await tokens.get(CREDENTIAL, CLIENT, "dana")
        assert not isinstance(caught.value, NotConnected)
        assert (await tokens.get(CREDENTIAL, CLIENT, "dana")).value.text() == "access-3"
        assert service.asked == 3

    asyncio.run(scenario())
    assert node.claim()[1] == "refresh-3"


def test_a_token_ends_with_what_it_came_of(node: Node) -> None:
    async def scenario() -> None:
        service = Service(life=120)
        tokens = UserTokens(service, node.lent, node.clock)
        with pytest.raises(NotConnected, match="dana must connect their own account"):
            await tokens.get(CREDENTIAL, CLIENT, "dana")
        await asyncio.to_thread(node.connect)
        assert (await tokens.get(CREDENTIAL, CLIENT, "dana")).value.text() == "access-1"
        # (1) Of another address, it is worth nothing: what a document says now is not what the person lent it to.
        other = OauthUser(
            secret=SecretName("mail"), authorize_url="https://mail.test/a", token_url="https://evil.test/t",
            client_id="remit",
        )  # fmt: skip
        with pytest.raises(NotConnected, match="again"):
            await tokens.get(other, CLIENT, "dana")
        # (2) The other system takes it no more.
        service.newest = "stolen"
        node.clock.at = NOON + 2 * MINUTE
        for _ in range(3):
            with pytest.raises(NotConnected, match="dana must connect their own account again"):
                await tokens.get(CREDENTIAL, CLIENT, "dana")
        assert service.asked == 2
        # (3) It was lent anew, perhaps of another account, while a token of the old one was held.
        for count in (3, 4):
            service.newest = "first"
            node.clock.at += SECOND
            await asyncio.to_thread(node.connect)
            assert (await tokens.get(CREDENTIAL, CLIENT, "dana")).value.text() == f"access-{count}"
        # (4) It was taken back while a token was held.
        await asyncio.to_thread(node.lent.disconnect, "mail", "dana", by=DANA)
        with pytest.raises(NotConnected):
            await tokens.get(CREDENTIAL, CLIENT, "dana")

    asyncio.run(scenario())
