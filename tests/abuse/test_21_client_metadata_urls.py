"""A client whose metadata is at an address inside: nothing is dialled, however the address is spelled."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.interaction.tokens.consent_world import WEB, ConsentWorld

from remit.agents.binding import Binding
from remit.agents.bindings.client_metadata import METHOD, client_url
from remit.kernel.errors import Malformed
from remit.outbound.fetch import Fetcher
from remit.outbound.session import Outbound

pytestmark = pytest.mark.usefixtures("own_folders")


class Trap:
    """A listener on this machine that counts who comes, and the real way out beside it."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(0)
        self.port = self.server.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.outbound = Outbound()
        self.fetcher = Fetcher(self.outbound, loop=lambda: self.loop)

    def came(self) -> int:
        try:
            self.server.accept()
        except BlockingIOError:
            return 0
        return 1

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.outbound.close(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.server.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.close()


@pytest.mark.requirement("cimd:inside")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0177.0.0.1", "2130706433", "0x7f000001", "localhost", "[::1]", "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "169.254.169.254", "[::ffff:a9fe:a9fe]", "[::]", "10.0.0.1",
        "[fd00:ec2::254]",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_dialled(world: Any, trap: Trap, host: str) -> None:
    people = ConsentWorld(world)
    people.documents._fetch = trap.fetcher
    url = f"https://{host}:{trap.port}/metadata.json"
    people.change("editor-bot", bindings=(Binding(METHOD, {"url": url}),))
    answer = people.ask(client_id=url, redirect_uri=WEB)
    assert answer.status_code == 400
    assert "invalid_client_metadata" in answer.text
    assert "location" not in answer.headers
    assert trap.came() == 0
    (entry,) = people.entries("refused")
    assert (entry["error"], entry["door"]) == ("invalid_client_metadata", "authorize")
    assert entry["reason"].startswith("the client's metadata could not be read")


@pytest.mark.parametrize(
    "host", ["\u2460\u2461\u2466.0.0.1", "127\u30020.0.1", "127.0.0.1%00.client.example", "\uff11"]
)
def test_an_address_in_other_letters_is_no_url_of_a_client(host: str) -> None:
    with pytest.raises(Malformed):
        client_url(f"https://{host}/metadata.json")
