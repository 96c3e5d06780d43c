"""What each call was made with, counted: what one says, what all of them come to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import Instant
from remit.vault import uses as module
from remit.vault.uses import Key, Use, Uses, together

NOW = Instant(1_000)
USE = st.builds(
    lambda first, span, calls: Use(Instant(first), Instant(first + span), calls),
    st.integers(0, 100), st.integers(0, 100), st.integers(1, 100),
)  # fmt: skip


@given(st.lists(USE, min_size=1))
def test_together_they_span_all_and_count_all(every: list[Use]) -> None:
    found = together(every)
    assert found == Use(min(e.first for e in every), max(e.last for e in every), sum(e.calls for e in every))


def test_an_outcome_says_what_its_call_was_made_with() -> None:
    uses = Uses()
    uses.made("dec_1", "bot", "key", 3)
    assert uses.ended("dec_1", "ok", now=NOW) == {"credential": {"secret": "key", "version": 3}}
    assert uses.take() == {Key("key", 3, "bot"): Use(NOW, NOW, 1)}
    assert uses.ended("dec_1", "ok", now=NOW) == {}, "once"


def test_a_call_that_left_twice_says_both() -> None:
    uses = Uses()
    uses.made("dec_1", "bot", "key", 1)
    uses.made("dec_1", "bot", "key", 2)
    assert uses.ended("dec_1", "ok", now=NOW) == {"credential": {"secret": "key", "version": 2, "also": [1]}}
    assert {key.version for key in uses.take()} == {1, 2}


def test_what_was_not_sent_used_nothing() -> None:
    uses = Uses()
    uses.made("dec_1", "bot", "key", 1)
    assert uses.ended("dec_1", "not_sent", now=NOW) == {}
    assert uses.take() == {}


def test_what_could_not_be_written_is_counted_with_the_rest() -> None:
    uses = Uses()
    for at in (1, 2):
        uses.made(f"dec_{at}", "bot", "key", 1)
        uses.ended(f"dec_{at}", "ok", now=Instant(at))
        if at == 1:
            taken = uses.take()
    uses.back(taken)
    assert uses.take() == {Key("key", 1, "bot"): Use(Instant(1), Instant(2), 2)}


def test_what_never_ends_is_forgotten_at_last() -> None:
    uses = Uses()
    for at in range(module._MOST_OPEN + 1):
        uses.made(f"dec_{at}", "bot", "key", 1)
    assert uses.ended("dec_0", "ok", now=NOW) == {}
    assert uses.ended("dec_1", "ok", now=NOW) != {}
