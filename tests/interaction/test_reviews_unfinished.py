"""A server that goes at any moment leaves nothing half done: an answer is carried out and marked at once, or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.interaction.apply_world import DANA, Rig, Tree
from tests.interaction.reviews_world import BOT, SECRET, World, in_need
from tests.interaction.test_reviews_bound_to_shown import due, taken, tools
from tests.interaction.test_reviews_changed import SUSPENDED, asked, need, toxic

from remit.access.activation import ActivationKey, ActivationState
from remit.access.draft import Draft, History
from remit.access.sql import SqlBoundaries
from remit.kernel.clock import DAY, HOUR, MINUTE
from remit.kernel.errors import Conflict, IntegrityFailed, NotFound, StorageUnavailable
from remit.kernel.names import ActionName, BoundaryName
from remit.people.change import Actor
from remit.reviews import narrowing
from remit.reviews.model import Answer, AnswerState, Question, QuestionState
from remit.reviews.sql import SqlAnswers
from remit.reviews.subject import names_of
from remit.reviews.word import sealed
from remit.storage.ports import Transaction

BY_DANA = Actor(by="dana")
ALL = {"list_payees", "list_invoices", "transfer"}


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    return in_need(applied, tree)


@contextmanager
def crash(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The server goes before the last step of a change, which marks what was done."""

    def away(*_: object) -> None:
        raise StorageUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr("remit.reviews.answers.Answers.put", away)
        patch.setattr("remit.reviews.undoing.Undoing._undone", away)
        yield


def is_open(world: World, question: Question) -> bool:
    return world.find(question).state is QuestionState.OPEN and question.id in {
        each.id for each in world.reviews.queue("dana")
    }


# a crash -----------------------------------------------------------------------------------------


def test_what_a_crash_interrupts_is_not_done_at_all_and_is_done_when_it_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = world.answer(due(world), "narrow")
    with crash(monkeypatch):
        world.later(10 * MINUTE)
    assert tools(world) == ALL
    assert world.reviews.answer_of(answer.id) == answer
    world.later(MINUTE)
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED
    assert tools(world) == ALL - {"list_invoices"}
    assert taken(world, answer.id) == ["payments/list_invoices"]


@pytest.mark.parametrize(
    ("kind", "about", "said"),
    [("boundary_due", "pay", "narrow"), ("boundary_due", "pay", "end"), ("usage_doubted", "payments", "trust"),
     ("usage_doubted", "payments", "distrust"), ("breakglass_review", "opn_1", "keep"),
     ("needs_human", None, "keep"), ("needs_human", None, "end")],
)  # fmt: skip
def test_nothing_is_done_a_day_after_its_time(
    world: World, kind: str, about: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was shown then is long another: a record that is believed a week later takes what nobody was shown."""
    if kind == "boundary_due":
        question = due(world)
    elif about is None:
        question = asked(world, "list_payees", "list_invoices")
    else:
        question = world.ask(kind=kind, about=about, agent=BOT, facts={"reason": "r", "ticket": "T", "uses": 3})
    answer = world.answer(question, said, shown=question.serial)
    with crash(monkeypatch):
        world.later(10 * MINUTE)
    noted = [list(each) for each in (world.hands.done, world.doubts.said, world.openings.said)]
    world.later(DAY)
    assert [world.hands.done, world.doubts.said, world.openings.said] == noted
    assert tools(world) == ALL
    after = world.reviews.answer_of(answer.id)
    assert (after.state, after.done) == (
        AnswerState.VOIDED, {"failed": "it was not carried out within a day of its time"},
    )  # fmt: skip
    world.reviews.tick(world.now)
    assert world.find(question).state is QuestionState.OPEN


def test_a_record_of_which_more_would_lapse_once_the_server_is_back_is_not_believed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.doubts.lapsing["payments"] = 11
    facts = {"server": "payments", "about": "", "would_lapse": 11, "of": 100}
    question = world.ask(kind="usage_doubted", about="payments", agent="", facts=facts)
    answer = world.answer(question, "trust", person="sam", shown=question.serial)
    with crash(monkeypatch):
        world.later(10 * MINUTE)
    said = list(world.doubts.said)
    world.doubts.lapsing["payments"] = 90
    world.later(2 * HOUR)
    assert world.doubts.said == said
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED


def test_an_undo_that_a_crash_interrupts_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    question = due(world)
    answer = narrowed(world, question, "narrow")
    with crash(monkeypatch), pytest.raises(StorageUnavailable):
        world.reviews.undo(answer.id, by=BY_DANA)
    assert history(world).waiting is None
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED
    world.reviews.undo(answer.id, by=BY_DANA)
    assert history(world).waiting is not None


@pytest.mark.parametrize("said", ["keep", "end"])
def test_an_agent_of_whom_a_row_cannot_be_read_keeps_no_answer_waiting(
    world: World, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def unreadable(agent: str) -> None:
        loaded.append(agent)
        raise IntegrityFailed("a row cannot be read")

    monkeypatch.setattr(world.hands, "prepare", unreadable)
    question = asked(world, "list_payees")
    answer = world.answer(question, said, shown=question.serial)
    world.later(10 * MINUTE)
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED
    world.reviews.undo(answer.id, by=BY_DANA)
    assert loaded == ([BOT, BOT] if said == "keep" else []), "what takes access away needs nothing of it"


@pytest.mark.parametrize("waits", [False, True])
def test_of_two_boundaries_both_are_narrowed_or_none(
    world: World, monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    active = history(world).active
    assert active is not None
    world.rig.access.propose(replace(active.draft, boundary=BoundaryName("second")), by=DANA)
    world.rig.access.approve("second", by=DANA)
    question = asked(world, "list_payees")
    answer = world.answer(question, "end", shown=world.reviews.show(question.id).question.serial)
    real, proposed = world.rig.access.propose_within, list[str]()

    def propose(tx: Transaction, draft: Draft, *, by: Actor) -> object:
        step = real(tx, draft, by=by)
        proposed.append(draft.boundary)
        return SimpleNamespace(waits=True) if waits and len(proposed) == 2 else step

    monkeypatch.setattr(world.rig.access, "propose_within", propose)
    world.later(10 * MINUTE)
    assert sorted(proposed) == ["pay", "second"]
    left = ALL if waits else ALL - {"list_payees"}
    assert (tools(world), tools(world, "second")) == (left, left)
    state = AnswerState.VOIDED if waits else AnswerState.APPLIED
    assert world.reviews.answer_of(answer.id).state is state
    assert is_open(world, question) is waits


def test_no_question_is_about_more_than_one_change_can_do_in_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is one change, and decisions wait for that."""
    monkeypatch.setattr("remit.reviews.asking._MOST_TOGETHER", 2)
    for tool in ("list_payees", "list_invoices"):
        world.move(tool, ActivationState.NEEDS_HUMAN, "at_risk_too_long")
    for tool in sorted(ALL):
        need(world, tool)
    assert sorted(len(names_of(each)) for each in world.reviews.queue("dana")) == [1, 2]


# a keep that is taken back -----------------------------------------------------------------------


def test_only_what_a_keep_kept_is_taken_back_with_it(world: World) -> None:
    question = asked(world, "list_payees", "list_invoices")
    answer = world.answer(question, "keep", shown=question.serial)
    world.move("list_invoices", SUSPENDED, "suspended")
    world.later(10 * MINUTE)
    assert world.reviews.answer_of(answer.id).done["kept"] == [world.about("list_payees")]
    world.reviews.undo(answer.id, by=BY_DANA)
    assert [each for each in world.hands.done if each[0].startswith("unkeep")] == [
        ("unkeep by dana", "payments/list_payees", 0)
    ]


def test_what_could_not_be_kept_was_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    question = asked(world, "list_payees", "list_invoices")
    answer = world.answer(question, "keep", shown=question.serial)
    keep = world.hands.keep

    def refuse(tx: Transaction, key: ActivationKey, **said: Any) -> None:
        if key == world.key("list_invoices"):
            raise NotFound("its boundary ended")
        keep(tx, key, **said)

    monkeypatch.setattr(world.hands, "keep", refuse)
    world.later(10 * MINUTE)
    assert world.reviews.answer_of(answer.id).done["kept"] == [world.about("list_payees")]


def test_another_question_of_the_kind_leaves_this_one_open_after_an_undo(world: World) -> None:
    first = asked(world, "list_payees")
    answer = world.answer(first, "keep", shown=first.serial)
    world.later(2 * HOUR)
    other = world.ask("list_invoices")
    assert other.id != first.id
    world.reviews.undo(answer.id, by=BY_DANA)
    assert world.find(first).state is QuestionState.OPEN


def test_what_another_keep_passed_over_it_does_not_keep(world: World) -> None:
    first = asked(world, "list_payees", "list_invoices")
    world.answer(first, "keep", shown=first.serial)
    world.move("list_invoices", SUSPENDED, "suspended")
    world.later(10 * MINUTE)
    world.move("list_invoices", ActivationState.ACTIVE, "")
    second = toxic(world, "list_invoices", "list_payees")
    answer = world.answer(second, "keep", shown=second.serial)
    world.later(10 * MINUTE)
    world.reviews.undo(answer.id, by=BY_DANA)
    undone = {done[1]: left for done, left in zip(_unkept(world), world.hands.left, strict=True)}
    assert undone["payments/list_invoices"][0] is None
    assert undone["payments/list_payees"][0] is not None


def test_a_keep_from_before_it_was_written_down_what_was_kept_is_taken_back(world: World) -> None:
    question = asked(world, "list_payees")
    answer = world.answer(question, "keep", shown=question.serial)
    world.later(10 * MINUTE)
    done = world.reviews.answer_of(answer.id)
    of_old = replace(done, done={name: value for name, value in done.done.items() if name != "kept"})
    now = world.find(question)
    world.rig.writer.change(lambda tx: SqlAnswers(tx.connection).put(sealed(SECRET, of_old, now)))
    world.reviews.undo(answer.id, by=BY_DANA)
    assert _unkept(world) == [("unkeep by dana", "payments/list_payees", 0)]


def test_a_keep_that_is_only_staged_keeps_nothing_yet(world: World) -> None:
    first = asked(world, "list_payees")
    answer = world.answer(first, "keep", shown=first.serial)
    world.later(10 * MINUTE)
    world.move("list_payees", ActivationState.ACTIVE, "kept")
    second = toxic(world, "list_payees")
    world.answer(second, "keep", shown=world.reviews.show(second.id).question.serial)
    world.reviews.undo(answer.id, by=BY_DANA)
    assert world.hands.left == [(None, True)]


@pytest.mark.parametrize(("tool", "days", "since"), [("list_payees", 90, 40), ("transfer", 30, 20)])
def test_another_keep_goes_on_for_as_long_as_it_said_and_no_longer(
    world: World, tool: str, days: int, since: int
) -> None:
    if tool == "transfer":
        world.start(tool)
    first = asked(world, tool)
    kept = world.answer(first, "keep", shown=first.serial)
    world.later(10 * MINUTE)
    world.later(since * DAY)
    world.move(tool, ActivationState.NEEDS_HUMAN, "at_risk_too_long")
    second = asked(world, tool)
    answer = world.answer(second, "keep", shown=second.serial)
    world.later(10 * MINUTE)
    world.reviews.undo(answer.id, by=BY_DANA)
    ((left, _),) = world.hands.left
    assert left is not None
    assert left.until == kept.due + days * DAY


def test_of_one_matter_one_question_is_open_after_an_undo(world: World) -> None:
    first = asked(world, "list_payees")
    answer = world.answer(first, "keep", shown=first.serial)
    world.later(10 * MINUTE)
    world.move("list_payees", ActivationState.ACTIVE, "kept")
    world.later(2 * DAY)
    world.move("list_payees", ActivationState.NEEDS_HUMAN, "at_risk_too_long")
    second = world.ask("list_payees")
    world.reviews.undo(answer.id, by=BY_DANA)
    world.reviews.tick(world.now)
    assert [each.id for each in world.reviews.queue("dana")] == [second.id]
    assert world.find(first).state is QuestionState.SETTLED


def test_two_who_undo_at_once_undo_once(world: World) -> None:
    """The second finds it undone: else it would write the question open over what was answered meanwhile."""
    question = asked(world, "list_payees")
    answer = world.answer(question, "keep", shown=question.serial)
    world.later(10 * MINUTE)
    world.reviews.undo(answer.id, by=BY_DANA)
    with pytest.raises(Conflict, match="undone already"):
        world.reviews.undo(answer.id, by=BY_DANA)
    assert [each for each in world.said() if each[0] == "undo"] == [("undo", "dana", "keep")]


def _unkept(world: World) -> list[tuple[str, str, int]]:
    return [each for each in world.hands.done if each[0].startswith("unkeep")]


def test_a_word_is_taken_back_though_no_boundary_gives_it_now(world: World) -> None:
    """Else it would hold again, for as long as it said, once a boundary does."""
    question = asked(world, "list_payees")
    answer = world.answer(question, "keep", shown=question.serial)
    world.later(10 * MINUTE)
    without(world, "list_payees")
    world.reviews.undo(answer.id, by=BY_DANA)
    assert _unkept(world) == [("unkeep by dana", "payments/list_payees", 0)]


def history(world: World) -> History:
    return world.rig.writer.read(lambda c: SqlBoundaries(c).history(BoundaryName("pay")))


def without(world: World, tool: str) -> None:
    """The owner takes one action out of the boundary."""
    active = history(world).active
    assert active is not None
    draft = narrowing.without(active, {ActionName(f"payments/{tool}")})
    assert draft is not None
    world.rig.access.propose(draft, by=DANA)


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
    monkeypatch.setattr(world.rig.access, "propose_within", lambda *_, **__: SimpleNamespace(waits=False))
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
