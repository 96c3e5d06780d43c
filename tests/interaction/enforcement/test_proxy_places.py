"""Connections of the forward proxy are shared out, whatever kind they are: somebody who comes later finds a place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway_world import rule, token_of, until  # type: ignore[import-not-found] # beside
from proxy_world import ProxyWorld, Raw, run_proxied  # type: ignore[import-not-found] # beside

from remit.enforcement.forward_proxy import Bounds
from remit.server.shed_record import ShedRecord

OPERATIONS: dict[str, Any] = {"GET /x": {"tier": "low"}}
KINDS = pytest.mark.parametrize("kind", ["tunnel", "intercept", "plain"])


class Held:
    """Connections of one kind, which stay open."""

    def __init__(self, world: ProxyWorld, kind: str) -> None:
        self.world, self.kind = world, kind

    async def registered(self) -> None:
        world = self.world
        if self.kind == "plain":
            await world.api(operations=OPERATIONS, proxy="intercept")
            self.at = world.source.all_servers["api"].url.removeprefix("http://")
        else:
            more = {"operations": OPERATIONS} if self.kind == "intercept" else {}
            self.at = (await world.secure(proxy=self.kind, **more)).at
        for agent in ("bot", "other", "third"):
            world.agent(agent, rule("api:CONNECT /" if self.kind == "tunnel" else "api:GET /x"))

    async def open(self, agent: str) -> tuple[int, Raw, str]:
        """One more: its status, and its whole head."""
        world = self.world
        if self.kind == "plain":
            raw = await world.bare()
            shown = f"Proxy-Authorization: Bearer {token_of(agent, 'i1')}"
            raw.writer.write(f"GET http://{self.at}/x HTTP/1.1\r\nHost: {self.at}\r\n{shown}\r\n\r\n".encode())
        else:
            raw = await world.connect(self.at, agent=agent)
        status, head = await raw.head()
        if status == 200 and self.kind == "intercept":
            await raw.tls("localhost", world.authority.pem)
        return status, raw, head


@KINDS
def test_two_agents_cannot_hold_all_connections_and_a_third_finds_a_place(kind: str) -> None:
    async def scenario(world: ProxyWorld) -> None:
        held = Held(world, kind)
        await held.registered()
        for agent, most in (("bot", 4), ("other", 2)):
            said = [(await held.open(agent))[0] for _ in range(most + 2)]
            assert said == [200] * most + [503] * 2
        assert (await held.open("third"))[0] == 200
        assert [(each["agent"], each["reason"]) for each in world.entries("refused")] == [
            ("bot", "overloaded"), ("bot", "overloaded"), ("other", "overloaded"), ("other", "overloaded"),
        ]  # fmt: skip

    run_proxied(scenario, bounds=Bounds(connections=8))


@KINDS
def test_a_refusal_says_when_to_come_back_is_one_entry_and_reaches_no_server(kind: str) -> None:
    async def scenario(world: ProxyWorld) -> None:
        held = Held(world, kind)
        await held.registered()
        assert (await held.open("bot"))[0] == 200
        await world.pipeline.drain()
        before = len(world.writer.entries)
        status, raw, head = await held.open("bot")
        assert (status, json.loads(await raw.rest())["code"]) == (503, "overloaded")
        assert "retry-after: 1\r\n" in head.lower()
        await world.pipeline.drain()
        (entry,) = [json.loads(each.header) for each in world.writer.entries[before:]]
        assert (entry["kind"], entry["reason"], entry["server"]) == ("refused", "overloaded", "api")
        assert (entry["agent"], entry["host"]) == ("bot", held.at)

    run_proxied(scenario, bounds=Bounds(connections=2))


@KINDS
def test_a_connection_that_ended_is_a_place_again(kind: str) -> None:
    async def scenario(world: ProxyWorld) -> None:
        held = Held(world, kind)
        await held.registered()
        _, raw, _ = await held.open("bot")
        assert (await held.open("bot"))[0] == 503
        raw.close()
        await until(lambda: world.proxy.places.taken == 0)
        assert (await held.open("bot"))[0] == 200

    run_proxied(scenario, bounds=Bounds(connections=2))


@KINDS
def test_connections_that_are_an_agents_leave_room_for_those_that_come(kind: str) -> None:
    async def scenario(world: ProxyWorld) -> None:
        held = Held(world, kind)
        await held.registered()
        for agent in ("bot", "bot", "bot", "other", "third"):
            assert (await held.open(agent))[0] == 200

    run_proxied(scenario, bounds=Bounds(connections=8, heads=2))


def test_what_fails_before_it_is_carried_holds_nothing() -> None:
    async def scenario(world: ProxyWorld) -> None:
        held = Held(world, "intercept")
        await held.registered()
        for _ in range(3):
            raw = await world.connect(held.at)
            assert (await raw.head())[0] == 200
            raw.writer.write(b"no TLS at all")
            await raw.rest()
            await until(lambda: world.proxy.places.taken == 0)
            assert (await (await world.connect("example.com:443")).head())[0] == 403
        assert world.proxy.places.held == {}

    run_proxied(scenario, bounds=Bounds(connections=2))


def test_who_has_its_share_is_not_told_what_it_may_not_see() -> None:
    async def scenario(world: ProxyWorld) -> None:
        held = Held(world, "tunnel")
        await held.registered()
        world.agent("third", rule("payments/x"))
        await world.secure("mine", proxy="intercept", operations=OPERATIONS)
        world.proxy.places.take("third")
        answers = set()
        for target in (held.at, "example.com:443"):
            raw = await world.connect(target, agent="third")
            answers.add((*await raw.head(), await raw.rest()))
        ((status, _, _),) = answers
        assert status == 403

    run_proxied(scenario, bounds=Bounds(connections=2))


def test_a_proof_is_used_by_a_refusal_for_load_too() -> None:
    async def scenario(world: ProxyWorld) -> None:
        held = Held(world, "intercept")
        await held.registered()
        await held.open("bot")
        said = [(await (await world.connect(held.at, head="DPoP: one\r\n")).head())[0] for _ in range(2)]
        assert said == [503, 407]

    run_proxied(scenario, bounds=Bounds(connections=2))


def test_who_says_nothing_takes_no_place_of_an_agents_and_is_recorded_in_sum() -> None:
    async def scenario(world: ProxyWorld) -> None:
        held = Held(world, "intercept")
        await held.registered()
        record = ShedRecord(lanes=(world.proxy.places,), writer=world.writer, records=world.recorder)
        silent = [await world.bare() for _ in range(5)]
        assert [(await each.head())[0] for each in silent[:3]] == [503] * 3  # the newest stay
        await record.tell()
        for each in silent:
            each.close()
        await until(lambda: not world.proxy.fronts)
        assert (await held.open("bot"))[0] == 200
        assert [each["proxy_full"] for each in world.entries("shed")] == [3]
        assert world.entries("refused") == []

    run_proxied(scenario, bounds=Bounds(connections=2, heads=2))
