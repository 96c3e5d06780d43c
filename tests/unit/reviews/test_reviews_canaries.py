"""Made-up questions: at most two in a hundred, one for each fifty, not to be told; and when answers are void."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.access.activation import ActivationKey, activation_id
from remit.access.judge import AT_RISK
from remit.agents.signals import RISKS, Noticed, risk_of
from remit.catalog.model import Tier
from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.kernel.names import ActionName, AgentName, PurposeName
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
    assert found.about == activation_id(key_of(found)), "as of any other, from what the answer of the API says"
    assert found.recommendation is Said.END
    assert found.facts["uses_90"] == 0


def key_of(found: Question) -> ActivationKey:
    action, purpose, scope = (str(found.facts[name]) for name in ("action", "purpose", "scope"))
    return ActivationKey(AgentName(found.agent), PurposeName(purpose), ActionName(action), scope)


@settings(deadline=None)
@given(st.integers(0, 1_000_000), st.binary(min_size=16, max_size=32))
def test_its_risk_is_one_that_its_agent_has_or_could_have(risk: int, secret: bytes) -> None:
    found = made_up(secret, question(), boundary="desk", purpose="support", now=NOW, risk=risk).facts["risk"]
    if risk >= AT_RISK:
        assert found == risk
    else:
        assert found >= AT_RISK, "else nobody would be asked"
        sums = {risk_of(Noticed(each, "", NOW) for each in some) for some in combinations(RISKS, 3)}
        assert found in sums, "what signals add up to"


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=32), st.integers(0, 30))
def test_it_is_about_nothing_that_there_is_or_that_is_asked_about_already(secret: bytes, many: int) -> None:
    taken: set[str] = set()
    for _ in range(many):
        found = made_up(secret, question(), boundary="desk", purpose="support", now=NOW, taken=taken)
        assert found.about not in taken
        taken.add(found.about)


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
