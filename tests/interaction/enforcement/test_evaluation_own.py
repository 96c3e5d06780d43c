"""An agent that asks for itself, with its own token, at the paths of enforcement points."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from asking_world import BASE, Asking, Held, estate, question  # type: ignore[import-not-found] # beside
from gateway_world import World, at_most, budget, rule, token_of  # type: ignore[import-not-found] # beside

from remit.access.conditions import Conditions, Step
from remit.freezes.model import FreezeKind
from remit.kernel.names import ActionName, InstanceId

Play = Callable[[Any], None]
OWN = token_of("bot", "one")
ASKED = question(arguments={"amount": 100, "currency": "EUR"})


async def own(asking: Asking, body: object, *, who: str = OWN, path: str = "/access/v1/evaluation") -> Any:
    """As an agent: the token of the world is `agent/purpose/instance`, any text is its proof."""
    asking.proofs = getattr(asking, "proofs", 0) + 1
    return await asking.send(path, body, authorization=f"DPoP {who}", dpop=f"proof-{asking.proofs}")


def dpop(world: World) -> None:
    """Take `DPoP agent/purpose/instance` as the world takes Bearer."""
    check = world.tokens.check

    def checked(**shown: Any) -> Any:
        shown["authorization"] = "Bearer " + shown["authorization"].removeprefix("DPoP ")
        return check(**shown)

    world.tokens.check = checked


def test_its_decision_is_as_real_as_any_and_says_that_it_is_cooperative(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        dpop(world)
        answer = await own(asking, ASKED)
        assert (answer.status_code, answer.json()) == (200, {"decision": True})
        (entry,) = world.entries("decision")
        assert answer.headers["remit-decision"] == entry["id"]
        assert (entry["pep"], entry["cooperative"], entry["instance"], entry["run"]) == (
            "sdk:bot",
            True,
            "one",
            "run_1",
        )
        said = await own(asking, {"decision": entry["id"], "outcome": "ok"}, path="/v1/outcomes")
        assert said.status_code == 200, said.text
        (outcome,) = world.entries("outcome")
        assert (outcome["outcome"], outcome["pep"], outcome["cooperative"]) == ("ok", "sdk:bot", True)

    play(scenario)


def test_it_spends_what_its_calls_would_spend(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        dpop(world)
        said = [(await own(asking, question(arguments={"amount": 400}))).json() for _ in range(3)]
        assert [each["decision"] for each in said] == [True, True, False]
        assert said[2]["context"]["code"] == "budget_exhausted"

    play(scenario)


OTHERS: tuple[dict[str, Any], ...] = (
    question(agent="other-bot"),
    question(agent="nobody"),
    question(purpose="leisure"),
    {**question(), "subject": {"type": "user", "id": "bot"}},
    {**question(), "resource": {"type": "document", "id": "payments"}},
    {**question(), "subject": {"type": "identity", "id": "bot"}, "resource": {"type": "tool", "id": "transfer"}},
    {**question(), "action": {"name": "transfer"}},
)


@pytest.mark.parametrize("asked", OTHERS, ids=lambda asked: json.dumps(asked)[:60])
def test_it_asks_for_nobody_and_nothing_else_and_that_is_recorded(play: Play, asked: dict[str, Any]) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        dpop(world)
        world.agent("other-bot", rule("payments/transfer"))
        world.agent("bot", rule("payments/transfer"))
        answer = await own(asking, asked)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "remit-decision" not in answer.headers
        assert world.entries("decision") == []
        (entry,) = world.entries("refused")
        assert (entry["agent"], entry["reason"]) == ("bot", "asked_for_another")

    play(scenario)


def test_what_it_may_not_see_looks_like_what_there_is_not(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        dpop(world)
        shapes = set()
        for action in ("payments/purge", "payments/nothing", "nowhere/nothing", "payments:resources/read"):
            body = (await own(asking, question(action))).json()
            if action.endswith("read"):
                continue
            assert (body["context"].pop("action"), body["context"].pop("resource")[:7]) == (action, "server:")
            shapes.add(json.dumps(body))
        assert len(shapes) == 1

    play(scenario)


def test_a_proof_is_used_once_whatever_came_of_it(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        dpop(world)
        for body in (ASKED, question(agent="nobody"), question("payments/purge")):
            again = [
                await asking.send("/access/v1/evaluation", body, authorization=f"DPoP {OWN}", dpop=json.dumps(body))
                for _ in range(2)
            ]
            assert again[0].status_code in {200, 403}
            assert again[1].status_code == 401
            assert 'error="invalid_dpop_proof"' in again[1].headers["www-authenticate"]

    play(scenario)


def test_an_outcome_is_reported_by_the_copy_that_asked_and_by_no_other(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        dpop(world)
        world.agent("other-bot", rule("payments/transfer"))
        decision = (await own(asking, ASKED)).headers["remit-decision"]
        body = {"decision": decision, "outcome": "ok"}
        for who in (token_of("bot", "two"), token_of("other-bot", "one")):
            assert (await own(asking, body, who=who, path="/v1/outcomes")).status_code == 404
        assert (await asking.say(decision, "ok")).status_code == 404
        assert (await own(asking, body, path="/v1/outcomes")).status_code == 200
        assert (await own(asking, body, path="/v1/outcomes")).status_code == 409
        assert (await own(asking, body, who=token_of("bot", "two"), path="/v1/outcomes")).status_code == 404

    play(scenario)


def test_its_own_word_is_no_use_and_no_step(play: Play) -> None:
    """What an agent only says of itself keeps nothing in force, and is nothing that a later step stands on."""

    async def scenario(world: World) -> None:
        step = Conditions(requires_before=(Step(action=ActionName("payments/transfer"), same=(), within=None),))
        purge = replace(rule("payments/purge"), conditions=step)
        asking = estate(world, rule("payments/transfer", at_most("amount", "500.00")), purge)
        dpop(world)
        used: list[Any] = []
        world.policy.justified = lambda call, _at: used.append(call.caller.pep)
        decision = (await own(asking, ASKED)).headers["remit-decision"]
        await own(asking, {"decision": decision, "outcome": "ok"}, path="/v1/outcomes")
        assert used == []
        assert (await own(asking, question("payments/purge", arguments={}))).json()["context"]["code"] == (
            "sequence_required"
        )
        # The same, asked by an enforcement point that was shown the token, is use, and a step.
        (entry,) = world.entries("decision")[:1]
        caller = world.tokens.check(authorization=f"DPoP {OWN}", dpop="x", method="", url="", audiences=(), now=0)[0]
        asking.tokens.good["t.t.t"] = Held(caller)
        shown = await asking.ask({**ASKED, "context": {**ASKED["context"], "access_token": "t.t.t"}})
        assert shown.json() == {"decision": True}, (shown.json(), entry)
        await asking.say(shown.headers["remit-decision"], "ok")
        assert used == ["edge"]
        assert (await own(asking, question("payments/purge", arguments={}))).json() == {"decision": True}

    play(scenario)


def test_a_token_that_is_shown_on_counts_as_at_the_gateway(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world, rule("payments/transfer", budget=budget("amount", "1000.00")))
        caller = world.tokens.check(authorization=f"Bearer {OWN}", dpop="x", method="", url="", audiences=(), now=0)[0]
        asking.tokens.good["t.t.t"] = Held(caller)
        asking.tokens.good["else.e.e"] = Held(caller, frozenset({BASE}))

        def shown(token: object, **changed: Any) -> dict[str, Any]:
            return {**ASKED, "context": {**ASKED["context"], "access_token": token}} | changed

        good = await asking.ask(shown("t.t.t"))
        assert good.json() == {"decision": True}
        assert "remit-token" not in good.headers
        (entry,) = world.entries("decision")
        assert (entry["pep"], entry["instance"], entry["run"]) == ("edge", "one", "run_1")
        assert entry["pep_instance"] == "e" * 43
        assert "t.t.t" not in json.dumps(entry)
        for token in ("gone.g.g", "else.e.e"):  # revoked or expired; for another resource
            useless = await asking.ask(shown(token))
            assert useless.json()["context"]["code"] == "not_granted"
            assert useless.headers["remit-token"] == "invalid_token", "who stands before a server answers 401"
        for wrong in (shown(7), shown("t.t.t", subject={"type": "agent", "id": "other-bot"})):
            assert (await asking.ask(wrong)).status_code == 400
        for kind, name in ((FreezeKind.INSTANCE, "one"), (FreezeKind.INSTANCE, "e" * 43)):
            world.freeze(kind, name)
            frozen = await asking.ask(shown("t.t.t"))
            assert (frozen.json()["context"]["code"], frozen.headers.get("remit-token")) == ("revoked", None)
            world.unfreeze()
        ended = replace(caller, run_ends=world.clock.now(), instance=InstanceId("one"))
        asking.tokens.good["t.t.t"] = Held(ended)
        assert (await asking.ask(shown("t.t.t"))).json()["context"]["code"] == "revoked"

    play(scenario)
