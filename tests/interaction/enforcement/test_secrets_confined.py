"""A secret leaves for no place that its document does not allow: nothing is sent, and one entry says why."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_world import rule  # type: ignore[import-not-found] # beside
from http_world import Api, HttpWorld, run_http  # type: ignore[import-not-found] # beside

from remit.kernel.names import OwnerName, SecretName
from remit.vault.document import Allowed, SecretDocument

OPERATIONS: dict[str, Any] = {"GET /v1/x": {}, "GET /v1/y/{id}": {}, "GET /v2/x": {}}


async def confined(world: HttpWorld, inject: object, *allow: Allowed, base: str = "") -> Api:
    api = await world.api(operations=OPERATIONS, credential={"secret": "key", "inject": inject}, base=base)
    world.agent("bot", *(rule(f"api:{name}") for name in OPERATIONS))
    world.vault.document = SecretDocument(secret=SecretName("key"), owner=OwnerName("dana"), allow=allow)
    return api


def place(world: HttpWorld) -> str:
    found: str = world.source.all_servers["api"].host
    return found


@pytest.mark.parametrize(
    ("inject", "allow", "said"),
    [
        ("bearer", Allowed(host="127.0.0.2"), "header:Authorization"),
        ("bearer", Allowed(place="header:X-Key"), "header:Authorization"),
        ("bearer", Allowed(path="/v2"), "header:Authorization"),
        ({"query": "key"}, Allowed(place="header:key"), "query:key"),
        ({"basic": "remit"}, Allowed(place="header:Authorization"), "basic"),
    ],
)
def test_a_call_that_would_take_it_elsewhere_is_refused(
    inject: object, allow: Allowed, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await confined(world, inject, allow)
        refused = await world.ask("GET", "/http/api/v1/x")
        assert (refused.status, refused.json()["code"]) == (503, "enforcement_unavailable")
        assert api.got == [], "nothing was sent"
        assert place(world) not in refused.body.decode(), "an agent is not told where it would have gone"
        assert await world.outcomes() == ["not_sent"]
        assert f"key: {said} at {place(world)}/v1/x" in capsys.readouterr().out, "the operator's log says where"

    run_http(scenario)


def test_a_call_that_takes_it_where_it_may_go_is_forwarded() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await confined(world, "bearer", Allowed(host="127.0.0.1", place="header:authorization", path="/v1/y"))
        assert (await world.ask("GET", "/http/api/v1/y/1")).status == 200
        assert (await world.ask("GET", "/http/api/v1/x")).status == 503
        assert [each.target for each in api.got] == ["/v1/y/1"]

    run_http(scenario)
