"""The word that a form carries, and the sessions it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.console.sessions import (
    IDLE_LIFETIME,
    LINK_LIFETIME,
    SESSION_LIFETIME,
    Session,
    Sessions,
    matches,
    not_sent,
    sent_once,
)
from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import Conflict

NOON = Instant(1_795_608_000_000_000)


def anybody(_operator: object) -> bool:
    return True


def signed_in(sessions: Sessions, who: object) -> tuple[str, Session]:
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
    for at in range(NOON, NOON + SESSION_LIFETIME, IDLE_LIFETIME - 1):
        clock.at = Instant(at)
        assert sessions.find(cookie) is mine
    clock.at = Instant(NOON + SESSION_LIFETIME)
    assert sessions.find(cookie) is None


@given(st.lists(st.tuples(st.integers(1, 3 * IDLE_LIFETIME), st.booleans()), max_size=40))
def test_a_session_is_open_until_half_an_hour_after_its_person_was_heard_of(steps: list[tuple[int, bool]]) -> None:
    clock = FixedClock(NOON)
    sessions = Sessions(clock.now, anybody)
    cookie, _ = signed_in(sessions, "dana")
    heard, live = NOON, True
    for apart, seen in steps:
        clock.at = Instant(clock.at + apart)
        live = clock.at < heard + IDLE_LIFETIME and clock.at < NOON + SESSION_LIFETIME and live
        assert (sessions.find(cookie, seen=seen) is not None) == live
        heard = clock.at if live and seen else heard


def test_a_proof_makes_a_new_cookie_for_the_same_session_of_the_same_subject() -> None:
    clock = FixedClock(NOON)
    sessions = Sessions(clock.now, anybody)
    old = sessions.open("dana", how="Example", authenticated=NOON, stands=lambda: True, subject="https://id.example 1")
    mine = sessions.find(old)
    assert mine is not None
    clock.at = Instant(NOON + 60)
    renewed: dict[str, Any] = {"operator": "dana as owner", "authenticated": clock.at}
    assert sessions.renew(mine.id, subject="https://id.example 2", **renewed) is None
    assert sessions.renew("ses_guessed", subject="https://id.example 1", **renewed) is None
    new = sessions.renew(mine.id, subject="https://id.example 1", **renewed)
    assert sessions.find(old) is None
    found = sessions.find(new)
    assert found is not None
    assert (found.id, found.csrf, found.ends) == (mine.id, mine.csrf, mine.ends), "open pages stay good"
    assert (found.authenticated, found.operator) == (clock.at, "dana as owner")


def test_who_signs_in_again_leaves_no_session_behind() -> None:
    sessions = Sessions(FixedClock(NOON).now, anybody)
    old = sessions.redeem(sessions.link("dana"))
    new = sessions.redeem(sessions.link("lee"), instead=old)
    assert sessions.find(old) is None
    assert sessions.find(new) is not None


def test_under_tls_no_page_of_another_scheme_can_give_the_cookie() -> None:
    sessions = Sessions(FixedClock(NOON).now, anybody, secure=True)
    cookie, mine = signed_in(sessions, "dana")
    assert sessions.of({"__Secure-remit_session": cookie}) is mine
    assert sessions.of({"remit_session": cookie}) is None


def test_a_form_is_carried_out_once_and_asked_again_where_it_was_refused() -> None:
    _, session = signed_in(Sessions(FixedClock(NOON).now, anybody), "dana")
    form = {"csrf": session.csrf, "once": "a", "act": "approve"}
    digest = sent_once(session, form, where="/console/x")
    with pytest.raises(Conflict):
        sent_once(session, dict(reversed(form.items())), where="/console/x")
    for other in ({"once": "b"}, {"act": "deny"}):
        sent_once(session, form | other, where="/console/x")
    sent_once(session, form, where="/console/y")
    not_sent(session, digest)
    assert sent_once(session, form, where="/console/x") == digest
    without = {"csrf": session.csrf, "act": "approve"}
    assert sent_once(session, without, where="/") == sent_once(session, without, where="/") == ""


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


@dataclass(frozen=True)
class Named:
    person: str


def test_whoever_signs_in_without_end_signs_nobody_else_out() -> None:
    sessions = Sessions(FixedClock(NOON).now, anybody)
    cookie, mine = signed_in(sessions, Named("dana"))
    waiting = sessions.link(Named("dana"))
    own = [sessions.redeem(sessions.link(Named("vera"))) for _ in range(1100)]
    for _ in range(1100):
        sessions.link(Named("vera"))
    assert sessions.find(cookie) is mine
    assert sessions.redeem(waiting) is not None
    assert sessions.find(own[0]) is None, "there is an end to what is kept"
    assert sessions.find(own[-1]) is not None


def test_a_link_says_whose_it_is_and_stays_good() -> None:
    clock = FixedClock(NOON)
    sessions = Sessions(clock.now, lambda operator: operator != "lee")
    secret, gone = sessions.link("dana"), sessions.link("lee")
    assert sessions.whose(secret) == "dana"
    assert sessions.whose(gone) is sessions.whose("guessed") is None
    assert sessions.redeem(secret) is not None
    assert sessions.whose(secret) is None
    late = sessions.link("dana")
    clock.at = Instant(NOON + LINK_LIFETIME)
    assert sessions.whose(late) is None
