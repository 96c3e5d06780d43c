"""Made-up questions: at most two in a hundred, one for each fifty, not to be told; and when answers are void."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.catalog.model import Tier
from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.reviews.canaries import (
    CATCH_PERCENT,
    EVERY,
    FAST_COUNT,
    FEWEST,
    LATEST,
    SOONEST,
    WINDOW,
    follows,
    made_up,
    void,
)
from remit.reviews.model import Kind, Question, QuestionState, Said
from remit.reviews.quality import Given

NOW = Instant(1_700_000_000_000_000)
SECRET = b"k" * 32
REAL = {  # what every real question about one entitlement says
    "action", "purpose", "scope", "boundary", "tier", "state", "risk", "days_of_use", "last_use", "uses_90", "uses_30",
    "idle_days", "age_days", "record_whole",
}  # fmt: skip


def question(**changes: object) -> Question:
    parts: dict[str, object] = {
        "id": "qst_01abcdefgh0123456789abcdef", "kind": Kind.NEEDS_HUMAN, "agent": "bot", "about": "act_1",
        "why": "risk", "tier": Tier.HIGH, "asked": NOW, "moved": NOW, "assigned": "dana", "recommendation": Said.KEEP,
        "reason": "used",
        "facts": {"as_shown": {"standing": {"act_1": ""}}, "action": "crm/read",
                  "purpose": "support", "scope": "crm", "risk": 100_000, "calm": 5, "uses_90": 3,
                  "uses_30": 3, "idle_days": 1, "age_days": 90, "record_whole": True, "tier": "high"},
    }  # fmt: skip
    return Question(**(parts | changes))  # type: ignore[arg-type]


def plants(secret: bytes, ids: list[str]) -> list[int]:
    """After which of the questions with these ids a made-up one goes."""
    found: list[int] = []
    for ordinal, id_ in enumerate(ids, 1):
        if follows(secret, id_, ordinal=ordinal, planted=len(found)):
            found.append(ordinal)
    return found


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=32), st.integers(0, 400), st.integers())
def test_at_most_two_in_a_hundred_and_one_for_each_fifty(secret: bytes, count: int, seed: int) -> None:
    found = plants(secret, [f"qst_{seed}_{at}" for at in range(count)])
    for ordinal in range(1, count + 1):
        planted = sum(at <= ordinal for at in found)
        assert planted * 100 <= ordinal * 2
        assert planted >= ordinal // EVERY - 1
    blocks = [(at - 1) // EVERY for at in found]
    assert blocks == list(range(1, len(blocks) + 1)), "each fifty behind the first has its own"


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=32))
def test_where_they_stand_is_a_function_of_the_secret(secret: bytes) -> None:
    ids = [f"qst_{at}" for at in range(150)]
    assert plants(secret, ids) == plants(secret, ids)


def test_who_does_not_know_the_secret_cannot_tell_where() -> None:
    ids = [f"qst_{at}" for at in range(100)]
    places = {plants(bytes([each]) * 32, ids)[0] for each in range(200)}
    assert len(places) > EVERY // 2


def test_a_made_up_one_looks_like_a_real_one_and_is_bad() -> None:
    host = question()
    found = made_up(SECRET, host, boundary="desk", purpose="support", now=NOW)
    assert found == made_up(SECRET, host, boundary="desk", purpose="support", now=NOW)
    assert found.canary
    assert (found.kind, found.agent, found.assigned, found.tier) == (host.kind, host.agent, host.assigned, host.tier)
    assert "as_shown" not in found.facts, "what its host is about is nowhere in it"
    assert [found.facts[name] for name in ("scope", "boundary", "purpose")] == ["crm", "desk", "support"]
    assert len(found.about) == len("act_") + 26
    assert found.recommendation is Said.END
    assert (found.facts["uses_90"], found.facts["risk"] >= 900_000) == (0, True)


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=32), st.sampled_from(list(Kind)))
def test_any_host_will_do_and_the_bad_is_always_seen_by_who_looks(secret: bytes, kind: Kind) -> None:
    found = made_up(secret, question(kind=kind, facts={}), boundary="desk", purpose="support", now=NOW)
    assert found.kind is Kind.NEEDS_HUMAN
    assert found.facts.keys() == REAL, "whatever it follows, it says what each real one says"
    assert NOW + SOONEST <= found.asked < NOW + LATEST
    assert (found.id, found.state) == ("", QuestionState.SETTLED), "it is asked later, and under an id of then"
    assert found.recommendation is Said.END


def given_at(*, every: int, said: list[Said], canary: set[int] | None = None) -> list[Given]:
    marked = canary or set()
    return [Given(Instant(NOW + at * every), word, NOW, at in marked) for at, word in enumerate(said)]


def test_an_approve_all_reviewer_is_void_at_the_thirtieth() -> None:
    keeps = [Said.KEEP] * FAST_COUNT
    assert void(given_at(every=SECOND, said=keeps)) == "nothing_read"
    assert void(given_at(every=SECOND, said=keeps[1:])) is None
    assert void(given_at(every=3 * SECOND, said=keeps)) is None
    assert void(given_at(every=3 * SECOND - 1, said=keeps)) == "nothing_read"
    assert void(given_at(every=SECOND, said=[*keeps[1:], Said.END])) is None
    assert void(given_at(every=SECOND, said=[Said.END, *keeps])) == "nothing_read", "the last thirty count"


def test_two_sittings_are_not_one() -> None:
    found = given_at(every=SECOND, said=[Said.KEEP] * FAST_COUNT)
    late = [*found[:15], *(Given(Instant(each.at + 20 * MINUTE), each.said, each.asked) for each in found[15:])]
    assert void(late) is None


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=60))
def test_the_catch_rate_over_the_last_twenty_decides(caught: list[bool]) -> None:
    said = [Said.END if each else Said.KEEP for each in caught]
    found = void(given_at(every=MINUTE, said=said, canary=set(range(len(said)))))
    last = caught[-WINDOW:]
    bad = len(last) >= FEWEST and sum(last) * 100 < CATCH_PERCENT * len(last)
    assert (found == "canaries_missed") is bad


@settings(deadline=None)
@given(st.lists(st.sampled_from([Said.KEEP, Said.END]), max_size=80))
def test_real_answers_say_nothing_about_catching(said: list[Said]) -> None:
    assert void(given_at(every=MINUTE, said=said)) is None
