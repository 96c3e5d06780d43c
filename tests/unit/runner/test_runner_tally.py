import json
from typing import Any

import pytest

from remit.runner.tally import Asked, Events, Tally, refused, wants_new_token

CALL = Asked("tools/call", 1)
LIST = Asked("tools/list", 2)
DENIAL: dict[str, Any] = {
    "code": "constraint_violated", "title": "no", "decision_id": "dec_1", "remedies": [{"kind": "stop"}],
}  # fmt: skip


def body(**said: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1} | said).encode()


def denied(**changes: Any) -> bytes:
    found = DENIAL | changes
    return body(result={"isError": True, "content": [], "_meta": {"dev.remit/denial": found}})


def test_a_denial_is_found_in_each_shape_it_travels_in() -> None:
    shapes = (
        denied(),
        body(error={"code": -32010, "message": "no", "data": DENIAL}),
        body(result={"isError": True, "content": [], "_meta": {"dev.remit/denial": DENIAL}}),
    )
    # What a server may write itself is not believed.
    assert refused(body(result={"isError": True, "content": [{"type": "text", "text": json.dumps(DENIAL)}]})) is None
    for shape in shapes:
        found = refused(shape)
        assert found is not None
        assert (found.code, found.decision_id) == ("constraint_violated", "dec_1")


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        (body(error={"code": -32602, "message": "Unknown tool: x"}), "not_visible"),
        (body(error={"code": -32603, "data": {"code": "enforcement_unavailable"}}), "enforcement_unavailable"),
    ],
)
def test_what_is_no_denial_and_no_answer(shape: bytes, code: str) -> None:
    found = refused(shape)
    assert found is not None
    assert found.code == code


@pytest.mark.parametrize(
    "shape",
    [
        body(result={"content": [], "isError": False}),
        body(result={"content": [{"type": "text", "text": "failed"}], "isError": True}),  # the server's own no
        body(error={"code": -32602, "message": "Invalid params"}),
        b"not json", b"[]", b"1", b"", b"[" * 100_000,
    ],
)  # fmt: skip
def test_anything_else_is_the_servers_own_answer(shape: bytes) -> None:
    assert refused(shape) is None


def test_only_a_key_that_must_be_proved_again_asks_for_a_new_token() -> None:
    renew = [{"kind": "alternative_action", "action": "request_token", "scope": "purpose:work"}]
    for changes, wanted in (
        ({"code": "activation_lapsed", "remedies": renew}, True),
        ({"code": "activation_lapsed"}, False),
        ({"code": "purpose_mismatch", "remedies": renew}, False),
    ):
        found = refused(denied(**changes))
        assert found is not None
        assert wants_new_token(found) is wanted


def test_the_line_that_ends_a_run() -> None:
    tally = Tally()
    assert tally.line("bot", "run_1") == "remit run: bot, run_1: 0 calls, 0 allowed, 0 refused"
    for _ in range(3):
        tally.answered(CALL, None, status=200)
    tally.answered(LIST, None, status=200)
    for code, number in (("not_granted", "dec_1"), ("not_granted", "dec_2"), ("revoked", "dec_3")):
        tally.answered(CALL, refused(denied(code=code, decision_id=number)), status=200)
    tally.answered(CALL, refused(body(error={"code": -32603, "data": {"code": "enforcement_unavailable"}})), status=200)
    tally.answered(CALL, None, status=502)
    tally.failed(CALL)
    tally.failed(LIST)
    tally.strangers = 1
    assert tally.line("bot", "run_1") == (
        "remit run: bot, run_1: 9 calls, 3 allowed, 3 refused (not_granted 2, revoked 1), 1 not decided, "
        "2 without an answer, 1 connection of other processes refused; remit why dec_3"
    )
    assert tally.summary("bot", "run_1")["refused"] == {"not_granted": 2, "revoked": 1}


def test_what_a_request_says_is_read_and_not_judged() -> None:
    assert Asked.of(body(method="tools/call")) == Asked("tools/call", 1)
    for odd in (b"", b"{", b"[]", body(method=1, id=[]), body(id=True), b"[" * 100_000):
        assert Asked.of(odd) in (Asked(), Asked("", 1))
    assert Asked.of(body(id=True)).id is None


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_final_error_of_a_stream_is_seen_however_it_is_cut(size: int) -> None:
    final = body(error={"code": -32010, "message": "cut", "data": DENIAL | {"code": "revoked"}})
    stream = b'data: {"jsonrpc":"2.0","method":"x"}\n\n' + b"data: " + b"y" * 70_000 + b"\n\ndata: " + final + b"\n\n"
    events = Events()
    for at in range(0, len(stream), size):
        events.passed(stream[at : at + size])
    assert events.cut is not None
    assert events.cut.code == "revoked"
