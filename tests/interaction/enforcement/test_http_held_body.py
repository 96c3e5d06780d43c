"""An HTTP request whose body comes long after its headers: what those showed must hold when it is there."""

from __future__ import annotations

import pytest
from gateway_world import rule, until  # type: ignore[import-not-found] # beside
from http_world import HttpWorld, run_http  # type: ignore[import-not-found] # beside
from proxy_world import ProxyWorld, run_proxied  # type: ignore[import-not-found] # beside


@pytest.mark.parametrize("ended", [False, True])
def test_a_token_that_ended_while_the_body_came_opens_nothing(ended: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: HttpWorld) -> None:
        arguments = {"properties": {"amount": {"type": "number"}}}
        api = await world.api(operations={"POST /pay": {"arguments": arguments}})
        world.agent("bot", rule("api:POST /pay"))
        line = await world.line(
            "POST", "/http/api/pay", body=b'{"amo', length=False, headers=[("Content-Length", "12")]
        )
        await until(lambda: world.tokens.urls)  # the headers were judged
        world.tokens.ended = ended
        line.writer.write(b'unt":1}')
        answer = await line.answer()
        assert answer.status == (401 if ended else 200)
        assert (answer.header("www-authenticate") is not None) is ended
        assert len(api.got) == (0 if ended else 1)
        assert [each["door"] for each in world.entries("refused")] == ["http"] * ended
        line.close()

    run_http(scenario)


def test_in_an_intercepted_connection_too_and_it_is_recorded_at_that_door() -> None:
    async def scenario(world: ProxyWorld) -> None:
        arguments = {"properties": {"amount": {"type": "number"}}}
        api = await world.secure(operations={"POST /pay": {"arguments": arguments}}, proxy="intercept")
        world.agent("bot", rule("api:POST /pay"))
        raw = await world.connect(api.at)
        await raw.head()
        await raw.tls("localhost", world.authority.pem)
        head = f"POST /pay HTTP/1.1\r\nHost: {api.at}\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"
        raw.writer.write(head.encode() + b'{"amo')
        await raw.writer.drain()
        world.tokens.ended = True
        raw.writer.write(b'unt":1}')
        assert (await raw.head())[0] == 401
        assert [(each["door"], each["error"]) for each in world.entries("refused")] == [("proxy", "invalid_token")]
        assert api.api.got == []

    run_proxied(scenario)
