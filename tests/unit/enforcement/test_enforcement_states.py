from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.attestation.model import Caller
from remit.enforcement.states import StateInvalid, States
from remit.enforcement.tasks import Tasks, TaskUnknown, made
from remit.kernel.clock import HOUR, FixedClock, Instant
from remit.kernel.names import ActionName, AgentName, DecisionId, InstanceId, PurposeName, RunId, ServerName, ToolName
from remit.policy.model import Call

NOON = Instant(1_800_000_000_000_000)
ARGUMENTS = st.dictionaries(st.text(max_size=4), st.integers(-9, 9) | st.text(max_size=4), max_size=3)


def call(agent: str = "bot", tool: str = "pay", **arguments: Any) -> Call:
    caller = Caller(
        agent=AgentName(agent), instance=InstanceId("i"), credential="c", purpose=PurposeName("work"),
        run=RunId("r"), token="t", expires=NOON, bound=True,
    )  # fmt: skip
    return Call(
        id=DecisionId("dec_1"), caller=caller, server=ServerName("bank"), action=ActionName(f"bank/{tool}"),
        tool=ToolName(tool), arguments=arguments,
    )  # fmt: skip


def states(at: int = NOON) -> States:
    return States(bytes(32), FixedClock(Instant(at)))


@given(ARGUMENTS, ARGUMENTS, st.sampled_from(["bot", "eve"]), st.sampled_from(["pay", "read"]))
def test_a_state_carries_on_its_own_call_and_no_other(mine: Any, theirs: Any, agent: str, tool: str) -> None:
    first, second = call(), call(agent, tool)
    first, second = dataclasses.replace(first, arguments=mine), dataclasses.replace(second, arguments=theirs)
    sealed = states().seal(first, "inner", {"k": "roots/list"})
    if (agent, tool, mine) == ("bot", "pay", theirs):
        opened = states().open(sealed, second)
        assert (opened.state, opened.asked) == ("inner", {"k": "roots/list"})
        return
    with pytest.raises(StateInvalid) as refused:
        states().open(sealed, second)
    assert refused.value.owner == "bot"


@given(st.data())
def test_a_changed_state_is_none(data: st.DataObject) -> None:
    sealed = states().seal(call(), "inner", {})
    at = data.draw(st.integers(0, len(sealed) - 1))
    char = data.draw(st.sampled_from("AZaz09-_."))
    changed = sealed[:at] + char + sealed[at + 1 :]
    if changed == sealed:
        return
    with pytest.raises(StateInvalid):
        states().open(changed, call())


@given(st.none() | st.text() | st.integers())
def test_whatever_else_is_none(said: object) -> None:
    with pytest.raises(StateInvalid):
        states().open(said, call())


def test_a_state_shows_nothing_of_the_servers_and_ends() -> None:
    sealed = states().seal(call(), "what the server keeps", {})
    assert "server" not in sealed
    with pytest.raises(StateInvalid):
        States(b"k" * 32, FixedClock(NOON)).open(sealed, call())
    with pytest.raises(StateInvalid):
        states(NOON + HOUR).open(sealed, call())


def never(_: Call) -> bool:
    return False


def test_a_task_is_its_agents() -> None:
    tasks = Tasks()
    assert tasks.note(call(), "t1")
    assert tasks.of(call(), "t1", never).id == "t1"
    with pytest.raises(TaskUnknown) as foreign:
        tasks.of(call("eve"), "t1", never)
    assert foreign.value.detail == "bot"
    for unknown in ("t2", None, 7):
        with pytest.raises(TaskUnknown) as missing:
            tasks.of(call(), unknown, never)
        assert missing.value.detail == ""
    assert foreign.value.public == missing.value.public
    # A server that gives the same id again does not hand it over.
    assert not tasks.note(call("eve"), "t1")
    assert not tasks.owns("eve", "bank", "t1")
    # What made it may not be called any more.
    with pytest.raises(TaskUnknown):
        tasks.of(call(), "t1", lambda _: True)


def test_the_table_is_bounded_for_each_agent() -> None:
    tasks = Tasks()
    for number in range(300):
        assert tasks.note(call(), f"t{number}")
    assert len(tasks) == 200
    assert tasks.owns("bot", "bank", "t299")
    assert not tasks.owns("bot", "bank", "t0")
    assert not tasks.note(call(), "x" * 1025)


@pytest.mark.parametrize(
    ("result", "modern", "expected"),
    [
        ({"task": {"taskId": "a"}}, False, "a"),
        ({"content": []}, False, None),
        ({"resultType": "task", "taskId": "a"}, True, "a"),
        ({"task": {"taskId": "a"}}, True, None),
    ],
)
def test_which_task_a_result_says_was_made(result: dict[str, Any], modern: bool, expected: str | None) -> None:  # noqa: FBT001 - a case
    assert made(result, modern=modern) == expected
