"""Who trusts a record of use says so of what they were shown: of no more than would have lapsed then."""

from __future__ import annotations

import pytest
from tests.interaction.apply_world import Rig, Tree
from tests.interaction.reviews_world import World

from remit.kernel.clock import MINUTE
from remit.kernel.errors import Conflict
from remit.reviews.model import AnswerState, Question, QuestionState


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    return World(applied, tree)


@pytest.fixture
def question(world: World) -> Question:
    world.doubts.lapsing["payments"] = 11
    return world.ask(kind="usage_doubted", agent="", about="payments", facts={"would_lapse": 11, "of": 100})


def test_more_than_was_shown_is_news_and_the_recommendation_follows(world: World, question: Question) -> None:
    assert (question.recommendation.value, world.reviews.show(question.id).question) == ("trust", question)
    world.doubts.lapsing["payments"] = 60
    with pytest.raises(Conflict, match=r"has changed since it was asked: 60 of 100 entitlements would lapse$") as no:
        world.answer(question, "trust", "sam")
    assert no.value.try_ == f"remit review trust {question.id} --as-shown 2"
    shown = world.reviews.show(question.id).question
    assert (shown.serial, shown.recommendation.value, shown.facts["would_lapse"]) == (2, "distrust", 60)
    assert world.answer(question, "trust", "sam", shown=2).state is AnswerState.STAGED


def test_it_is_shown_as_of_now(world: World, question: Question) -> None:
    world.doubts.lapsing["payments"] = 12
    assert world.reviews.show(question.id).question.facts["would_lapse"] == 12
    assert world.find(question).serial == 2
    world.doubts.lapsing["payments"] = 3
    assert world.reviews.show(question.id).question.serial == 2, "less is no news"


def test_who_distrusts_it_does_not_mind(world: World, question: Question) -> None:
    world.doubts.lapsing["payments"] = 60
    assert world.answer(question, "distrust", "sam").state is AnswerState.STAGED
    world.doubts.lapsing["payments"] = 90
    world.later(10 * MINUTE)
    assert world.doubts.said == [("payments", False, "sam")]


def test_a_trust_of_which_more_would_lapse_by_then_is_void_and_asked_again(world: World, question: Question) -> None:
    answer = world.answer(question, "trust", "sam")
    world.doubts.lapsing["payments"] = 12
    world.later(10 * MINUTE)
    assert world.doubts.said == []
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED
    assert world.find(question).state is QuestionState.OPEN
    assert world.reviews.show(question.id).question.serial == 2


def test_one_that_does_not_say_how_many_says_so_when_it_is_shown(world: World) -> None:
    world.doubts.lapsing["payments"] = 4
    question = world.ask(kind="usage_doubted", agent="", about="payments", facts={"refused": 2})
    shown = world.reviews.show(question.id).question
    assert (shown.serial, shown.facts["would_lapse"], shown.recommendation.value) == (2, 4, "distrust")
