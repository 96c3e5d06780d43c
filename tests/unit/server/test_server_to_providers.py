"""The way out to providers: what documents write, and nothing else that is private."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete
from tests.unit.vault.rotation_world import CHOSEN, NOON, World

from remit.kernel.clock import HOUR, Instant, Micros
from remit.kernel.names import ActionName, AgentName, InstanceId, OwnerName, PurposeName, SecretName
from remit.outbound.model import Endpoint, target
from remit.server.compose_leasing import way_out
from remit.server.to_providers import ToProviders, apart, written
from remit.storage.credential_schema import leases
from remit.storage.database import Database
from remit.vault.document import Dynamic, Rotate, SecretDocument
from remit.vault.lease import Lease, LeaseState
from remit.vault.lease_sql import SqlLeases
from remit.vault.rotator import Unclear
from remit.vault.rotators.request import filled, request
from remit.vault.service import Vault

NONE = cast("Connection", None)  # nothing is read here
SETTINGS = {"create": {"url": "https://Keys.test/{id}"}, "more": ["http://127.0.0.1:8200/x", 7, "http://"], "n": None}


def document(settings: Mapping[str, object]) -> SecretDocument:
    rotate = Rotate(rotator="http", settings=settings)
    return SecretDocument(secret=SecretName("s"), owner=OwnerName("dana"), rotate=rotate)


def test_every_url_in_the_settings_is_opened() -> None:
    assert set(written(document(SETTINGS))) == {Endpoint("keys.test", 443), Endpoint("127.0.0.1", 8200)}
    made = Dynamic(maker="openbao", settings={"url": "http://10.0.0.1"}, ttl=Micros(1))
    said = SecretDocument(secret=SecretName("s"), owner=OwnerName("dana"), dynamic=made)
    assert set(written(said)) == {Endpoint("10.0.0.1", 80)}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://169.254.169.254/latest", "never called"),
        ("http://127.0.0.1:9/", "private"),
        ("http://127.0.0.1:8470/v1/secrets", "itself"),
    ],
)
def test_what_is_not_called(url: str, why: str) -> None:
    allowed = ["http://169.254.169.254/latest", "http://127.0.0.1:8470/", "http://127.0.0.1:10/"]
    send = ToProviders(lambda: [document({"urls": allowed})], own=[Endpoint("127.0.0.1", 8470)])

    async def ask() -> None:
        try:
            await send("GET", url, {}, b"")
        finally:
            await send.close()

    with pytest.raises(Unclear, match=why):
        asyncio.run(ask())


def test_what_was_begun_is_ended_there_though_its_document_names_another_place() -> None:
    kept: list[dict[str, str]] = []
    send = ToProviders(lambda: [document({})], own=[], begun=lambda _connection: kept)
    url = "http://127.0.0.1:9/keys"  # nothing listens there

    async def ask() -> str:
        with pytest.raises(Unclear) as found:
            await send("GET", url, {}, b"")
        return found.value.public

    async def told() -> tuple[str, str, str]:
        try:
            before = await ask()
            kept.append({"url": url})
            send.follow(1, ("secret:s",), NONE)
            within = await ask()
            kept.clear()
            send.look(NONE)
            return before, within, await ask()
        finally:
            await send.close()

    before, within, after = asyncio.run(told())
    assert "private" in before
    assert "private" not in within
    assert after == before


def test_what_was_lent_is_taken_away_where_it_was_made_though_its_document_names_another_place() -> None:
    """Also by a node that starts after its document was changed."""
    writer, url = World(CHOSEN).writer, "http://127.0.0.1:9"  # nothing listens there
    lease = Lease(
        lease="lea_1", secret=SecretName("s"), agent=AgentName("bot"), instance=InstanceId("i"),
        state=LeaseState.ENDING, maker="openbao", settings={"url": url}, purpose=PurposeName("work"),
        action=ActionName("billing:GET /x"), node="a", made=NOON, since=NOON, ends=Instant(NOON + HOUR),
    )  # fmt: skip
    vault = cast("Vault", SimpleNamespace(listing=list))
    database = cast("Database", SimpleNamespace(reader=writer, feed=writer.feed))

    async def told() -> str:
        send = way_out(vault, database, [])
        try:
            with pytest.raises(Unclear) as found:
                await send("POST", f"{url}/v1/sys/leases/revoke", {}, b"")
        finally:
            await send.close()
        return found.value.public

    writer.change(lambda tx: tx.connection.execute(delete(leases)))
    assert "private" in asyncio.run(told())
    writer.change(lambda tx: SqlLeases(tx.connection).add(lease))
    assert "private" not in asyncio.run(told())
    ended = replace(lease, state=LeaseState.ENDED)
    writer.change(lambda tx: SqlLeases(tx.connection).write(ended))
    assert "private" in asyncio.run(told())


@given(st.text("/?&=%.:;", max_size=30).map(lambda rest: rest.replace("%", "%41")))
def test_a_url_goes_over_the_wire_as_it_is_written(rest: str) -> None:
    origin, target = apart(f"https://keys.test:8443{rest if rest[:1] in {'/', '?'} else '/' + rest}")
    assert origin == "https://keys.test:8443/"
    assert target == (rest if rest.startswith("/") else "/" + rest)


def test_what_fits_no_request_is_escaped_and_a_fragment_stays_here() -> None:
    assert apart("http://h") == ("http://h/", "/")
    assert apart("http://h?a={B}#c") == ("http://h/", "/?a=%7BB%7D")
    assert apart('http://[::1]:8200/v1/"x"') == ("http://[::1]:8200/", "/v1/%22x%22")


def test_no_cache_keeps_a_url_that_has_a_value_in_it() -> None:
    value = "a-value-that-stands-in-a-query"
    wire: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def ask() -> list[str]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        asked = request({"url": f"http://127.0.0.1:{port}/keys?key={{value}}"}, what="verify", known=["value"])
        send = ToProviders(lambda: [document({"url": asked.url})], own=[])
        try:
            out = filled(asked, {"value": value})
            assert (await send(out.method, out.url, out.headers, out.body)).status == 204
            kept = send._outbound._pool._routes if send._outbound._pool is not None else {}
            return [url for url, _ in kept]
        finally:
            await send.close()
            server.close()
            await server.wait_closed()

    target.cache_clear()
    kept = asyncio.run(ask())
    assert f"?key={value}".encode() in wire[0]
    assert len(kept) == 1
    assert value not in kept[0]
    # What else was read is the URL of the document, as it is written.
    read = target.cache_info().currsize
    assert [target(each) for each in (*kept, kept[0] + "keys?key={value}")]
    assert target.cache_info().currsize == read
