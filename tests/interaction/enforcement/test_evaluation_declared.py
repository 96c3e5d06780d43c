"""Questions about an organisation's own types through the one pipeline: recorded, stopped, and apart from agents."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from asking_world import DOCS, Asking, estate, question  # type: ignore[import-not-found] # beside
from gateway_world import World, at_most, rule  # type: ignore[import-not-found] # beside

from remit.catalog.labels import Labels
from remit.freezes.model import FreezeKind
from remit.kernel.clock import Instant
from remit.policy.declared.model import Declaration, Part
from remit.storage.model import Unmarked

Play = Callable[[Any], None]
SCHEMA = """namespace Docs {
  entity User = { role?: String };
  entity Doc = { secret?: Bool };
  action read appliesTo { principal: User, resource: Doc };
}
"""
PERMIT = '@id("all-read") permit (principal, action, resource);\n'
FORBID = """@id("secrets") @title("Secrets stay")
forbid (principal, action, resource is Docs::Doc) when { resource has secret && resource.secret };
"""
TYPES = """[authzen.types]
user = "Docs::User"
identity = "Docs::User"
doc = "Docs::Doc"
tool = "Docs::Doc"
"""
PEOPLE = [{"uid": {"type": "Docs::User", "id": f"u{at:02}"}} for at in range(12)]


def declared(world: World, **how: Any) -> Asking:
    asking = estate(world, **how)
    world.source.all_declarations |= {
        "docs.cedarschema": Declaration(Part.SCHEMA, SCHEMA),
        "remit.toml": Declaration(Part.AUTHZEN, TYPES),
        "docs.json": Declaration(Part.ENTITIES, json.dumps(PEOPLE)),
    }
    world.source.all_policies["docs.cedar"] = PERMIT + FORBID
    world.change("declarations", "policies")
    return asking


def about(doc: str = "plan", user: str = "u01", **properties: Any) -> dict[str, Any]:
    return {
        "subject": {"type": "user", "id": user},
        "action": {"name": "read"},
        "resource": {"type": "doc", "id": doc, "properties": properties},
    }


@pytest.mark.requirement("authzen:declared")
def test_an_answer_is_recorded_with_its_policies_and_without_what_was_sent(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = declared(world)
        allowed, refused = await asking.ask(about()), await asking.ask(about(secret=True))
        assert allowed.json() == {"decision": True}
        context = refused.json()["context"]
        assert (context["code"], context["policy"]) == ("forbidden_by_policy", "secrets")
        assert context["title"] == "Forbidden by policy: Secrets stay"
        assert context["docs"] == f"{DOCS}/forbidden_by_policy"
        first, second = world.entries("decision")
        assert (first["id"], second["id"]) == (allowed.headers["remit-decision"], refused.headers["remit-decision"])
        assert (first["decision"], first["named"], first["forwarded"]) == ("allow", ["all-read"], False)
        assert (second["code"], second["policy"], second["named"]) == ("forbidden_by_policy", "secrets", ["secrets"])
        for entry in (first, second):
            assert (entry["subject"], entry["action"], entry["resource"]) == ("user:u01", "read", "doc:plan")
            assert entry["pep"] == "edge"
            assert entry["payload_key"] == "operators"
            assert 'secret"' not in json.dumps(entry)
            assert {"policies", "declarations"} <= entry.keys()

    play(scenario)


def test_what_does_not_fit_says_where(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = declared(world)
        context = (await asking.ask(about(secret="yes"))).json()["context"]
        path = "/resource/properties/secret"
        assert context["code"] == "invalid_arguments"
        assert context["violations"] == [{"path": path, "constraint": "type", "limit": "Boolean"}]
        assert context["remedies"] == [{"kind": "change_arguments", "path": path}]

    play(scenario)


def test_the_same_question_gets_the_same_bytes(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = declared(world)
        one, two = await asking.ask(about(secret=True)), await asking.ask(about(secret=True))
        assert one.content == two.content

    play(scenario)


def test_a_freeze_on_everything_or_on_who_asks_wins(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = declared(world)
        world.freeze(FreezeKind.INSTANCE, "e" * 43)
        assert (await asking.ask(about())).json()["context"]["code"] == "revoked"
        assert (await asking.ask(about(), pep="other")).json() == {"decision": True}
        world.unfreeze()
        world.freeze(FreezeKind.ALL, "*")
        assert (await asking.ask(about())).json()["context"]["code"] == "revoked"
        found = await asking.send("/access/v1/search/subject", about())
        assert found.json()["results"] == []

    play(scenario)


def test_without_a_record_or_a_fresh_view_there_is_no_answer(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = declared(world)
        world.writer.gone = True
        for path in ("evaluation", "search/subject"):
            answer = await asking.send(f"/access/v1/{path}", about())
            assert (answer.status_code, answer.json()["code"]) == (503, "enforcement_unavailable")
        world.writer.gone = False
        world.source.all_declarations["docs.json"] = Declaration(Part.ENTITIES, "torn")
        world.change("declarations")
        assert (await asking.ask(about())).status_code == 503
        assert (await asking.send("/access/v1/search/action", about())).status_code == 503
        assert not [entry for entry in world.entries("decision") if entry["decision"] == "allow"]

    play(scenario)


def test_a_stale_view_decides_nothing_about_ones_own_types_either(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = declared(world)
        world.contact = lambda: Instant(0)
        for path in ("evaluation", "search/subject"):
            assert (await asking.send(f"/access/v1/{path}", about())).status_code == 503
        assert world.entries("decision") == world.entries("search") == []

    play(scenario)


def test_no_outcome_is_waited_for(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = declared(world)
        decision = (await asking.ask(about())).headers["remit-decision"]
        answer = await asking.say(decision, "ok")
        assert answer.status_code == 409
        assert answer.json()["title"] == "this question is about no agent's call: there is no outcome to report"

    play(scenario)


@pytest.mark.requirement("authzen:declared")
def test_no_policy_of_the_organisation_stands_in_for_a_boundary(play: Play) -> None:
    """A permit for everything, and a map that calls Remit's words the organisation's own, allow an agent nothing."""

    async def scenario(world: World) -> None:
        asking = declared(world)
        world.agent("other", rule("payments/purge"))
        for subject, action, resource in (
            (("agent", "bot"), "payments/purge", ("server", "payments")),
            (("identity", "bot"), "tools/call", ("tool", "purge")),
            (("identity", "bot"), "read", ("tool", "transfer")),
            (("agent", "bot"), "read", ("doc", "plan")),
            (("user", "u01"), "read", ("server", "payments")),
        ):
            asked = {
                "subject": dict(zip(("type", "id"), subject, strict=True)),
                "action": {"name": action},
                "resource": dict(zip(("type", "id"), resource, strict=True)),
            }
            answer = (await asking.ask(asked)).json()
            assert (answer["decision"], answer["context"]["code"]) == (False, "not_granted"), asked
        ours = question(arguments={"amount": 1})
        assert (await asking.ask(ours)).json() == {"decision": True}
        assert world.entries("decision")[-1]["boundary"] == "bot-boundary"

    play(scenario)


@pytest.mark.requirement("authzen:coaz")
def test_coaz_asks_about_the_agents_own_boundary(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = declared(world)

        def coaz(method: str, kind: str, name: str, subject: str = "bot", **context: Any) -> dict[str, Any]:
            return {
                "subject": {"type": "identity", "id": subject},
                "action": {"name": method},
                "resource": {"type": kind, "id": name},
                "context": context,
            }

        bounded = coaz("tools/call", "tool", "transfer", arguments={"amount": 1})
        assert (await asking.ask(bounded)).json() == {"decision": True}
        for_ann = coaz("tools/call", "tool", "transfer", "ann@example.test", agent="bot", arguments={"amount": 1})
        assert (await asking.ask(for_ann)).json() == {"decision": True}
        first, second = world.entries("decision")
        assert (first["agent"], first["action"], first["boundary"]) == ("bot", "payments/transfer", "bot-boundary")
        assert "subject" not in first
        assert (second["agent"], second["subject"]) == ("bot", "identity:ann@example.test")
        over = coaz("tools/call", "tool", "transfer", agent="bot", arguments={"amount": 501})
        assert (await asking.ask(over)).json()["context"]["code"] == "constraint_violated"
        listed = coaz("tools/list", "mcp_server", "http://remit.test/mcp/payments")
        for passing in (listed, coaz("server/discover", "mcp_server", "payments")):
            assert (await asking.ask(passing)).json() == {"decision": True}
        for unknown in (
            coaz("tools/call", "tool", "transfer", agent="nobody"),
            coaz("tools/call", "tool", "purge", mcp_server="payments"),
            coaz("tools/steal", "mcp_server", "payments"),
            coaz("tools/list", "mcp_server", "elsewhere"),
            coaz("tasks/update", "task", "t-1"),
        ):
            answer = (await asking.ask(unknown)).json()
            assert (answer["decision"], answer["context"]["code"]) == (False, "not_granted"), unknown

    play(scenario)


def test_one_that_cannot_be_recorded_takes_the_batch_with_it_and_nothing_is_left_reserved(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        submit, calls = world.writer.submit_async, []

        def sometimes(work: Any) -> Any:
            calls.append(work)
            world.writer.gone = len(calls) == 2
            found = submit(work)
            world.writer.gone = False
            return found

        world.writer.submit_async = sometimes
        one = question(arguments={"amount": 400})
        answer = await asking.send("/access/v1/evaluations", {"evaluations": [one, one]})
        assert answer.status_code == 503
        world.writer.submit_async = submit
        assert await world.outcomes() == ["not_sent"]
        again = await asking.send("/access/v1/evaluations", {"evaluations": [one, one, one]})
        assert [each["decision"] for each in again.json()["evaluations"]] == [True, True, False]

    play(scenario)


def test_a_batch_mixes_what_it_asks_about_and_says_what_is_no_question(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = declared(world)
        coaz = {"subject": {"type": "identity", "id": "bot"}, "action": {"name": "tools/call"}}
        torn = coaz | {"resource": {"type": "tool", "id": "transfer"}, "context": {"arguments": 7}}
        items = [about(), question(arguments={"amount": 1}), {"subject": 1}, 7, torn, about(secret=True)]
        answer = await asking.send("/access/v1/evaluations", {"evaluations": items})
        assert [each["decision"] for each in answer.json()["evaluations"]] == [True, True, False, False, False, False]
        assert (await asking.ask(torn)).status_code == 400
        assert answer.json()["evaluations"][2]["context"]["code"] == "malformed"
        ids = answer.headers["remit-decision"].split(", ")
        assert ids[2:5] == ["-", "-", "-"]
        assert {entry["id"] for entry in world.entries("decision")} == set(ids) - {"-"}

    play(scenario)


WHOLE: list[dict[str, Any]] = [
    {"evaluations": {}},
    {"evaluations": None},
    {"options": [], "evaluations": [{}]},
    {"options": {"evaluations_semantic": 1}, "evaluations": [{}]},
    {"subject": "alice", "evaluations": [{}]},
    {"context": None, "evaluations": [{}]},
    {"options": {"evaluations_semantic": "some"}},
]


@pytest.mark.requirement("authzen:batch")
@pytest.mark.parametrize("body", [b"[]", b"{", b"", *(json.dumps(each).encode() for each in WHOLE)])
def test_a_batch_that_is_none_as_a_whole_is_400(play: Play, body: bytes) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)
        assert (await asking.send("/access/v1/evaluations", body)).status_code == 400
        assert world.writer.entries == []

    play(scenario)


@pytest.mark.requirement("authzen:search")
@pytest.mark.requirement("authzen:coaz")
def test_a_search_in_that_spelling_finds_nothing_whatever_is_declared(play: Play) -> None:
    """The organisation's permit answers for no `identity` and no `tool`: an evaluation denies each of these."""

    async def scenario(world: World) -> None:
        asking = declared(world)
        plain = about()
        spoken = plain | {"subject": {"type": "identity", "id": "u01"}, "resource": {"type": "tool", "id": "plan"}}
        for gap, found in (("subject", 12), ("action", 1)):
            assert (await asking.send(f"/access/v1/search/{gap}", plain)).json()["page"]["count"] == found
            assert (await asking.send(f"/access/v1/search/{gap}", spoken)).json()["results"] == []
        assert (await asking.ask(spoken)).json()["decision"] is False

    play(scenario)


def test_asked_again_with_an_approval_both_spellings_say_what_is_next(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world, rule("payments/transfer", approval_above=(("amount", Decimal("50.00")),)))
        ours = question(arguments={"amount": 60}, approval={"id": "apr_none"})
        spoken = ours | {
            "subject": {"type": "identity", "id": "bot"},
            "action": {"name": "tools/call"},
            "resource": {"type": "tool", "id": "transfer"},
        }
        one, two = (await asking.ask(ours)).json()["context"], (await asking.ask(spoken)).json()["context"]
        assert one["code"] == "approval_required"
        assert one["next_action"]
        assert one == two

    play(scenario)


def test_pages_are_whole_and_in_order_and_a_token_is_of_its_question_alone(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = declared(world)
        body: dict[str, Any] = about()
        found: list[str] = []
        page: dict[str, Any] = {"limit": 5}
        sizes = []
        while True:
            answer = (await asking.send("/access/v1/search/subject", body | {"page": page})).json()
            found += [each["id"] for each in answer["results"]]
            sizes.append(answer["page"]["count"])
            page = {"limit": 5, "token": answer["page"]["next_token"]}
            if not page["token"]:
                break
            token = page["token"]
        assert (found, sizes) == ([f"u{at:02}" for at in range(12)], [5, 5, 2])
        for stolen in ({"pep": "other"}, {}):
            other = body if stolen else body | {"resource": {"type": "doc", "id": "other"}}
            answer = await asking.send("/access/v1/search/subject", other | {"page": {"token": token}}, **stolen)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
        assert (await asking.send("/access/v1/search/resource", body | {"page": {"token": token}})).status_code == 400
        searches = world.entries("search")
        assert [entry["found"] for entry in searches] == [5, 5, 2]
        assert (searches[0]["search"], searches[0]["subject"], searches[0]["pep"]) == ("subject", "user:", "edge")
        assert world.entries("decision") == []

    play(scenario)


@pytest.mark.requirement("authzen:search")
def test_of_agents_is_found_what_their_boundaries_name_and_nothing_else(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world, rule("payments/transfer", at_most("amount", "500.00")))
        world.agent("other-bot", rule("payments/purge"))

        async def search(gap: str, **body: Any) -> list[Any]:
            answer = await asking.send(f"/access/v1/search/{gap}", body)
            assert answer.status_code == 200, answer.text
            return [each.get("id", each.get("name")) for each in answer.json()["results"]]

        server, bot = {"type": "server", "id": "payments"}, {"type": "agent", "id": "bot"}
        transfer = {"name": "payments/transfer"}
        assert await search("subject", subject={"type": "agent"}, action=transfer, resource=server) == ["bot"]
        assert await search("action", subject=bot, resource=server) == ["payments/transfer"]
        assert await search("resource", subject=bot, action=transfer, resource={"type": "server"}) == ["payments"]
        purge = {"name": "payments/purge"}
        assert await search("resource", subject=bot, action=purge, resource={"type": "server"}) == []
        assert await search("action", subject={"type": "agent", "id": "nobody"}, resource=server) == []
        elsewhere = {"type": "server", "id": "elsewhere"}
        assert await search("subject", subject={"type": "agent"}, action=transfer, resource=elsewhere) == []
        over = {"arguments": {"amount": 600}}
        assert await search("subject", subject={"type": "agent"}, action=transfer, resource=server, context=over) == []
        fits = {"arguments": {"amount": 500}, "purpose": "work"}
        assert await search("action", subject=bot, resource=server, context=fits) == ["payments/transfer"]
        assert await search("action", subject=bot, resource=server, context={"purpose": "leisure"}) == []
        world.freeze(FreezeKind.AGENT, "bot")
        assert await search("action", subject=bot, resource=server) == []
        assert world.entries("decision") == []

    play(scenario)


@pytest.mark.requirement("authzen:search")
def test_what_was_read_through_an_enforcement_point_is_no_result_any_more(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world, rule("payments/transfer"), rule("payments/purge"))
        labels = (("purge", Labels(returns=("untrusted",))), ("transfer", Labels(carries_out=True)))
        world.source.all_servers["payments"] = dataclasses.replace(world.source.all_servers["payments"], labels=labels)
        world.change("server:payments")
        marks = world.writer.counters
        world.facts.unmet = lambda effects: frozenset(
            each.key for each in effects if isinstance(each, Unmarked) and marks.get((each.key, 0))
        )
        transfer = question(arguments={"amount": 1})
        search = transfer | {"subject": {"type": "agent"}}

        async def found() -> int:
            count: int = (await asking.send("/access/v1/search/subject", search)).json()["page"]["count"]
            return count

        assert ((await asking.ask(transfer)).json()["decision"], await found()) == (True, 1)
        assert (await asking.ask(question("payments/purge"))).json()["decision"] is True
        assert (await asking.ask(transfer)).json()["context"]["code"] == "flow_blocked"
        assert await found() == 0

    play(scenario)
