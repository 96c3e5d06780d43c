"""Calls of an HTTP API through the gateway: decided, forwarded as decided, answered, recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway_world import at_most, rule  # type: ignore[import-not-found] # beside
from http_world import HttpWorld, fixed, run_http  # type: ignore[import-not-found] # beside

from remit.access.model import Bound

OPERATIONS: dict[str, Any] = {
    "GET /repos/{owner}/{repo}": {"tier": "low", "arguments": {"properties": {"page": {"type": "integer"}}}},
    "GET /repos/{owner}/stats": {"tier": "low"},
    "DELETE /repos/{owner}/{repo}": {"tier": "critical"},
    "POST /transfers": {
        "arguments": {"properties": {"amount": {"type": "number"}, "to": {"type": "string"}}, "required": ["amount"]}
    },
    "PUT /files/{name}": {"media": ["text/csv", "image/*"]},
    "HEAD /files/{name}": {},
    "GET /files/{name}": {},
}
READ = "api:GET /repos/{owner}/{repo}"
PAY = "api:POST /transfers"


async def usual(world: HttpWorld, *rules: Any, **document: Any) -> Any:
    api = await world.api(operations=OPERATIONS, **document)
    world.agent("bot", *(rules or (rule(READ),)))
    return api


def test_a_call_is_decided_forwarded_and_recorded() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        api.answers["/repos/a b/c"] = fixed(200, b'{"id":1}', [("content-type", "application/json"), ("etag", '"1"')])
        got = await world.ask("GET", "/http/api/repos/a%20b/c?page=2", headers=[("Accept", "application/json")])
        assert (got.status, got.body, got.header("etag")) == (200, b'{"id":1}', '"1"')
        (seen,) = api.got
        assert (seen.method, seen.target) == ("GET", "/repos/a%20b/c?page=2")
        assert await world.outcomes() == ["ok"]
        (decision,) = world.entries("decision")
        assert (decision["action"], decision["decision"]) == (READ, "allow")

    run_http(scenario)


def test_a_base_path_stands_before_what_was_asked() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, base="/v3/")
        assert (await world.ask("GET", "/http/api/repos/a/b")).status == 200
        assert api.got[0].target == "/v3/repos/a/b"

    run_http(scenario)


def test_text_wins_over_a_parameter() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        assert (await world.ask("GET", "/http/api/repos/a/stats")).status == 404  # another operation, not granted
        assert api.got == []

    run_http(scenario)


def test_what_may_not_be_seen_looks_like_what_there_is_not() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        answers = [
            await world.ask("DELETE", "/http/api/repos/a/b"),
            await world.ask("GET", "/http/api/nowhere"),
            await world.ask("POST", "/http/api/transfers", body=b'{"amount":1}'),
            await world.ask("GET", "/http/no-such-server/repos/a/b"),
            await world.ask("HEAD", "/http/api/repos/a/b"),
            await world.ask("PUT", "/http/api/files/x", body=b"a", media="text/plain"),
            await world.ask("GET", "/http/api"),
        ]
        assert {each.status for each in answers} == {404}
        assert {each.body for each in answers if each.body} == {answers[0].body}
        shown = [sorted(h for h in each.headers if h[0] not in ("date", "content-length")) for each in answers]
        assert all(each == shown[0] for each in shown)
        assert api.got == []

    run_http(scenario)


def test_an_argument_outside_its_bound_is_denied() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, rule(PAY, at_most("amount", "100")))
        refused = await world.ask("POST", "/http/api/transfers", body=b'{"amount": 100.01}')
        assert (refused.status, refused.header("content-type")) == (403, "application/problem+json")
        assert refused.header("x-should-retry") == "false"
        denial = refused.json()
        assert (denial["code"], denial["resource"]) == ("constraint_violated", "http:api")
        assert denial["violations"][0]["path"] == "/amount"
        assert (await world.ask("POST", "/http/api/transfers", body=b'{ "amount": 100.00, "to":"x" }')).status == 200
        (seen,) = api.got
        assert seen.body == b'{"amount":100.00,"to":"x"}'  # the literal, and nothing but what was decided

    run_http(scenario)


@pytest.mark.parametrize(
    "body", [b'{"amount":1e2}', b'{"amount":0.00001}', b'{"amount":"5"}', b"{}", b'{"amount":1,"more":1}', b"[1]"]
)
def test_what_does_not_fit_the_schema_is_denied(body: bytes) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, rule(PAY))
        refused = await world.ask("POST", "/http/api/transfers", body=body)
        assert (refused.status, refused.json()["code"]) == (403, "invalid_arguments")
        assert api.got == []

    run_http(scenario)


def test_a_number_in_the_query_is_its_literal() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, rule(READ, at_most("page", "10")))
        assert (await world.ask("GET", "/http/api/repos/a/b?page=10")).status == 200
        for page in ("11", "1e1", "010", "%31%31", "0x5", "", "9%209"):
            refused = await world.ask("GET", f"/http/api/repos/a/b?page={page}")
            assert refused.status == 403, page
        assert [each.target for each in api.got] == ["/repos/a/b?page=10"]

    run_http(scenario)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/http/api/repos/a/b?page=1&page=2", None),
        ("/http/api/repos/a/b?owner=other", None),
        ("/http/api/repos/a/b?page=1", b'{"page":2}'),
        ("/http/api/repos/a/b?page[]=1", None),
        ("/http/api/repos/a/b?Page=1", None),
    ],
)
def test_a_name_has_one_value_from_one_place(target: str, body: bytes | None) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, rule(READ, Bound(argument="owner", in_=("a",))))
        refused = await world.ask("GET", target, body=body)
        assert (refused.status, refused.json()["code"]) == (403, "invalid_arguments")
        assert api.got == []

    run_http(scenario)


def test_an_open_schema_takes_no_name_twice_either() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await world.api(operations={"GET /find": {"arguments": {"type": "object"}}})
        world.agent("bot", rule("api:GET /find"))
        assert (await world.ask("GET", "/http/api/find?any=1&thing=2")).status == 200
        refused = await world.ask("GET", "/http/api/find?any=1", body=b'{"any":2}')
        assert (refused.status, refused.json()["code"]) == (400, "malformed")
        assert len(api.got) == 1
        assert await world.outcomes() == ["ok", "not_sent"]

    run_http(scenario)


def test_a_changed_definition_is_closed_until_a_person_looked() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        changed = {**OPERATIONS, "GET /repos/{owner}/{repo}": {"arguments": {"properties": {"all": {}}}}}
        world.register("api", operations=changed)
        refused = await world.ask("GET", "/http/api/repos/a/b?all=1")
        assert (refused.status, refused.json()["code"]) == (403, "tool_definition_changed")
        world.register("api", operations=OPERATIONS)
        assert (await world.ask("GET", "/http/api/repos/a/b")).status == 200
        assert len(api.got) == 1

    run_http(scenario)


def test_without_a_record_nothing_leaves() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        world.writer.gone = True
        refused = await world.ask("GET", "/http/api/repos/a/b")
        assert (refused.status, refused.json()["code"]) == (503, "enforcement_unavailable")
        assert (refused.header("retry-after"), refused.header("x-should-retry")) == ("1", None)
        assert api.got == []

    run_http(scenario)


def test_without_a_token_every_name_answers_alike() -> None:
    async def scenario(world: HttpWorld) -> None:
        await usual(world)
        answers = [await world.ask("GET", f"/http/{name}/x", token=False) for name in ("api", "no-such")]
        assert [each.status for each in answers] == [401, 401]
        bodies = {each.body.replace(b"no-such", b"api") for each in answers}
        assert len(bodies) == 1
        said = answers[0].header("www-authenticate") or ""
        assert f'resource_metadata="{world.front}/.well-known/oauth-protected-resource/http/api"' in said

    run_http(scenario)


def test_the_outcome_is_what_the_api_said() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        for status in (200, 404, 500):
            api.answers["/repos/a/b"] = fixed(status, b"said")
            got = await world.ask("GET", "/http/api/repos/a/b")
            assert (got.status, got.body) == (status, b"said")
        assert await world.outcomes() == ["ok", "error", "outcome_unknown"]

    run_http(scenario)


def test_a_server_that_is_not_there_was_sent_nothing() -> None:
    async def scenario(world: HttpWorld) -> None:
        await usual(world)
        world.move("api", 9)
        refused = await world.ask("GET", "/http/api/repos/a/b")
        assert refused.status == 502
        assert await world.outcomes() == ["not_sent"]

    run_http(scenario)


def test_an_mcp_server_is_no_api_and_an_api_no_mcp_server() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        asked = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        over_mcp = await world.post("api", asked)
        assert over_mcp.json()["error"]["code"] == -32601
        named = {"name": "GET /repos/{owner}/{repo}", "arguments": {"owner": "a", "repo": "b"}}
        over_mcp = await world.post("api", asked | {"method": "tools/call", "params": named})
        assert over_mcp.json()["error"]["code"] == -32602
        assert api.got == []

    run_http(scenario)


def test_head_is_a_method_of_its_own() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, rule("api:HEAD /files/{name}"))
        api.answers["/files/x"] = fixed(200, b"", [("content-length", "17")])
        got = await world.ask("HEAD", "/http/api/files/x")
        assert (got.status, got.header("content-length")) == (200, "17")
        assert (await world.ask("GET", "/http/api/files/x")).status == 404
        assert [each.method for each in api.got] == ["HEAD"]

    run_http(scenario)


def test_the_denial_is_json_that_says_what_to_do() -> None:
    async def scenario(world: HttpWorld) -> None:
        await usual(world, rule(PAY, at_most("amount", "1")))
        refused = await world.ask("POST", "/http/api/transfers", body=json.dumps({"amount": 2}).encode())
        (change, ask) = refused.json()["remedies"]
        assert (change["kind"], change["path"], ask["kind"]) == ("change_arguments", "/amount", "request_access")

    run_http(scenario)
