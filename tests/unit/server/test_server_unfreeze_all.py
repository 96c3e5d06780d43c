from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import HOUR, Instant
from remit.server.unfreeze_all import Intent, read, seconded

PEOPLE = st.sampled_from(["admin", "dana", "lee"])
FREEZES = st.sampled_from(["frz_1", "frz_2"])
TIMES = st.integers(0, 3 * HOUR).map(Instant)


@given(PEOPLE, FREEZES, TIMES, PEOPLE, FREEZES, TIMES)
def test_it_always_takes_two_people_about_the_same_freeze(
    one: str, freeze: str, at: Instant, two: str, other: str, now: Instant
) -> None:
    first = Intent(person=one, freeze=freeze, at=at)
    if seconded(first, person=two, freeze=other, now=now):
        assert one != two
        assert freeze == other
        assert 0 <= now - at < HOUR


def test_the_second_person_in_time_ends_it() -> None:
    first = Intent(person="dana", freeze="frz_1", at=Instant(0))
    assert seconded(first, person="lee", freeze="frz_1", now=Instant(HOUR - 1))
    assert not seconded(first, person="lee", freeze="frz_1", now=Instant(HOUR))
    assert not seconded(None, person="lee", freeze="frz_1", now=Instant(0))


@given(PEOPLE, FREEZES, TIMES)
def test_an_intent_is_read_as_it_was_written(person: str, freeze: str, at: Instant) -> None:
    intent = Intent(person=person, freeze=freeze, at=at)
    assert read(intent.body()) == intent
    assert read(None) is None
