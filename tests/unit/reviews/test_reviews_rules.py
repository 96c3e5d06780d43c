"""Recommendations, who may answer, and a boundary's document without some actions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.access.draft import Clause, Draft, Version
from remit.access.expand import Expansion
from remit.access.model import BoundaryState, Budget, Rate, Rule
from remit.access.widen import widenings
from remit.catalog.model import Tier
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName
from remit.people.model import Owner
from remit.reviews import effect
from remit.reviews.assign import assignee, backup, heir, why_not
from remit.reviews.model import CHOICES, Kind, Question, Said
from remit.reviews.narrowing import without
from remit.reviews.recommend import recommend

NOW = Instant(1_700_000_000_000_000)
UNUSED = {"record_whole": True, "uses_90": 0, "age_days": 100, "idle_days": 95}
USED = {"record_whole": True, "uses_90": 9, "uses_30": 4, "age_days": 100, "idle_days": 2}


@pytest.mark.parametrize(
    ("kind", "facts", "said"),
    [
        ("needs_human", {**USED, "exposed": True, "risk": 0}, "end"),
        ("needs_human", {**USED, "critical": True, "risk": 0}, "end"),
        ("needs_human", {**UNUSED, "risk": 800_000}, "end"),
        ("needs_human", {**UNUSED, "record_whole": False, "risk": 100}, "ask"),
        ("needs_human", {**UNUSED, "age_days": 13, "risk": 800_000}, "ask"),
        ("needs_human", {**USED, "risk": 700_000}, "ask"),
        ("needs_human", {**USED, "risk": 500_000}, "keep"),
        ("needs_human", {**USED, "risk": 500_001}, "ask"),
        ("needs_human", {**USED, "risk": 0, "state": "suspended"}, "ask"),
        ("usage_doubted", {"would_lapse": 1, "of": 100, "refused": 1}, "distrust"),
        ("needs_human", {**USED, "uses_30": 0, "risk": 500_000}, "ask"),
        ("needs_human", {}, "ask"),
        ("boundary_due", {**UNUSED, "actions": 3, "unused": 3}, "end"),
        ("boundary_due", {**UNUSED, "actions": 3, "unused": 3, "record_whole": False}, "ask"),
        ("boundary_due", {**USED, "actions": 3, "unused": 1}, "narrow"),
        ("boundary_due", {**USED, "actions": 3, "unused": 1, "age_days": 13}, "keep"),
        ("boundary_due", {**USED, "actions": 3, "unused": 0}, "keep"),
        ("boundary_due", {**UNUSED, "actions": 3, "unused": 3, "break_glass": True}, "ask"),
        ("usage_doubted", {"would_lapse": 50, "of": 100}, "distrust"),
        ("usage_doubted", {"would_lapse": 49, "of": 100}, "trust"),
        ("usage_doubted", {}, "distrust"),
        ("cadence_wanted", {"cycles": 3}, "keep"),
        ("toxic", {}, "narrow"),
        ("toxic", {"exposed": True}, "end"),
        ("breakglass_review", {"reason": "x", "ticket": "T", "uses": 3}, "keep"),
        ("breakglass_review", {"reason": "x", "ticket": "T", "uses": 0}, "end"),
        ("breakglass_review", {"reason": "x", "uses": 3}, "ask"),
        ("breakglass_review", {"reason": "x", "ticket": "T"}, "ask"),
    ],
)
def test_the_published_rules(kind: str, facts: dict[str, Any], said: str) -> None:
    assert recommend(Kind(kind), Tier.MEDIUM, facts)[0].value == said


def test_what_is_critical_and_comes_and_goes_is_asked_about() -> None:
    assert recommend(Kind.CADENCE_WANTED, Tier.CRITICAL, {"cycles": 3})[0] is Said.ASK


facts_ = st.dictionaries(
    st.sampled_from(["risk", "uses_90", "uses_30", "age_days", "record_whole", "actions", "unused", "exposed",
                     "would_lapse", "of", "cycles", "reason", "ticket", "uses", "idle_days", "least_used"]),
    st.one_of(st.none(), st.booleans(), st.integers(0, 10**6), st.text(max_size=5)),
)  # fmt: skip


@settings(deadline=None)
@given(st.sampled_from(list(Kind)), st.sampled_from(list(Tier)), facts_)
def test_a_recommendation_can_be_said_and_has_a_reason(kind: Kind, tier: Tier, facts: dict[str, Any]) -> None:
    said, reason = recommend(kind, tier, facts)
    assert said in CHOICES[kind]
    assert reason
    assert (said, reason) == recommend(kind, tier, facts)
    if facts.get("record_whole") is not True and kind is Kind.BOUNDARY_DUE:
        assert said is not Said.END, "non-use is asserted on a whole record only"


PEOPLE = {
    name: Owner(
        owner=OwnerName(name), name=name, email="", backup=tuple(map(OwnerName, backups)), active=name != "gone"
    )
    for name, backups in (("dana", ("gone", "lee", "mo")), ("lee", ()), ("mo", ()), ("gone", ("lee",)), ("kim", ()))
}


def find(name: OwnerName) -> Owner | None:
    return PEOPLE.get(name)


def question(**changes: Any) -> Question:
    parts: dict[str, Any] = {
        "id": "qst_1", "kind": Kind.NEEDS_HUMAN, "agent": "bot", "about": "act_1", "why": "risk", "tier": Tier.HIGH,
        "asked": NOW, "moved": NOW, "assigned": "dana", "recommendation": Said.KEEP, "reason": "used", "facts": {},
    }  # fmt: skip
    return Question(**(parts | changes))


def test_who_is_asked() -> None:
    dana, gone = PEOPLE["dana"], PEOPLE["gone"]
    assert assignee(dana, find) == "dana"
    assert assignee(dana, find, without={"dana"}) == "lee", "who has gone is not asked"
    assert assignee(gone, find) == "lee"
    assert assignee(gone, find, without={"lee"}) == ""
    assert assignee(None, find) == ""
    assert backup(dana, find) == "lee"
    assert backup(dana, find, without={"lee"}) == "mo"
    assert backup(PEOPLE["lee"], find) == ""


def test_who_may_answer() -> None:
    dana = PEOPLE["dana"]
    assert [who for who in PEOPLE if why_not(who, question(), dana, find) is None] == ["dana", "lee", "mo"]
    own = question(facts={"requested_by": "dana"})
    assert why_not("dana", own, dana, find) == "it is about their own request"
    assert why_not("lee", question(barred=("lee",)), dana, find) == "their answers to it were made void"
    assert why_not("kim", question(handed="kim"), dana, find) is None
    assert why_not("gone", question(handed="gone"), dana, find) is not None
    assert why_not("", question(), dana, find) is not None
    assert why_not("kim", question(kind=Kind.USAGE_DOUBTED, agent=""), None, find) is None, "a role says who"
    doubted = question(kind=Kind.USAGE_DOUBTED, agent="", facts={"requested_by": "kim"})
    assert why_not("kim", doubted, None, find) is not None


def test_a_question_stays_with_who_may_answer_it_and_else_goes_on() -> None:
    dana, lee = PEOPLE["dana"], PEOPLE["lee"]
    assert heir(question(assigned="mo"), dana, find) == "mo"
    assert heir(question(assigned="dana"), lee, find) == "lee"
    assert heir(question(assigned="kim", handed="kim"), dana, find) == "kim"
    assert heir(question(assigned="dana"), PEOPLE["gone"], find) == "lee"
    assert heir(question(assigned="dana"), None, find) == "", "nobody is left"
    assert heir(question(assigned="dana", barred=("lee",)), PEOPLE["gone"], find) == ""
    assert heir(question(kind=Kind.USAGE_DOUBTED, agent="", assigned=""), None, find) == ""


ACTIONS = [ActionName(f"s/{name}") for name in ("list_a", "list_b", "list_c", "pay", "send")]
BUDGET = Budget(argument="amount", max=Decimal("5.00"), per="day")
CLAUSES = (
    Clause(pattern="s/list_*", rate=Rate(count=5, per="min"), cadence=Micros(DAY)),
    Clause(pattern="s/list_b"),
    Clause(pattern="s/pay", budget=BUDGET, first_use="auto", ttl=Micros(7 * DAY)),
    Clause(pattern="s/send"),
)


def version() -> Version:
    rules = {
        action: next(
            each
            for each in (CLAUSES[1], CLAUSES[2], CLAUSES[3], CLAUSES[0])
            if each.pattern == action or "*" in each.pattern
        ).rule(action)
        for action in ACTIONS
    }
    draft = Draft(
        boundary=BoundaryName("b"), agent=AgentName("bot"), purpose=PurposeName("work"), allow=CLAUSES,
        not_after=Instant(NOW + DAY),
    )  # fmt: skip
    return Version(draft=draft, version=3, state=BoundaryState.ACTIVE, rules=rules)


def rules_of(draft: Draft) -> dict[ActionName, Rule]:
    """What the draft comes to on the same catalog."""
    exact = {clause.pattern: clause for clause in draft.allow if clause.exact}
    patterns = [clause for clause in draft.allow if not clause.exact]
    found = {}
    for action in ACTIONS:
        clause = exact.get(action) or next((each for each in patterns if action.startswith(each.pattern[:-1])), None)
        if clause is not None:
            found[action] = clause.rule(action)
    return found


@settings(deadline=None)
@given(st.sets(st.sampled_from(ACTIONS)))
def test_what_is_taken_is_gone_and_the_rest_is_as_it_was(taken: set[ActionName]) -> None:
    now = version()
    draft = without(now, taken)
    left = {action: rule for action, rule in (now.rules or {}).items() if action not in taken}
    if not left:
        assert draft is None
        return
    assert draft is not None
    assert rules_of(draft) == left
    expansion = Expansion(rules=rules_of(draft), problems=(), waiting=(), unreviewed=())
    assert widenings(now, draft, expansion) == [], "a narrowing needs nobody's approval"
    assert len({clause.pattern for clause in draft.allow}) == len(draft.allow)


def test_clauses_that_lose_nothing_stay_as_written() -> None:
    draft = without(version(), {ActionName("s/pay")})
    assert draft is not None
    assert draft.allow == (CLAUSES[0], CLAUSES[1], CLAUSES[3])
    fewer = without(version(), {ActionName("s/list_a")})
    assert fewer is not None
    assert [clause.pattern for clause in fewer.allow] == ["s/list_c", "s/list_b", "s/pay", "s/send"]


@pytest.mark.parametrize("many", [0, 1, 20, 21, 300])
def test_the_preview_names_all_that_goes(many: int) -> None:
    """An answer covers what it shows."""
    taken = [effect.Used(ActionName(f"s/{at}"), Tier.LOW, 0) for at in range(many)]
    found = effect.shown(taken, this_day=100)
    assert found["actions"] == [each.action for each in taken]
    assert found["count"] == many
