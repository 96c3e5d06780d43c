"""The way out to providers: what documents write, and nothing else that is private."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest
from sqlalchemy import Connection

from remit.kernel.clock import Micros
from remit.kernel.names import OwnerName, SecretName
from remit.outbound.model import Endpoint
from remit.server.to_providers import ToProviders, written
from remit.vault.document import Dynamic, Rotate, SecretDocument
from remit.vault.rotator import Unclear

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
