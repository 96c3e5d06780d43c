from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import HOUR, Instant
from remit.server.first_words import word_counts
from remit.server.operators import Operator, Role
from remit.server.two_people import SEASON, Word, counts_from, read, seconded

PEOPLE = st.sampled_from(["admin", "dana", "lee"])
MATTERS = st.sampled_from(["frz_1", "frz_2"])
TIMES = st.integers(0, 3 * HOUR).map(Instant)


@given(PEOPLE, MATTERS, TIMES, PEOPLE, MATTERS, TIMES)
def test_it_always_takes_two_people_about_the_same_matter(
    one: str, matter: str, at: Instant, two: str, other: str, now: Instant
) -> None:
    first = Word(person=one, about=matter, at=at)
    if seconded(first, person=two, about=other, now=now):
        assert one != two
        assert matter == other
        assert 0 <= now - at < HOUR


def test_the_second_person_in_time_makes_it_so() -> None:
    first = Word(person="dana", about="frz_1", at=Instant(0))
    assert seconded(first, person="lee", about="frz_1", now=Instant(HOUR - 1))
    assert not seconded(first, person="lee", about="frz_1", now=Instant(HOUR))
    assert not seconded(None, person="lee", about="frz_1", now=Instant(0))


@given(PEOPLE, MATTERS, TIMES)
def test_a_word_is_read_as_it_was_written(person: str, matter: str, at: Instant) -> None:
    word = Word(person=person, about=matter, at=at)
    assert read(word.body()) == word
    assert read(None) is None


@given(TIMES, st.none() | TIMES)
def test_a_token_that_was_there_before_counts_at_once_and_a_new_one_after_an_hour(
    issued: Instant, began: Instant | None
) -> None:
    before = began is not None and issued < began
    assert counts_from(issued, began=began) == (issued if before else issued + SEASON)


def test_whose_word_counts() -> None:
    began, soon, later = Instant(HOUR), Instant(HOUR + 1), Instant(2 * HOUR)

    def person(issued: int | None, role: Role = Role.SECURITY) -> Operator:
        at = None if issued is None else Instant(issued)
        return Operator(person="zed", roles=frozenset({role}), issued=at)

    assert word_counts(person(HOUR - 1), now=soon, began=began)
    assert not word_counts(person(HOUR), now=soon, began=began)
    assert not word_counts(person(HOUR - 1), now=soon)
    assert word_counts(person(HOUR), now=later, began=began)
    assert word_counts(person(HOUR), now=later)
    assert word_counts(person(None, Role.ADMIN), now=soon, began=began)
    assert not word_counts(person(None), now=later, began=began)
