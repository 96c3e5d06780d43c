"""What must hold at the gateway whatever else changes: decided anew each time, recorded first, refused in doubt."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import (  # type: ignore[import-not-found] # beside
    SECRET,
    World,
    at_most,
    budget,
    payments,
    rule,
    streamable,
)
from test_gateway_servers import DONE, JSON, Odd, call, odd, response  # type: ignore[import-not-found] # beside

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.model import Boundary, BoundaryState
from remit.catalog.injection import Injection
from remit.kernel.clock import HOUR, Instant, Micros
from remit.kernel.errors import RemitError
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.policy.cedar import CedarEngine
from remit.policy.ports import Ruling, Slice, Verdict
from remit.storage.model import Committed, Work
from remit.vault.model import SecretUnavailable

Play = Callable[[Any], None]
TRANSFER = {"name": "transfer", "arguments": {"amount": 100, "currency": "EUR"}}


def test_equal_calls_are_decided_one_by_one(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True))
        world.agent("bot", rule("payments/transfer", at_most("amount", "500.00")))
        for _ in range(3):
            assert not (await world.modern("payments", "tools/call", TRANSFER)).json()["result"]["isError"]
        decided = world.entries("decision")
        assert len({entry["id"] for entry in decided}) == len(decided) == 3
        # The state changed and nothing of the call did: the next answer is of the new state.
        world.agent("bot", rule("payments/transfer", at_most("amount", "50.00")))
        denied = await world.modern("payments", "tools/call", TRANSFER)
        assert denied.json()["result"]["structuredContent"]["code"] == "constraint_violated"
        assert len(world.calls()) == 3

    play(scenario)


class Witness(Odd):  # type: ignore[misc] # found beside, so untyped
    """A server that writes down what was already recorded, and what not yet, when a call reached it."""

    def __init__(self, world: World) -> None:
        super().__init__(response(DONE))
        self.world = world
        self.recorded: list[tuple[list[str], list[str]]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            decisions = [entry["decision"] for entry in self.world.entries("decision")]
            outcomes = [entry["outcome"] for entry in self.world.entries("outcome")]
            self.recorded.append((decisions, outcomes))
        await super().__call__(scope, receive, send)


def test_a_server_gets_no_call_before_its_decision_is_durable(play: Play) -> None:
    async def scenario(world: World) -> None:
        witness = Witness(world)
        await odd(world, witness)
        commit = world.writer.submit_async
        durable = asyncio.Event()

        def slow(work: Work) -> asyncio.Future[Committed]:
            """A disk that says "written" when the test does."""

            async def wait() -> Committed:
                await durable.wait()
                done: Committed = await commit(work)
                return done

            return asyncio.ensure_future(wait())

        world.writer.submit_async = slow
        asked = asyncio.create_task(call(world))
        # A call that left without its decision would arrive while another goes there and back.
        async with world.http() as http:
            for _ in range(3):
                await http.get("/.well-known/oauth-protected-resource/mcp/odd")
        assert witness.recorded == []
        durable.set()
        assert (await asked).json()["result"] == DONE
        assert witness.recorded == [(["allow"], [])]
        assert await world.outcomes() == ["ok"]

    play(scenario)


class LockedVault:
    """Implements remit.enforcement.ports.Secrets: nothing can be opened."""

    def header(self, _injection: Injection, _url: str) -> tuple[str, str, int]:
        raise SecretUnavailable("the credential does not open")

    def scanner(self, injection: Injection | None = None, instance: str = "") -> Any:  # noqa: ARG002 - the port's
        raise SecretUnavailable("the credential does not open")


def test_a_locked_vault_sends_nothing_and_spends_nothing(play: Play) -> None:
    async def scenario(world: World) -> None:
        await odd(world, Odd(response(DONE)), credential=True)
        world.agent("bot", rule("odd/tool", budget=budget("n", "5")))
        world.upstream._secrets = LockedVault()
        answer = await call(world)
        assert answer.json()["error"]["code"] == -32603
        assert answer.json()["error"]["data"]["code"] == "enforcement_unavailable"
        assert answer.json()["error"]["data"]["retryable"] is True
        assert world.seen == []
        assert await world.outcomes() == ["not_sent"]
        assert set(world.writer.counters.values()) == {0}

    play(scenario)


class BrokenEngine(CedarEngine):
    """The real engine until it is asked."""

    def __init__(self, ruling: Ruling | None, *errors: str) -> None:
        self.ruling, self.errors = ruling, errors

    def ask(self, question: Slice, context: str) -> Verdict:  # noqa: ARG002 - what is said is fixed
        if self.ruling is None:
            raise RuntimeError("the engine broke")
        return Verdict(self.ruling, (question.permit,) if question.permit else (), self.errors)


@pytest.mark.parametrize(
    "engine",
    [
        BrokenEngine(None),
        BrokenEngine(Ruling.NONE),
        BrokenEngine(Ruling.ALLOW, "a forbid could not be evaluated"),
    ],
)
def test_without_a_decision_nothing_is_sent_and_nothing_is_counted_as_one(play: Play, engine: BrokenEngine) -> None:
    async def scenario(world: World) -> None:
        await odd(world, Odd(response(DONE)))
        world.facts.view().slices._engine = engine
        answer = await call(world)
        assert answer.json()["error"]["code"] == -32603
        assert answer.json()["error"]["data"]["code"] == "enforcement_unavailable"
        assert world.seen == []
        await world.pipeline.drain()
        assert world.entries("decision") == []
        assert [entry["reason"] for entry in world.entries("unavailable")] == ["engine"]

    play(scenario)


@pytest.mark.parametrize("where", ["result", "error", "header", "status"])
def test_no_answer_shows_the_servers_credential(play: Play, where: str) -> None:
    async def scenario(world: World) -> None:
        shown = f"Bearer {SECRET}"
        error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no", "data": {"sent": shown}}}
        apps: dict[str, Odd] = {
            "result": Odd(response({**DONE, "content": [{"type": "text", "text": shown}]})),
            "error": Odd(json.dumps(error).encode()),
            "header": Odd(response(DONE), headers=[*JSON, (b"x-echo", shown.encode())]),
            "status": Odd(shown.encode(), status=401, headers=[*JSON, (b"www-authenticate", shown.encode())]),
        }
        await odd(world, apps[where], credential=True)
        answer = await call(world)
        assert world.seen[-1].headers["authorization"] == shown
        assert SECRET not in answer.text
        assert SECRET not in str(answer.headers)
        await world.pipeline.drain()
        assert all(SECRET.encode() not in entry.header for entry in world.writer.entries)

    play(scenario)


def test_a_front_that_is_asked_for_what_it_hides_answers_as_for_what_is_not_there(play: Play) -> None:
    """`can` is a second door to the same decision: it must not tell more than the first."""

    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True))
        world.agent("bot", rule("payments/list_invoices"))
        caller, _ = world.tokens.check(
            authorization=world.headers()["Authorization"],
            dpop=None,
            method="POST",
            url="",
            audiences=(),
            now=world.clock.now(),
        )
        said = []
        for tool in ("delete_all", "no_such_tool"):
            with pytest.raises(RemitError) as hidden:
                world.policy.can("bot", None, f"payments/{tool}", caller=caller)
            said.append((hidden.value.code, hidden.value.public.replace(tool, "TOOL"), hidden.value.try_))
        assert said[0] == said[1]
        assert said[0][:2] == ("not_found", "Unknown tool: TOOL")

    play(scenario)


def gone(world: World, what: str, boundary: Boundary) -> list[Boundary]:
    """What is left of the only boundary that an entitlement in force stands on."""
    now = Instant(world.clock.now())
    other = {ActionName("payments/list_invoices"): rule("payments/list_invoices")}
    left: dict[str, list[Boundary]] = {
        "never approved": [dataclasses.replace(boundary, state=BoundaryState.PROPOSED, approved_by=None)],
        "revoked": [dataclasses.replace(boundary, state=BoundaryState.REVOKED)],
        "superseded": [dataclasses.replace(boundary, state=BoundaryState.SUPERSEDED)],
        "ended": [dataclasses.replace(boundary, not_after=now)],
        "narrowed": [dataclasses.replace(boundary, rules=other, version=2)],
        "of another agent": [dataclasses.replace(boundary, agent=AgentName("other"))],
        "for another purpose": [dataclasses.replace(boundary, purpose=PurposeName("play"))],
        "never existed": [],
    }
    return left[what]


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("never approved", "not_visible"),
        ("revoked", "not_visible"),
        ("superseded", "not_visible"),
        ("narrowed", "not_visible"),
        ("of another agent", "not_visible"),
        ("never existed", "not_visible"),
        ("ended", "not_granted"),
        ("for another purpose", "not_granted"),
    ],
)
def test_an_activation_in_force_allows_nothing_without_its_boundary(play: Play, what: str, code: str) -> None:
    """No row of an activation, however active and however fresh, stands in for what a person approved."""

    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True))
        world.agent("bot", rule("payments/transfer", at_most("amount", "500.00")))
        now = Instant(world.clock.now())
        world.source.all_activations.append(
            Activation(
                key=ActivationKey(AgentName("bot"), PurposeName("work"), ActionName("payments/transfer"), "payments"),
                boundary=BoundaryName("bot-boundary"), boundary_version=1, agent_version="1",
                state=ActivationState.ACTIVE, since=now, started=now, by="dana", serial=7, usage=Usage(now, Micros(0)),
            )
        )  # fmt: skip
        assert not (await world.modern("payments", "tools/call", TRANSFER)).json()["result"]["isError"]
        assert world.entries("verdict") == [], "it was in force already"
        world.source.all_boundaries = gone(world, what, *world.source.all_boundaries)
        world.change("agent:bot")
        for _ in range(2):
            answer = (await world.modern("payments", "tools/call", TRANSFER)).json()
            if code == "not_visible":
                assert answer["error"] == {"code": -32602, "message": "Unknown tool: transfer"}
            else:
                assert answer["result"]["structuredContent"]["code"] == code
            world.facts.view().activations.put(dataclasses.replace(world.source.all_activations[0], serial=8))
        assert [entry.get("code") for entry in world.entries("decision")] == [None, code, code]
        assert [each["params"]["name"] for each in world.calls("payments")] == ["transfer"]
        assert world.entries("verdict") == [], "and nothing started it anew"

    play(scenario)


def test_what_started_ends_with_its_boundary_and_does_not_start_again(play: Play) -> None:
    """A boundary that ends takes what was started under it along; the machine gives nothing back beyond it."""

    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True))
        world.agent("bot", rule("payments/transfer", at_most("amount", "500.00")))
        assert not (await world.modern("payments", "tools/call", TRANSFER)).json()["result"]["isError"]
        assert [entry["verdict"] for entry in world.entries("verdict")] == ["start"]
        (boundary,) = world.source.all_boundaries
        world.source.all_boundaries = [dataclasses.replace(boundary, not_after=Instant(world.clock.now() - HOUR))]
        world.change("agent:bot")
        denied = (await world.modern("payments", "tools/call", TRANSFER)).json()["result"]["structuredContent"]
        assert denied["code"] == "not_granted"
        assert len(world.entries("verdict")) == len(world.calls("payments")) == 1

    play(scenario)
