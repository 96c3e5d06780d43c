"""22: a web page whose name was rebound to this address has a browser call Remit: by Host, by Origin, at every door."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from tests.abuse.shop import message, shop, transfer

Play = Callable[[Any], None]
FAR_AWAY: list[tuple[dict[str, str], int]] = [
    ({"Host": "evil.test"}, 403), ({"Host": "127.0.0.1.evil.test"}, 403), ({"Host": "127.0.0.1:1"}, 403),
    ({"Host": "localhost.evil.test", "Origin": "http://localhost"}, 403), ({"Origin": "https://evil.test"}, 403),
    ({"Origin": "null"}, 403), ({"Origin": "http://127.0.0.1"}, 403),
]  # fmt: skip
DOORS = [
    ("POST", "/mcp/payments"), ("POST", "/servers/payments/mcp"), ("GET", "/mcp/payments"), ("DELETE", "/mcp/payments"),
    ("GET", "/.well-known/oauth-protected-resource/mcp/payments"), ("GET", "/http/api/orders/1"),
    ("POST", "/http/api/orders"),
]  # fmt: skip


def test_every_door_refuses_it(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        for (headers, status), (method, path) in product(FAR_AWAY, DOORS):
            over_http = path.startswith("/http/")
            body = {"amount": 1} if over_http else message(transfer())
            sent = world.headers() | {"Accept": "text/event-stream, application/json"} | headers
            code = "forbidden" if over_http else "-32600"
            async with world.http() as client:
                url = (world.front if over_http else world.base) + path
                content = {"json": body} if method == "POST" else {}
                asking = client.request(method, url, headers=sent, **content)
                await watch.refused(
                    asking, status, code, kind="refused", reason="host_or_origin", error="forbidden",
                    door="http" if over_http else "mcp", agent=None, what=(headers, path),
                )  # fmt: skip

    play(scenario)


def test_from_its_own_page_or_from_no_page_it_is_served(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        await watch.passes(world.post("payments", message(transfer()), Origin=world.base))
        await watch.passes(world.ask("GET", "/http/api/orders/1", headers=[("Origin", world.front)]))

    play(scenario)


def test_no_page_fills_the_log(play: Play) -> None:
    """What strangers have refused shares one budget, and the next entry says how many there were."""

    async def scenario(world: Any) -> None:
        await shop(world)
        for _ in range(70):
            assert (await world.post("payments", b"{}", Host="evil.test")).status_code == 403
        assert 60 <= len(world.entries("refused")) < 70

    play(scenario)
