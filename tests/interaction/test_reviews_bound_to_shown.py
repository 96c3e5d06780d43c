"""What an answer does is what its person was shown: a narrowing takes nothing else, a keep covers nothing else."""

from __future__ import annotations

import pytest
from tests.interaction.apply_world import Rig, Tree
from tests.interaction.reviews_world import BOT, World, in_need
from tests.interaction.test_reviews_changed import SUSPENDED, asked, narrow, need, toxic

from remit.access.activation import ActivationState, Under, activation_id
from remit.access.judge import TOXIC
from remit.access.sql import SqlBoundaries, load_of_agent
from remit.agents.risk import SqlRisks
from remit.agents.signals import Noticed, Signal
from remit.kernel.clock import DAY, MINUTE, Instant
from remit.kernel.errors import Conflict
from remit.kernel.names import AgentName, BoundaryName
from remit.people.change import Actor
from remit.reviews.canaries import LATEST
from remit.reviews.model import AnswerState, Kind, Question, QuestionState
from remit.reviews.sql import SqlQuestions
from remit.reviews.subject import keys_of
from remit.storage.ports import Transaction

DANA = Actor(by="dana")
LEAK = f"{TOXIC} leak"


@pytest.fixture
def world(applied: Rig, tree: Tree) -> World:
    return in_need(applied, tree)


def notice(world: World, tool: str, signal: Signal = Signal.PEER_OUTLIER) -> None:
    about = f"pay-invoices payments/{tool}: leak" if signal is Signal.TOXIC_COMBINATION else f"payments/{tool}"

    def on(tx: Transaction) -> None:
        SqlRisks(tx.connection).on(AgentName(BOT), Noticed(signal, about, world.now), by="test")
        tx.touch(f"agent:{BOT}")

    world.rig.writer.change(on)


def taken(world: World, answer_id: str) -> list[str]:
    return list(world.reviews.answer_of(answer_id).done["taken"])


def tools(world: World, name: str = "pay") -> set[str]:
    active = world.rig.writer.read(lambda c: SqlBoundaries(c).history(BoundaryName(name))).active
    assert active is not None
    return {action.partition("/")[2] for action in active.rules or ()}


# narrowing ---------------------------------------------------------------------------------------


def test_an_agent_does_not_choose_what_goes_by_calling_while_the_answer_waits(world: World) -> None:
    world.use("list_payees", 1)
    world.use("list_invoices", 1, times=5)
    question = toxic(world, "list_payees", "list_invoices")
    shown = world.reviews.show(question.id)
    assert shown.preview["narrow"]["actions"] == ["payments/list_payees"]
    answer = world.answer(question, "narrow", shown=shown.question.serial)
    world.use("list_payees", 0, times=50)
    world.later(10 * MINUTE)
    assert taken(world, answer.id) == ["payments/list_payees"]
    assert tools(world) == {"list_invoices", "transfer"}


def test_nor_by_calling_before_it(world: World) -> None:
    world.use("list_payees", 1)
    world.use("list_invoices", 1, times=5)
    question = toxic(world, "list_payees", "list_invoices")
    shown = world.reviews.show(question.id).question
    world.use("list_payees", 0, times=50)
    with pytest.raises(Conflict, match=r"has changed since it was asked: narrow takes payments/list_invoices$"):
        world.answer(question, "narrow", shown=shown.serial)
    assert world.find(question).serial == shown.serial + 1, "the next change has another serial"
    assert world.answer(question, "keep", shown=shown.serial).state is AnswerState.STAGED, "who keeps does not mind"


def due(world: World) -> Question:
    """What is critical would go at once."""
    world.use("list_payees", 89)
    world.use("transfer", 0)
    return world.ask("transfer", kind="boundary_due", about="pay", facts={"tier": "low"})


def test_what_came_to_be_unused_since_is_not_taken_unseen(world: World) -> None:
    question = due(world)
    shown = world.reviews.show(question.id)
    assert shown.preview["narrow"]["actions"] == ["payments/list_invoices"]
    world.later(2 * DAY)
    with pytest.raises(Conflict, match=r"narrow takes payments/list_invoices, payments/list_payees$"):
        world.answer(question, "narrow", shown=shown.question.serial)
    again = world.reviews.show(question.id).question
    answer = world.answer(question, "narrow", shown=again.serial)
    world.use("list_invoices", 0)
    world.later(10 * MINUTE)
    assert tools(world) == {"list_invoices", "transfer"}, "what is used by now stays"
    assert taken(world, answer.id) == ["payments/list_payees"]


def test_what_was_shown_as_less_is_more_again_when_it_grows_back(world: World) -> None:
    question = due(world)
    world.use("list_invoices", 0)
    assert world.reviews.show(question.id).preview["narrow"]["actions"] == []
    world.later(91 * DAY)
    world.use("transfer", 0)
    assert world.reviews.show(question.id).question.serial == 2


def test_a_narrowing_of_which_nothing_is_left_is_void_and_asked_again(world: World) -> None:
    question = due(world)
    answer = world.answer(question, "narrow")
    world.use("list_invoices", 0)
    world.later(10 * MINUTE)
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED
    assert world.find(question).state is QuestionState.OPEN
    assert len(tools(world)) == 3


# what speaks against it --------------------------------------------------------------------------


def test_what_speaks_against_it_is_shown_and_what_comes_after_is_news(world: World) -> None:
    notice(world, "list_payees")
    question = asked(world, "list_payees")
    assert world.find(question).facts["against"] == ["peer_outlier"]
    notice(world, "list_payees", Signal.TOXIC_COMBINATION)
    both = r"payments/list_payees is needs_human: at_risk_too_long, and peer_outlier, toxic_combination leak speak .*"
    with pytest.raises(Conflict, match=both):
        world.answer(question, "keep", shown=question.serial)
    shown = world.reviews.show(question.id).question
    assert shown.facts["against"] == ["peer_outlier", LEAK]
    world.answer(question, "keep", shown=shown.serial)
    world.later(10 * MINUTE)
    assert world.hands.shown == [{"peer_outlier", LEAK, "at_risk_too_long"}]


def test_a_keep_covers_nothing_that_was_noticed_and_not_shown(world: World) -> None:
    question = asked(world, "list_payees")
    world.answer(question, "keep", shown=question.serial)
    notice(world, "list_payees", Signal.TOXIC_COMBINATION)
    world.later(10 * MINUTE)
    assert world.hands.shown == [{"at_risk_too_long"}], "why it needs a person was shown"


def test_a_doubt_that_was_over_and_is_raised_anew_is_news(world: World) -> None:
    notice(world, "list_payees")
    question = asked(world, "list_payees")
    world.later(MINUTE)
    which = (AgentName(BOT), Signal.PEER_OUTLIER, "payments/list_payees")
    world.rig.writer.change(lambda tx: SqlRisks(tx.connection).off(*which))
    notice(world, "list_payees")
    world.reviews.tick(world.now)
    assert world.find(question).serial == question.serial + 1


def test_a_combination_that_was_over_is_the_same_again_by_its_name(world: World) -> None:
    notice(world, "list_payees", Signal.TOXIC_COMBINATION)
    question = asked(world, "list_payees")
    world.later(MINUTE)
    which = (AgentName(BOT), Signal.TOXIC_COMBINATION, "pay-invoices payments/list_payees: leak")
    world.rig.writer.change(lambda tx: SqlRisks(tx.connection).off(*which))
    notice(world, "list_payees", Signal.TOXIC_COMBINATION)
    world.reviews.tick(world.now)
    assert world.find(question).serial == question.serial
    assert world.answer(question, "keep", shown=question.serial).state is AnswerState.STAGED


def test_what_is_suspended_for_a_combination_does_not_wait_for_nobody(world: World) -> None:
    question = asked(world, "list_payees", "list_invoices")
    world.move("list_invoices", SUSPENDED, TOXIC)
    world.reviews.tick(world.now)
    news = [what for _, what in world.find(question).facts["news"].values()]
    assert "payments/list_invoices is suspended: toxic_combination" in news


def test_nor_in_a_question_about_the_combination(world: World) -> None:
    world.move("list_payees", SUSPENDED, "suspended")
    question = toxic(world, "list_payees", "list_invoices")
    world.move("list_payees", SUSPENDED, TOXIC)
    world.reviews.tick(world.now)
    ((_, what),) = world.find(question).facts["news"].values()
    assert what == "payments/list_payees is suspended: toxic_combination"


# taken back --------------------------------------------------------------------------------------


def test_a_keep_that_is_taken_back_gives_back_what_it_released(world: World) -> None:
    question = asked(world, "list_payees")
    since = world.now - 30 * DAY
    answer = world.answer(question, "keep")
    world.later(10 * MINUTE)
    world.move("list_payees", ActivationState.ACTIVE, "kept")
    world.reviews.undo(answer.id, by=DANA)
    (was,) = world.hands.was
    assert was is not None
    assert (was.state, was.why) == (ActivationState.NEEDS_HUMAN, "at_risk_too_long")
    assert was == Under(was.state, was.why, Instant(was.since))
    assert was.since > since


@pytest.mark.parametrize("grown", [("list_payees", "list_invoices", "transfer")])
def test_what_joins_while_an_end_waits_is_there_when_that_is_taken_back(world: World, grown: tuple[str, ...]) -> None:
    question = toxic(world, "list_payees", "list_invoices")
    answer = world.answer(question, "end", shown=question.serial)
    for _ in range(2):
        need_toxic(world, *grown)
    assert world.reviews.answer_of(answer.id).state is AnswerState.STAGED
    world.reviews.undo(answer.id, by=DANA)
    world.reviews.tick(world.now)
    again = world.find(question)
    assert again.state is QuestionState.OPEN
    assert "pay-invoices payments/transfer" in again.facts["entitlements"]
    assert (again.serial, "since" in again.facts) == (2, False), "once"


def test_and_the_end_takes_what_was_shown(world: World) -> None:
    question = toxic(world, "list_payees", "list_invoices")
    answer = world.answer(question, "end", shown=question.serial)
    need_toxic(world, "list_payees", "list_invoices", "transfer")
    world.later(10 * MINUTE)
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED
    assert tools(world) == {"transfer"}
    assert world.rig.entries("answer_forged") == []


def need_toxic(world: World, *names: str) -> None:
    facts = {
        "reach": "direct",
        "combination": "leak",
        "entitlements": [f"pay-invoices payments/{each}" for each in names],
    }
    parts = {"kind": "toxic", "agent": BOT, "about": "leak", "why": TOXIC}
    world.rig.writer.change(lambda tx: world.reviews.ask(tx, **parts, facts=facts))


# while it waits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["needs_human", "boundary_due", "toxic"])
def test_a_boundary_that_is_rewritten_while_an_answer_waits_makes_it_void(world: World, kind: str) -> None:
    if kind == "toxic":
        question = toxic(world, "list_payees", "transfer")
    elif kind == "boundary_due":
        question = world.ask("transfer", kind=kind, about="pay", facts={})
    else:
        question = asked(world, "list_payees")
    answer = world.answer(question, "keep")
    narrow(world)
    world.later(10 * MINUTE)
    assert world.reviews.answer_of(answer.id).state is AnswerState.VOIDED
    assert world.hands.done == []


def test_an_end_of_it_stands(world: World) -> None:
    answer = world.answer(world.ask("pay", kind="boundary_due", about="pay", facts={"tier": "low"}), "end")
    narrow(world)
    world.later(10 * MINUTE)
    assert world.reviews.answer_of(answer.id).state is AnswerState.APPLIED


def test_what_joins_brings_a_boundary_without_further_news(world: World) -> None:
    """Of a boundary that only comes with what joined, it is not said that it is another than it was."""
    question = toxic(world, "list_payees")
    facts = {**question.facts, "as_shown": {**question.facts["as_shown"], "boundaries": {}}}
    world.rig.writer.change(lambda tx: _put(tx, question, facts))
    need_toxic(world, "list_payees", "list_invoices")
    world.reviews.tick(world.now)
    assert world.find(question).serial == 2


def _put(tx: Transaction, question: Question, facts: dict[str, object]) -> None:
    from dataclasses import replace  # noqa: PLC0415 - here only

    SqlQuestions(tx.connection).put(replace(question, facts=facts))


# nobody answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("usable", ["active", "expiring", "needs_usage", "at_risk"])
def test_of_several_what_waits_for_nobody_is_not_taken_when_nobody_answers(world: World, usable: str) -> None:
    question = asked(world, "list_payees", "list_invoices")
    world.move("list_invoices", ActivationState(usable))
    for _ in range(23):
        world.later(DAY)
    assert world.find(question).state is QuestionState.EXPIRED
    assert [action for _, action, _ in world.hands.done] == ["payments/list_payees"]


# made up -----------------------------------------------------------------------------------------


def test_what_is_made_up_comes_in_a_moment_of_its_own(world: World) -> None:
    ask_breakglass(world)
    assert not any(each.canary for each in world.reviews.queue(None))
    begun, seen = world.now, dict[str, Instant]()
    while world.now < begun + LATEST:
        world.later(MINUTE)
        for each in world.reviews.queue(None):
            if each.canary:
                seen.setdefault(each.id, world.now)
    found = {each.id: each for each in world.reviews.queue(None) if each.canary}
    assert len(found) == 2
    assert {name: each.asked for name, each in found.items()} == seen, "asked when it came, and not with its host"
    said = [each for each in world.rig.entries("question") if each["name"] in found]
    assert [each["change"] for each in said] == ["ask"] * len(found)
    assert world.rig.writer.read(lambda c: SqlQuestions(c).put_to("dana")) == (150, len(found)), "put aside no more"


def test_what_is_made_up_is_named_as_every_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the API's answer can work the name out, and finds no difference."""
    monkeypatch.setattr("remit.reviews.canaries._TOOLS", ("export_all",))  # two of them would be one
    ask_breakglass(world)
    need(world, "list_payees")
    world.later(LATEST)
    mine = [each for each in world.reviews.queue(None) if each.kind is Kind.NEEDS_HUMAN]
    made = [each for each in mine if each.canary]  # how many follow is chance: one of some dozens, as a rule two
    assert (len(mine) - len(made), len(made) > 0) == (1, True)
    for each in mine:
        (key,) = world.reviews.show(each.id).keys
        assert each.about == activation_id(key)
    given = world.rig.writer.read(lambda c: keys_of(load_of_agent(c, BOT)))
    abouts = {each.about for each in made}
    assert (len(abouts), abouts & given) == (len(made), set()), "of nothing that there is, and of one thing once"


def test_its_risk_is_its_agents(world: World) -> None:
    notice(world, "list_payees", Signal.INSTANCE_CONFLICT)
    notice(world, "list_payees")
    ask_breakglass(world)
    world.later(LATEST)
    assert {each.facts["risk"] for each in world.reviews.queue(None) if each.canary} == {850_000}


def test_what_is_made_up_stands_for_nothing_that_comes_to_be_real(world: World) -> None:
    ask_breakglass(world)
    world.later(LATEST)
    made = next(each for each in world.reviews.queue(None) if each.canary)
    world.ask(about=made.about)
    assert [each.canary for each in world.reviews.queue(None) if each.about == made.about] == [True, False]
    world.rig.writer.change(lambda tx: world.reviews.settle(tx, kind="needs_human", agent=BOT, about=made.about))
    assert [each.canary for each in world.reviews.queue(None) if each.about == made.about] == [True]


def ask_breakglass(world: World) -> None:
    def ask(tx: Transaction) -> None:
        for at in range(150):
            facts = {"tier": "low", "reason": "outage", "ticket": f"T-{at}", "uses": 3}
            parts = {"kind": "breakglass_review", "agent": BOT, "about": f"opn_{at}", "why": "opened"}
            world.reviews.ask(tx, **parts, facts=facts)

    world.rig.writer.change(ask)
