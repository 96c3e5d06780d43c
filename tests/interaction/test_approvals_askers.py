"""Who asks, how often, and who is asked: what an agent, or a thief of its key, gains by asking otherwise."""

from __future__ import annotations

import pytest
from tests.interaction.apply_world import DANA, Tree
from tests.interaction.approvals_world import BOT, DANA_HERSELF, LEE, MO, OVER, WORK, Approvals

from remit.access.activation import ActivationKey
from remit.kernel.clock import DAY
from remit.kernel.errors import Conflict
from remit.kernel.names import ActionName
from remit.people.change import Actor
from remit.policy.model import Approvers
from remit.requests.model import KEPT_FOR, ApprovalDenied, RequestState, UnknownTask
from remit.requests.wanted import Wanted

TRANSFER = ActivationKey(BOT, WORK, ActionName("payments/transfer"), "payments")


@pytest.fixture
def world() -> Approvals:
    return Approvals()


def two_of(*people: str) -> Approvals:
    tree = Tree()
    tree.transfer["approval"] = {"above": {"amount": "250.00"}, "by": list(people), "quorum": 2}
    return Approvals(tree)


def test_one_yes_is_not_enough_because_something_else_is_in_the_way_too() -> None:
    """While the budget is spent nobody reads who may approve: then it is whom the agent was told."""
    world = two_of("lee", "mo")
    request = world.asks()
    world.tree.transfer["limits"] = {"rate": "30/min", "budget": {"argument": "amount", "max": "399.00", "per": "day"}}
    world.rig.apply(world.tree, by=DANA)
    assert world.tries().startswith("budget_exhausted")
    after = world.requests.approve(request.request, by=LEE)
    assert (after.state, after.approvers) == (RequestState.PENDING, Approvers(by=("lee", "mo"), quorum=2))
    assert world.requests.approve(request.request, by=MO).state is RequestState.APPROVED


def test_who_may_approve_a_call_does_not_start_what_only_its_owner_starts() -> None:
    """Else a person whom a boundary names for single calls would undo that somebody suspended it."""
    world = two_of("lee", "mo")
    request = world.asks()
    hands = world.requests.starter().hands  # type: ignore[attr-defined] # the real ones
    hands.suspend(TRANSFER, by=Actor(by="sec"))
    assert world.tries() == "activation_lapsed suspended"
    with pytest.raises(Conflict, match="answers for"):
        world.requests.approve(request.request, by=MO)
    assert world.tries() == "activation_lapsed suspended"
    world.requests.approve(request.request, by=LEE)
    assert world.tries() == "approval_required pending", "lee is a backup of its owner"


def test_the_yes_of_who_does_not_decide_any_more_does_not_count(world: Approvals) -> None:
    """Two people are two who answer for it now, not one and somebody who has left."""
    world.tree.owners[0]["backup"] = ["lee", "mo"]
    world.tree.transfer["approval"] = {"above": {"amount": "250.00"}, "quorum": 2}
    world.rig.apply(world.tree, by=DANA, approve=True)
    request = world.asks()
    world.requests.approve(request.request, by=MO)
    world.tree.owners[0]["backup"] = ["lee"]
    world.rig.apply(world.tree, by=DANA, approve=True)
    assert world.requests.approve(request.request, by=LEE).state is RequestState.PENDING
    after = world.requests.approve(request.request, by=DANA_HERSELF)
    assert (after.state, after.yes) == (RequestState.APPROVED, ("lee", "dana"))


def asked_by(world: Approvals, asker: str, **parts: object) -> str:
    token = world.denial()["access_request"]["binding_token"]
    wanted = Wanted(call=world.call(**parts), asker=asker, token=token)  # type: ignore[arg-type] # a caller's parts
    return world.requests.ask(wanted, by=Actor(by=asker)).request


def test_each_asker_has_one_request_of_a_call_that_waits(world: Approvals) -> None:
    """An agent that asks on every try is one mail to its approvers, also where its enforcement point asked first."""
    first = asked_by(world, "pep:edge")
    own = asked_by(world, f"agent:{BOT}")
    assert own != first
    assert (asked_by(world, f"agent:{BOT}"), asked_by(world, "pep:edge")) == (own, first)


def test_what_waits_for_one_person_is_not_asked_for_by_another(world: Approvals) -> None:
    """Who lets the agent act would approve their own call, because somebody else's waits already."""
    service = type(world.requests)(
        **{name: getattr(world.requests, name) for name in world.requests.__slots__ if name != "behind"},
        behind=lambda consent: {"con_1": "lee", "con_2": "dana"}.get(consent, ""),
    )
    world.requests = service
    lees, danas = (asked_by(world, f"agent:{BOT}", consent=each) for each in ("con_1", "con_2"))
    assert service.find(danas).on_behalf == "dana"
    with pytest.raises(ApprovalDenied):
        service.approve(danas, by=DANA_HERSELF)
    with pytest.raises(ApprovalDenied):
        service.approve(lees, by=LEE)


def test_who_asks_and_takes_it_back_does_not_flood_people(world: Approvals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question is a mail and a webhook, and a row for 90 days: taking it back makes no room for more that day."""
    monkeypatch.setattr("remit.requests.service.MOST_WAITING", 2)
    for _ in range(2):
        world.requests.cancel(world.asks().request, by=Actor(by="x"), asker=f"agent:{BOT}")
    with pytest.raises(Conflict, match="taken back"):
        world.asks()
    world.rig.clock.at += DAY
    assert world.asks().state is RequestState.PENDING


def test_what_nobody_may_approve_is_deleted_as_well(world: Approvals) -> None:
    world.tree.owners[0]["backup"] = []
    world.rig.apply(world.tree, by=DANA)
    request = world.requests.ask(Wanted(call=world.call(), asker="dana"), by=DANA_HERSELF)
    assert request.state is RequestState.FAILED
    world.rig.clock.at += KEPT_FOR
    assert world.requests.forget() == 1
    with pytest.raises(UnknownTask):
        world.requests.find(request.request)


def test_who_may_approve_is_known_only_once_it_is_started() -> None:
    """It was asked while it had never started: its owner starts it, and then those decide whom the boundary names."""
    tree = Tree()
    tree.transfer["approval"] = {"above": {"amount": "250.00"}, "by": ["lee", "mo"], "quorum": 2}
    tree.server["tools"]["transfer"] = {"tier": "high"}
    world = Approvals(tree)
    assert world.tries(OVER) == "activation_lapsed new"
    request = world.asks()
    assert request.approvers == Approvers()
    after = world.requests.approve(request.request, by=DANA_HERSELF)
    assert (after.state, after.yes, after.approvers.by) == (RequestState.PENDING, (), ("lee", "mo"))
    world.requests.approve(request.request, by=LEE)
    world.requests.approve(request.request, by=MO)
    assert world.tries(OVER) == "allow"
