"""A reviewer who approves everything: what they said is void, and others are asked."""

from __future__ import annotations

import pytest
from tests.interaction.apply_world import Rig, Tree
from tests.interaction.reviews_world import BOT, PAUSE, World

from remit.kernel.clock import MINUTE, SECOND
from remit.kernel.errors import Forbidden
from remit.people.change import Actor
from remit.reviews.canaries import LATEST
from remit.reviews.model import AnswerState, Question, QuestionState, Stage
from remit.storage.ports import Transaction


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    return World(applied, tree)


def ask_many(world: World, count: int) -> list[Question]:
    """Ask about so many emergencies; what is asked, oldest first."""

    def ask(tx: Transaction) -> None:
        for at in range(count):
            world.reviews.ask(
                tx, kind="breakglass_review", agent=BOT, about=f"opn_{at}", why="opened",
                facts={"tier": "low", "reason": "outage", "ticket": f"T-{at}", "uses": 3},
            )  # fmt: skip

    world.rig.writer.change(ask)
    world.later(LATEST)  # what is made up among them is asked by then
    return [each for each in world.reviews.queue("dana") if not each.canary]


def incidents(world: World) -> list[dict[str, object]]:
    return world.rig.entries("review_batch_voided")


def test_thirty_keeps_in_a_minute_are_void_and_the_backup_is_asked(world: World) -> None:
    given = []
    for question in ask_many(world, 30):
        assert incidents(world) == []
        world.rig.clock.at += SECOND
        given.append(world.answer(question, "keep"))
    assert {world.reviews.answer_of(each.id).state for each in given} == {AnswerState.VOIDED}
    (entry,) = incidents(world)
    assert (entry["kind"], entry["reviewer"], entry["why"]) == ("incident", "dana", "nothing_read")
    assert len(entry["answers"]) == 30  # type: ignore[arg-type]
    again = world.reviews.queue("lee")
    assert len(again) == 30
    assert {(each.state, each.stage, each.barred) for each in again} == {
        (QuestionState.OPEN, Stage.ESCALATED, ("dana",))
    }
    world.later(11 * MINUTE)
    assert world.openings.said == [], "nothing of it is done"
    with pytest.raises(Forbidden, match="made void"):
        world.answer(again[0], "keep")
    assert world.answer(again[0], "keep", "lee").state is AnswerState.STAGED
    assert "review_batch_voided" in world.notices()


def test_what_was_void_counts_no_second_time(world: World) -> None:
    for question in ask_many(world, 30):
        world.rig.clock.at += SECOND
        world.answer(question, "keep")
    world.rig.clock.at += SECOND
    assert world.answer(world.ask("list_payees"), "keep").state is AnswerState.STAGED


def test_what_was_done_before_is_named_and_stays(world: World) -> None:
    questions = ask_many(world, 31)
    early = world.answer(questions[0], "keep")
    world.later(11 * MINUTE)
    for question in questions[1:]:
        world.rig.clock.at += SECOND
        world.answer(question, "keep")
    (entry,) = incidents(world)
    assert entry["applied_before"] == [early.id]


def test_thirty_that_were_read_count(world: World) -> None:
    for question in ask_many(world, 40):
        world.rig.clock.at += 3 * SECOND
        world.answer(question, "keep")
    assert incidents(world) == []


def test_one_that_is_not_kept_shows_that_somebody_reads(world: World) -> None:
    for at, question in enumerate(ask_many(world, 45)):
        world.rig.clock.at += SECOND
        world.answer(question, "end" if at % 29 == 0 else "keep")
    assert incidents(world) == []


def test_who_keeps_what_is_made_up_is_void_and_learns_it_from_nothing_before(world: World) -> None:
    ask_many(world, 300)
    queue = world.reviews.queue("dana")
    made_up = [each for each in queue if each.canary]
    assert len(made_up) in {5, 6}
    keys = {frozenset(world.reviews.show(each.id).preview) for each in queue}
    assert keys == {frozenset({"end", "narrow"})}
    for question in queue:
        world.rig.clock.at += PAUSE
        if world.answer(question, "keep").state is AnswerState.VOIDED:
            break
    (entry,) = incidents(world)
    assert (entry["why"], entry["made_up"], entry["caught"]) == ("canaries_missed", 5, 0)
    assert world.find(question).state is QuestionState.VOIDED, "it was made up itself"
    assert [each for each in world.reviews.queue("lee") if each.canary] == []
    figures = world.reviews.qualities()["dana"]
    assert (figures.canaries, figures.catch_rate, figures.keep_share) == (5, 0, 1_000_000)


def test_who_ends_what_is_made_up_goes_on(world: World) -> None:
    ask_many(world, 300)
    for question in world.reviews.queue("dana"):
        world.rig.clock.at += PAUSE
        world.answer(question, "end" if question.recommendation.value == "end" else "keep")
    assert incidents(world) == []
    figures = world.reviews.qualities()["dana"]
    assert (figures.catch_rate, figures.per_minute) == (1_000_000, 3_000)
    world.later(11 * MINUTE)
    while world.later(SECOND):
        pass
    assert world.hands.done == []
    assert world.rig.boundary() is not None, "nothing that is made up is carried out on anything"


def test_no_entry_says_what_is_made_up(world: World) -> None:
    ask_many(world, 120)
    made_up = next(each for each in world.reviews.queue("dana") if each.canary)
    mine = [each for each in world.rig.entries("question") if each["name"] == made_up.id]
    other = world.rig.entries("question")[0]
    assert [set(each) for each in mine] == [set(other)]
    assert "canary" not in str(mine)


def test_with_no_backup_left_it_is_nobodys_and_ends_by_itself(world: World) -> None:
    world.rig.people.deactivate("lee", by=Actor(by="admin"))
    questions = ask_many(world, 30)
    for question in questions:
        world.rig.clock.at += SECOND
        world.answer(question, "keep")
    assert {world.find(each).assigned for each in questions} == {""}
    assert len(world.reviews.queue(None)) == 30
