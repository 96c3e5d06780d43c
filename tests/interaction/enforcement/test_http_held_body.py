"""An HTTP request whose body comes long after its headers: what those showed must hold when it is there."""

from __future__ import annotations

import pytest
from gateway_world import rule, until  # type: ignore[import-not-found] # beside
from http_world import HttpWorld, run_http  # type: ignore[import-not-found] # beside


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
        line.close()

    run_http(scenario)
