"""Places of keys under their root keys: no two are alike, and the first generation's are what they always were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.keys import generations
from remit.keys.generations import FIRST, Place, data_key_place, root_place, signing_key_place
from remit.keys.seal import bind

GENERATIONS = st.integers(1, 5)
TEXTS = st.sampled_from(["", "a", "b", "2", "data_keys", "signing_keys", "roots", "root_key"])
NUMBERS = st.integers(1, 4)
DATA = st.tuples(TEXTS, NUMBERS, GENERATIONS)
SIGNING = st.tuples(TEXTS, TEXTS, TEXTS, TEXTS, GENERATIONS)
ROOT = st.tuples(TEXTS, GENERATIONS)
PLACES = st.one_of(
    st.tuples(st.just("data"), DATA), st.tuples(st.just("signing"), SIGNING), st.tuples(st.just("root"), ROOT)
)


def bound(kind: str, of: Any) -> bytes:
    if kind == "root":
        return root_place(*of)
    place: Callable[..., Place] = data_key_place if kind == "data" else signing_key_place
    return bind(*place(*of))


@given(PLACES, PLACES)
def test_two_places_are_one_only_if_they_are_the_same(
    one: tuple[str, tuple[object, ...]], other: tuple[str, tuple[object, ...]]
) -> None:
    assert (bound(*one) == bound(*other)) == (one == other)


@given(PLACES, GENERATIONS)
def test_another_generation_is_another_place(one: tuple[str, tuple[object, ...]], generation: int) -> None:
    kind, of = one
    assert (bound(kind, of) == bound(kind, (*of[:-1], generation))) == (of[-1] == generation)


@given(GENERATIONS)
def test_a_row_says_its_generation(generation: int) -> None:
    assert generations.read(generations.stored(generation)) == generation
    assert (generations.stored(generation) is None) == (generation == FIRST)


def test_what_was_sealed_before_generations_were_counted_still_opens() -> None:
    assert root_place("dep_1", FIRST) == bind("meta", "root_key", 1, "dep_1")
    assert data_key_place("agent:a", 3, FIRST) == ("data_keys", "agent:a", 3)
    assert signing_key_place("k", "token", "ES256", "{}", FIRST) == ("signing_keys", "k", 1, "token", "ES256", "{}")
