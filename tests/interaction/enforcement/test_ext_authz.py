"""Envoy's question over HTTP, as Envoy asks it: what it may let on, what it answers instead, and what is recorded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from gateway_world import (  # type: ignore[import-not-found] # beside
    SECRET,
    at_most,
    bearer,
    free_port,
    rule,
    serving,
)
from http_world import Answer, HttpWorld  # type: ignore[import-not-found] # beside
from tests.abuse.three_questions import Watch

from remit.enforcement.door import Door
from remit.enforcement.ext_authz import EnvoyRelay, ExtAuthz
from remit.enforcement.http import HttpGateway
from remit.enforcement.model import Limits, Point
from remit.freezes.model import FreezeKind
from remit.kernel.errors import Unauthenticated

POINT, PUBLIC = "pep_token-of-envoy", "http://api.example.test:10000"
OPERATIONS: dict[str, Any] = {
    "GET /orders/{id}": {"tier": "low"},
    "POST /orders": {
        "arguments": {
            "properties": {"amount": {"type": "number"}}, "required": ["amount"], "additionalProperties": False
        }
    },
    "DELETE /orders/{id}": {"tier": "high"},
}  # fmt: skip
KEY = {"secret": "key", "inject": {"header": "X-Api-Key", "format": "{}"}}
READ = "/ext_authz/api/orders/7"
DROPPED = {"authorization", "dpop", "cookie", "x-http-method-override", "x-original-url", "remit-point"}


def point(authorization: str | None) -> Point:
    """The one enforcement point that there is."""
    if authorization != f"Bearer {POINT}":
        raise Unauthenticated("no enforcement point")
    return Point("envoy", "e" * 43)


class EnvoyWorld(HttpWorld):  # type: ignore[misc] # found at run time
    """The HTTP world with the endpoint that Envoy asks."""

    async def begin(self) -> None:
        await super().begin()
        door, servers = Door(self.base, self.tokens, self.clock), lambda name: self.facts.view().server(name)
        relay = EnvoyRelay(
            self.pipeline, self.injector,
            frozen=lambda name: ("credential", name) in self.facts.view().freezes,
        )  # fmt: skip
        gateway = HttpGateway(
            door=door, pipeline=self.pipeline, relay=relay, servers=servers, grants=self.grants, argued=self.argued,
            limits=self.limits,
        )  # fmt: skip
        asked = ExtAuthz(
            point=point, tokens=self.tokens, gateway=gateway, door=door, pipeline=self.pipeline, servers=servers,
            clock=self.clock,
        )  # fmt: skip
        self.port, listener = free_port()
        await self.stack.enter_async_context(serving(asked, listener))

    async def envoy(
        self, method: str = "GET", target: str = READ, *, agent: str = "bot", body: bytes | None = None,
        shown: Sequence[tuple[str, str]] = (), drop: Sequence[str] = (),
    ) -> Answer:  # fmt: skip
        """What Envoy sends of one request: its own three headers, the client's, and the body if there is one."""
        sent = {
            "Authorization": bearer(agent, "work", "i1"), "remit-point": POINT, "remit-public-url": PUBLIC,
            "remit-injects": "x-api-key",
        }  # fmt: skip
        if body is not None:
            sent["x-envoy-auth-partial-body"] = "false"
        headers = [(name, value) for name, value in sent.items() if name not in {*drop, *(name for name, _ in shown)}]
        return await self.ask(method, target, headers=[*headers, *shown], body=body, token=False)


def run(scenario: Callable[[EnvoyWorld, Watch], Any]) -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            world = EnvoyWorld(stack, Limits(request=4096))
            await world.begin()
            api = await world.api(operations=OPERATIONS, credential=KEY)
            world.agent("bot", rule("api:GET /orders/{id}"), rule("api:POST /orders", at_most("amount", "10")))
            world.agent("other", rule("elsewhere/x"))
            await scenario(world, Watch(world, api.got))  # Envoy alone calls the API: Remit never does
            assert api.got == []

    with blockbuster_ctx(scanned_modules=["remit"]):
        asyncio.run(main())


def test_it_is_let_on_with_the_credential_and_without_what_speaks_for_the_agent() -> None:
    async def scenario(world: EnvoyWorld, watch: Watch) -> None:
        found = await world.envoy(shown=[("Cookie", "a=b")])
        assert (found.status, found.body, found.header("x-api-key")) == (200, b"", SECRET)
        assert found.header("cache-control") == "no-store"
        removed = set((found.header("x-envoy-auth-headers-to-remove") or "").split(","))
        assert removed >= DROPPED
        assert "x-api-key" not in removed
        await world.pipeline.drain()
        decision, outcome = world.entries("decision") + world.entries("outcome")
        assert (decision["decision"], decision["action"]) == ("allow", "api:GET /orders/{id}")
        assert (decision["pep"], decision["pep_instance"], decision["instance"]) == ("envoy", "e" * 43, "i1")
        assert outcome["outcome"] == "not_observed"
        # The proof is for the address that the agent called, not for the one that Envoy asks.
        assert world.tokens.urls[-1] == ("GET", PUBLIC + "/orders/7")

    run(scenario)


def test_a_body_is_decided_on() -> None:
    async def scenario(world: EnvoyWorld, watch: Watch) -> None:
        assert (await world.envoy("POST", "/ext_authz/api/orders", body=b'{"amount": 10}')).status == 200
        entry = {"kind": "decision", "action": "api:POST /orders", "pep": "envoy"}
        for body, code in (
            (b'{"amount": 10.5}', "constraint_violated"), (b'{"amount": "1"}', "invalid_arguments"),
            (b'{"amount": 1, "x": 1}', "invalid_arguments"), (b'{"amount": -0E0}', "invalid_arguments"),
            (b"{}", "invalid_arguments"),
        ):  # fmt: skip
            asked = world.envoy("POST", "/ext_authz/api/orders", body=body)
            refused = await watch.refused(asked, 403, code, code=code, **entry)
            assert refused.header("content-type") == "application/problem+json"
            assert (refused.header("x-api-key"), refused.header("x-should-retry")) == (None, "false")
            assert refused.json()["decision_id"] == world.entries("decision")[-1]["id"]

    run(scenario)


def test_what_it_may_not_see_looks_like_what_there_is_not() -> None:
    async def scenario(world: EnvoyWorld, watch: Watch) -> None:
        asked = (
            world.envoy("DELETE"), world.envoy("GET", "/ext_authz/api/nothing/7"),
            world.envoy(agent="other"), world.envoy("GET", "/ext_authz/nobody/orders/7"),
        )  # fmt: skip
        answers = [await watch.refused(each, 404, "not_found") for each in asked]
        assert len({each.body for each in answers}) == 1
        said = [{name: value for name, value in each.headers if name != "date"} for each in answers]
        assert all(each == said[0] for each in said)

    run(scenario)


UNKNOWN = "invalid_token"


@pytest.mark.parametrize(
    ("shown", "status", "code", "entry"),
    [
        ([("Authorization", "Bearer nonsense")], 401, UNKNOWN, {"error": UNKNOWN, "server": "api"}),
        ([("remit-point", "another")], 403, "forbidden", None),
        ([("remit-point", "")], 403, "forbidden", None),
        ([("remit-public-url", "")], 400, "malformed", None),
        ([("remit-public-url", "http://api.example.test/")], 400, "malformed", None),
        ([("remit-public-url", "http://me@api.example.test")], 400, "malformed", None),
        ([("remit-public-url", "javascript:x")], 400, "malformed", None),
        ([("Authorization", bearer("bot", "work", "i1"))] * 2, 401, UNKNOWN, {"error": UNKNOWN}),
        ([("remit-point", POINT)] * 2, 403, "forbidden", None),
        ([("remit-public-url", PUBLIC)] * 2, 400, "malformed", None),
    ],
)  # fmt: skip
def test_who_shows_something_odd_is_let_nowhere(
    shown: list[tuple[str, str]], status: int, code: str, entry: dict[str, Any] | None
) -> None:
    async def scenario(world: EnvoyWorld, watch: Watch) -> None:
        if entry is not None:
            found = await watch.refused(
                world.envoy(shown=shown), status, code, kind="refused", door="ext_authz", **entry
            )
            assert "resource_metadata=" in (found.header("www-authenticate") or "")
            return
        # What Envoy's own configuration says is wrong is no agent's doing: answered, and nobody's entry.
        found = await world.envoy(shown=shown)
        assert (found.status, found.json()["code"], world.writer.entries) == (status, code, [])

    run(scenario)


def test_without_a_token_it_is_told_where_tokens_are_had() -> None:
    async def scenario(world: EnvoyWorld, watch: Watch) -> None:
        found = await world.envoy(drop=["Authorization"])
        assert found.status == 401
        assert f'resource_metadata="{world.base}/.well-known/oauth-protected-resource' in (
            found.header("www-authenticate") or ""
        )
        other = await world.envoy("GET", "/ext_authz/nobody/orders/7", drop=["Authorization"])
        assert other.body == found.body

    run(scenario)


PATHS = [
    "/orders/%37", "/%6frders/7", "/orders/./7", "/orders/../orders/7", "/orders//7", "//orders/7", "/orders/7%2f8",
    "/orders/7;a=b", "/orders/7%00", "/orders/%252e", "/orders/7%5c..", "/orders/%c0%af", "/orders/%ef%bc%8f7",
    "/orders/%2E%2E/7", "/orders/%e4%f6",
    "/orders/%c0%ae%c0%ae/1", "/orders/%C0%AE", "/orders/%e0%80%ae", "/orders/%c0%af1", "/orders/%e0%80%af",
    "/orders/%c1%9c", "/orders/%f0%80%80%ae", "/orders/%c0%80",
]  # fmt: skip


def test_a_path_that_envoy_would_forward_otherwise_than_it_was_read_is_refused() -> None:
    """Envoy forwards the octets it got: a path that Remit would write otherwise has two readings, good or bad."""

    async def scenario(world: EnvoyWorld, watch: Watch) -> None:
        entry = {"kind": "refused", "reason": "malformed", "server": "api", "agent": "bot"}
        for path in PATHS:
            asked = world.envoy("GET", f"/ext_authz/api{path}")
            await watch.refused(asked, 400, "malformed", what=path, **entry)
        assert (await world.envoy()).status == 200

    run(scenario)


BODIES: dict[str, tuple[bytes | None, list[tuple[str, str]], int, str]] = {
    "not sent along": (None, [], 400, "malformed"),
    "a part of it, that reads as a whole": (
        b'{"amount": 1}',
        [("x-envoy-auth-partial-body", "true")],
        400,
        "malformed",
    ),
    "a key twice": (b'{"amount": 1, "amount": 100}', [], 400, "malformed"),
    "no JSON": (b"amount=1", [], 400, "malformed"),
    "too large": (b'{"amount": 1}' + b" " * 4096, [], 413, "too_large"),
    "packed": (b'{"amount": 1}', [("Content-Encoding", "gzip")], 415, "unsupported_media_type"),
}


def test_a_body_that_is_not_all_there_or_not_one_reading_is_refused() -> None:
    async def scenario(world: EnvoyWorld, watch: Watch) -> None:
        for what, (body, shown, status, code) in BODIES.items():
            asked = world.envoy("POST", "/ext_authz/api/orders", body=body, shown=shown)
            await watch.refused(asked, status, code, what=what, kind="refused", reason=code, agent="bot")

    run(scenario)


def test_frozen_or_not_decided_it_is_let_nowhere() -> None:
    async def scenario(world: EnvoyWorld, watch: Watch) -> None:
        for kind, name in (
            (FreezeKind.INSTANCE, "i1"), (FreezeKind.INSTANCE, "e" * 43), (FreezeKind.AGENT, "bot"),
            (FreezeKind.SERVER, "api"), (FreezeKind.ALL, "*"),
        ):  # fmt: skip
            world.freeze(kind, name)
            await watch.refused(world.envoy(), 403, "revoked", kind="decision", code="revoked")
            world.unfreeze()
        assert (await world.envoy()).status == 200
        world.writer.gone = True
        gone = await world.envoy()
        assert (gone.status, gone.json()["code"], gone.header("x-api-key")) == (503, "enforcement_unavailable", None)
        world.writer.gone = False
        assert (await world.envoy()).status == 200

    run(scenario)


def test_a_credential_that_cannot_be_put_in_stops_the_call_and_is_recorded_as_not_sent() -> None:
    async def scenario(world: EnvoyWorld, watch: Watch) -> None:
        async def stopped(**how: Any) -> None:
            found = await world.envoy(**how)
            assert (found.status, found.json()["code"]) == (503, "enforcement_unavailable")
            assert found.header("x-api-key") is None
            await world.pipeline.drain()
            assert world.entries("outcome")[-1]["outcome"] == "not_sent"

        await stopped(drop=["remit-injects"])  # Envoy would drop the header: the agent's own could stand there
        await stopped(shown=[("remit-injects", "authorization")])
        world.vault.secrets.clear()
        await stopped()
        world.freeze(FreezeKind.CREDENTIAL, "key")
        await watch.refused(world.envoy(), 403, "revoked", kind="decision", code="revoked")

    run(scenario)


def test_a_proof_is_good_for_one_question() -> None:
    async def scenario(world: EnvoyWorld, watch: Watch) -> None:
        assert (await world.envoy(shown=[("DPoP", "one")])).status == 200
        entry = {"kind": "refused", "reason": "replayed_proof"}
        await watch.refused(world.envoy(shown=[("DPoP", "one")]), 401, "invalid_dpop_proof", **entry)
        # One that was refused has used its proof as well.
        assert (await world.envoy("GET", "/ext_authz/api/orders//7", shown=[("DPoP", "two")])).status == 400
        await watch.refused(world.envoy(shown=[("DPoP", "two")]), 401, "invalid_dpop_proof", **entry)

    run(scenario)
