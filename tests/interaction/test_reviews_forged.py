"""Somebody who can write the database and holds no key: in nobody's name does anything happen that they did not say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.interaction.apply_world import DANA, Rig, Tree
from tests.interaction.reviews_world import World

from remit.access.sql import SqlBoundaries
from remit.kernel.clock import DAY, MINUTE, SECOND
from remit.kernel.errors import Conflict
from remit.kernel.names import BoundaryName
from remit.people.change import Actor
from remit.reviews.model import NEVER, Answer, AnswerState, Question, QuestionState, Said
from remit.reviews.sql import SqlAnswers, SqlQuestions

ALL = {"list_invoices", "list_payees", "transfer"}


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    world = World(applied, tree)
    world.later(30 * DAY)
    return world


def put(world: World, *rows: Answer | Question) -> None:
    def apply(tx: Any) -> None:
        for each in rows:
            (SqlQuestions if isinstance(each, Question) else SqlAnswers)(tx.connection).put(each)  # type: ignore[arg-type]

    world.rig.writer.change(apply)


def stored(world: World, answer: Answer) -> Answer:
    return world.reviews.answer_of(answer.id)


def tools(world: World, name: str = "pay") -> set[str]:
    active = world.rig.writer.read(lambda c: SqlBoundaries(c).history(BoundaryName(name))).active
    return set() if active is None else {action.partition("/")[2] for action in active.rules or {}}


def second_boundary(world: World) -> None:
    """Another boundary of the same agent, without what is asked about."""
    active = world.rig.writer.read(lambda c: SqlBoundaries(c).history(BoundaryName("pay"))).active
    assert active is not None
    clauses = tuple(each for each in active.draft.allow if each.exact)
    world.rig.access.propose(replace(active.draft, boundary=BoundaryName("other"), allow=clauses), by=DANA)
    world.rig.access.approve("other", by=DANA)
    assert tools(world, "other") == {"transfer"}


def is_forged(world: World, answer: Answer, question: Question) -> None:
    """One incident, and nothing else came of it."""
    assert [each["answer"] for each in world.rig.entries("answer_forged")] == [answer.id]
    assert (stored(world, answer).state, stored(world, answer).seal) == (AnswerState.VOIDED, "")
    assert world.find(question).state is QuestionState.OPEN
    done = list(world.hands.done)
    world.later(11 * MINUTE)
    assert world.hands.done == done
    assert len(world.rig.entries("answer_forged")) == 1


def plan(world: World, *names: str) -> dict[str, Any]:
    """What was done, as somebody writes it into a row: whole boundaries."""
    before = [{"boundary": name, "version": 1, "document": "{}"} for name in names]
    return {
        "taken": [f"payments/{each}" for each in sorted(ALL)], "before": before, "after": dict.fromkeys(names, 0),
    }  # fmt: skip


def test_a_plan_that_stands_in_the_row_only_takes_nothing(world: World) -> None:
    second_boundary(world)
    question = world.ask("list_payees")
    answer = world.answer(question, "end")
    put(world, replace(answer, done=plan(world, "pay", "other")))
    world.later(10 * MINUTE)
    assert (tools(world), tools(world, "other")) == (ALL, {"transfer"})
    is_forged(world, answer, question)


@pytest.mark.parametrize("said", ["end", "narrow"])
def test_even_a_plan_that_was_sealed_takes_only_what_its_question_is_about(
    world: World, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_boundary(world)
    world.use("list_invoices", 2)
    world.use("transfer", 2)
    answer = world.answer(world.ask("list_payees"), said)
    put(world, replace(answer, done=plan(world, "pay", "other")))
    monkeypatch.setattr("remit.reviews.answers.given_so", lambda *_: True)
    world.later(10 * MINUTE)
    assert (tools(world), tools(world, "other")) == ({"list_invoices", "transfer"}, {"transfer"})


def test_the_end_of_one_boundary_ends_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    second_boundary(world)
    answer = world.answer(world.ask("other", kind="boundary_due", about="other", facts={"tier": "low"}), "end")
    assert answer.state is AnswerState.STAGED
    put(world, replace(answer, done=plan(world, "pay", "other")))
    monkeypatch.setattr("remit.reviews.answers.given_so", lambda *_: True)
    world.later(10 * MINUTE)
    assert (tools(world), tools(world, "other")) == (ALL, set())


def test_a_keep_that_was_done_is_not_said_again(world: World) -> None:
    question = world.ask("list_payees")
    answer = world.answer(question, "keep")
    world.later(10 * MINUTE)
    assert len(world.hands.done) == 1
    world.later(40 * DAY)
    put(world, replace(stored(world, answer), state=AnswerState.STAGED, due=world.now))
    world.later(SECOND)
    assert len(world.hands.done) == 1
    is_forged(world, answer, question)


def test_a_whole_row_put_back_later_is_not_carried_out_and_on_its_day_adds_nothing(world: World) -> None:
    question = world.ask("list_payees")
    answer = world.answer(question, "keep")
    due = answer.due
    world.later(10 * MINUTE)
    put(world, answer)
    world.later(DAY - SECOND)
    assert world.hands.done == [("keep by dana", "payments/list_payees", due + 90 * DAY)] * 2
    put(world, answer)
    world.later(SECOND)
    assert len(world.hands.done) == 2
    assert stored(world, answer).state is AnswerState.VOIDED
    assert world.find(question).state is QuestionState.OPEN
    assert world.notices()[-1] == "answer_failed"


def test_what_waited_for_longer_than_a_day_is_asked_again(world: World) -> None:
    question = world.ask("list_payees", kind="cadence_wanted")
    answer = world.answer(question, "end")
    world.later(10 * MINUTE + DAY)
    assert tools(world) == ALL
    assert stored(world, answer).done == {"failed": "it was not carried out within a day of its time"}
    assert world.find(question).state is QuestionState.OPEN


def test_nobody_hastens_an_answer_past_the_time_to_take_it_back(world: World) -> None:
    question = world.ask("list_payees")
    answer = world.answer(question, "end")
    put(world, replace(answer, due=world.now))
    world.later(SECOND)
    assert tools(world) == ALL
    is_forged(world, answer, question)


@pytest.mark.parametrize("said", ["keep", "end"])
def test_what_was_taken_back_is_not_said_any_more(world: World, said: str) -> None:
    question = world.ask("list_payees")
    answer = world.answer(question, said)
    undone, _ = world.reviews.undo(answer.id, by=Actor(by="dana"))
    put(
        world,
        replace(undone, state=AnswerState.STAGED, due=answer.due),
        replace(question, state=QuestionState.ANSWERED),
    )
    world.later(10 * MINUTE)
    assert world.hands.done == []
    assert tools(world) == ALL
    is_forged(world, answer, question)


def test_a_whole_row_put_back_after_it_was_taken_back_is_not_what_its_question_waits_for(world: World) -> None:
    question = world.ask("list_payees")
    answer = world.answer(question, "end")
    world.reviews.undo(answer.id, by=Actor(by="dana"))
    put(world, answer)
    world.later(10 * MINUTE)
    assert tools(world) == ALL
    is_forged(world, answer, question)


def test_what_was_done_and_taken_back_is_not_done_again_by_its_old_row(world: World) -> None:
    question = world.ask("list_payees")
    staged = world.answer(question, "end")
    world.later(10 * MINUTE)
    assert tools(world) == ALL - {"list_payees"}
    world.reviews.undo(staged.id, by=Actor(by="dana"))
    world.rig.access.approve("pay", by=DANA)
    assert tools(world) == ALL
    put(world, staged)
    world.later(MINUTE)
    assert tools(world) == ALL
    assert [each["answer"] for each in world.rig.entries("answer_forged")] == [staged.id]
    assert world.find(question).state is QuestionState.SETTLED


def test_what_was_made_void_stays_so(world: World) -> None:
    given = []
    for at in range(30):
        world.rig.clock.at += SECOND
        facts = {"tier": "low", "reason": "outage", "ticket": "T", "uses": 3}
        given.append(world.answer(world.ask(kind="breakglass_review", about=f"opn_{at}", facts=facts), "keep"))
    assert {stored(world, each).state for each in given} == {AnswerState.VOIDED}
    first, second = given[:2]
    asked = world.reviews.find(first.question)
    put(
        world,
        replace(stored(world, first), state=AnswerState.STAGED, due=first.due, done={}),
        replace(asked, state=QuestionState.ANSWERED, barred=()),
        second,  # as it was, and its question answered: but dana is barred from it
        replace(world.reviews.find(second.question), state=QuestionState.ANSWERED),
    )
    world.later(11 * MINUTE)
    assert world.openings.said == []
    assert {each["answer"] for each in world.rig.entries("answer_forged")} == {first.id, second.id}


def test_a_forged_answer_opens_nothing_that_somebody_decided(world: World) -> None:
    question = world.ask("list_payees")
    answer = world.answer(question, "keep")
    put(world, replace(answer, id="ans_forged", said=Said.END))
    world.later(10 * MINUTE)
    assert tools(world) == ALL
    assert [each["answer"] for each in world.rig.entries("answer_forged")] == ["ans_forged"]
    assert stored(world, answer).state is AnswerState.APPLIED
    assert world.find(question).state is QuestionState.ANSWERED


def test_a_row_alone_is_nobodys_look_at_a_boundary(world: World) -> None:
    world.later(60 * DAY)
    (question,) = world.reviews.queue("dana")
    forged = Answer(
        id="ans_forged", question=question.id, said=Said.KEEP, by="dana", at=world.now, due=NEVER, asked=question.asked,
        state=AnswerState.APPLIED, seal="0" * 64,
    )  # fmt: skip
    put(world, forged, replace(question, state=QuestionState.ANSWERED))
    world.later(DAY)
    assert [each.id for each in world.reviews.queue("dana")] == [question.id]
    is_forged(world, forged, question)


def test_an_undo_brings_back_what_was_there_and_nothing_else(world: World) -> None:
    answer = world.answer(world.ask("transfer"), "end")
    assert tools(world) == ALL - {"transfer"}
    (before,) = stored(world, answer).done["before"]
    bent = {**before, "document": before["document"].replace("500.00", "50000.00")}
    assert bent != before
    put(world, replace(stored(world, answer), done={**stored(world, answer).done, "before": [bent]}))
    with pytest.raises(Conflict, match="nobody gave this answer"):
        world.reviews.undo(answer.id, by=Actor(by="dana"))
    assert len(world.rig.entries("answer_forged")) == 1
    assert world.rig.writer.read(lambda c: SqlBoundaries(c).history(BoundaryName("pay"))).waiting is None
