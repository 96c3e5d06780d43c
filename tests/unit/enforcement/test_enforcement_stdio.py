"""Lines, numbers and pauses of commands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.server_messages import Kind
from remit.enforcement.stdio.conversation import Conversation
from remit.enforcement.stdio.lines import Lines
from remit.enforcement.stdio.model import ChildLimits, pause
from remit.enforcement.upstream import UpstreamFailed
from remit.kernel.errors import Malformed, TooLarge

LIMITS = ChildLimits(garbage=3, waiting=200)


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line and b"\r" not in line)), st.integers(1, 9))
def test_lines_are_lines_whatever_the_borders_of_chunks(lines: list[bytes], size: int) -> None:
    stream, reader = b"".join(line + b"\n" for line in lines), Lines(100)
    found = [each for at in range(0, len(stream), size) for each in reader.feed(stream[at : at + size])]
    assert found == [line for line in lines if line.strip()]


@given(st.integers(1, 50), st.integers(1, 9))
def test_a_line_is_never_longer_than_its_limit(limit: int, size: int) -> None:
    reader, said = Lines(limit), 0
    with pytest.raises(TooLarge):  # noqa: PT012 - it is fed until then
        while said <= limit + size:
            reader.feed(b"x" * size)
            said += size
    Lines(limit).feed(b"x" * limit + b"\n")


@given(st.integers(0, 100), st.integers(0, 100))
def test_the_longer_it_fails_the_longer_it_waits_up_to_a_minute(one: int, other: int) -> None:
    few, many = sorted((one, other))
    assert 0 <= pause(few) <= pause(many) <= 60
    assert pause(1) == 0


class Talk:
    """A conversation and what was said in it of nobody's asking."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.conversation = Conversation(lambda line: self.said.append(json.loads(line)), LIMITS)

    def ask(self, number: Any, session: str = "", **params: Any) -> tuple[Any, dict[str, Any]]:
        body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        waiting, line = self.conversation.ask(json.dumps(body).encode(), session=session)
        return waiting, json.loads(line)

    def hear(self, **message: Any) -> None:
        self.conversation.heard(json.dumps({"jsonrpc": "2.0", **message}).encode())


def play(scenario: Callable[[Talk], Any]) -> None:
    async def main() -> None:
        await scenario(Talk())

    asyncio.run(main())


@given(
    st.lists(st.integers(0, 3) | st.sampled_from(["a", "b"]), min_size=1, max_size=8), st.randoms(use_true_random=False)
)
def test_everybody_gets_the_answer_to_their_own_question(numbers: list[Any], random: Any) -> None:
    async def scenario(talk: Talk) -> None:
        asked = [(number, *talk.ask(number, session=str(at))) for at, number in enumerate(numbers)]
        assert len({line["id"] for _, _, line in asked}) == len(asked)
        for at, _ in random.sample(list(enumerate(asked)), len(asked)):
            talk.hear(id=asked[at][2]["id"], result={"of": at})
        for at, (number, waiting, _) in enumerate(asked):
            message, data = await waiting.next(1)
            assert message.kind is Kind.RESPONSE
            assert json.loads(data) == {"jsonrpc": "2.0", "id": number, "result": {"of": at}}
        assert talk.conversation.open == 0

    play(scenario)


def test_progress_goes_to_whom_it_is_about_under_its_own_token() -> None:
    async def scenario(talk: Talk) -> None:
        one, first = talk.ask(1, _meta={"progressToken": "mine"})
        two, second = talk.ask(1, session="other", _meta={"progressToken": "mine"})
        tokens = [line["params"]["_meta"]["progressToken"] for line in (first, second)]
        assert len(set(tokens)) == 2
        talk.hear(method="notifications/progress", params={"progressToken": tokens[1], "progress": 5})
        talk.hear(method="notifications/progress", params={"progressToken": "mine", "progress": 6})  # of nobody
        _, data = await two.next(1)
        assert json.loads(data)["params"] == {"progressToken": "mine", "progress": 5}
        with pytest.raises(UpstreamFailed):
            await one.next(0.01)

    play(scenario)


def test_who_leaves_cancels_and_who_was_answered_does_not() -> None:
    async def scenario(talk: Talk) -> None:
        one, first = talk.ask(1)
        two, second = talk.ask(2)
        talk.hear(id=second["id"], result={})
        talk.conversation.leave(one, "gone")
        talk.conversation.leave(two, "gone")
        assert [each["params"]["requestId"] for each in talk.said] == [first["id"]]
        talk.hear(id=first["id"], result={})  # too late, and of no interest
        with pytest.raises(UpstreamFailed):
            await one.next(0.01)

    play(scenario)


def test_nobody_cancels_for_somebody_else() -> None:
    async def scenario(talk: Talk) -> None:
        talk.ask(1, session="mine")
        told = json.dumps({"method": "notifications/cancelled", "params": {"requestId": 1}}).encode()
        assert talk.conversation.cancelled(told, session="other") is None
        assert talk.conversation.cancelled(told, session="mine") is not None

    play(scenario)


def test_a_flood_is_dropped_and_the_answer_is_not() -> None:
    async def scenario(talk: Talk) -> None:
        waiting, line = talk.ask(1)
        for _ in range(100):
            talk.hear(method="notifications/message", params={"data": "x" * 50})
        talk.hear(id=line["id"], result={})
        kinds: list[Kind] = []
        while not kinds or kinds[-1] is not Kind.RESPONSE:
            message, _ = await waiting.next(1)
            kinds.append(message.kind)
        assert len(kinds) < 5

    play(scenario)


def test_a_question_with_nobody_there_is_refused() -> None:
    async def scenario(talk: Talk) -> None:
        talk.hear(id="q", method="roots/list")
        assert talk.said == [{"jsonrpc": "2.0", "id": "q", "error": {"code": -32601, "message": "Method not found"}}]

    play(scenario)


def test_too_much_garbage_in_a_row_ends_it() -> None:
    async def scenario(talk: Talk) -> None:
        for _ in range(3):
            talk.conversation.heard(b"garbage")
        talk.hear(method="notifications/message", params={})
        for _ in range(3):
            talk.conversation.heard(b"garbage")
        with pytest.raises(Malformed):
            talk.conversation.heard(b"garbage")

    play(scenario)


def test_its_end_is_told_to_all_and_to_who_comes_later() -> None:
    async def scenario(talk: Talk) -> None:
        one, _ = talk.ask(1)
        talk.conversation.over("it ended")
        two, _ = talk.ask(2)
        for each in (one, two, talk.conversation.listen()):
            with pytest.raises(UpstreamFailed):
                await each.next(None)

    play(scenario)
