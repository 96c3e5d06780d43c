from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import methods

from remit.catalog.methods import METHODS
from remit.enforcement import parse
from remit.enforcement.model import BadMessage, Message
from remit.kernel import canonical
from remit.policy.schema import PASSING

SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@pytest.mark.requirement("gateway:reencode")
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_is_forwarded_is_what_was_decided(arguments: dict[str, Any]) -> None:
    body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "t", "arguments": arguments}}
    sent = parse.message(json.dumps(body).encode())
    name, decided = parse.call_params(sent)
    again = canonical.parse(parse.forwarded(sent, modern=False))
    assert name == again["params"]["name"]
    assert decided == again["params"]["arguments"] == arguments


def test_a_numbers_literal_survives() -> None:
    sent = parse.message(
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"n":12.50}}}'
    )
    assert parse.call_params(sent)[1] == {"n": Decimal("12.50")}
    assert b'"n":12.50' in parse.forwarded(sent, modern=False)


@given(st.binary(max_size=200))
def test_anything_is_a_message_or_refused(body: bytes) -> None:
    said: object
    try:
        said = parse.message(body).method
    except BadMessage as fault:
        said = fault.status
    assert said == 400 or isinstance(said, str)


@pytest.mark.parametrize("identity", [None, True, 1.5, [], {}, "x" * 257, 2**53])
def test_ids_are_strings_or_exact_integers(identity: object) -> None:
    with pytest.raises(BadMessage) as refused:
        parse.message(json.dumps({"jsonrpc": "2.0", "id": identity, "method": "ping"}).encode())
    assert refused.value.rpc == -32600


def test_white_space_around_a_value_is_no_part_of_it() -> None:
    raw = [(b"Mcp-Name", b"transfer \t"), (b"mcp-param-to", b"\t a b  "), (b"x", b" \xa0")]
    assert parse.header_map(raw)[0] == {"mcp-name": "transfer", "mcp-param-to": "a b", "x": "\xa0"}


def test_a_repeated_header_fits_nothing() -> None:
    raw = [(b"Authorization", b"Bearer a"), (b"authorization", b"Bearer b"), (b"x", b"y")]
    assert parse.header_map(raw) == ({"authorization": "Bearer a, Bearer b", "x": "y"}, None)
    assert parse.header_map([(b"Mcp-Name", b"a"), (b"mcp-name", b"a")])[1] == "mcp-name"


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"content-type": "application/json"}, True),
        ({"content-type": "Application/JSON; charset=UTF-8"}, True),
        ({"content-type": 'application/json;charset="utf-8"'}, True),
        ({"content-type": "application/json; charset=utf-7"}, False),
        ({"content-type": "application/jsonx"}, False),
        ({"content-type": "text/plain"}, False),
        ({}, False),
        ({"content-type": "application/json", "content-encoding": "br"}, False),
        ({"content-type": "application/json, text/plain"}, False),
    ],
)
def test_media_types(headers: dict[str, str], taken: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert parse.json_media_type(headers) is taken


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"name": ""},
        {"name": 1},
        {"name": "t", "arguments": []},
        {"name": "t", "task": {}},
        {"name": "x" * 1025},
    ],
)
def test_call_parameters_are_read_one_by_one(params: dict[str, Any] | None) -> None:
    with pytest.raises(BadMessage) as refused:
        parse.call_params(Message("tools/call", 1, params))
    assert refused.value.rpc == -32602


def test_meta_goes_upstream_only_as_far_as_the_protocol_defines_it() -> None:
    meta = {"progressToken": 1, "other": 2, "io.modelcontextprotocol/related-task": {"taskId": "x"}}
    out = canonical.parse(parse.forwarded(Message("tools/list", 1, {"_meta": meta}), modern=False))
    assert out["params"]["_meta"] == {"progressToken": 1}
    out = canonical.parse(parse.forwarded(Message("tools/list", 1, {"_meta": "text"}), modern=False))
    assert out["params"]["_meta"] == {}


def test_a_server_is_not_told_that_it_may_ask() -> None:
    params = {"protocolVersion": "2025-11-25", "capabilities": {"sampling": {}, "roots": {}, "tasks": {}, "other": {}}}
    out = canonical.parse(parse.forwarded(Message("initialize", 1, params), modern=False))
    assert out["params"]["capabilities"] == {}


CLIENT = {"name": "a", "title": "A", "version": "1", "description": "d", "websiteUrl": "https://a.test"}
ICON = {"src": "https://a.test/i.png", "mimeType": "image/png", "theme": "dark"}
META = {"_meta": {"progressToken": "t"}}


@pytest.mark.parametrize(
    ("method", "params", "goes"),
    [
        ("ping", {**META, "exfil": "customer data"}, META),
        ("ping", {"name": "transfer"}, {}),
        ("server/discover", {"exfil": 1}, {}),
        ("notifications/initialized", {"exfil": 1}, {}),
        ("notifications/roots/list_changed", {"exfil": 1}, {}),
        ("tools/list", {"cursor": "c", "exfil": 1}, {"cursor": "c"}),
        ("notifications/cancelled", {"requestId": 1, "reason": "r", "exfil": 1}, {"requestId": 1, "reason": "r"}),
        (
            "notifications/progress",
            {"progressToken": 1, "progress": 1, "total": 2, "message": "m", "exfil": {"a": 1}},
            {"progressToken": 1, "progress": 1, "total": 2, "message": "m"},
        ),
        (
            "initialize",
            {
                "protocolVersion": "2025-11-25",
                "capabilities": {"other": {"exfil": 1}},
                "clientInfo": {**CLIENT, "icons": [{**ICON, "exfil": "x"}, "exfil"], "exfil": "x"},
                "exfil": 1,
            },
            {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {**CLIENT, "icons": [ICON]},
            },
        ),
        ("prompts/get", {"name": "p", "arguments": {"a": "b"}, "exfil": 1}, {"name": "p", "arguments": {"a": "b"}}),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "p", "title": "exfil"},
                "argument": {"name": "a", "value": "b", "exfil": 1},
                "context": {"arguments": {"c": "d"}, "exfil": 1},
            },
            {
                "ref": {"type": "ref/prompt", "name": "p"},
                "argument": {"name": "a", "value": "b"},
                "context": {"arguments": {"c": "d"}},
            },
        ),
    ],
)
@pytest.mark.parametrize("modern", [True, False])
def test_only_what_the_protocol_defines_for_a_method_goes_upstream(
    method: str,
    params: dict[str, Any],
    goes: dict[str, Any],
    modern: bool,  # noqa: FBT001 - a case
) -> None:
    out = canonical.parse(parse.forwarded(Message(method, 1, params), modern=modern))["params"]
    if modern and "_meta" in goes:
        goes = {"_meta": {**goes["_meta"], "io.modelcontextprotocol/clientCapabilities": {}}}
    assert out == goes
    assert "exfil" not in str(out)


def test_meta_holds_no_more_than_its_members_may() -> None:
    meta = {"progressToken": {"exfil": 1}, "io.modelcontextprotocol/clientInfo": {**CLIENT, "exfil": 1}}
    params = {"name": "t", "arguments": {}, "_meta": meta}
    out = canonical.parse(parse.forwarded(Message("tools/call", 1, params), modern=True))["params"]
    assert out["_meta"] == {
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }


def test_the_members_are_those_of_the_protocols_own_schema() -> None:
    for (method, _), model in [*methods.CLIENT_REQUESTS.items(), *methods.CLIENT_NOTIFICATIONS.items()]:
        if method in PASSING | METHODS.keys() | {"tools/call"}:
            annotation: Any = model.model_fields["params"].annotation
            shape: Any = next((each for each in get_args(annotation) if each is not type(None)), annotation)
            known = {field.alias or name for name, field in shape.model_fields.items()} - {"_meta"}
            # What no decision covers: tasks, and answers to a server's questions.
            assert known - {"task", "inputResponses", "requestState"} == parse.DEFINED.get(method, set()), method
