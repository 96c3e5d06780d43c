"""Wire shapes that do not change from one call to the next: denials, metadata, challenges, lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from remit.catalog.model import PinState, Server, Tier, Tool
from remit.enforcement import denials, lists, metadata
from remit.kernel.names import ServerName, ToolName, tool_action

DENIAL = {"code": "constraint_violated", "title": "An argument is outside", "violations": [{"path": "/amount"}]}


@pytest.mark.parametrize("modern", [True, False])
def test_a_denied_tool_says_it_three_times(modern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    result = json.loads(denials.denied("x", "tools/call", DENIAL, modern=modern))["result"]
    assert result["isError"] is True
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"] == DENIAL
    assert result["_meta"] == {"dev.remit/denial": DENIAL}
    assert result.get("resultType") == ("complete" if modern else None)


def test_other_denials_are_errors() -> None:
    error = json.loads(denials.denied(1, "prompts/get", DENIAL, modern=True))["error"]
    assert error == {"code": -32010, "message": DENIAL["title"], "data": DENIAL}
    error = json.loads(denials.unavailable(1))["error"]
    assert (error["code"], error["data"]["retryable"]) == (-32603, True)


def test_what_is_not_visible() -> None:
    assert json.loads(denials.not_visible(1, "tools/call", "t"))["error"] == {
        "code": -32602,
        "message": "Unknown tool: t",
    }
    assert json.loads(denials.not_visible(1, "resources/read", "a:b"))["error"]["data"] == {"uri": "a:b"}
    assert json.loads(denials.not_visible(1, "prompts/get", "p"))["error"]["message"] == "Unknown prompt: p"
    assert json.loads(denials.not_visible(1, "initialize", None))["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("path", "server"),
    [
        ("/mcp/payments", "payments"),
        ("/servers/pay-1/mcp", "pay-1"),
        ("/mcp/Payments", None),
        ("/mcp/a/b", None),
        ("/mcp/payments\n", None),
        ("/mcp/" + "x" * 64, None),
        ("/mcp/", None),
        ("/servers/payments", None),
        ("/mcp/..", None),
    ],
)
def test_paths(path: str, server: str | None) -> None:
    assert metadata.server_in(path) == server


@pytest.mark.requirement("gateway:challenge")
def test_challenges() -> None:
    both = metadata.challenge("http://h:1", "/mcp/a", error="", description="", scheme="DPoP")
    assert [value.split(" ")[0] for value in both] == ["Bearer", "DPoP"]
    assert all('resource_metadata="http://h:1/.well-known/oauth-protected-resource/mcp/a"' in value for value in both)
    (one,) = metadata.challenge("http://h:1", "/mcp/a", error="invalid_token", description='a "b"\n', scheme="Bearer")
    assert one.startswith('Bearer error="invalid_token", error_description="a  b  ", resource_metadata=')


def tool(name: str, state: PinState = PinState.APPROVED, **parts: object) -> Tool:
    definition = {"name": name, "inputSchema": {"type": "object"}, **parts}
    return Tool(name=ToolName(name), tier=Tier.LOW, pin="p", definition=definition, seen=None, state=state)


def server(*tools: Tool) -> Server:
    return Server(
        server=ServerName("s"),
        url="http://127.0.0.1:1/mcp",
        credential=None,
        tiers=(),
        review="quarantine",
        tools={each.name: each for each in tools},
        set_pin="x",
    )


def whole(_action: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A boundary that bounds nothing."""
    return schema


def test_what_is_shown_is_narrowed_after_the_marks_were_judged() -> None:
    marked = {"type": "object", "properties": {"r": {"type": ["string", "null"], "x-mcp-header": "Region"}}}
    asked = []

    def narrow(action: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.append((action, schema))
        return {"type": "object", "properties": {"r": {"type": "string"}}}

    (shown,) = lists.shown(server(tool("a", inputSchema=marked)), {tool_action("s", "a")}, narrow)
    # The pinned annotation is not valid there, so it is gone before narrowing could make it valid.
    assert asked == [("s/a", {"type": "object", "properties": {"r": {"type": ["string", "null"]}}})]
    assert shown["inputSchema"] == {"type": "object", "properties": {"r": {"type": "string"}}}


@pytest.mark.requirement("gateway:list-filter")
def test_only_what_is_approved_and_visible_is_shown() -> None:
    states = [tool(state.value, state) for state in PinState]
    everything = {tool_action("s", each.name) for each in states}
    assert [t["name"] for t in lists.shown(server(*states), everything, whole)] == ["approved"]
    assert lists.shown(server(*states), {tool_action("other", "approved")}, whole) == []


def test_what_the_pin_does_not_cover_is_not_shown() -> None:
    made = server(tool("a", icons=[{"src": "http://evil.example"}]))
    (shown,) = lists.shown(made, {tool_action("s", "a")}, whole)
    assert shown == {"name": "a", "inputSchema": {"type": "object"}}


def test_header_marks_are_kept_only_where_they_are_valid() -> None:
    good = {"type": "object", "properties": {"r": {"type": "string", "x-mcp-header": "Region"}}}
    bad = {"type": "object", "properties": {"r": {"type": "string", "x-mcp-header": "Authorization: x"}}}
    named = {"type": "object", "properties": {"x-mcp-header": {"type": "string"}}}
    for schema, kept in (
        (good, good),
        (bad, {"type": "object", "properties": {"r": {"type": "string"}}}),
        (named, named),
    ):
        (shown,) = lists.shown(server(tool("a", inputSchema=schema)), {tool_action("s", "a")}, whole)
        assert shown["inputSchema"] == kept
