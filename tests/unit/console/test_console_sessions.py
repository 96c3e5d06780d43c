"""The word that a form carries, and the sessions it belongs to."""

from __future__ import annotations

import pytest

from remit.console.sessions import LINK_LIFETIME, SESSION_LIFETIME, Session, Sessions, matches
from remit.kernel.clock import FixedClock, Instant

NOON = Instant(1_795_608_000_000_000)


def anybody(_operator: object) -> bool:
    return True


def signed_in(sessions: Sessions, who: str) -> tuple[str, Session]:
    cookie = sessions.redeem(sessions.link(who))
    assert cookie is not None
    found = sessions.find(cookie)
    assert found is not None
    return cookie, found


def test_a_form_carries_its_own_sessions_word_and_no_other() -> None:
    sessions = Sessions(FixedClock(NOON).now, anybody)
    _, mine = signed_in(sessions, "dana")
    _, other = signed_in(sessions, "dana")
    assert len(mine.csrf) == len(other.csrf) == 43
    assert matches(mine, mine.csrf)
    # As long as the right one, and one that is right elsewhere: the same person's, in another browser.
    for word in (other.csrf, "A" * 43, mine.csrf[:-1] + ("A" if mine.csrf[-1] != "A" else "B"), mine.csrf.swapcase()):
        assert len(word) == len(mine.csrf)
        assert not matches(mine, word)


@pytest.mark.parametrize("word", [None, "", "x", "ü" * 43])
def test_no_word_is_not_the_word(word: str | None) -> None:
    _, session = signed_in(Sessions(FixedClock(NOON).now, anybody), "dana")
    assert not matches(session, word)
    assert not matches(session, session.csrf + "x")
    assert not matches(session, session.csrf[:-1])


def test_a_link_opens_one_session_within_ten_minutes() -> None:
    clock = FixedClock(NOON)
    sessions = Sessions(clock.now, anybody)
    late, last, once = sessions.link("dana"), sessions.link("dana"), sessions.link("dana")
    assert sessions.redeem(once) is not None
    assert sessions.redeem(once) is None
    assert sessions.redeem("guessed") is None
    clock.at = Instant(NOON + LINK_LIFETIME - 1)
    assert sessions.redeem(last) is not None
    clock.at = Instant(NOON + LINK_LIFETIME)
    assert sessions.redeem(late) is None


def test_a_session_is_its_cookies_and_ends() -> None:
    clock = FixedClock(NOON)
    sessions = Sessions(clock.now, anybody)
    cookie, mine = signed_in(sessions, "dana")
    other, _ = signed_in(sessions, "lee")
    assert mine.operator == "dana"
    sessions.end(other)
    assert sessions.find(other) is None
    assert sessions.find(None) is sessions.find("") is sessions.find("guessed") is None
    clock.at = Instant(NOON + SESSION_LIFETIME - 1)
    assert sessions.find(cookie) is mine
    clock.at = Instant(NOON + SESSION_LIFETIME)
    assert sessions.find(cookie) is None


def test_a_session_and_a_link_end_with_what_their_person_was_let_in_by() -> None:
    let_in = {"dana", "lee"}
    sessions = Sessions(FixedClock(NOON).now, let_in.__contains__)
    cookie, _ = signed_in(sessions, "dana")
    other, theirs = signed_in(sessions, "lee")
    waiting = sessions.link("dana")
    let_in.remove("dana")
    assert sessions.find(cookie) is None
    assert sessions.redeem(waiting) is None
    assert sessions.find(other) is theirs
