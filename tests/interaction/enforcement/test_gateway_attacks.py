"""What must not get through the gateway: each attack with what the server saw of it, which is nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import (  # type: ignore[import-not-found] # beside
    SECRET,
    World,
    at_most,
    modern_request,
    payments,
    rule,
    streamable,
)

Play = Callable[[Any], None]
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "delete_all", "arguments": {}}}


async def ready(world: World, **options: Any) -> None:
    await world.server("payments", streamable(payments(), json_response=True), **options)
    world.agent("bot", rule("payments/list_invoices"), rule("payments/transfer", at_most("amount", "500.00")))
    world.agent("other", rule("payments/list_invoices"))


@pytest.mark.requirement("gateway:parse")
@pytest.mark.requirement("gateway:batch")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([CALL], -32600),
        ([], -32600),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_invoices","name":"delete_all"}}',
            -32700,
        ),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"transfer","arguments":{"amount":NaN}}}',
            -32700,
        ),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\xff"}}', -32700),
        (b"{", -32700),
        (b"", -32700),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, -32600),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "extra": 1}, -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, -32600),
    ],
)
def test_what_is_not_one_strict_message_is_refused(play: Play, body: object, code: int) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        answer = await world.post("payments", body)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == code
        assert world.seen == []
        assert world.entries("decision") == []

    play(scenario)


@pytest.mark.requirement("gateway:header-mismatch")
def test_header_and_body_must_agree(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        params = {"name": "delete_all", "arguments": {}}
        for wrong in ({"mcp-name": "list_invoices"}, {"mcp-method": "tools/list"}, {"mcp-name": ""}):
            answer = await world.modern("payments", "tools/call", params, **wrong)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)
        body, routing = modern_request("tools/call", params)
        async with world.http() as http:
            twice = [*world.headers().items(), *routing.items(), ("mcp-name", "delete_all")]
            answer = await http.post("/mcp/payments", json=body, headers=twice)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)
        answer = await world.modern("payments", "tools/call", params, **{"mcp-protocol-version": "2031-01-01"})
        assert answer.json()["error"]["code"] in {-32020, -32022}
        assert world.seen == []

    play(scenario)


@pytest.mark.requirement("gateway:size")
@pytest.mark.requirement("gateway:media-type")
def test_size_and_media_type(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        assert (await world.post("payments", b" " * (1 << 20) + b"{}")).status_code == 413
        for kind in ("text/plain", "application/json; charset=utf-16", ""):
            answer = await world.post("payments", CALL, **{"Content-Type": kind})
            assert answer.status_code == 415
        assert (await world.post("payments", CALL, **{"Content-Encoding": "gzip"})).status_code == 415
        assert (await world.post("payments", CALL, Accept="text/html")).status_code == 406
        assert world.seen == []

    play(scenario)


@pytest.mark.requirement("gateway:hidden")
@pytest.mark.parametrize("modern", [True, False])
def test_what_is_hidden_looks_like_what_is_missing(play: Play, modern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: World) -> None:
        await ready(world)
        answers = []
        names = ["delete_all", "no_such_tool"]
        for name in names:
            params = {"name": name, "arguments": {"x": 1}}
            if modern:
                answers.append(await world.modern("payments", "tools/call", params))
            else:
                answers.append(await world.post("payments", CALL | {"params": params}))
        hidden, missing = answers
        assert hidden.status_code == missing.status_code
        assert hidden.content.replace(b"delete_all", b"no_such_tool") == missing.content
        assert dict(hidden.headers) | {"content-length": "", "date": ""} == dict(missing.headers) | {
            "content-length": "",
            "date": "",
        }
        assert hidden.json()["error"] == {"code": -32602, "message": "Unknown tool: delete_all"}
        assert [e["code"] for e in world.entries("decision")] == ["not_visible", "not_visible"]
        assert world.seen == []

    play(scenario)


@pytest.mark.requirement("gateway:hidden")
@pytest.mark.parametrize("method", ["initialize", "tools/list", "server/discover", "ping", "prompts/get", "GET"])
def test_a_hidden_server_looks_like_a_missing_one(play: Play, method: str) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        world.agent("stranger", rule("elsewhere/tool"))
        params: dict[str, Any] = {"name": "x"} if method == "prompts/get" else {}
        if method == "initialize":
            client = {"name": "c", "version": "1"}
            params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        answers = []
        for server in ("payments", "no-such-server"):
            if method == "GET":
                async with world.http() as http:
                    answers.append(await http.get(f"/mcp/{server}", headers=world.headers("stranger")))
            elif method == "server/discover":
                answers.append(await world.modern(server, method, params, agent="stranger"))
            else:
                body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                answers.append(await world.post(server, body, agent="stranger"))
        assert answers[0].content == answers[1].content
        assert answers[0].status_code == answers[1].status_code
        assert world.seen == []

    play(scenario)


@pytest.mark.requirement("gateway:challenge")
@pytest.mark.requirement("gateway:metadata")
def test_without_a_token_every_name_answers_alike(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        async with world.http() as http:
            for send in (http.post, http.get, http.delete):
                one, two = await send("/mcp/payments"), await send("/mcp/nothing1")
                assert one.status_code == two.status_code == 401
                assert one.content == two.content
                assert "nothing1" in two.headers["www-authenticate"]
                assert (
                    one.headers["www-authenticate"].replace("payments", "nothing1") == two.headers["www-authenticate"]
                )
            path = "/.well-known/oauth-protected-resource"
            said = await http.get(f"{path}/mcp/payments")
            assert said.json()["resource"] == f"{world.base}/mcp/payments"
            assert said.json()["authorization_servers"] == [world.base]
            other = await http.get(f"{path}/servers/nothing1/mcp")
            assert other.json()["resource"] == f"{world.base}/servers/nothing1/mcp"
            assert (await http.get("/mcp/NOT-WELL-FORMED")).status_code == 404
            assert (await http.get("/mcp/payments/x")).status_code == 404

    play(scenario)


@pytest.mark.requirement("gateway:origin")
def test_a_web_page_cannot_ask(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        assert (await world.post("payments", CALL, Origin="https://evil.example")).status_code == 403
        assert (await world.post("payments", CALL, Host="evil.example")).status_code == 403
        assert (await world.post("payments", CALL, Origin=world.base)).status_code == 200
        assert world.seen == []

    play(scenario)


@pytest.mark.requirement("gateway:no-passthrough")
def test_nothing_of_the_callers_goes_upstream(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world, credential=True)
        noise = {"Cookie": "a=b", "DPoP": "proof-1", "X-Forwarded-For": "1.2.3.4", "Proxy-Authorization": "Basic eA=="}
        answer = await world.modern("payments", "tools/call", {"name": "list_invoices", "arguments": {}}, **noise)
        assert answer.status_code == 200, answer.text
        (seen,) = world.seen
        assert seen.headers["authorization"] == f"Bearer {SECRET}"
        assert seen.headers.keys() == {
            "host",
            "user-agent",
            "accept",
            "accept-encoding",
            "content-type",
            "content-length",
            "authorization",
            "mcp-protocol-version",
            "mcp-method",
            "mcp-name",
        }
        assert b"bot" not in seen.body

    play(scenario)


@pytest.mark.requirement("gateway:reencode")
def test_meta_and_capabilities_are_no_side_door(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        body, routing = modern_request("tools/call", {"name": "list_invoices", "arguments": {}})
        body["params"]["_meta"] |= {"evil.example/amount": 9999, "progressToken": "p"}
        body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = {"sampling": {}, "elicitation": {}}
        assert (await world.post("payments", body, **routing)).status_code == 200
        sent = world.seen[-1].json()["params"]["_meta"]
        assert "evil.example/amount" not in sent
        assert sent["progressToken"] == "p"
        assert sent["io.modelcontextprotocol/clientCapabilities"] == {}
        for extra in ("task", "inputResponses", "requestState"):
            answer = await world.modern("payments", "tools/call", {"name": "list_invoices", "arguments": {}, extra: {}})
            assert answer.json()["error"]["code"] == -32602
        assert len(world.calls()) == 1

    play(scenario)


@pytest.mark.requirement("gateway:unknown-method")
def test_unknown_methods_are_never_forwarded(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        for method in ("tasks/list", "x/y", "tools/delete", "initialize"):
            answer = await world.modern("payments", method)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32601)
        answer = await world.post("payments", {"jsonrpc": "2.0", "id": 1, "method": "server/discover"})
        assert answer.json()["error"]["code"] == -32601
        answer = await world.post("payments", {"jsonrpc": "2.0", "method": "notifications/evil"})
        assert answer.json()["error"]["code"] == -32601
        assert [e["reason"] for e in world.entries("refused")] == ["unknown_method"] * 6
        assert world.seen == []

    play(scenario)


@pytest.mark.requirement("gateway:every-method")
def test_other_methods_are_denied_with_their_own_action(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        answer = await world.modern(
            "payments", "resources/read", {"uri": "file:///etc/passwd"}, **{"mcp-name": "file:///etc/passwd"}
        )
        error = answer.json()["error"]
        assert error["code"] == -32010
        assert error["data"]["code"] == "not_granted"
        assert error["data"]["action"] == "payments:resources/read"
        answer = await world.modern("payments", "prompts/get", {"name": "p"})
        assert answer.json()["error"]["data"]["action"] == "payments:prompts/get"
        assert world.seen == []

    play(scenario)


@pytest.mark.requirement("gateway:session")
def test_a_session_is_good_for_its_owner_alone(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        session = await initialize(world)
        assert session != world.seen[0].headers.get("mcp-session-id")
        ours = {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        foreign = await world.post("payments", listing, agent="other", **ours)
        missing = await world.post("payments", listing, agent="other", **(ours | {"mcp-session-id": "nope"}))
        assert foreign.status_code == missing.status_code == 404
        assert foreign.content == missing.content
        upstream = next(s.headers["mcp-session-id"] for s in world.seen if "mcp-session-id" in s.headers)
        assert (await world.post("payments", listing, **(ours | {"mcp-session-id": upstream}))).status_code == 404
        refused = [e for e in world.entries("refused") if e["reason"] == "foreign_session"]
        assert [(e["agent"], e["owner"]) for e in refused] == [("other", "bot")]
        assert (await world.post("payments", listing, **ours)).status_code == 200
        async with world.http() as http:
            assert (await http.delete("/mcp/payments", headers=world.headers() | ours)).status_code == 200
        assert world.seen[-1].method == "DELETE"
        assert (await world.post("payments", listing, **ours)).status_code == 404

    play(scenario)


async def initialize(world: World) -> str:
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"sampling": {}, "roots": {}},
        "clientInfo": {"name": "c", "version": "1"},
    }
    answer = await world.post("payments", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    assert answer.status_code == 200
    assert world.seen[-1].json()["params"]["capabilities"] == {}
    session: str = answer.headers["mcp-session-id"]
    told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    extra = {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
    assert (await world.post("payments", told, **extra)).status_code == 202
    assert world.seen[-1].headers["mcp-session-id"] != session
    return session


def test_a_proof_is_good_once(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        params = {"name": "list_invoices", "arguments": {}}
        assert (await world.modern("payments", "tools/call", params, DPoP="one")).status_code == 200
        again = await world.modern("payments", "tools/call", params, DPoP="one")
        assert again.status_code == 401
        assert 'error="invalid_dpop_proof"' in again.headers["www-authenticate"]
        assert len(world.calls()) == 1
        # A denied call, and one that is no decision at all, use their proofs up as well.
        assert (await world.modern("payments", "tools/call", {"name": "nope"}, DPoP="two")).status_code == 200
        assert (await world.modern("payments", "x/y", DPoP="two")).status_code == 401
        assert [e["reason"] for e in world.entries("refused")] == ["replayed_proof", "replayed_proof"]
        assert len(world.entries("decision")) == 2

    play(scenario)


@pytest.mark.requirement("gateway:http-methods")
def test_era_rules_for_methods_of_http(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        async with world.http() as http:
            modern = world.headers() | {"mcp-protocol-version": "2026-07-28"}
            for send in (http.get, http.delete):
                answer = await send("/mcp/payments", headers=modern)
                assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
            assert (await http.put("/mcp/payments", headers=world.headers())).status_code == 405
        assert world.seen == []

    play(scenario)


@pytest.mark.requirement("gateway:list-filter")
@pytest.mark.requirement("gateway:list-private")
def test_list_is_one_private_page_of_pinned_definitions(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        result = (await world.modern("payments", "tools/list")).json()["result"]
        assert (result["ttlMs"], result["cacheScope"], result["resultType"]) == (0, "private", "complete")
        assert [tool["name"] for tool in result["tools"]] == ["list_invoices", "transfer"]
        only = (await world.modern("payments", "tools/list", agent="other")).json()["result"]
        assert [tool["name"] for tool in only["tools"]] == ["list_invoices"]
        assert (await world.modern("payments", "tools/list", {"cursor": "x"})).json()["error"]["code"] == -32602

    play(scenario)
