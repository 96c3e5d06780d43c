"""Which of a user's access keys a rotation takes for its own: never one that a person may have made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import SECOND, Instant
from remit.kernel.names import SecretName
from remit.vault.model import Material
from remit.vault.rotator import Plan
from remit.vault.rotators.aws import Key, Unknown, unknown

SECONDS = st.integers(0, 180)
KEYS = st.lists(st.tuples(st.sampled_from("ABCD"), SECONDS), max_size=3, unique_by=lambda each: each[0]).map(
    lambda found: tuple(Key(name * 16, Instant(at * SECOND)) for name, at in found)
)
ASKED = st.lists(SECONDS.map(lambda at: (Instant(at * SECOND + 7), Instant((at + 15) * SECOND + 7))), max_size=3)


def never(name: str) -> Material:
    raise AssertionError(name)


def plan(*, asked: list[tuple[Instant, Instant]], started: int, known: set[str]) -> Plan:
    return Plan(
        rotation="rot_1", secret=SecretName("api-key"), version=2, settings={}, admin=never, current=None,
        started=Instant(started * SECOND + 7), known=tuple({"access_key_id": each * 16} for each in known),
        asked=tuple(asked),
    )  # fmt: skip


@given(KEYS, ASKED, SECONDS, st.sets(st.sampled_from("ABCD")))
def test_its_own_is_the_only_unknown_one_and_was_made_while_it_was_asked_for(
    keys: tuple[Key, ...], asked: list[tuple[Instant, Instant]], started: int, known: set[str]
) -> None:
    found = unknown(keys, plan(asked=asked, started=started, known=known))
    strange = [each for each in keys if each.id[0] not in known]
    if found.own is not None:
        assert strange == [found.own]
        assert any(began - SECOND < found.own.made < end for began, end in asked)
        assert not found.doubtful
    else:
        assert set(found.doubtful) == {each for each in strange if each.made + 61 * SECOND > started * SECOND + 7}


def test_a_key_within_the_very_second_of_its_attempt_is_its_own() -> None:
    mine = Key("M" * 16, Instant(9 * SECOND))
    asked = [(Instant(9 * SECOND + 900_000), Instant(24 * SECOND))]
    assert unknown((mine,), plan(asked=asked, started=9, known=set())) == Unknown(own=mine)
    assert unknown((mine,), plan(asked=[], started=9, known=set())) == Unknown(doubtful=(mine,))
    other = Key("O" * 16, Instant(-60 * SECOND))
    assert unknown((mine, other), plan(asked=asked, started=9, known=set())) == Unknown(doubtful=(mine,))


def test_one_that_a_clock_behind_dates_before_its_rotation_is_told() -> None:
    """Else it stays, with nobody told, and the next rotation finds no place."""
    mine = Key("M" * 16, Instant(98 * SECOND))
    asked = [(Instant(100 * SECOND), Instant(115 * SECOND))]
    assert unknown((mine,), plan(asked=asked, started=100, known=set())) == Unknown(doubtful=(mine,))
    long_before = Key("L" * 16, Instant(39 * SECOND))
    assert unknown((long_before,), plan(asked=asked, started=100, known=set())) == Unknown()
