"""What was begun and not written down as done: it is finished or taken back, and never only forgotten."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.interaction.apply_world import DANA, Rig, Tree
from tests.interaction.reviews_world import BOT, World, in_need
from tests.interaction.test_reviews_bound_to_shown import due, taken, tools
from tests.interaction.test_reviews_changed import SUSPENDED, asked, toxic

from remit.access.activation import ActivationState
from remit.access.activation_sql import SqlActivations
from remit.access.draft import History
from remit.access.sql import SqlBoundaries
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant
from remit.kernel.errors import StorageUnavailable
from remit.kernel.names import ActionName, BoundaryName
from remit.people.change import Actor
from remit.reviews import narrowing
from remit.reviews.model import Answer, AnswerState, Question, QuestionState
from remit.reviews.sql import SqlAnswers
from remit.storage.ports import Transaction

BY_DANA = Actor(by="dana")
ALL = {"list_payees", "list_invoices", "transfer"}


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    return in_need(applied, tree)


def crash(world: World, monkeypatch: pytest.MonkeyPatch, *, before: str) -> None:
    """Ten minutes pass, and the server goes before this step."""

    def away(*_: object) -> None:
        raise StorageUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(f"remit.reviews.carrying.Carrying.{before}", away)
        world.later(10 * MINUTE)


def kept(world: World, tool: str, answer: Answer) -> None:
    """As the keep of an answer leaves it."""

    def apply(tx: Transaction) -> None:
        rows = SqlActivations(tx.connection)
        known = rows.find(world.key(tool))
        assert known is not None
        after = replace(
            known, state=ActivationState.ACTIVE, why="kept", vouched=Instant(answer.due + 90 * DAY), looked=answer.at,
            serial=known.serial + 1,
        )  # fmt: skip
        rows.put(after, expected=known.serial, due=2**62)
        tx.touch(f"activations:{BOT}")

    world.rig.writer.change(apply)


def is_open(world: World, question: Question) -> bool:
    return world.find(question).state is QuestionState.OPEN and question.id in {
        each.id for each in world.reviews.queue("dana")
    }


# a keep ------------------------------------------------------------------------------------------


def test_a_keep_that_was_done_and_is_found_after_its_day_is_taken_back_and_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = asked(world, "list_payees", "list_invoices")
    answer = world.answer(question, "keep", shown=question.serial)
    crash(world, monkeypatch, before="_mark")
    kept(world, "list_payees", answer)  # and what it did of the other is lost
    world.later(DAY)
    assert [each for each in world.hands.done if each[0].startswith("unkeep")] == [
        ("unkeep by remit", "payments/list_payees", 0)
    ]
    (was,) = world.hands.was
    assert was is not None
    assert (was.state, was.why) == (ActivationState.NEEDS_HUMAN, "at_risk_too_long")
    after = world.reviews.answer_of(answer.id)
    assert after.state is AnswerState.VOIDED
    assert after.done == {"failed": "it was begun and not finished within a day of its time, so it was taken back"}
    world.move("list_payees", ActivationState.NEEDS_HUMAN, "at_risk_too_long")
    world.reviews.tick(world.now)
    assert is_open(world, question)


def test_within_its_day_it_is_done_once_more_and_marked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = world.answer(asked(world, "list_payees"), "keep")
    crash(world, monkeypatch, before="_mark")
    kept(world, "list_payees", answer)
    world.later(HOUR)
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED
    assert set(world.hands.done) == {("keep by dana", "payments/list_payees", answer.due + 90 * DAY)}


def test_a_keep_that_cannot_be_done_once_more_leaves_nothing_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its record would say that it failed, and a person would vouch for it all the same."""
    question = asked(world, "list_payees")
    answer = world.answer(question, "keep")
    crash(world, monkeypatch, before="_mark")
    kept(world, "list_payees", answer)
    world.move("list_payees", SUSPENDED, "suspended")
    world.later(MINUTE)
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED
    assert world.hands.done[-1] == ("unkeep by remit", "payments/list_payees", 0)
    assert is_open(world, question)


def test_what_somebody_else_kept_before_stays_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = world.answer(asked(world, "list_payees"), "keep")
    crash(world, monkeypatch, before="_do")
    world.later(DAY)
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED
    assert world.hands.done == []


# what takes --------------------------------------------------------------------------------------


def test_a_narrowing_that_was_done_is_marked_when_it_is_done_once_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = world.answer(due(world), "narrow")
    crash(world, monkeypatch, before="_mark")
    world.later(MINUTE)
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED
    assert tools(world) == ALL - {"list_invoices"}


@pytest.mark.parametrize("said", ["narrow", "end"])
def test_what_was_taken_and_is_found_after_its_day_is_marked_and_can_be_taken_back(
    world: World, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = due(world)
    answer = world.answer(question, said)
    crash(world, monkeypatch, before="_mark")
    left = tools(world) if said == "narrow" else set()
    world.later(DAY + HOUR)
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED
    assert world.said()[-1] == ("apply", "dana", said)
    assert set(taken(world, answer.id)) == {f"payments/{each}" for each in ALL - left}
    _, waits = world.reviews.undo(answer.id, by=BY_DANA)
    assert waits == ["pay"]


def test_what_the_boundary_came_to_give_after_it_was_planned_is_not_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an undo would bring back is what the boundary gave when it was planned."""
    question = asked(world, "list_payees", "list_invoices")
    whole = history(world).active
    assert whole is not None
    without(world, "list_invoices")
    answer = world.answer(question, "end", shown=world.reviews.show(question.id).question.serial)
    crash(world, monkeypatch, before="_do")
    world.rig.access.propose(whole.draft, by=DANA)
    world.rig.access.approve("pay", by=DANA)
    assert tools(world) == ALL
    world.later(MINUTE)
    assert taken(world, answer.id) == ["payments/list_payees"]
    assert tools(world) == ALL - {"list_payees"}


def history(world: World) -> History:
    return world.rig.writer.read(lambda c: SqlBoundaries(c).history(BoundaryName("pay")))


def without(world: World, tool: str) -> None:
    """The owner takes one action out of the boundary."""
    active = history(world).active
    assert active is not None
    draft = narrowing.without(active, {ActionName(f"payments/{tool}")})
    assert draft is not None
    world.rig.access.propose(draft, by=DANA)


def test_what_was_begun_and_took_nothing_takes_nothing_after_its_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = due(world)
    answer = world.answer(question, "narrow")
    crash(world, monkeypatch, before="_do")
    world.later(DAY)
    assert tools(world) == ALL
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED
    assert is_open(world, question)


def test_what_an_emergency_was_said_to_be_is_said_once_more_and_marked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = world.ask(kind="breakglass_review", about="opn_1", facts={"reason": "outage", "ticket": "T", "uses": 3})
    answer = world.answer(question, "keep")
    crash(world, monkeypatch, before="_mark")
    world.later(DAY)
    assert world.openings.said == [("opn_1", True, "dana")] * 2
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED


# an undone narrowing -----------------------------------------------------------------------------


def narrowed(world: World, question: Question, said: str) -> Answer:
    answer = world.answer(question, said, shown=world.reviews.show(question.id).question.serial)
    world.later(10 * MINUTE)
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED
    return answer


@pytest.mark.parametrize("said", ["narrow", "end"])
def test_a_narrowing_that_is_taken_back_leaves_open_what_it_did_not_take(world: World, said: str) -> None:
    world.use("list_payees", 0)
    world.use("transfer", 0)
    question = asked(world, "list_payees")
    answer = narrowed(world, question, said)
    went = {"narrow": "list_invoices", "end": "list_payees"}[said]
    assert tools(world) == ALL - {went}
    _, waits = world.reviews.undo(answer.id, by=BY_DANA)
    world.reviews.tick(world.now)
    assert waits == ["pay"]
    assert is_open(world, question) is (said == "narrow"), "what was taken waits for the owner; the other for a person"


def test_of_several_the_one_that_stays_is_asked_about_again(world: World) -> None:
    world.use("list_payees", 0)
    world.use("transfer", 0)
    question = asked(world, "list_payees", "list_invoices")
    answer = narrowed(world, question, "narrow")
    world.reviews.undo(answer.id, by=BY_DANA)
    world.reviews.tick(world.now)
    assert is_open(world, question)
    assert [key.action for key in world.reviews.show(question.id).keys] == ["payments/list_payees"]


def test_what_of_a_narrowing_waits_for_nobody_leaves_its_question_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = due(world)
    answer = narrowed(world, question, "narrow")
    monkeypatch.setattr(world.rig.access, "propose", lambda *_, **__: SimpleNamespace(waits=False))
    world.reviews.undo(answer.id, by=BY_DANA)
    assert is_open(world, question)


def test_a_combination_of_which_a_part_waits_for_the_owner_is_none(world: World) -> None:
    world.use("list_payees", 1)
    question = toxic(world, "list_payees", "list_invoices")
    answer = narrowed(world, question, "narrow")
    world.reviews.undo(answer.id, by=BY_DANA)
    assert world.find(question).state is QuestionState.SETTLED


def test_an_undone_answer_put_back_is_not_carried_out_though_its_question_is_open(world: World) -> None:
    world.use("list_payees", 0)
    world.use("transfer", 0)
    question = asked(world, "list_payees")
    staged = world.answer(question, "narrow", shown=world.reviews.show(question.id).question.serial)
    world.later(10 * MINUTE)
    world.reviews.undo(staged.id, by=BY_DANA)
    world.rig.access.approve("pay", by=DANA)
    world.reviews.tick(world.now)
    assert is_open(world, question)
    world.rig.writer.change(lambda tx: SqlAnswers(tx.connection).put(staged))
    world.later(MINUTE)
    assert tools(world) == ALL
    assert [each["answer"] for each in world.rig.entries("answer_forged")] == [staged.id]
    assert is_open(world, question)
