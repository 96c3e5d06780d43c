"""Whatever Remit's answer looks like, only a clear and recorded yes is one."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.sdk.arguments import NotTellable, parameters, snapshot
from remit.sdk.asking import Asking, PointToken, Question
from remit.sdk.decision import Decision, Denied, answered, unavailable
from remit.sdk.guard import Guard
from remit.sdk.guarded import guarded
from remit.sdk.offline import check

ID = {"Remit-Decision": "dec_01m8es69z8js42tsg47m6d9hy3"}
YES = b'{"decision": true}'
DENIAL = {"code": "not_granted", "title": "Nothing grants this", "remedies": [{"kind": "stop"}]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    status=st.integers(100, 599),
    body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | st.just(YES),
    named=st.booleans(),
)
def test_only_a_recorded_true_is_an_allow(status: int, body: bytes, *, named: bool) -> None:
    found = answered("a/b", status, ID if named else {}, body)
    try:
        clear = status == 200 and named and json.loads(body) == {"decision": True}
    except ValueError:
        clear = False
    if found.allowed and not clear:
        said = json.loads(body)
        assert (status, named, said["decision"], said.get("context", {}).keys() - {"approval"}) == (
            200,
            True,
            True,
            set(),
        )
    if clear:
        assert found.allowed


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, YES, {}),
        (200, YES, {"Remit-Decision": "dec_1, dec_2"}),
        (201, YES, ID),
        (200, b'{"decision": "true"}', ID),
        (200, b'{"decision": 1}', ID),
        (200, b'{"decision": false, "decision": true}', ID),
        (200, b'{"decision": true, "context": {"obligation": "log"}}', ID),
        (200, b'{"decision": true, "context": []}', ID),
        (200, b'{"decision": false}', ID),
        (503, b"", ID),
        (500, YES, ID),
    ],
)
def test_what_is_not_understood_is_a_denial(status: int, body: bytes, headers: dict[str, str]) -> None:
    found = answered("a/b", status, headers, body)
    assert not found
    assert found.denial is not None
    assert found.denial.code == "enforcement_unavailable"


def test_a_denial_is_read_and_an_allow_names_its_decision() -> None:
    denied = answered("a/b", 200, ID, json.dumps({"decision": False, "context": DENIAL}).encode())
    assert denied.denial is not None
    assert (denied.denial.code, denied.denial.decision_id) == ("not_granted", ID["Remit-Decision"])
    assert not denied.bad_token
    useless = answered(
        "a/b", 200, ID | {"Remit-Token": "invalid_token"}, json.dumps({"decision": False, "context": DENIAL}).encode()
    )
    assert (useless.allowed, useless.bad_token) == (False, True)
    allowed = answered("a/b", 200, ID, YES)
    assert (allowed.allowed, allowed.decision_id, allowed.denial) == (True, ID["Remit-Decision"], None)
    with pytest.raises(ValueError, match="an allow has an id"):
        Decision(allowed=True, action="a/b")
    with pytest.raises(ValueError, match="an allow has an id"):
        Decision(allowed=False, action="a/b")


@given(JSON)
def test_a_snapshot_is_equal_and_shares_nothing_that_changes(value: Any) -> None:
    copy = snapshot(value)
    assert copy == value
    assert type(copy) is type(value)
    if isinstance(value, (list, dict)):
        assert copy is not value


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), Decimal("NaN"), b"octets", {1: 2}, object(), {"a": [set()]}, type("S", (str,), {})()],
)
def test_what_json_does_not_say_exactly_is_not_asked_about(value: Any) -> None:
    with pytest.raises(NotTellable):
        snapshot(value)


class Scripted:
    """Decides as it is told, and remembers."""

    def __init__(self, *, allows: bool) -> None:
        self.allows, self.asked, self.reported = allows, list[Any](), list[str]()

    def authorize_sync(self, action: str, _resource: Any = None, arguments: Any = None) -> Decision:
        self.asked.append((action, arguments))
        return answered(action, 200, ID, YES) if self.allows else unavailable(action, "a test")

    async def authorize(self, action: str, resource: Any = None, arguments: Any = None) -> Decision:
        return self.authorize_sync(action, resource, arguments)

    def report_sync(self, _decision: Decision, outcome: str) -> bool:
        self.reported.append(outcome)
        return True

    async def report(self, decision: Decision, outcome: str) -> bool:
        return self.report_sync(decision, outcome)


def test_the_body_gets_what_was_decided_and_nothing_that_changes_after() -> None:
    guard, got = Scripted(allows=True), []
    shared = {"amount": 1}
    ask = guard.authorize_sync

    def changing(*said: Any) -> Decision:
        found = ask(*said)
        shared["amount"] = 1000  # as another thread would
        return found

    guard.authorize_sync = changing  # type: ignore[method-assign,assignment] # a test

    def pay(order: dict[str, int], note: str = "none", **more: int) -> None:
        got.append((order, note, more))

    guarded(guard, pay, action="a/pay")(shared, extra=7)
    assert got == [({"amount": 1}, "none", {"extra": 7})]
    assert guard.asked == [("a/pay", {"order": {"amount": 1}, "note": "none", "extra": 7})]
    assert guard.reported == ["ok"]


def test_a_denied_body_does_not_run() -> None:
    ran, guard = list[int](), Scripted(allows=False)

    def plain(amount: int) -> None:
        ran.append(amount)

    async def late(amount: int) -> None:
        ran.append(amount)

    with pytest.raises(Denied) as refused:
        asyncio.run(guarded(guard, late, action="a/b")(1))
    assert json.loads(refused.value.json)["code"] == "enforcement_unavailable"
    with pytest.raises(Denied):
        guarded(guard, plain, action="a/b")(1)
    assert guarded(guard, plain, action="a/b", denied=lambda said: said.denial.code)(1) == "enforcement_unavailable"
    assert (ran, guard.reported) == ([], [])


def test_how_a_body_ended_is_told() -> None:
    guard = Scripted(allows=True)

    def broken() -> None:
        raise ZeroDivisionError

    def ended() -> None:
        raise KeyboardInterrupt

    with pytest.raises(ZeroDivisionError):
        guarded(guard, broken, action="a/b")()
    with pytest.raises(KeyboardInterrupt):
        guarded(guard, ended, action="a/b")()
    assert guard.reported == ["error", "outcome_unknown"]


def test_what_cannot_be_guarded_is_refused_when_it_is_decorated() -> None:
    guard = Scripted(allows=True)

    def several(*amounts: int) -> None: ...

    def stream() -> Any:
        yield 1

    for function in (several, stream, Scripted):
        with pytest.raises(TypeError):
            guarded(guard, function, action="a/b")
    with pytest.raises(TypeError, match="no parameter"):
        parameters(several_names, ["nothing"])


def several_names(self: Any, amount: int) -> None: ...


def test_what_is_left_out_is_handed_on_and_not_told() -> None:
    guard, got = Scripted(allows=True), list[Any]()

    def pay(context: object, amount: int) -> None:
        got.append((context, amount))

    here = object()
    guarded(guard, pay, action="a/b", leaving_out=["context"])(here, 5)
    assert got == [(here, 5)]
    assert guard.asked == [("a/b", {"amount": 5})]
    with pytest.raises(Denied) as refused:
        guarded(guard, pay, action="a/b")(here, 5)
    assert refused.value.denial.code == "invalid_arguments"
    assert len(got) == 1


class Breaking(httpx2.Auth):
    """Fails in every way that a connection can."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def auth_flow(self, request: httpx2.Request) -> Any:
        raise self.error
        yield request


@pytest.mark.parametrize("error", [httpx2.ConnectError("gone"), RuntimeError("the loop is closed"), ValueError("x")])
def test_no_error_reads_as_a_yes(error: Exception) -> None:
    asking = Asking(Breaking(error), "http://127.0.0.1:9")
    question = Question(("agent", "bot"), "a/b", ("server", "a"))
    found = asyncio.run(asking.ask(question)), asking.ask_sync(question)
    assert [each.denial and each.denial.code for each in found] == ["enforcement_unavailable"] * 2
    assert not asyncio.run(asking.report("dec_1", "ok"))
    assert not asking.report_sync("dec_1", "ok")
    asking.close()


def test_a_guard_says_for_whom_it_asks() -> None:
    with pytest.raises(ValueError, match="for which agent"):
        Guard(PointToken("rmp_x"), "http://127.0.0.1:9")
    assert "rmp_x" not in repr(PointToken("rmp_x"))


def test_advice_is_no_decision() -> None:
    advice = check("a/b", {}, agent="bot", mandate=None)
    assert advice.advisory
    assert not advice.nothing_against
    with pytest.raises(TypeError, match="no decision"):
        bool(advice)
