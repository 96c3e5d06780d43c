"""Keeps: what their question shows needs a person, and what is left of them when another is taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.interaction.apply_world import Rig, Tree
from tests.interaction.reviews_world import World
from tests.interaction.test_reviews_bound_to_shown import DANA, LEAK, notice
from tests.interaction.test_reviews_changed import SUSPENDED, asked, toxic

from remit.access.activation import ActivationState, Under
from remit.access.activation_sql import SqlActivations
from remit.access.judge import TOO_LONG, TOXIC
from remit.agents.signals import Signal
from remit.kernel.clock import DAY, MINUTE
from remit.kernel.errors import Conflict
from remit.reviews.sql import SqlAnswers
from remit.reviews.vouching import KEPT
from remit.server.http_reviews import _facts
from remit.storage.ports import Transaction

NEEDS = f"needs_human: {TOO_LONG}"


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    """Of two entitlements one needs a person."""
    world = World(applied, tree)
    world.later(30 * DAY)
    world.start("list_payees", ActivationState.NEEDS_HUMAN)
    world.start("list_invoices")
    return world


def beneath(world: World, tool: str, state: ActivationState) -> None:
    """It is suspended for the combination, and was so before."""
    world.move(tool, SUSPENDED, TOXIC)

    def apply(tx: Transaction) -> None:
        rows = SqlActivations(tx.connection)
        known = rows.find(world.key(tool))
        assert known is not None
        under = Under(state, TOO_LONG, known.since)
        rows.put(replace(known, under=under, serial=known.serial + 1), expected=known.serial, due=2**62)

    world.rig.writer.change(apply)


def test_a_question_about_a_combination_shows_what_needs_a_person(world: World) -> None:
    notice(world, "list_payees", Signal.TOXIC_COMBINATION)
    beneath(world, "list_payees", ActivationState.NEEDS_HUMAN)
    question = toxic(world, "list_payees", "list_invoices")
    assert _facts(question)["needs_a_person"] == [f"payments/list_payees: {TOO_LONG}"]
    world.answer(question, "keep")
    world.later(10 * MINUTE)
    assert world.hands.shown == [frozenset(), {LEAK, TOO_LONG}], "by name: list_invoices, list_payees"


@pytest.mark.parametrize("held", [False, True])
def test_what_comes_to_need_a_person_is_news_also_beneath_it(world: World, *, held: bool) -> None:
    world.move("list_payees", SUSPENDED, TOXIC)
    question = toxic(world, "list_payees", "list_invoices")
    assert "needs_a_person" not in question.facts
    if held:
        beneath(world, "list_payees", ActivationState.NEEDS_HUMAN)
    else:
        world.move("list_payees", ActivationState.NEEDS_HUMAN, TOO_LONG)
    with pytest.raises(Conflict, match=rf"payments/list_payees is {NEEDS}$"):
        world.answer(question, "keep")
    shown = world.reviews.show(question.id).question
    assert (shown.serial, "needs_a_person" in shown.facts) == (2, True)
    world.move("list_payees", ActivationState.ACTIVE)
    again = world.reviews.show(question.id).question
    assert (again.serial, "needs_a_person" in again.facts) == (3, False)


def test_while_the_answer_waits_it_is_not_kept(world: World) -> None:
    world.move("list_payees", SUSPENDED, TOXIC)
    question = toxic(world, "list_payees", "list_invoices")
    world.answer(question, "keep")
    beneath(world, "list_payees", ActivationState.NEEDS_HUMAN)
    world.later(10 * MINUTE)
    assert [action for _, action, _ in world.hands.done] == ["payments/list_invoices"]


def test_another_keep_goes_on_when_one_is_taken_back(world: World) -> None:
    notice(world, "list_payees")
    first = world.answer(asked(world, "list_payees"), "keep")
    world.later(10 * MINUTE)
    world.move("list_payees", ActivationState.ACTIVE, "kept")
    notice(world, "list_payees", Signal.TOXIC_COMBINATION)
    second = world.answer(toxic(world, "list_payees", "list_invoices"), "keep")
    world.later(10 * MINUTE)
    world.hands.left.clear()
    world.reviews.undo(second.id, by=DANA)
    left = {each[0] for each in world.hands.left}
    (kept,) = left - {None}
    assert kept is not None
    assert (kept.until, kept.looked, kept.shown) == (first.due + KEPT, first.at, ("peer_outlier",))
    assert None in left, "of list_invoices nobody said anything else"
    assert {asks for _, asks in world.hands.left} == {False}
    world.hands.left.clear()
    world.reviews.undo(first.id, by=DANA)
    assert world.hands.left == [(None, True)], "neither is left, and the question is open again"


def test_a_keep_that_nobody_gave_as_it_stands_is_not_left(world: World) -> None:
    first = world.answer(asked(world, "list_payees"), "keep")
    world.later(10 * MINUTE)
    world.move("list_payees", ActivationState.ACTIVE, "kept")
    second = world.answer(toxic(world, "list_payees"), "keep")
    world.later(10 * MINUTE)

    def forge(tx: Transaction) -> None:
        rows = SqlAnswers(tx.connection)
        known = rows.find(first.id)
        assert known is not None
        rows.put(replace(known, by="sam"))

    world.rig.writer.change(forge)
    world.reviews.undo(second.id, by=DANA)
    assert world.hands.left == [(None, False)]
