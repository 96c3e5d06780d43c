"""A person's answer covers what they were shown, and nothing that joined the question after."""

from __future__ import annotations

from typing import Any

import pytest
from tests.interaction.apply_world import DANA, Rig, Tree
from tests.interaction.reviews_world import World

from remit.access.activation import ActivationState
from remit.kernel.clock import DAY, MINUTE
from remit.kernel.errors import Conflict, Malformed
from remit.reviews.model import AnswerState, Question, QuestionState


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    world = World(applied, tree)
    world.later(30 * DAY)
    for tool in ("list_payees", "list_invoices"):
        world.start(tool, ActivationState.NEEDS_HUMAN)
    return world


def need(world: World, tool: str) -> None:
    """It comes to need a person."""
    facts = {"boundary": "pay", "tier": "low", "state": "needs_human", "action": f"payments/{tool}", "risk": 800_000}
    parts = {"kind": "needs_human", "agent": "invoice-bot", "about": world.about(tool), "why": "at_risk_too_long"}
    world.rig.writer.change(lambda tx: world.reviews.ask(tx, **parts, facts=facts))


def grown(world: World) -> tuple[Question, Question]:
    """One question as it was shown, and as it is once another entitlement has joined it."""
    need(world, "list_payees")
    (shown,) = world.reviews.queue("dana")
    need(world, "list_invoices")
    (now,) = world.reviews.queue("dana")
    assert (shown.id, shown.serial, now.id, now.serial) == (now.id, 1, shown.id, 2)
    return shown, now


@pytest.mark.parametrize("said", ["keep", "end"])
def test_an_answer_to_less_than_is_asked_is_refused_and_told_what_joined(world: World, said: str) -> None:
    shown, now = grown(world)
    ways: tuple[dict[str, Any], ...] = ({}, {"shown": shown.serial})
    for more in ways:
        with pytest.raises(Conflict, match=r"about more since it was asked: payments/list_invoices$") as refused:
            world.answer(shown, said, **more)
        assert refused.value.try_ == f"remit review {said} {now.id} --as-shown 2"
    assert world.find(now).state is QuestionState.OPEN
    world.later(11 * MINUTE)
    assert world.hands.done == []
    assert world.answer(now, said, shown=2).state is AnswerState.STAGED
    assert world.rig.entries("question")[-1]["shown"] == 2


def test_one_that_was_shown_grown_is_answered_so_and_no_further(world: World) -> None:
    grown(world)
    world.start("transfer", ActivationState.NEEDS_HUMAN)
    need(world, "transfer")
    (now,) = world.reviews.queue("dana")
    with pytest.raises(Conflict, match=r"since it was shown so: payments/transfer$"):
        world.answer(now, "keep", shown=2)
    assert world.answer(now, "keep", shown=3).state is AnswerState.STAGED
    world.later(10 * MINUTE)
    assert {action for _, action, _ in world.hands.done} == {
        "payments/list_payees", "payments/list_invoices", "payments/transfer",
    }  # fmt: skip


def test_the_figures_that_follow_do_not_forget_what_joined(world: World) -> None:
    _, now = grown(world)
    world.reviews.tick(world.now)
    again = world.find(now)
    assert (again.facts["counted"], again.serial) == (2, 2)


@pytest.mark.parametrize("shown", [0, -1, 3])
def test_what_never_was_cannot_have_been_shown(world: World, shown: int) -> None:
    _, now = grown(world)
    with pytest.raises(Malformed, match="never shown"):
        world.answer(now, "keep", shown=shown)


def test_who_only_hands_it_on_decides_nothing(world: World) -> None:
    _, now = grown(world)
    assert world.answer(now, "ask", to="mo", note="still run?").to == "mo"


def test_what_is_too_much_for_a_line_is_shown_first(world: World) -> None:
    _, now = grown(world)
    for at in range(10):
        parts = {"kind": "needs_human", "agent": "invoice-bot", "about": f"act_{at}", "why": "at_risk_too_long"}
        world.rig.writer.change(lambda tx, parts=parts: world.reviews.ask(tx, **parts, facts=dict(now.facts)))  # type: ignore[misc]
    world.rig.access.revoke("pay", by=DANA)
    with pytest.raises(Conflict, match="and 1 more") as refused:
        world.answer(now, "keep")
    assert refused.value.try_ == f"remit review show {now.id}"
