"""An answer is to where its matter stood when it was shown: what changed since is news, and not answered by it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.interaction.apply_world import DANA, Rig, Tree
from tests.interaction.reviews_world import BOT, World, in_need

from remit.access.activation import ActivationState
from remit.access.codec import draft_from, draft_text
from remit.access.sql import SqlBoundaries
from remit.kernel.clock import HOUR, MINUTE
from remit.kernel.errors import Conflict
from remit.kernel.names import BoundaryName
from remit.reviews.model import AnswerState, Question, QuestionState, Said

SUSPENDED, CRITICAL = ActivationState.SUSPENDED, "critical_signal"


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    return in_need(applied, tree)


def need(world: World, tool: str, *, state: str = "needs_human", why: str = "at_risk_too_long", **facts: Any) -> None:
    """It comes to need a person."""
    said = {"boundary": "pay", "tier": "low", "state": state, "action": f"payments/{tool}", "risk": 800_000, **facts}
    parts = {"kind": "needs_human", "agent": BOT, "about": world.about(tool), "why": why}
    world.rig.writer.change(lambda tx: world.reviews.ask(tx, **parts, facts=said))


def asked(world: World, *tools: str) -> Question:
    for tool in tools:
        need(world, tool)
    world.reviews.tick(world.now)
    (found,) = world.reviews.queue("dana")
    return found


def narrow(world: World) -> None:
    """The owner takes an action out of the boundary."""
    active = world.rig.writer.read(lambda c: SqlBoundaries(c).history(BoundaryName("pay"))).active
    assert active is not None
    draft = draft_from(draft_text(active.draft))
    left = tuple(each for each in draft.allow if each.pattern == "payments/transfer") or draft.allow[:1]
    world.rig.access.propose(type(draft)(**{**_fields(draft), "allow": left}), by=DANA)


def _fields(draft: Any) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in draft.__dataclass_fields__}


# members -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tick", [False, True])
def test_who_was_shown_two_does_not_answer_for_one_that_was_suspended_meanwhile(world: World, *, tick: bool) -> None:
    question = asked(world, "list_payees", "list_invoices")
    world.move("list_invoices", SUSPENDED, "suspended")
    if tick:
        world.reviews.tick(world.now)
    with pytest.raises(Conflict, match=r"has changed since .*: payments/list_invoices is suspended: suspended$") as no:
        world.answer(question, "keep", shown=question.serial)
    assert no.value.try_ == f"remit review keep {question.id} --as-shown {question.serial + 1}"
    shown = world.reviews.show(question.id).question
    assert shown.serial == question.serial + 1
    assert world.answer(question, "keep", shown=shown.serial).state is AnswerState.STAGED
    assert world.rig.entries("question")[-1]["shown"] == shown.serial


def test_what_is_suspended_while_an_answer_waits_is_not_kept_by_it(world: World) -> None:
    question = asked(world, "list_payees", "list_invoices")
    world.answer(question, "keep", shown=question.serial)
    world.move("list_invoices", SUSPENDED, "suspended")
    world.later(10 * MINUTE)
    assert [action for _, action, _ in world.hands.done] == ["payments/list_payees"]


def test_if_nothing_is_left_of_it_the_question_is_open_again_and_says_what_changed(world: World) -> None:
    question = asked(world, "list_payees")
    answer = world.answer(question, "keep")
    world.move("list_payees", SUSPENDED, "suspended")
    world.later(10 * MINUTE)
    assert world.hands.done == []
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED
    world.reviews.tick(world.now)
    again = world.find(question)
    assert (again.state, again.serial) == (QuestionState.OPEN, 2)


def test_what_came_to_be_calm_is_news_too_and_its_keep_is_harmless(world: World) -> None:
    question = asked(world, "list_payees", "list_invoices")
    world.move("list_invoices", ActivationState.ACTIVE)
    world.reviews.tick(world.now)
    assert world.find(question).serial == question.serial + 1
    world.later(HOUR)
    world.use("list_payees", 0)
    world.move("list_invoices", ActivationState.EXPIRING)
    world.reviews.tick(world.now)
    assert world.find(question).serial == question.serial + 1, "its use is no news"


def test_an_answer_that_was_done_and_is_done_once_more_after_a_crash_keeps_the_same(world: World) -> None:
    question = asked(world, "list_payees")
    world.answer(question, "keep")
    world.move("list_payees", ActivationState.ACTIVE, "kept")  # done, and then it stopped
    world.later(10 * MINUTE)
    assert [action for _, action, _ in world.hands.done] == ["payments/list_payees"]


# the boundary ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["needs_human", "boundary_due"])
def test_a_boundary_that_was_rewritten_since_is_news(world: World, kind: str) -> None:
    world.start("transfer", ActivationState.NEEDS_HUMAN)
    about = "pay" if kind == "boundary_due" else world.about("transfer")
    question = world.ask("transfer", kind=kind, about=about)
    world.reviews.tick(world.now)
    assert world.find(question).serial == 1
    narrow(world)
    with pytest.raises(Conflict, match=r"has changed since it was asked: the boundary pay gives it in version 2$"):
        world.answer(question, "end")
    world.reviews.tick(world.now)
    now = world.find(question)
    assert (now.serial, now.facts["as_shown"]["boundaries"]) == (2, {"pay": 2})
    assert world.answer(question, "end", shown=2).said is Said.END


# what comes after it was asked -------------------------------------------------------------------


def test_an_open_question_takes_over_a_critical_signal_that_comes_after(world: World) -> None:
    question = asked(world, "list_payees")
    world.move("list_payees", SUSPENDED, CRITICAL)
    need(world, "list_payees", state="suspended", why=CRITICAL, critical=True, risk=1_000_000)
    (now,) = world.reviews.queue("dana")
    assert (now.id, now.serial, now.why, now.recommendation) == (question.id, 2, CRITICAL, Said.END)
    assert (now.facts["critical"], now.facts["risk"], now.facts["state"]) == (True, 1_000_000, "suspended")
    world.reviews.tick(world.now)
    assert world.find(question).serial == 2, "the tick finds nothing more"
    with pytest.raises(Conflict, match=r"payments/list_payees is suspended: critical_signal$"):
        world.answer(question, "keep")


def test_a_group_takes_it_over_too(world: World) -> None:
    question = asked(world, "list_payees", "list_invoices")
    world.move("list_payees", SUSPENDED, CRITICAL)
    need(world, "list_payees", state="suspended", why=CRITICAL, critical=True)
    (now,) = world.reviews.queue("dana")
    assert (now.serial, now.recommendation, now.facts["critical"]) == (question.serial + 1, Said.END, True)
    assert now.facts["state"] == "needs_human", "of the others that still holds"


def test_the_same_again_is_no_news(world: World) -> None:
    question = asked(world, "list_payees", "list_invoices")
    need(world, "list_payees")
    assert world.find(question) == question


@pytest.mark.parametrize(("said", "stands"), [("keep", False), ("end", True)])
def test_an_answer_that_waits_is_overtaken_by_it_unless_it_takes_everything(
    world: World, said: str, *, stands: bool
) -> None:
    question = asked(world, "list_payees")
    answer = world.answer(question, said)
    world.move("list_payees", SUSPENDED, CRITICAL)
    need(world, "list_payees", state="suspended", why=CRITICAL, critical=True)
    after, again = world.reviews.answer_of(answer.id), world.find(question)
    if stands:
        assert (after.state, again.state) == (AnswerState.STAGED, QuestionState.ANSWERED)
        return
    assert (after.state, again.state, again.serial) == (AnswerState.VOIDED, QuestionState.OPEN, 2)
    assert "answer_failed" in world.notices()
    world.later(10 * MINUTE)
    assert world.hands.done == []
    assert len(world.reviews.queue(None)) == 1


# what nobody should hold together ----------------------------------------------------------------


def toxic(world: World, *tools: str, reach: str = "direct") -> Question:
    facts = {"reach": reach, "combination": "leak", "entitlements": [f"pay-invoices payments/{each}" for each in tools]}
    return world.ask(kind="toxic", about="leak", why="toxic_combination", facts=facts)


def test_a_toxic_question_grows_with_what_joins_the_combination(world: World) -> None:
    question = toxic(world, "list_payees", "list_invoices")
    world.reviews.tick(world.now)
    assert world.find(question).serial == 1
    now = toxic(world, "list_payees", "list_invoices", "transfer")
    assert (now.id, now.serial, len(now.facts["entitlements"])) == (question.id, 2, 3)
    assert len(world.reviews.show(question.id).keys) == 3
    with pytest.raises(Conflict, match=r"since it was asked: payments/transfer; narrow takes payments/transfer$"):
        world.answer(question, "narrow")
    world.reviews.tick(world.now)
    assert (world.find(question).serial, world.find(question).facts["counted"]) == (3, 3)
    assert toxic(world, "list_payees", "transfer").serial == 3, "what left it takes nothing from what was shown"


def test_that_it_could_do_all_of_it_at_once_is_news(world: World) -> None:
    question = toxic(world, "list_payees", "list_invoices", reach="latent")
    assert toxic(world, "list_payees", "list_invoices").serial == 2
    with pytest.raises(Conflict, match=r"has changed since it was asked: it can do all of it now$"):
        world.answer(question, "keep")
    assert toxic(world, "list_payees", "list_invoices", reach="latent").serial == 2


def test_a_keep_of_less_is_overtaken_by_what_joins(world: World) -> None:
    question = toxic(world, "list_payees", "list_invoices")
    answer = world.answer(question, "keep")
    toxic(world, "list_payees", "list_invoices", "transfer")
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED
    assert (world.find(question).state, world.find(question).serial) == (QuestionState.OPEN, 2)


def test_what_it_is_held_for_is_no_news_of_it(world: World) -> None:
    question = toxic(world, "list_payees", "list_invoices")
    world.move("list_payees", ActivationState.ACTIVE)
    world.move("list_payees", ActivationState.NEEDS_HUMAN, "toxic_combination")
    world.reviews.tick(world.now)
    assert world.find(question).state is QuestionState.OPEN


# from before -------------------------------------------------------------------------------------


def test_a_question_from_before_is_brought_up_to_date_without_news(world: World) -> None:
    question = asked(world, "list_payees", "list_invoices")
    kept = {name: each for name, each in question.facts.items() if name not in {"as_shown", "news", "serial"}}
    old = type(question)(**{**_fields(question), "facts": kept})
    world.rig.writer.change(lambda tx: _put(tx, old))
    assert old.serial == 2
    world.rig.writer.change(lambda tx: tx.touch(f"activations:{BOT}"))
    world.reviews.tick(world.now)
    again = world.find(question)
    shown = {name: each for name, each in question.facts["as_shown"].items() if name != "narrow"}
    assert (again.serial, again.facts["as_shown"]) == (2, shown)
    with pytest.raises(Conflict, match=r"since it was asked: payments/list_invoices is needs_human: at_risk_too_long$"):
        world.answer(question, "keep")


def _put(tx: Any, question: Question) -> None:
    from remit.reviews.sql import SqlQuestions  # noqa: PLC0415 - here only

    SqlQuestions(tx.connection).put(question)
