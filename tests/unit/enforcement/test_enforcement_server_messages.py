from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import CallToolResult

from remit.enforcement.model import Outcome
from remit.enforcement.server_messages import Kind, finish, notification, read


def of(**parts: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **parts}).encode()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (of(id=1, result={}), Kind.RESPONSE),
        (of(id=1, error={"code": 1, "message": "x"}), Kind.RESPONSE),
        (of(id=None, error={"code": 1, "message": "x"}), Kind.RESPONSE),
        (of(id=1, method="ping"), Kind.REQUEST),
        (of(id=None, method="ping"), Kind.REQUEST),
        (of(method="notifications/message"), Kind.NOTIFICATION),
        (of(id=1, result={}, error={}), Kind.GARBAGE),
        (of(id=1, method="ping", result={}), Kind.GARBAGE),
        (of(id=1), Kind.GARBAGE),
        (b'{"jsonrpc":"2.0","id":2,"id":1,"result":{}}', Kind.GARBAGE),
        (b'{"jsonrpc":"2.0","id":1,"result":{"a":1},"result":{}}', Kind.GARBAGE),
        (b'{"jsonrpc":"2.0","id":1,"error":{},"error":{"code":1,"message":"x"}}', Kind.GARBAGE),
        (b'{"jsonrpc":"2.0","id":1,"result":{},"extra":{},"more":"{}"}', Kind.RESPONSE),
        (of(id=[], result={}), Kind.GARBAGE),
        (b'{"id":1,"result":{}}', Kind.GARBAGE),
        (b"[]", Kind.GARBAGE),
        (b'{"jsonrpc":"2.0","id":1,"result":{"a":"\xff"}}', Kind.GARBAGE),
        (b'{"jsonrpc":"2.0","id":1,"result":NaN}', Kind.GARBAGE),
    ],
)
def test_kinds(data: bytes, kind: Kind) -> None:
    assert read(data).kind is kind


@given(st.binary(max_size=100))
def test_anything_can_be_read(data: bytes) -> None:
    assert read(data).kind in Kind


def done(data: bytes, *, method: str = "tools/call", modern: bool = True) -> tuple[Outcome, Any]:
    finished = finish(read(data), id=1, method=method, modern=modern)
    return finished.outcome, json.loads(finished.body)


def test_results_pass_with_their_literals() -> None:
    finished = finish(
        read(b'{"jsonrpc":"2.0","id":1,"result":{"n":1.50,"isError":false}}'), id=1, method="tools/call", modern=True
    )
    assert finished.body == b'{"jsonrpc":"2.0","id":1,"result":{"n":1.50,"isError":false}}'
    assert finished.outcome is Outcome.OK


def test_how_a_call_ended() -> None:
    assert done(of(id=1, result={"isError": True}))[0] is Outcome.ERROR
    outcome, body = done(of(id=1, error={"code": -32602, "message": "m", "data": {"k": 1}, "extra": 1}))
    assert (outcome, body["error"]) == (Outcome.ERROR, {"code": -32602, "message": "m", "data": {"k": 1}})
    for wrong in (of(id=2, result={}), of(id="1", result={}), of(id=1, result=[]), of(id=1, error="text")):
        outcome, body = done(wrong)
        assert (outcome, body["error"]["code"]) == (Outcome.OUTCOME_UNKNOWN, -32603)
        assert "may have had an effect" in body["error"]["message"]
    assert done(of(id=1, result={"resultType": "input_required", "requestState": "s"}))[1]["error"]["code"] == -32603
    assert done(of(id=1, result={"resultType": "task"}))[0] is Outcome.ERROR


def test_only_an_error_may_be_nobodys_answer() -> None:
    """JSON-RPC 2.0 section 5: an id that the server could not read is null, and then the response is an error.

    A result without an id could be that of any call: given to the wrong one it would be a lie about what happened.
    """
    error = {"code": -32700, "message": "parse error"}
    assert done(of(id=None, error=error)) == (Outcome.ERROR, {"jsonrpc": "2.0", "id": 1, "error": error})
    assert done(of(error=error))[0] is Outcome.ERROR
    for result in (of(id=None, result={}), of(result={}), of(id=None, result={"content": [], "isError": False})):
        outcome, body = done(result)
        assert (outcome, body["id"], body["error"]["code"]) == (Outcome.OUTCOME_UNKNOWN, 1, -32603)
        assert "result" not in body


@pytest.mark.parametrize("key", ["dev.remit/denial", "\\u0064ev.remit/denial"])
def test_a_server_does_not_speak_for_remit(key: str) -> None:
    meta = f'"{key}":{{"code":"revoked"}},"a":1'
    body = f'{{"jsonrpc":"2.0","id":1,"result":{{"n":1.0,"_meta":{{{meta}}}}}}}'
    assert done(body.encode())[1]["result"]["_meta"] == {"a": 1}
    # The official client reads `meta` as if it were `_meta`.
    read_by_client = CallToolResult.model_validate(
        done(body.replace("_meta", "meta").replace('"n":1.0', '"content":[]').encode())[1]["result"]
    )
    assert read_by_client.meta == {"a": 1}
    assert done(of(id=1, error={"code": -32010, "message": "m"}))[1]["error"]["code"] == -32000


def test_lists_of_the_modern_era_are_not_kept() -> None:
    result = {"resources": [], "ttlMs": 60000, "cacheScope": "public"}
    assert done(of(id=1, result=result), method="resources/list")[1]["result"] == result | {
        "ttlMs": 0,
        "cacheScope": "private",
    }
    assert done(of(id=1, result=result), method="resources/list", modern=False)[1]["result"] == result


@pytest.mark.parametrize(
    ("method", "modern", "capabilities", "offered"),
    [
        ("initialize", False, {"tools": {"listChanged": True}, "logging": {}}, {"tools": {"listChanged": True}}),
        # Its changes would come over `subscriptions/listen`, which nothing grants.
        ("server/discover", True, {"tools": {"listChanged": True}, "prompts": {}}, {"tools": {}}),
        ("server/discover", True, {"tools": []}, {"tools": []}),
        ("initialize", False, {"logging": {}, "resources": {"subscribe": True}}, {}),
        ("server/discover", True, {"logging": {}}, {}),
        ("initialize", False, [], {}),
    ],
)
def test_a_server_offers_what_can_be_granted(method: str, modern: bool, capabilities: Any, offered: Any) -> None:  # noqa: FBT001 - a parameter of the test
    result = {"serverInfo": {"name": "x"}, "capabilities": capabilities}
    said = done(of(id=1, result=result), method=method, modern=modern)[1]["result"]
    assert said["capabilities"] == offered | {"resources": {}}  # the mandate, whatever the server has
    assert said["serverInfo"] == {"name": "x"}


def test_notifications_are_encoded_anew() -> None:
    message = read(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0},"extra":1}')
    assert notification(message) == b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0}}'
