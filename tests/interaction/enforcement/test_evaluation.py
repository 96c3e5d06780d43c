"""AuthZEN evaluation and outcomes, over HTTP, with real policy and log entries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from asking_world import Asking, estate, question  # type: ignore[import-not-found] # beside
from gateway_world import World, rule  # type: ignore[import-not-found] # beside

from remit.agents.model import AgentState
from remit.enforcement.points import REPORT_WITHIN
from remit.freezes.model import FreezeKind
from remit.kernel.clock import SECOND, FixedClock
from remit.kernel.errors import InDoubt
from remit.kernel.names import PurposeName
from remit.storage.model import Work

Play = Callable[[Any], None]


@pytest.mark.requirement("authzen:evaluation")
def test_an_allow_is_a_recorded_decision_by_this_enforcement_point(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        answer = await asking.ask(question(arguments={"amount": 100, "currency": "EUR"}))
        assert (answer.status_code, answer.json()) == (200, {"decision": True})
        (entry,) = world.entries("decision")
        assert answer.headers["remit-decision"] == entry["id"]
        assert (entry["pep"], entry["instance"], entry["decision"], entry["forwarded"]) == (
            "edge",
            "e" * 43,
            "allow",
            True,
        )
        assert (entry["agent"], entry["purpose"], entry["boundary"]) == ("bot", "work", "bot-boundary")

    play(scenario)


@pytest.mark.requirement("authzen:evaluation")
def test_a_denial_says_why_and_is_byte_for_byte_the_same_for_the_same_question(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        asked = question(arguments={"amount": 600.01, "currency": "EUR"})
        one, two = await asking.ask(asked), await asking.ask(asked)
        assert one.content == two.content
        assert one.headers["remit-decision"] != two.headers["remit-decision"]
        context = one.json()["context"]
        assert one.json()["decision"] is False
        assert context["code"] == "constraint_violated"
        assert context["violations"] == [
            {"path": "/amount", "constraint": "max", "limit": "500.00", "actual": "600.01"}
        ]
        assert not {"decision_id", "epoch", "evaluated_at"} & context.keys()
        assert [entry["code"] for entry in world.entries("decision")] == ["constraint_violated"] * 2

    play(scenario)


def test_every_evaluation_spends_its_budget(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        said = [await asking.ask(question(arguments={"amount": 400})) for _ in range(3)]
        assert [answer.json()["decision"] for answer in said] == [True, True, False]
        assert said[2].json()["context"]["code"] == "budget_exhausted"

    play(scenario)


@pytest.mark.requirement("authzen:undeclared")
def test_what_is_hidden_undeclared_or_missing_answers_alike(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        world.agent("other-bot", rule("payments/purge"))
        shapes = set()
        for asked in (
            question("payments/purge"),  # there, and not this agent's to see
            question("payments/nothing"),
            question("nowhere/nothing"),
            question("payments/purge", agent="nobody"),
            question("payments/purge", agent="NOT A NAME"),
            {**question(), "action": {"name": "read"}},
            {**question(), "subject": {"type": "user", "id": "bot"}},
            {**question(), "resource": {"type": "record", "id": "payments"}},
        ):
            answer = await asking.ask(asked)
            body = answer.json()
            context = body["context"]
            told = (context.pop("action"), context.pop("resource"))
            assert told == (asked["action"]["name"], f"{asked['resource']['type']}:{asked['resource']['id']}")
            shapes.add((answer.status_code, json.dumps(body)))
            assert answer.headers["remit-decision"].startswith("dec_")
        assert len(shapes) == 1
        ((status, shape),) = shapes
        assert status == 200
        assert json.loads(shape)["decision"] is False
        assert json.loads(shape)["context"]["code"] == "not_granted"
        assert [entry["code"] for entry in world.entries("decision")] == ["not_visible"] * 8
        assert all(entry["pep"] == "edge" for entry in world.entries("decision"))

    play(scenario)


@pytest.mark.requirement("authzen:stored-attributes")
def test_what_is_sent_about_an_agent_or_a_server_changes_nothing(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        plain = question(arguments={"amount": 600})
        sent = question(arguments={"amount": 600}, risk=0, owner="mallory")
        sent["subject"]["properties"] = {"state": "active", "boundaries": ["all"], "owner": "mallory"}
        sent["resource"]["properties"] = {"mode": "observe", "tier": "low"}
        sent["unknown"] = {"ignored": True}
        one, two = await asking.ask(plain), await asking.ask(sent)
        assert one.content == two.content
        world.agent("bot", rule("payments/transfer"), state=AgentState.SUSPENDED)
        assert (await asking.ask(sent)).json()["context"]["code"] == "agent_suspended"

    play(scenario)


def test_the_purpose_is_the_agents_only_one_or_is_named(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        assert (await asking.ask(question(arguments={"amount": 1}, purpose="work"))).json() == {"decision": True}
        other = (await asking.ask(question(arguments={"amount": 1}, purpose="leisure"))).json()
        assert other["context"]["code"] == "purpose_mismatch"
        bot = world.source.all_agents["bot"]
        world.source.all_agents["bot"] = replace(bot, purposes=(*bot.purposes, PurposeName("more")))
        world.change("agent:bot")
        none = (await asking.ask(question(arguments={"amount": 1}))).json()
        assert (none["context"]["code"], none["context"]["title"]) == ("purpose_mismatch", "A purpose has to be named")

    play(scenario)


def test_arguments_may_stand_with_the_action_and_numbers_are_exact(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        asked = json.dumps(question()).replace(
            '"name": "payments/transfer"',
            '"name": "payments/transfer", "properties": {"arguments": {"amount": AMOUNT}}',
        )
        for amount, code in (("500.00", None), ("500.0001", "constraint_violated"), ("5e2", "invalid_arguments")):
            body = (await asking.ask(asked.replace("AMOUNT", amount).encode())).json()
            assert body.get("context", {}).get("code") == code, amount

    play(scenario)


def test_a_freeze_on_the_agent_or_on_the_enforcement_point_binds(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        asked = question(arguments={"amount": 1})
        world.freeze(FreezeKind.INSTANCE, "e" * 43)
        assert (await asking.ask(asked)).json()["context"]["code"] == "revoked"
        assert (await asking.ask(asked, pep="other")).json() == {"decision": True}
        world.unfreeze()
        world.freeze(FreezeKind.AGENT, "bot")
        assert (await asking.ask(asked, pep="other")).json()["context"]["code"] == "revoked"

    play(scenario)


GOOD = question(arguments={"amount": 1})
WRONG: tuple[dict[str, Any], ...] = (
    {"subject": "bot"},
    {"subject": {"id": "bot"}},
    {"subject": {"type": "agent"}},
    {"subject": {"type": "agent", "id": 7}},
    {"subject": {"type": "agent", "id": "bot", "properties": []}},
    {"action": {}},
    {"action": {"name": None}},
    {"action": {"name": "payments/transfer", "properties": 1}},
    {"resource": {"type": "server"}},
    {"resource": {"type": ["server"], "id": "payments"}},
    {"resource": {"type": "server", "id": "elsewhere"}},
    {"context": []},
    {"context": None},
    {"context": {"purpose": 1}},
    {"context": {"arguments": []}},
    {"action": {"name": "payments/transfer", "properties": {"arguments": {}}}},
)


@pytest.mark.requirement("authzen:malformed")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"subject": {"type": "agent", "id": "bot", "id": "bot"}}',
        json.dumps([GOOD]).encode(),
        *(
            json.dumps({name: value for name, value in GOOD.items() if name != gone}).encode()
            for gone in ("subject", "action", "resource")
        ),
        *(json.dumps(GOOD | changed).encode() for changed in WRONG),
        json.dumps(GOOD).replace("1}", "NaN}").encode(),
    ],
)
def test_what_is_not_a_request_is_400(play: Play, body: bytes) -> None:
    async def scenario(world: World) -> None:
        answer = await estate(world).ask(body)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
        assert "remit-decision" not in answer.headers
        assert world.writer.entries == []

    play(scenario)


@pytest.mark.requirement("authzen:http")
def test_the_other_refusals(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        refused = await asking.ask(GOOD, pep="nobody")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        # Whoever is not known learns nothing of its body.
        assert (await asking.ask(b"{", pep="nobody")).status_code == 401
        assert (await asking.ask(GOOD, authorization="Basic token-edge")).status_code == 401
        assert (await asking.ask(GOOD, content_type="text/plain")).status_code == 415
        assert (await asking.ask(GOOD, content_type="application/json; charset=utf-8")).status_code == 200
        assert (await asking.ask(b" " * 9000)).status_code == 413
        for method in ("GET", "PUT", "DELETE"):
            other = await asking.ask(GOOD, method=method)
            assert (other.status_code, other.headers["allow"]) == (405, "POST")

    play(scenario)


@pytest.mark.requirement("authzen:request-id")
def test_the_request_id_comes_back_whatever_the_answer_is(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        for body, pep in ((GOOD, "edge"), (b"{", "edge"), (GOOD, "nobody")):
            assert (await asking.ask(body, pep=pep, x_request_id="r-17")).headers["x-request-id"] == "r-17"
        assert "x-request-id" not in (await asking.ask(GOOD)).headers

    play(scenario)


def test_without_a_record_there_is_no_answer(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        world.writer.gone = True
        for body in (GOOD, question("nowhere/nothing")):
            answer = await asking.ask(body)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["code"] == "enforcement_unavailable"
            assert "decision" not in answer.json()
        world.writer.gone = False
        assert (await asking.ask(GOOD)).json() == {"decision": True}

    play(scenario)


# what became of it -----------------------------------------------------------------------


async def allowed(asking: Asking, amount: int = 400) -> str:
    answer = await asking.ask(question(arguments={"amount": amount}))
    assert answer.json() == {"decision": True}, answer.text
    return str(answer.headers["remit-decision"])


@pytest.mark.requirement("outcomes:once")
@pytest.mark.parametrize("outcome", ["ok", "error", "not_sent", "outcome_unknown", "not_observed"])
def test_an_outcome_is_recorded_once(play: Play, outcome: str) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        decision = await allowed(asking)
        first, second = await asking.say(decision, outcome), await asking.say(decision, "ok")
        assert (first.status_code, first.json()) == (200, {"decision": decision, "outcome": outcome})
        assert (second.status_code, second.json()["code"]) == (409, "conflict")
        (entry,) = world.entries("outcome")
        assert (entry["decision"], entry["outcome"], entry["pep"]) == (decision, outcome, "edge")
        assert len(world.open_calls) == 0

    play(scenario)


def test_of_two_reports_at_once_one_is_a_conflict(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        decision = await allowed(asking)
        said = await asyncio.gather(*(asking.say(decision, each) for each in ("ok", "error")))
        assert sorted(answer.status_code for answer in said) == [200, 409]
        assert len(world.entries("outcome")) == 1

    play(scenario)


def test_only_what_was_not_sent_gives_back_what_was_reserved(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        one, two = await allowed(asking), await allowed(asking)
        assert (await asking.ask(question(arguments={"amount": 400}))).json()["decision"] is False
        assert (await asking.say(one, "not_sent")).status_code == 200
        await allowed(asking)
        assert (await asking.say(two, "ok")).status_code == 200
        assert (await asking.ask(question(arguments={"amount": 400}))).json()["decision"] is False

    play(scenario)


def test_only_ok_justifies_the_entitlement(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        justified: list[str] = []
        decider = world.pipeline._decider
        decider.justified = lambda call, _at: justified.append(call.id)
        one, two = await allowed(asking, 1), await allowed(asking, 1)
        await asking.say(one, "error")
        assert justified == []
        await asking.say(two, "ok")
        assert justified == [two]

    play(scenario)


@pytest.mark.requirement("outcomes:own")
def test_a_foreign_or_unknown_decision_does_not_exist(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        decision = await allowed(asking)
        foreign, unknown = (
            await asking.say(decision, "ok", pep="other"),
            await asking.say("dec_none", "ok", pep="other"),
        )
        assert (foreign.status_code, foreign.content) == (404, unknown.content)
        assert (await asking.say(decision, "ok")).status_code == 200
        # Also once it is closed; and an entry that is no decision is none.
        assert (await asking.say(decision, "ok", pep="other")).content == unknown.content
        (outcome,) = world.entries("outcome")
        assert (await asking.say(outcome["id"], "ok")).status_code == 404
        denied = await asking.ask(question(arguments={"amount": 501}))
        assert (await asking.say(denied.headers["remit-decision"], "ok")).status_code == 409

    play(scenario)


@pytest.mark.parametrize(
    "body", [{}, {"decision": "dec_1"}, {"decision": 1, "outcome": "ok"}, {"decision": "dec_1", "outcome": "cut"},
             {"decision": "dec_1", "outcome": "ok", "more": 1}, []],
)  # fmt: skip
def test_what_is_no_report_is_400(play: Play, body: Any) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        assert (await asking.send("/v1/outcomes", body)).status_code == 400
        assert (await asking.send("/v1/outcomes", body, pep="nobody")).status_code == 401

    play(scenario)


def test_what_is_not_reported_in_time_was_not_observed(play: Play) -> None:
    async def scenario(world: World) -> None:
        clock = FixedClock(world.clock.now())
        asking = estate(world, clock=clock)
        decision = await allowed(asking)
        assert asking.points.give_up() == 0
        clock.at += REPORT_WITHIN + SECOND
        assert asking.points.give_up() == 1
        assert await world.outcomes() == ["not_observed"]
        assert (await asking.say(decision, "ok")).status_code == 409
        assert len(world.open_calls) == 0

    play(scenario)


def test_beyond_the_most_that_are_waited_for_the_oldest_is_given_up(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world, most=2)
        first, second, third = [await allowed(asking, 1) for _ in range(3)]
        assert (await asking.say(first, "ok")).status_code == 409
        assert [(await asking.say(each, "ok")).status_code for each in (second, third)] == [200, 200]
        assert sorted(await world.outcomes()) == ["not_observed", "ok", "ok"]

    play(scenario)


def test_a_report_that_could_not_be_recorded_may_be_made_again(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        decision = await allowed(asking)
        world.writer.gone = True
        assert (await asking.say(decision, "ok")).status_code == 503
        world.writer.gone = False
        assert (await asking.say(decision, "ok")).status_code == 200
        assert [entry["outcome"] for entry in world.entries("outcome")] == ["ok"]

    play(scenario)


def test_a_report_in_doubt_is_made_true_and_stays_the_one_that_counts(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        decision = await allowed(asking)
        submit = world.writer.submit_async

        def doubtful(_work: Work) -> Any:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.set_exception(InDoubt("the database went away"))
            return future

        world.writer.submit_async = doubtful
        assert (await asking.say(decision, "not_sent")).status_code == 503
        world.writer.submit_async = submit
        assert (await asking.say(decision, "ok")).status_code == 409
        assert await world.outcomes() == ["not_sent"]

    play(scenario)
