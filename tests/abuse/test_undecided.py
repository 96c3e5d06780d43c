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


def test_on_a_view_that_may_be_stale_nothing_is_decided(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        world.contact = lambda: Instant(world.clock.now() - 6 * SECOND)
        entry = {"kind": "unavailable", "reason": "stale_view", "agent": "bot"}
        over_mcp = await watch.refused(world.post("payments", message(transfer())), 200, UNAVAILABLE, **entry)
        assert over_mcp.json()["error"]["code"] == -32603
        assert over_mcp.json()["error"]["data"]["retryable"] is True
        over_http = await watch.refused(world.ask("GET", "/http/api/orders/1"), 503, UNAVAILABLE, **entry)
        assert over_http.json()["retryable"] is True
        assert over_http.header("retry-after") is not None
        assert over_http.header("x-should-retry") is None, "a library may try this again"
        world.contact = world.clock.now
        await watch.passes(world.post("payments", message(transfer())))
        await watch.passes(world.ask("GET", "/http/api/orders/1"))

    play(scenario)


def test_what_cannot_be_recorded_does_not_leave(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        before = (len(world.writer.entries), len(world.seen), len(watch.seen[1]))
        world.writer.gone = True
        assert told(await world.post("payments", message(transfer()))) == (200, UNAVAILABLE)
        assert told(await world.ask("GET", "/http/api/orders/1")) == (503, UNAVAILABLE)
        # What would be denied is not told either: a denial that nobody could show later is none.
        assert told(await world.post("payments", message(transfer(500)))) == (200, UNAVAILABLE)
        assert told(await world.post("payments", b"[]")) == (200, UNAVAILABLE)
        await world.pipeline.drain()
        assert (len(world.writer.entries), len(world.seen), len(watch.seen[1])) == before
        world.writer.gone = False
        await watch.passes(world.post("payments", message(transfer())))

    play(scenario)


def test_without_its_credential_a_call_is_not_sent_and_says_so(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        world.vault.secrets.clear()
        answer = await world.ask("GET", "/http/api/orders/1")
        assert told(answer) == (503, UNAVAILABLE)
        assert await world.outcomes() == ["not_sent"]
        (decision,) = world.entries("decision")
        assert (decision["decision"], decision["action"]) == ("allow", "api:GET /orders/{id}")
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
        assert "wait" in {each["kind"] for each in denied["remedies"]}
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
