"""23: a credential of one side at the other: a server's own token at the gateway, an agent's token at the server."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import SECRET, bearer, token_of  # type: ignore[import-not-found] # found by conftest
from tests.abuse.shop import message, shop, transfer

Play = Callable[[Any], None]
SHOWN = [f"Bearer {SECRET}", f"DPoP {SECRET}", "Basic " + b64encode(f"bot:{SECRET}".encode()).decode(), "Bearer", ""]


@pytest.mark.parametrize("shown", SHOWN)
def test_what_the_server_takes_is_no_token_here(play: Play, shown: str) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        entry = {"kind": "refused", "error": "invalid_token", "agent": None}
        asked = world.post("payments", message(transfer()), Authorization=shown)
        answer = await watch.refused(asked, 401, "invalid_token", server="payments", door="mcp", **entry)
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        over_http = world.ask("GET", "/http/api/orders/1", token=False, headers=[("Authorization", shown)])
        refused = await watch.refused(over_http, 401, "invalid_token", server="api", door="http", **entry)
        assert 'error="invalid_token"' in (refused.header("www-authenticate") or "")

    play(scenario)


def test_a_token_elsewhere_than_in_its_header_is_none(play: Play) -> None:
    """RFC 6750 section 2.3: URLs are kept in logs, and a server that knows that way would be shown the token."""

    async def scenario(world: Any) -> None:
        await shop(world)
        token = bearer("bot", "work", "i1").removeprefix("Bearer ")
        asked = [
            await world.ask("GET", f"/http/api/orders/1?access_token={token}", token=False),
            await world.ask("GET", "/http/api/orders/1", token=False, headers=[("Cookie", f"access_token={token}")]),
        ]
        assert [each.status for each in asked] == [401, 401]
        assert world.seen == []
        # Who shows nothing is told where tokens are had: that is how a client learns it, and no entry.
        assert world.writer.entries == []

    play(scenario)


def test_the_server_sees_its_own_credential_and_nothing_of_the_agents(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        token = token_of("bot", "i1")
        noise = {"X-Forwarded-Authorization": f"Bearer {token}", "Cookie": f"t={token}", "DPoP": token}
        await watch.passes(world.post("payments", message(transfer()), **noise))
        again = [(name, value + "2") for name, value in noise.items()]
        await watch.passes(world.ask("GET", "/http/api/orders/1", headers=again))
        (call,) = world.seen
        (got,) = watch.seen[1]
        everything = [*call.headers.values(), call.body.decode(), *(value for _, value in got.headers), got.target]
        assert [each for each in everything if token in each] == []
        assert call.headers["authorization"] == f"Bearer {SECRET}"
        assert got.values("authorization") == [f"Bearer {SECRET}"]

    play(scenario)
