"""The life of a question: asked, answered, taken back, carried out, handed over, escalated, ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection
from tests.interaction.apply_world import ADMIN, DANA, Rig, Tree
from tests.interaction.reviews_world import BOT, World

from remit.access.activation import ActivationState
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant
from remit.kernel.errors import Conflict, Forbidden, Malformed, NotFound, StorageUnavailable
from remit.people.change import Actor
from remit.reviews.model import AnswerState, QuestionState, Said, Stage
from remit.reviews.sql import SqlAnswers

MO = Actor(by="mo")


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    world = World(applied, tree)
    world.later(30 * DAY)
    return world


def in_force(world: World) -> set[str]:
    found = world.rig.boundary()
    return set() if found is None else {action.partition("/")[2] for action in found.rules}


def test_a_keep_is_staged_then_done_and_written_down(world: World) -> None:
    world.use("list_payees", 3, times=7)
    question = world.ask("list_payees", facts={"risk": 400_000})
    assert (question.assigned, question.recommendation.value, question.tier.value) == ("dana", "keep", "low")
    assert question.reason == "it was used 7 times in 30 days and the risk has fallen to 400000"
    answer = world.answer(question, "keep", note="month end")
    assert (answer.state, answer.due) == (AnswerState.STAGED, world.now + 10 * MINUTE)
    world.later(9 * MINUTE)
    assert world.hands.done == []
    world.later(MINUTE)
    assert world.hands.done == [("keep by dana", "payments/list_payees", world.now + 90 * DAY)]
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED
    assert world.find(question).state is QuestionState.ANSWERED
    assert world.said() == [("ask", "remit", "at_risk_too_long"), ("answer", "dana", "keep"), ("apply", "dana", "keep")]
    assert world.later(DAY) == 0
    assert len(world.hands.done) == 1


def test_the_same_is_asked_once_until_it_is_decided(world: World) -> None:
    question = world.ask("list_payees")
    assert world.ask("list_payees") == question
    answer = world.answer(question, "keep")
    with pytest.raises(IndexError):
        world.ask("list_payees")
    world.reviews.undo(answer.id, by=Actor(by="dana"))
    assert [each.id for each in world.reviews.queue("dana")] == [question.id]
    world.answer(question, "keep")
    world.later(10 * MINUTE)
    assert world.ask("list_payees").id != question.id


def test_only_whoever_answers_for_the_agent_answers(world: World) -> None:
    question = world.ask(facts={"requested_by": "lee"})
    for person, why in (("mo", "only the agent's owner"), ("lee", "their own request")):
        with pytest.raises(Forbidden, match=why):
            world.answer(question, "keep", person)
    with pytest.raises(Malformed, match="no answer"):
        world.answer(question, "trust")
    with pytest.raises(NotFound):
        world.reviews.answer("qst_none", "keep", by=Actor(by="dana"))
    world.answer(question, "keep")
    with pytest.raises(Conflict, match="answered already"):
        world.answer(question, "end")


def test_who_asked_for_it_is_not_asked_about_it(world: World) -> None:
    assert world.ask(facts={"requested_by": "dana"}).assigned == "lee"


def test_what_is_critical_ends_at_once_and_its_earlier_version_comes_back_by_approval(world: World) -> None:
    question = world.ask("transfer")
    preview = world.reviews.show(question.id).preview
    assert preview["end"] == {
        "actions": ["payments/transfer"], "count": 1, "uses_90": 0, "would_be_denied_30": 0, "idle_days": None,
    }  # fmt: skip
    answer = world.answer(question, "end")
    assert answer.state is AnswerState.APPLIED
    assert in_force(world) == {"list_invoices", "list_payees"}
    undone, waits = world.reviews.undo(answer.id, by=Actor(by="lee"))
    assert (undone.state, waits) == (AnswerState.UNDONE, ["pay"])
    assert in_force(world) == {"list_invoices", "list_payees"}, "it would widen"
    world.rig.access.approve("pay", by=DANA)
    assert in_force(world) == {"list_invoices", "list_payees", "transfer"}
    with pytest.raises(Conflict, match="undone already"):
        world.reviews.undo(answer.id, by=Actor(by="dana"))


def test_narrowing_takes_the_unused_and_says_what_before(world: World) -> None:
    world.use("list_invoices", 2, times=5)
    world.use("transfer", 40, times=3)
    question = world.ask("pay", kind="boundary_due", about="pay", facts={})
    assert (question.recommendation.value, question.reason) == (
        "narrow", "1 of its 3 actions were not used in 90 days",
    )  # fmt: skip
    shown = world.reviews.show(question.id)
    assert shown.preview["narrow"]["actions"] == ["payments/list_payees"]
    assert (shown.preview["end"]["uses_90"], shown.preview["end"]["would_be_denied_30"]) == (8, 5)
    assert world.answer(question, "narrow").state is AnswerState.APPLIED, "it is critical"
    assert in_force(world) == {"list_invoices", "transfer"}
    assert world.rig.boundary().rules["payments/transfer"].budget is not None, "its limits stay"
    assert world.rig.apply(world.tree)["boundary/pay"]["waits"], "the old document would widen"


def test_narrowing_that_takes_nothing_is_refused_and_a_record_with_holes_takes_nothing(world: World) -> None:
    for tool in ("list_invoices", "transfer"):
        world.use(tool, 2)
    question = world.ask("pay", kind="boundary_due", about="pay", facts={})
    world.doubts.servers.add("payments")
    with pytest.raises(Conflict, match="nothing to narrow"):
        world.answer(question, "narrow")
    world.doubts.servers.clear()
    assert world.answer(question, "narrow").state in {AnswerState.STAGED, AnswerState.APPLIED}


def test_what_was_staged_is_dropped_by_whoever_said_it_or_may_answer(world: World) -> None:
    question = world.ask("list_payees")
    answer = world.answer(question, "end")
    with pytest.raises(Forbidden):
        world.reviews.undo(answer.id, by=MO)
    world.reviews.undo(answer.id, by=Actor(by="dana"))
    world.later(20 * MINUTE)
    assert in_force(world) == {"list_invoices", "list_payees", "transfer"}
    assert world.find(question).state is QuestionState.OPEN


def test_an_undo_does_not_overwrite_what_came_after(world: World) -> None:
    answer = world.answer(world.ask("transfer"), "end")
    world.answer(world.ask("list_payees", facts={"tier": "critical"}), "end")
    with pytest.raises(Conflict, match="changed since"):
        world.reviews.undo(answer.id, by=Actor(by="dana"))


def test_a_keep_that_is_taken_back_ends(world: World) -> None:
    world.start("list_payees", ActivationState.NEEDS_HUMAN)
    question = world.ask("list_payees")
    answer = world.answer(question, "keep")
    world.later(10 * MINUTE)
    world.reviews.undo(answer.id, by=Actor(by="dana"))
    assert world.hands.done[-1] == ("unkeep by dana", "payments/list_payees", 0)
    assert world.find(question).state is QuestionState.OPEN


def test_an_answer_that_nobody_gave_is_not_carried_out(world: World) -> None:
    """Somebody who can write the database answers in dana's place, or turns what she said into something else."""
    question = world.ask("list_payees")
    answer = world.answer(question, "end")
    forged = replace(answer, said=Said.KEEP)
    world.rig.writer.change(lambda tx: SqlAnswers(tx.connection).put(forged))
    before = list(world.hands.done)
    world.later(10 * MINUTE)
    assert world.hands.done == before
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED
    assert world.find(question).state is QuestionState.OPEN
    assert len(world.rig.entries("answer_forged")) == 1


def test_asking_somebody_hands_it_to_them_and_the_term_runs_on(world: World) -> None:
    question = world.ask("transfer")
    for to, note in (("nobody", "why?"), ("dana", "why?"), ("mo", "")):
        with pytest.raises(Malformed):
            world.answer(question, "ask", to=to, note=note)
    world.later(5 * HOUR)
    asked = world.answer(question, "ask", to="mo", note="is it still run?")
    assert asked.state is AnswerState.APPLIED
    assert [each.id for each in world.reviews.queue("mo")] == [question.id]
    assert world.reviews.queue("dana") == []
    assert world.find(question).asked == question.asked
    assert world.answer(question, "keep", "mo").by == "mo"


def test_reminders_the_backup_and_the_end_of_it(world: World) -> None:
    question = world.ask("transfer")  # critical: 24 h
    told = len(world.notices())
    for after, stage in ((12, Stage.REMINDED), (7, Stage.REMINDED), (1, Stage.REMINDED_AGAIN)):
        world.later(after * HOUR)
        assert world.find(question).stage is stage
    assert world.reviews.queue("lee") == []
    world.later(4 * HOUR)
    assert (world.find(question).stage, world.find(question).assigned) == (Stage.ESCALATED, "lee")
    world.later(12 * HOUR - 1)
    assert world.hands.done == []
    world.later(1)
    assert world.hands.done == [("suspend by remit", "payments/transfer", 0)]
    assert world.find(question).state is QuestionState.EXPIRED
    assert world.notices()[told:] == [
        "question_reminder", "question_reminder", "question_escalated", "question_expired",
    ]  # fmt: skip
    assert [change for change, _, _ in world.said()] == ["ask", "escalate", "expire"]
    assert world.later(DAY) == 0
    with pytest.raises(Conflict, match="expired already"):
        world.answer(question, "keep", "lee")


def test_what_is_not_serious_lapses_and_of_a_boundary_each_as_its_tier_says(world: World) -> None:
    world.start("list_payees")
    world.start("list_invoices", ActivationState.LAPSED)
    world.ask("pay", kind="boundary_due", about="pay", facts={"tier": "low"})
    for _ in range(2):
        world.later(14 * DAY)
    assert world.hands.done == [
        ("lapse by remit", "payments/list_payees", 0),
        ("suspend by remit", "payments/transfer", 0),
    ]


def test_a_server_that_was_away_gives_the_backup_their_time(world: World) -> None:
    question = world.ask("transfer")
    world.rig.clock.at += 10 * DAY
    world.reviews = world.started()
    world.reviews.tick(world.now)
    assert (world.find(question).stage, world.find(question).assigned) == (Stage.ESCALATED, "lee")
    assert world.hands.done == []
    world.later(12 * HOUR)
    assert world.hands.done != []


def test_who_goes_hands_open_questions_on(world: World) -> None:
    mine, general = world.ask("transfer"), world.ask(kind="usage_doubted", agent="", about="payments", facts={})
    world.reviews.tick(world.now)
    world.rig.people.deactivate("dana", by=ADMIN)
    world.reviews.tick(world.now)
    assert world.find(mine).assigned == "lee"
    assert world.find(general).assigned == ""
    with pytest.raises(Forbidden):
        world.answer(mine, "keep")
    assert world.answer(mine, "keep", "lee").by == "lee"


def test_a_hand_over_is_made_good_after_a_start(world: World) -> None:
    question = world.ask("transfer")
    world.reviews.tick(world.now)
    world.rig.people.deactivate("dana", by=ADMIN)
    world.reviews = world.started()
    world.reviews.tick(world.now)
    assert world.find(question).assigned == "lee"


def test_what_is_gone_is_settled(world: World) -> None:
    question = world.ask("transfer")
    world.rig.access.revoke("pay", by=DANA)
    world.later(12 * HOUR)
    assert world.find(question).state is QuestionState.SETTLED
    other = world.ask(kind="usage_doubted", agent="", about="payments", facts={})
    world.rig.writer.change(lambda tx: world.reviews.settle(tx, kind="usage_doubted", agent="", about="payments"))
    assert world.find(other).state is QuestionState.SETTLED


def test_a_doubt_waits_for_ever_and_is_decided_once(world: World) -> None:
    question = world.ask(kind="usage_doubted", agent="", about="payments", facts={"would_lapse": 90, "of": 100})
    assert question.recommendation.value == "distrust"
    assert world.reviews.queue("sam") == []
    assert [each.id for each in world.reviews.queue("sam", general=True)] == [question.id]
    world.later(300 * DAY)
    world.later(300 * DAY)
    world.later(300 * DAY)
    assert (world.find(question).state, world.find(question).stage) == (QuestionState.OPEN, Stage.OVER)
    answer = world.answer(question, "trust", "sam")
    world.later(10 * MINUTE)
    assert world.doubts.said == [("payments", True, "sam")]
    with pytest.raises(Conflict, match="cannot be taken back"):
        world.reviews.undo(answer.id, by=Actor(by="sam"))


def test_an_emergency_that_nobody_answers_for_is_rejected(world: World) -> None:
    facts = {"reason": "outage", "ticket": "T-1", "uses": 3, "requested_by": "dana"}
    kept = world.ask(kind="breakglass_review", about="opn_1", facts=facts)
    world.ask(kind="breakglass_review", about="opn_2", facts={**facts, "ticket": ""})
    assert (kept.recommendation.value, kept.tier.value, kept.assigned) == ("keep", "critical", "lee")
    world.answer(kept, "keep", "lee")
    world.later(24 * HOUR)
    world.later(12 * HOUR)
    assert world.openings.said == [("opn_1", True, "lee"), ("opn_2", False, "remit")]


def test_boundaries_are_looked_at_every_ninety_days_where_they_are_serious(rig: Rig, tree: Tree) -> None:
    tree.boundary["not_after"] = "2027-06-30"
    rig.apply(tree, by=DANA, approve=True)
    world = World(rig, tree)
    world.later(89 * DAY)
    assert world.reviews.queue(None) == []
    world.later(DAY)
    (question,) = world.reviews.queue("dana")
    assert (question.kind.value, question.about, question.tier.value) == ("boundary_due", "pay", "critical")
    answer = world.answer(question, "keep")
    world.later(10 * MINUTE)
    world.later(89 * DAY)
    assert world.reviews.queue(None) == []
    world.later(DAY)
    assert len(world.reviews.queue(None)) == 1, "90 days after the keep"
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED


def test_boundaries_are_looked_through_a_stretch_a_second(
    rig: Rig, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remit.reviews.asking._AT_ONCE", 2)
    monkeypatch.setattr("remit.reviews.asking.MOST_RENEWALS", 1)
    first = tree.boundary | {"not_after": "2027-06-30"}
    for name in ("pay", "pay-b", "pay-c", "pay-d"):
        tree.boundary = first | {"boundary": name}
        rig.apply(tree, by=DANA, approve=True)
    world = World(rig, tree)
    assert world.later(90 * DAY) == 1
    assert [world.later(SECOND) for _ in range(3)] == [1, 1, 1]
    assert {each.about for each in world.reviews.queue("dana")} == {"pay", "pay-b", "pay-c", "pay-d"}
    assert [world.later(SECOND) for _ in range(3)] == [0, 0, 0], "nothing is asked twice"


def test_an_undone_keep_of_a_boundary_is_no_look_at_it(world: World) -> None:
    world.later(60 * DAY)
    (question,) = world.reviews.queue("dana")
    answer = world.answer(question, "keep")
    world.later(10 * MINUTE)
    assert world.reviews.queue(None) == []
    world.reviews.undo(answer.id, by=Actor(by="dana"))
    assert [each.id for each in world.reviews.queue("dana")] == [question.id]


def test_what_is_no_longer_used_after_it_was_planned_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.use("list_invoices", 89)
    world.use("transfer", 2)
    answer = world.answer(world.ask("pay", kind="boundary_due", about="pay", facts={"tier": "low"}), "narrow")

    def away(*_: object) -> None:
        raise StorageUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr("remit.reviews.carrying.Carrying._do", away)
        world.later(10 * MINUTE)
    world.rig.clock.at += 23 * HOUR + 50 * MINUTE
    unused = world.reviews.show(answer.question).preview["narrow"]["actions"]
    assert unused == ["payments/list_invoices", "payments/list_payees"]
    world.later(0)
    assert in_force(world) == {"list_invoices", "transfer"}


def test_what_cannot_be_carried_out_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    question = world.ask("list_payees")
    answer = world.answer(question, "end")

    def refuse(*_: object, **__: object) -> None:
        raise Conflict("it no longer fits")

    monkeypatch.setattr(world.rig.access, "propose_within", refuse)
    world.later(10 * MINUTE)
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED
    assert world.find(question).state is QuestionState.OPEN
    assert "answer_failed" in world.notices()


def test_one_that_fails_keeps_nobody_else_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = world.ask("list_payees"), world.ask("list_invoices")
    for each in (first, second):
        world.answer(each, "keep")
    keep = world.hands.keep

    def fails(tx: object, key: object, **more: object) -> None:
        if "payees" in str(key):
            raise ValueError
        keep(tx, key, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.hands, "keep", fails)
    assert world.later(10 * MINUTE) == 1
    assert [action for _, action, _ in world.hands.done] == ["payments/list_invoices"]


def test_nothing_due_costs_one_query(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ask("transfer")
    world.reviews.tick(world.now)
    reads: list[object] = []
    read = world.rig.writer.read

    def counted(query: Callable[[Connection], object]) -> object:
        reads.append(query)
        return read(query)

    monkeypatch.setattr(world.rig.writer, "read", counted)
    monkeypatch.setattr(world.rig.writer, "change", None)
    assert world.reviews.tick(Instant(world.now + SECOND)) == 0
    assert len(reads) == 1


def test_unknown_kinds_are_refused(world: World) -> None:
    with pytest.raises(Malformed):
        world.rig.writer.change(lambda tx: world.reviews.ask(tx, kind="whim", agent=BOT, about="x", why="x", facts={}))


# one question for what belongs together -----------------------------------------------------------


def core_facts(world: World, tool: str, **more: object) -> dict[str, object]:
    return {
        "purpose": "pay-invoices", "action": f"payments/{tool}", "scope": "payments", "boundary": "pay", "tier": "low",
        "state": "needs_human", "risk": 800_000, "days_of_use": 9, "last_use": world.now - DAY, **more,
    }  # fmt: skip


def test_what_comes_together_is_one_question(world: World) -> None:
    for tool in ("list_payees", "list_invoices"):
        world.start(tool, ActivationState.NEEDS_HUMAN)
    question = world.ask("list_payees", facts=core_facts(world, "list_payees"))
    for _ in range(2):
        with pytest.raises(IndexError):
            world.ask("list_invoices", facts=core_facts(world, "list_invoices"))
    world.use("list_invoices", 4, times=6)
    world.reviews.tick(world.now)
    (both,) = world.reviews.queue("dana")
    assert both.id == question.id
    assert (both.facts["actions"], both.facts["uses_90"], both.facts["unused"]) == (2, 6, 1)
    assert world.reviews.show(both.id).preview["end"]["count"] == 2
    world.answer(both, "keep", shown=both.serial)
    world.later(10 * MINUTE)
    assert {action for _, action, _ in world.hands.done} == {"payments/list_payees", "payments/list_invoices"}


@pytest.mark.parametrize("other", [{"tier": "critical"}, {"boundary": "b"}, {"state": "suspended"}])
def test_what_does_not_belong_together_is_asked_apart(world: World, other: dict[str, str]) -> None:
    first = world.ask("list_payees", facts=core_facts(world, "list_payees"))
    second = world.ask("list_invoices", facts=core_facts(world, "list_invoices", **other))
    assert first.id != second.id


def test_what_comes_an_hour_later_has_its_own_term(world: World) -> None:
    first = world.ask("list_payees", facts=core_facts(world, "list_payees"))
    world.rig.clock.at += HOUR
    assert world.ask("list_invoices", facts=core_facts(world, "list_invoices")).id != first.id


def test_what_needs_nobody_any_more_is_settled_and_never_withdrawn(world: World) -> None:
    world.start("list_payees", ActivationState.NEEDS_HUMAN)
    question = world.ask("list_payees", facts=core_facts(world, "list_payees"))
    world.reviews.tick(world.now)
    assert world.find(question).state is QuestionState.OPEN
    world.move("list_payees", ActivationState.ACTIVE)
    world.reviews.tick(world.now)
    assert world.find(question).state is QuestionState.SETTLED
    world.later(40 * DAY)
    assert world.hands.done == []


def test_what_is_suspended_is_started_and_not_kept(world: World) -> None:
    world.start("transfer", ActivationState.SUSPENDED)
    question = world.ask("transfer", facts=core_facts(world, "transfer", state="suspended", tier="critical"))
    with pytest.raises(Conflict, match="keeping does not start it") as refused:
        world.answer(question, "keep")
    assert refused.value.try_ == "remit activation start invoice-bot payments/transfer --purpose pay-invoices"
    assert world.find(question).state is QuestionState.OPEN
    world.move("transfer", ActivationState.ACTIVE)
    world.reviews.tick(world.now)
    assert world.find(question).state is QuestionState.SETTLED


def test_what_ended_by_its_own_date_is_settled_when_its_time_comes(world: World) -> None:
    world.later(93 * DAY)  # three days before the boundary's end
    question = world.ask("list_payees")
    world.later(7 * DAY)
    assert world.find(question).state is QuestionState.SETTLED


def test_what_is_suspended_already_is_not_suspended_again(world: World) -> None:
    world.start("transfer", ActivationState.SUSPENDED)
    question = world.ask("transfer")
    world.later(24 * HOUR)
    world.later(12 * HOUR)
    assert world.find(question).state is QuestionState.EXPIRED
    assert world.hands.done == []


def test_a_boundary_may_ask_to_be_looked_at_more_often_and_less_often_takes_its_owner(rig: Rig, tree: Tree) -> None:
    tree.boundary["review_every"] = "20d"
    rig.apply(tree, by=DANA, approve=True)
    world = World(rig, tree)
    world.later(20 * DAY - 1)
    assert world.reviews.queue(None) == []
    world.later(HOUR)
    assert [each.about for each in world.reviews.queue("dana")] == ["pay"]
    tree.boundary["review_every"] = "10d"
    assert rig.apply(tree)["boundary/pay"]["waits"] is False
    for longer in ("11d", None):
        tree.boundary["review_every"] = longer
        if longer is None:
            del tree.boundary["review_every"]
        row = rig.apply(tree)["boundary/pay"]
        assert (row["waits"], row["change"]) == (True, "widen")


def test_what_is_for_emergencies_is_not_ended_for_want_of_use(rig: Rig, tree: Tree) -> None:
    tree.boundary |= {"break_glass": True, "review_every": "20d"}
    rig.apply(tree, by=DANA, approve=True)
    world = World(rig, tree)
    world.later(21 * DAY)
    (question,) = world.reviews.queue("dana")
    assert question.recommendation.value == "ask"
    with pytest.raises(Conflict, match="nothing to narrow"):
        world.answer(question, "narrow")
