"""A person's answer covers what they were shown, and nothing that joined the question after."""

from __future__ import annotations

from typing import Any

import pytest
from tests.interaction.apply_world import DANA, Rig, Tree
from tests.interaction.reviews_world import World, in_need
from tests.interaction.test_reviews_bound_to_shown import LEAK, due, notice
from tests.interaction.test_reviews_changed import SUSPENDED, toxic

from remit.access.activation import ActivationState
from remit.agents.signals import Signal
from remit.kernel.clock import DAY, MINUTE
from remit.kernel.errors import Conflict, Malformed
from remit.reviews.model import AnswerState, Question, QuestionState

NEEDS = "is needs_human: at_risk_too_long"


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    return in_need(applied, tree)


def need(world: World, tool: str, *, state: str = "needs_human", why: str = "at_risk_too_long") -> None:
    """It comes to need a person."""
    facts = {"boundary": "pay", "tier": "low", "state": state, "action": f"payments/{tool}", "risk": 800_000}
    parts = {"kind": "needs_human", "agent": "invoice-bot", "about": world.about(tool), "why": why}
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
        with pytest.raises(
            Conflict, match=rf"about more since it was asked: payments/list_invoices {NEEDS}$"
        ) as refused:
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
    with pytest.raises(Conflict, match=rf"since it was shown so: payments/transfer {NEEDS}$"):
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


# a command that answers covers nothing that was not named ----------------------------------------


def refusal(world: World, question: Question, said: str, shown: int = 1) -> Conflict:
    with pytest.raises(Conflict) as refused:
        world.answer(question, said, shown=shown)
    return refused.value


def test_what_joins_says_what_speaks_against_it_before_a_keep_covers_it(world: World) -> None:
    need(world, "list_payees")
    (shown,) = world.reviews.queue("dana")
    notice(world, "list_invoices", Signal.TOXIC_COMBINATION)
    notice(world, "list_invoices")
    need(world, "list_invoices")
    refused = refusal(world, shown, "keep")
    assert str(refused).endswith(f": payments/list_invoices {NEEDS}, and peer_outlier, {LEAK} speak against it")
    assert refused.try_ == f"remit review keep {shown.id} --as-shown 2"
    world.answer(shown, "keep", shown=2)
    world.later(10 * MINUTE)
    assert dict(zip((action for _, action, _ in world.hands.done), world.hands.shown, strict=True)) == {
        "payments/list_invoices": {"peer_outlier", LEAK, "at_risk_too_long"},
        "payments/list_payees": {"at_risk_too_long"},
    }  # fmt: skip


def test_so_does_what_joined_and_changed_again_since(world: World) -> None:
    """Its newest line stands for those before it, for whoever saw none of them."""
    need(world, "list_payees")
    (shown,) = world.reviews.queue("dana")
    notice(world, "list_invoices")
    need(world, "list_invoices")
    world.reviews.tick(world.now)
    notice(world, "list_invoices", Signal.TOXIC_COMBINATION)
    world.reviews.tick(world.now)
    world.move("list_invoices", SUSPENDED, "critical_signal")
    need(world, "list_invoices", state="suspended", why="critical_signal")
    refused = refusal(world, shown, "end")
    assert str(refused).endswith(
        f": payments/list_invoices is suspended: critical_signal, and peer_outlier, {LEAK} speak against it"
    )
    assert refused.try_ == f"remit review end {shown.id} --as-shown 4"


def test_what_joins_a_combination_says_where_it_stands(world: World) -> None:
    question = toxic(world, "list_payees")
    world.move("list_invoices", SUSPENDED, "suspended")
    notice(world, "list_invoices")
    toxic(world, "list_payees", "list_invoices")
    told = "payments/list_invoices is suspended: suspended, and peer_outlier speaks against it"
    assert told in str(refusal(world, question, "end"))


def test_a_narrowing_that_is_too_much_for_a_line_is_shown_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.reviews.shown._NAMED", 1)
    question = due(world)
    world.later(2 * DAY)
    refused = refusal(world, question, "narrow")
    assert str(refused).endswith(": narrow takes payments/list_invoices and 1 more")
    assert refused.try_ == f"remit review show {question.id}"
    shown = world.reviews.show(question.id)
    assert shown.preview["narrow"]["actions"] == ["payments/list_invoices", "payments/list_payees"]
    assert world.answer(question, "narrow", shown=shown.question.serial).state is AnswerState.STAGED


def test_a_narrowing_is_named_as_it_is_and_not_as_it_once_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    question = due(world)
    world.later(2 * DAY)
    with monkeypatch.context() as patch:
        patch.setattr("remit.reviews.shown._NAMED", 1)
        refusal(world, question, "narrow")
    world.use("list_invoices", 0)
    assert str(refusal(world, question, "narrow")).endswith(": narrow takes payments/list_payees")
