"""A person lets one very call pass, once: on the real stores, decided and recorded as every call."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.interaction.apply_world import DANA, Tree
from tests.interaction.approvals_world import BOT, DANA_HERSELF, LEE, MO, OVER, Approvals, said

from remit.kernel.clock import DAY, MINUTE, Micros
from remit.kernel.errors import Conflict, IntegrityFailed, Malformed
from remit.people.change import Actor
from remit.policy.model import Approvers
from remit.requests.model import (
    ApprovalDenied,
    BindingInvalid,
    DenialExpired,
    DuplicateRequest,
    InvalidTaskState,
    NotRequestable,
    RequestState,
    UnknownTask,
)
from remit.requests.wanted import Wanted


@pytest.fixture
def world() -> Approvals:
    return Approvals()


def test_it_passes_once_and_only_with_the_arguments_that_were_approved(world: Approvals) -> None:
    """A high-risk call is refused, approved, tried with other arguments, made, and tried again."""
    assert world.tries() == "approval_required none"
    request = world.asks()
    assert request.state is RequestState.PENDING
    assert world.tries() == "approval_required pending"
    world.requests.approve(request.request, by=DANA_HERSELF)
    assert world.tries({**OVER, "amount": Decimal("400.01")}) == "approval_required stale"
    assert world.tries({**OVER, "to": "y"}) == "approval_required stale"
    assert world.tries({**OVER, "amount": Decimal("400.0")}) == "approval_required stale", "one byte less"
    call = world.call(dict(reversed(OVER.items())))
    assert said(world.admitted(call).answer) == "allow", "the order of its members means nothing"
    assert world.tries() == "approval_required used"
    assert world.requests.used_by(request.request) == call.id
    (allowed,) = [entry for entry in world.entries("decision") if entry["decision"] == "allow"]
    assert allowed["approval"] == world.requests.find(request.request).approval


def test_what_is_approved_is_decided_anew_in_all_else(world: Approvals) -> None:
    request = world.asks()
    world.requests.approve(request.request, by=DANA_HERSELF)
    world.tree.transfer["when"] = {"amount": {"max": "300.00"}, "currency": {"in": ["EUR"]}}
    world.rig.apply(world.tree, by=DANA)
    assert world.tries() == "constraint_violated"


def test_an_approval_is_for_one_agent_purpose_and_minutes(world: Approvals) -> None:
    request = world.asks()
    after = world.requests.approve(request.request, by=LEE)
    assert after.until == world.rig.clock.now() + 15 * MINUTE
    world.rig.clock.at += 15 * MINUTE - 1
    call = world.call()
    assert world.facts.view().approvals
    assert world.policy.tried(call, world.facts.view(), now=world.rig.clock.now()).allowed, "nothing is used by asking"
    world.rig.clock.at += 1
    assert world.tries() == "approval_required expired"


def test_an_approval_lasts_fifteen_minutes_at_the_most(world: Approvals) -> None:
    request = world.asks()
    with pytest.raises(Malformed, match="15 minutes"):
        world.requests.approve(request.request, by=LEE, lasts=Micros(15 * MINUTE + 1))
    world.requests.approve(request.request, by=LEE, lasts=Micros(MINUTE))
    world.rig.clock.at += MINUTE
    assert world.tries() == "approval_required expired"


def test_of_two_retries_at_once_exactly_one_passes(world: Approvals) -> None:
    request = world.asks()
    world.requests.approve(request.request, by=LEE)
    found = world.at_once(*(world.call() for _ in range(5)))
    assert sorted(said(each.answer) for each in found) == ["allow", *["approval_required used"] * 4]


def test_one_that_another_node_used_is_used_here_too(world: Approvals) -> None:
    """The other node's view does not know of the use: the conditional statement does."""
    request = world.asks()
    world.requests.approve(request.request, by=LEE)
    elsewhere = Approvals.started(world)
    assert world.tries() == "allow"
    stale = type(world.policy)(
        facts=elsewhere, engine=world.engine, clock=world.rig.clock, mac=world.binder.mac, docs="/errors"
    )
    elsewhere._view = elsewhere.view()
    object.__setattr__(
        elsewhere._view, "approvals",
        {key: tuple(type(each)(**{**{n: getattr(each, n) for n in each.__slots__}, "used": ""}) for each in several)
         for key, several in elsewhere.view().approvals.items()},
    )  # fmt: skip
    assert said(world.admitted(world.call(), policy=stale).answer) == "approval_required used"


def test_a_budget_that_does_not_cover_it_uses_no_approval(world: Approvals) -> None:
    request = world.asks()
    world.requests.approve(request.request, by=LEE)
    world.tree.transfer["limits"] = {"rate": "30/min", "budget": {"argument": "amount", "max": "399.00", "per": "day"}}
    world.rig.apply(world.tree, by=DANA)
    assert world.tries().startswith("budget_exhausted")
    assert not world.requests.used_by(request.request)


def test_nobody_approves_their_own_request(world: Approvals) -> None:
    """Else who may ask for an agent could let it do anything that only two together should."""
    wanted = Wanted(call=world.call(), asker="dana")
    request = world.requests.ask(wanted, by=DANA_HERSELF)
    with pytest.raises(ApprovalDenied, match="asked for this"):
        world.requests.approve(request.request, by=DANA_HERSELF)
    with pytest.raises(ApprovalDenied, match="asked for this"):
        world.requests.deny(request.request, by=DANA_HERSELF)
    with pytest.raises(ApprovalDenied, match="not mo's to decide"):
        world.requests.approve(request.request, by=MO)
    with pytest.raises(ApprovalDenied):
        world.requests.approve(request.request, by=Actor(by=f"agent:{BOT}"))
    assert world.tries() == "approval_required pending"
    world.requests.approve(request.request, by=LEE)
    assert world.tries() == "allow"


def test_who_let_the_agent_act_does_not_approve_for_it(world: Approvals) -> None:
    """A person behind a delegated call would be asker and approver in one."""
    service = type(world.requests)(
        **{name: getattr(world.requests, name) for name in world.requests.__slots__ if name != "behind"},
        behind=lambda consent: "dana" if consent == "con_1" else "",
    )
    token = world.denial()["access_request"]["binding_token"]
    wanted = Wanted(call=world.call(consent="con_1"), asker=f"agent:{BOT}", token=token)
    request = service.ask(wanted, by=Actor(by=f"agent:{BOT}"))
    assert request.on_behalf == "dana"
    with pytest.raises(ApprovalDenied):
        service.approve(request.request, by=DANA_HERSELF)
    service.approve(request.request, by=LEE)


def test_where_nobody_is_left_who_may_approve_it_fails_at_once(world: Approvals) -> None:
    world.tree.owners[0]["backup"] = []
    world.rig.apply(world.tree, by=DANA)
    request = world.requests.ask(Wanted(call=world.call(), asker="dana"), by=DANA_HERSELF)
    assert (request.state, request.note) == (RequestState.FAILED, "nobody is left who may approve it")
    assert world.tries() == "approval_required none"


def test_a_boundary_says_who_approves_and_how_many(world: Approvals) -> None:
    world.tree.transfer["approval"] = {"above": {"amount": "250.00"}, "by": ["lee", "mo"], "quorum": 2}
    world.rig.apply(world.tree, by=DANA, approve=True)
    request = world.asks()
    assert request.approvers == Approvers(by=("lee", "mo"), quorum=2)
    with pytest.raises(ApprovalDenied):
        world.requests.approve(request.request, by=DANA_HERSELF)
    assert world.requests.approve(request.request, by=LEE).state is RequestState.PENDING
    with pytest.raises(InvalidTaskState, match="said yes already"):
        world.requests.approve(request.request, by=LEE)
    assert world.tries() == "approval_required pending"
    assert world.requests.approve(request.request, by=MO).state is RequestState.APPROVED
    assert world.tries() == "allow"


def test_an_approval_by_fewer_than_the_boundary_asks_for_now_is_stale(world: Approvals) -> None:
    request = world.asks()
    world.requests.approve(request.request, by=LEE)
    world.tree.transfer["approval"] = {"above": {"amount": "250.00"}, "quorum": 2}
    world.rig.apply(world.tree, by=DANA)
    assert world.tries() == "approval_required stale"


def test_a_no_is_a_no_for_a_day(world: Approvals) -> None:
    request = world.asks()
    world.requests.deny(request.request, by=LEE, note="ask for less")
    assert world.tries() == "approval_denied"
    assert "access_request" not in world.denial()
    with pytest.raises(InvalidTaskState):
        world.requests.approve(request.request, by=LEE)
    world.later(DAY)
    assert world.tries() == "approval_required none"


def test_a_person_may_ask_again_where_an_agent_may_not(world: Approvals) -> None:
    token = world.denial()["access_request"]["binding_token"]
    world.requests.deny(world.asks().request, by=LEE)
    with pytest.raises(NotRequestable, match="said no"):
        world.requests.ask(Wanted(call=world.call(), asker=f"agent:{BOT}", token=token), by=Actor(by="x"))
    request = world.requests.ask(Wanted(call=world.call(), asker="dana"), by=DANA_HERSELF)
    world.requests.approve(request.request, by=LEE)
    assert world.tries() == "allow"


def test_what_is_taken_back_is_over(world: Approvals) -> None:
    request = world.asks()
    with pytest.raises(ApprovalDenied):
        world.requests.cancel(request.request, by=MO)
    world.requests.approve(request.request, by=LEE)
    world.requests.cancel(request.request, by=DANA_HERSELF)
    assert world.tries() == "approval_required expired"
    again = world.asks()
    world.requests.cancel(again.request, by=Actor(by="x"), asker=f"agent:{BOT}")
    assert world.requests.find(again.request).state is RequestState.CANCELLED
    with pytest.raises(InvalidTaskState):
        world.requests.approve(again.request, by=LEE)


def test_what_nobody_answers_expires(world: Approvals) -> None:
    request = world.asks()
    world.rig.clock.at += DAY
    with pytest.raises(InvalidTaskState, match="expired"):
        world.requests.approve(request.request, by=LEE)
    assert world.tries() == "approval_required expired"
    assert world.requests.tick() == 1
    assert world.requests.find(request.request).state is RequestState.EXPIRED
    assert world.requests.tick() == 0
    assert world.later(DAY) == 1, "it says nothing any more"
    assert world.tries() == "approval_required none"
    assert not world.facts.view().approvals
    assert world.later(9 * DAY) == 0


def test_an_approval_stands_in_for_no_boundary(world: Approvals) -> None:
    """What no boundary covers is asked of the owner, and passes only once a boundary covers it."""
    outside = {**OVER, "amount": Decimal("600.00")}
    assert world.tries(outside) == "constraint_violated"
    request = world.asks(outside)
    with pytest.raises(Conflict, match="refused all the same"):
        world.requests.approve(request.request, by=LEE)
    world.tree.transfer["when"] = {"amount": {"max": "700.00"}, "currency": {"in": ["EUR"]}}
    world.rig.apply(world.tree, by=DANA, approve=True)
    world.requests.approve(request.request, by=LEE)
    assert world.tries(outside) == "allow"


def test_approving_starts_what_waits_for_its_owner(tree: Tree) -> None:
    del tree.transfer["limits"], tree.transfer["approval"]
    tree.server["tools"]["transfer"] = {"tier": "high"}
    world = Approvals(tree)
    assert world.tries() == "activation_lapsed new"
    request = world.asks()
    with pytest.raises(ApprovalDenied):
        world.requests.approve(request.request, by=MO)
    assert world.tries() == "activation_lapsed new", "who may not approve starts nothing"
    world.requests.approve(request.request, by=LEE)
    assert world.tries() == "allow"


def test_a_denial_is_asked_about_for_that_very_call_only(world: Approvals) -> None:
    """An approver must not be shown one call and let another pass."""
    token = world.denial()["access_request"]["binding_token"]
    by = Actor(by=f"agent:{BOT}")
    for other in (
        world.call({**OVER, "amount": Decimal("401.00")}), world.call(purpose="else"), world.call(agent="other-bot"),
        world.call(tool="list_payees"),
    ):  # fmt: skip
        with pytest.raises(BindingInvalid):
            world.requests.ask(Wanted(call=other, asker=by.by, token=token), by=by)
    for forged in ("", "x", token[:-1], token[:-1] + ("A" if token[-1] != "A" else "B"), "é." + token, token * 20):
        with pytest.raises(BindingInvalid):
            world.requests.ask(Wanted(call=world.call(), asker=by.by, token=forged), by=by)
    world.rig.clock.at += 2 * DAY
    with pytest.raises(DenialExpired):
        world.requests.ask(Wanted(call=world.call(), asker=by.by, token=token), by=by)


def test_what_needs_nobody_or_helps_nobody_is_not_asked(world: Approvals) -> None:
    small = {**OVER, "amount": Decimal("1.00")}
    with pytest.raises(NotRequestable, match="needs nobody"):
        world.requests.ask(Wanted(call=world.call(small), asker="dana"), by=DANA_HERSELF)
    with pytest.raises(NotRequestable):
        world.requests.ask(Wanted(call=world.call({**OVER, "amount": "x"}), asker="dana"), by=DANA_HERSELF)


def test_the_same_question_is_the_same_request(world: Approvals) -> None:
    first = world.asks()
    assert world.asks().request == first.request
    world.requests.cancel(first.request, by=LEE)
    keyed = world.asks(key="k1", body=b"one")
    world.requests.cancel(keyed.request, by=LEE)
    assert world.asks(key="k1", body=b"one").request == keyed.request
    with pytest.raises(DuplicateRequest):
        world.asks(key="k1", body=b"two")
    assert world.asks(key="k2", body=b"two").request != keyed.request


def test_people_are_not_flooded(world: Approvals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.requests.service.MOST_WAITING", 2)
    for amount in ("301.00", "302.00"):
        world.asks({**OVER, "amount": Decimal(amount)})
    with pytest.raises(Conflict, match="wait for people already"):
        world.asks({**OVER, "amount": Decimal("303.00")})


def test_arguments_are_shown_to_who_decides_and_stand_nowhere_in_clear(world: Approvals) -> None:
    secret = {**OVER, "to": "DE-SECRET-IBAN"}
    request = world.asks(secret, why="invoice 17")
    assert world.requests.arguments(request) == secret
    world.requests.approve(request.request, by=LEE)
    stored = "".join(
        str(row)
        for table in ("access_requests", "deliveries", "notices")
        for row in world.rig.writer.read(lambda c, table=table: c.exec_driver_sql(f"SELECT * FROM {table}").all())  # type: ignore[misc] # noqa: S608 - names from here
    )
    logged = b"".join(entry.header for entry in world.rig.writer.entries)
    assert "SECRET-IBAN" not in stored
    assert b"SECRET-IBAN" not in logged
    assert "400.00" not in stored


def test_erased_arguments_are_approved_by_nobody(world: Approvals) -> None:
    request = world.asks()
    world.keys.erased = True
    assert world.requests.arguments(request) is None
    with pytest.raises(Conflict, match="erased"):
        world.requests.approve(request.request, by=LEE)


def test_arguments_of_another_request_are_not_shown_as_its_own(world: Approvals) -> None:
    """Who can write to the database must not have a person approve what they did not see."""
    one, other = world.asks(), world.asks({**OVER, "amount": Decimal("300.00")})
    text = (
        "UPDATE access_requests SET sealed = (SELECT sealed FROM access_requests WHERE request = ?) WHERE request = ?"
    )
    with world.rig.writer._engine.begin() as connection:
        connection.exec_driver_sql(text, (one.request, other.request))
    with pytest.raises(IntegrityFailed):
        world.requests.arguments(other)


def test_the_owner_is_told_and_so_are_approvers_outside(world: Approvals) -> None:
    request = world.asks(callback="https://agent.test/back", callback_state="s1")
    told = {(each.way, each.target) for each in world.deliveries()}
    assert told == {
        ("webhook", "https://hook.test/x"), ("mail", "dana@example.test"), ("mail", "lee@example.test"),
    }  # fmt: skip
    world.requests.approve(request.request, by=LEE)
    (back,) = [each for each in world.deliveries() if each.way == "callback"]
    assert back.target == "https://agent.test/back"
    assert back.body["task"]["status"] == "approved"
    assert back.body["state"] == "s1"
    assert [each["what"] for each in world.notices()][-2:] == ["approval_asked", "approval_approved"]


def test_the_callback_that_was_named_last_is_the_one_that_is_called(world: Approvals) -> None:
    """An agent that starts anew asks the same again, and listens elsewhere now: the old place hears nothing."""
    first = world.asks(callback="https://agent.test/old", callback_state="s1")
    again = world.asks(callback="https://agent.test/new", callback_state="s2")
    assert again.request == first.request
    assert (again.callback, again.callback_state) == ("https://agent.test/new", "s2")
    assert world.asks().callback == "https://agent.test/new", "who names none leaves it as it is"
    epoch = world.rig.writer.epoch
    world.asks(callback="https://agent.test/new", callback_state="s2")
    assert world.rig.writer.epoch == epoch, "the same again changes nothing"
    world.requests.approve(first.request, by=LEE)
    (back,) = [each for each in world.deliveries() if each.way == "callback"]
    assert (back.target, back.body["state"]) == ("https://agent.test/new", "s2")


def test_after_a_restart_it_is_as_it_was(world: Approvals) -> None:
    request = world.asks()
    world.requests.approve(request.request, by=LEE)
    again = world.started()
    call = world.call()
    again.prepare(BOT)
    assert world.policy.tried(call, again.view(), now=world.rig.clock.now()).allowed
    assert world.tries() == "allow"
    again = world.started()
    again.prepare(BOT)
    assert said(world.policy.tried(world.call(), again.view(), now=world.rig.clock.now())) == "approval_required used"


def test_a_running_call_is_not_cut_by_its_own_use(world: Approvals) -> None:
    request = world.asks()
    world.requests.approve(request.request, by=LEE)
    call = world.call()
    assert said(world.admitted(call).answer) == "allow"
    world.rig.clock.at += 20 * MINUTE
    now = world.rig.clock.now()
    assert world.policy.tried(call, world.facts.view(), now=now).allowed
    assert said(world.policy.tried(world.call(), world.facts.view(), now=now)) == "approval_required used"


def test_long_after_its_end_it_is_deleted_and_the_log_keeps_who_said_what(world: Approvals) -> None:
    used, pending = world.asks(), world.asks({**OVER, "amount": Decimal("300.00")})
    world.requests.approve(used.request, by=LEE)
    assert world.tries() == "allow"
    world.rig.clock.at += 90 * DAY - 1
    assert world.requests.forget() == 0
    world.rig.clock.at += 1
    assert world.requests.forget() == 1
    with pytest.raises(UnknownTask):
        world.requests.find(used.request)
    assert world.requests.used_by(used.request) == ""
    assert world.requests.find(pending.request).state is RequestState.PENDING, "it has not ended"
    said = [(each["change"], each["yes"]) for each in world.rig.entries("access_request")]
    assert said == [("ask", []), ("ask", []), ("approve", ["lee"]), ("forget", ["lee"])]


def test_what_was_read_is_carried_out_only_as_a_person_said() -> None:
    """A run that read what others wrote could be told to send it away: a yes is for that one call, and once."""
    tree = Tree()
    tree.server["tools"] = {
        "transfer": {"tier": "critical", "carries_out": True}, "list_*": {"tier": "low", "returns": ["untrusted"]},
    }  # fmt: skip
    world, small = Approvals(tree), {**OVER, "amount": Decimal("10.00")}
    assert world.tries(small) == "allow", "nothing was read yet"
    assert said(world.admitted(world.call({}, tool="list_invoices")).answer) == "allow"
    assert world.tries(small) == "flow_blocked none"
    world.written()
    request = world.asks(small)
    assert world.tries(small) == "flow_blocked pending"
    world.requests.approve(request.request, by=DANA_HERSELF)
    assert world.tries({**small, "to": "a thief"}) == "flow_blocked stale"
    call = world.call(small)
    assert said(world.admitted(call).answer) == "allow"
    assert world.requests.used_by(request.request) == call.id
    assert world.tries(small) == "flow_blocked used"


def test_one_yes_is_for_a_call_that_needs_it_twice() -> None:
    """What is over the threshold and carries out what was read uses one approval, not two."""
    tree = Tree()
    tree.server["tools"] = {
        "transfer": {"tier": "critical", "carries_out": True}, "list_*": {"tier": "low", "returns": ["private"]},
    }  # fmt: skip
    world = Approvals(tree)
    assert said(world.admitted(world.call({}, tool="list_invoices")).answer) == "allow"
    assert world.tries() == "approval_required none"
    request = world.asks()
    world.requests.approve(request.request, by=DANA_HERSELF)
    assert world.tries() == "allow"
    assert world.tries() == "approval_required used"


def test_who_may_let_data_out_is_as_the_boundary_says() -> None:
    """One person's yes must not do where the boundary asks for two, though nothing is over its threshold."""
    tree = Tree()
    tree.server["tools"] = {
        "transfer": {"tier": "critical", "carries_out": True}, "list_*": {"tier": "low", "returns": ["untrusted"]},
    }  # fmt: skip
    tree.transfer["approval"] = {"above": {"amount": "250.00"}, "by": ["lee", "mo"], "quorum": 2}
    world, small = Approvals(tree), {**OVER, "amount": Decimal("10.00")}
    assert said(world.admitted(world.call({}, tool="list_invoices")).answer) == "allow"
    assert world.tries(small) == "flow_blocked none"
    world.written()
    request = world.asks(small)
    with pytest.raises(ApprovalDenied):
        world.requests.approve(request.request, by=DANA_HERSELF)
    world.requests.approve(request.request, by=LEE)
    assert world.tries(small) == "flow_blocked pending"
    world.requests.approve(request.request, by=MO)
    assert world.tries(small) == "allow"
