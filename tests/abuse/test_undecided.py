"""What cannot be decided or recorded, or what was spent meanwhile: acceptance tests 11 and 17."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import budget, payments, rule, streamable  # type: ignore[import-not-found] # found by conftest
from tests.abuse.shop import message, shop, transfer
from tests.abuse.three_questions import Watch, told

from remit.freezes.model import FreezeKind
from remit.kernel.clock import SECOND, Instant

Play = Callable[[Any], None]
UNAVAILABLE = "enforcement_unavailable"


def stale(world: Any) -> None:
    world.contact = lambda: Instant(world.clock.now() - 6 * SECOND)


def without_a_disk(world: Any) -> None:
    world.writer.gone = True


def without_a_credential(world: Any) -> None:
    world.vault.secrets.clear()


@pytest.mark.parametrize("fault", [stale, without_a_disk])
def test_without_a_decision_or_a_record_nothing_leaves(play: Play, fault: Callable[[Any], None]) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        before = (len(world.writer.entries), len(world.seen), len(watch.seen[1]))
        fault(world)
        over_mcp = await world.post("payments", message(transfer()))
        over_http = await world.ask("GET", "/http/api/orders/1")
        assert (told(over_mcp), told(over_http)) == ((200, UNAVAILABLE), (503, UNAVAILABLE))
        assert over_mcp.json()["error"]["code"] == -32603
        assert over_mcp.json()["error"]["data"]["retryable"] is True
        assert over_http.json()["retryable"] is True
        assert over_http.header("retry-after") is not None
        assert over_http.header("x-should-retry") is None, "a library may try this again"
        world.writer.gone, world.contact = False, world.clock.now
        await world.pipeline.drain()
        assert (len(world.writer.entries), len(world.seen), len(watch.seen[1])) == before
        await watch.passes(world.post("payments", message(transfer())))
        await watch.passes(world.ask("GET", "/http/api/orders/1"))

    play(scenario)


def test_without_its_credential_a_call_is_not_sent_and_says_so(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        without_a_credential(world)
        answer = await world.ask("GET", "/http/api/orders/1")
        assert told(answer) == (503, UNAVAILABLE)
        await world.pipeline.drain()
        decision, outcome = world.writer.entries[-2:]
        assert b'"decision":"allow"' in decision.header
        assert b'"outcome":"not_sent"' in outcome.header
        assert watch.seen[1] == []

    play(scenario)


def test_a_freeze_of_anything_on_the_way(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        for kind, name in (
            (FreezeKind.ALL, "*"), (FreezeKind.AGENT, "bot"), (FreezeKind.INSTANCE, "i1"), (FreezeKind.OWNER, "dana"),
        ):  # fmt: skip
            world.freeze(kind, name)
            entry = {"kind": "decision", "decision": "deny", "code": "revoked", "agent": "bot"}
            await watch.refused(world.post("payments", message(transfer())), 200, "revoked", **entry)
            await watch.refused(world.ask("GET", "/http/api/orders/1"), 403, "revoked", **entry)
            world.unfreeze()
        for kind, name in ((FreezeKind.SERVER, "payments"), (FreezeKind.TOOL, "payments/transfer")):
            world.freeze(kind, name)
            await watch.refused(world.post("payments", message(transfer())), 200, "revoked", code="revoked")
            world.unfreeze()
        await watch.passes(world.post("payments", message(transfer())))

    play(scenario)


def test_of_three_at_once_two_fit_the_budget_and_a_failure_gives_nothing_back(play: Play) -> None:
    """17, with the outcomes as they are: only what was certainly not sent is spent again."""

    async def scenario(world: Any) -> None:
        await world.server("payments", streamable(payments(), json_response=True, stateless=True))
        world.agent("bot", rule("payments/transfer", budget=budget("amount", "5000")))
        watch = Watch(world)

        def pay(currency: str = "EUR") -> Any:
            return world.post("payments", message(transfer(2000, currency)))

        said = await asyncio.gather(pay(), pay(), pay())
        assert Counter(told(each) for each in said) == {(200, "ok"): 2, (200, "budget_exhausted"): 1}
        assert len(world.calls()) == 2
        await world.pipeline.drain()
        assert Counter(each["decision"] for each in world.entries("decision")) == {"allow": 2, "deny": 1}
        assert await world.outcomes() == ["ok", "ok"]
        denied = next(each.json()["result"]["structuredContent"] for each in said if told(each)[1] != "ok")
        assert {each["kind"] for each in denied["remedies"]} <= {"wait", "request_access"}
        entry = {"kind": "decision", "code": "budget_exhausted", "decision": "deny"}
        await watch.refused(pay(), 200, "budget_exhausted", **entry)

    play(scenario)


@pytest.mark.parametrize(("how", "left"), [("error", "budget_exhausted"), ("not_sent", "ok")])
def test_only_what_was_not_sent_is_given_back(play: Play, how: str, left: str) -> None:
    async def scenario(world: Any) -> None:
        url = await world.server("payments", streamable(payments(), json_response=True, stateless=True))
        world.agent("bot", rule("payments/transfer", budget=budget("amount", "100")))
        if how == "not_sent":
            world.move("payments", 1)  # nobody listens there
        await world.post("payments", message(transfer(100, "XXX")))
        assert await world.outcomes() == [how]
        world.move("payments", int(url.split(":")[2].partition("/")[0]))
        assert told(await world.post("payments", message(transfer(100)))) == (200, left)

    play(scenario)
