"""A loop: the same question, denied again and again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.repeats import WINDOW, Repeats
from remit.kernel.clock import SECOND, Instant
from remit.policy.model import Answer, Call, Code, Denial

LIMITED = Answer(denial=Denial(code=Code.RATE_LIMITED, step=9, title="too often"))


def call(
    agent: str = "bot", action: str = "payments/transfer", amount: int = 1,
    *, pep: str = "", pep_instance: str = "", cooperative: bool = False,
) -> Call:  # fmt: skip
    caller = SimpleNamespace(agent=agent, pep=pep, pep_instance=pep_instance, cooperative=cooperative)
    found = SimpleNamespace(caller=caller, action=action, arguments={"amount": amount})
    return cast("Call", found)


def at(seconds: float) -> Instant:
    return Instant(int(seconds * SECOND))


@given(st.integers(1, 50))
def test_it_is_a_loop_at_exactly_so_many(most: int) -> None:
    repeats = Repeats(most)
    assert [repeats.saw(call(), LIMITED, at(0)) for _ in range(2 * most)] == ([False] * (most - 1) + [True]) * 2


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=60))
def test_different_questions_are_counted_apart(asked: list[tuple[str, int]]) -> None:
    repeats, counts = Repeats(5), dict.fromkeys(asked, 0)
    for agent, amount in asked:
        counts[agent, amount] += 1
        assert repeats.saw(call(agent, amount=amount), LIMITED, at(0)) is (counts[agent, amount] % 5 == 0)


def test_an_agent_that_is_only_named_is_not_stopped() -> None:
    """Whoever gets an enforcement point to ask in an agent's name stops nobody by it."""
    repeats = Repeats(2)
    assert not any(repeats.saw(call(pep="door"), LIMITED, at(0)) for _ in range(1000))
    for own in (call(pep="door", pep_instance="i"), call(pep="sdk:bot", cooperative=True)):
        assert Repeats(1).saw(own, LIMITED, at(0))


def test_what_is_let_through_is_no_loop() -> None:
    repeats = Repeats(2)
    assert not any(repeats.saw(call(), Answer(), at(0)) for _ in range(1000))


@pytest.mark.parametrize("code", [Code.REVOKED, Code.AGENT_SUSPENDED, Code.REPLAYED_PROOF])
def test_who_is_stopped_is_not_stopped_again(code: Code) -> None:
    repeats = Repeats(2)
    denied = Answer(denial=Denial(code=code, step=1, title=""))
    assert not any(repeats.saw(call(), denied, at(0)) for _ in range(1000))


def test_who_waits_is_in_no_loop() -> None:
    repeats = Repeats(3)
    assert not any(repeats.saw(call(), LIMITED, at(second * 5.0)) for second in range(100))
    assert WINDOW == 10 * SECOND


def test_what_is_remembered_is_bounded() -> None:
    repeats = Repeats(2)
    for amount in range(10_000):
        repeats.saw(call(amount=amount), LIMITED, at(0))
    assert len(repeats._seen) == 4096
