"""Calls of an agent that acts for another: on that one's boundaries and entitlements, within what was handed on."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any

import pytest

from remit.access.activation import ActivationState
from remit.access.conditions import Conditions, Volume
from remit.access.opening import Opening
from remit.agents.model import Agent, AgentState
from remit.agents.risk import Risk
from remit.attestation.model import Link
from remit.freezes.model import FreezeKind
from remit.kernel.clock import MINUTE, Instant
from remit.kernel.names import AgentName, InstanceId, OwnerName, PurposeName, RunId
from remit.people.model import Owner
from remit.policy.delegated import acting
from remit.policy.entitlement import key_of
from remit.policy.limits import limits_of, reservation
from remit.policy.model import Call, Code
from remit.policy.view import View, agent_record
from remit.storage.model import Mark, Reserve, Unmarked

CHIEF, CLERK = AgentName("invoice-bot"), AgentName("clerk")
PAY = json.dumps([{"action": "payments/transfer", "when": {"amount": {"max": "100.00"}}}])


def link(credential: str, **changes: Any) -> Link:
    parts: dict[str, Any] = {
        "agent": CHIEF, "instance": InstanceId("chief-1"), "credential": credential, "run": RunId("run_chief"),
        "token": "tok_chief", "allow": PAY,
    }  # fmt: skip
    return Link(**(parts | changes))


class Office:
    """The clerk acts for the invoice-bot, within transfers up to 100."""

    def __init__(self, build: Any) -> None:
        self.build = build
        self.credential = build.caller().credential
        self.links: tuple[Link, ...] = (link(self.credential),)
        self.delegates: tuple[AgentName, ...] = (CLERK, AgentName("middle"), AgentName("gone"))
        self.clerk: Agent = build.agent(agent=CLERK, owner=OwnerName("lee"), purposes=(PurposeName("pay-invoices"),))
        self.owners = [Owner(owner=OwnerName(name), name=name, email="") for name in ("dana", "lee")]

    def view(self, *boundaries: Any, risk: int = 0, clerks: tuple[Any, ...] = (), **parts: Any) -> View:
        parts["agent"] = dataclasses.replace(parts.get("agent") or self.build.agent(), delegates=self.delegates)
        view: View = self.build.view(*boundaries, owners=self.owners, risk=risk, **parts)
        record = agent_record(self.clerk, clerks, Risk(0, 0))
        return dataclasses.replace(view, agents={**view.agents, CLERK: record})

    def call(self, arguments: Any = None, tool: str = "transfer", **changes: Any) -> Call:
        found: Call = self.build.call(arguments, tool, **changes)
        caller = dataclasses.replace(
            found.caller, agent=CLERK, instance=InstanceId("clerk-1"), run=RunId("run_clerk"), links=self.links,
            delegation="dlg_1",
        )  # fmt: skip
        return dataclasses.replace(found, caller=caller)

    def pay(self, view: View, amount: str = "50.00") -> Any:
        return self.build.ask(self.call({"amount": Decimal(amount), "currency": "EUR"}), view)

    def code(self, view: View, amount: str = "50.00") -> str:
        denial = self.pay(view, amount).answer.denial
        return "ok" if denial is None else denial.code.value


@pytest.fixture
def office(build: Any) -> Office:
    return Office(build)


def test_it_uses_the_others_entitlement_and_has_nothing_of_its_own(office: Office, build: Any) -> None:
    view = office.view()
    found = office.pay(view)
    assert found.answer.denial is None
    assert (found.answer.boundary, key_of(office.call()).agent) == ("invoice-bot-payments", CHIEF)
    own = build.call(agent=CLERK)
    assert build.ask(own, view).answer.denial.code is Code.NOT_VISIBLE


def test_its_own_access_is_not_mixed_in(office: Office, build: Any) -> None:
    """What the clerk may for itself it does not do for another, and the reverse."""
    mine = build.boundary(build.rule("payments/list_invoices"), agent=CLERK, name="clerks")
    view = office.view(clerks=(mine,))
    listed = build.ask(office.call({}, "list_invoices"), view)
    assert listed.answer.denial.code is Code.NOT_VISIBLE
    record = acting(view, office.call().caller)
    assert record is not None
    assert {each.boundary for held in record.reach.servers.values() for each in held} == {"invoice-bot-payments"}


@pytest.mark.parametrize(("amount", "code"), [("100.00", "ok"), ("100.01", "constraint_violated")])
def test_bounds_meet(office: Office, amount: str, code: str) -> None:
    assert office.code(office.view(), amount) == code


def test_a_boundary_that_is_narrowed_narrows_what_was_handed_on(office: Office, build: Any) -> None:
    tight = build.boundary(build.rule("payments/transfer", build.bound("amount", max="10.00")))
    assert office.code(office.view(tight), "50.00") == "constraint_violated"
    assert office.code(office.view(build.boundary(build.rule("payments/list_invoices"))), "1.00") == "not_visible"
    assert office.code(office.view(build.boundary(not_after=Instant(build.NOON)))) == "not_granted"


def test_a_lapsed_entitlement_of_the_other_is_lapsed_for_it(office: Office, build: Any) -> None:
    slept = build.activation(state=ActivationState.SUSPENDED, why="suspended")
    assert office.code(office.view(activations=[slept])) == "activation_lapsed"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FreezeKind.AGENT, "invoice-bot"), (FreezeKind.AGENT, "clerk"), (FreezeKind.OWNER, "dana"),
        (FreezeKind.OWNER, "lee"), (FreezeKind.INSTANCE, "chief-1"), (FreezeKind.INSTANCE, "clerk-1"),
        (FreezeKind.CREDENTIAL, "credential"), (FreezeKind.ALL, "*"),
    ],
)  # fmt: skip
def test_a_freeze_on_anybody_of_the_chain_stops_it(office: Office, build: Any, kind: FreezeKind, name: str) -> None:
    target = office.credential if name == "credential" else name
    assert office.code(office.view(freezes=[build.freeze(kind, target)])) == "revoked"


def test_what_stops_the_other_stops_it(office: Office, build: Any) -> None:
    suspended = office.view(agent=build.agent(state=AgentState.SUSPENDED))
    ended = office.view(agent=build.agent(not_after=Instant(build.NOON)))
    without = office.view(agent=build.agent(purposes=(PurposeName("report"),)))
    assert [office.code(each) for each in (suspended, ended)] == ["agent_suspended"] * 2
    assert office.code(without) == "purpose_mismatch"
    office.owners[0] = dataclasses.replace(office.owners[0], active=False)
    assert office.code(office.view()) == "agent_suspended"


def test_a_credential_that_was_taken_from_the_other_carries_nobody(office: Office) -> None:
    office.links = (link("another-key"),)
    assert office.code(office.view()) == "revoked"


def test_who_may_not_act_for_it_any_more_does_not_with_the_next_call(office: Office) -> None:
    office.delegates = ()
    assert office.code(office.view()) == "revoked"


def test_the_risk_of_whoever_is_in_between_counts(office: Office, build: Any) -> None:
    lapsed = build.activation(state=ActivationState.LAPSED)
    view = office.view(activations=[lapsed])
    middle = agent_record(build.agent(agent=AgentName("middle"), delegates=(CLERK,)), (), Risk(600_000, 600_000))
    office.links = (link(office.credential), link(office.credential, agent=AgentName("middle"), allow=""))
    found = acting(dataclasses.replace(view, agents={**view.agents, AgentName("middle"): middle}), office.call().caller)
    assert found is not None
    assert found.risk.value == 600_000


def test_who_is_gone_hands_on_nothing(office: Office) -> None:
    office.links = (link(office.credential, agent=AgentName("gone")),)
    assert office.code(office.view()) == "not_visible"
    office.links = (link(office.credential), link(office.credential, agent=AgentName("gone"), allow=""))
    assert office.code(office.view()) == "agent_suspended"


@pytest.mark.parametrize("who", ["invoice-bot", "clerk"])
def test_what_is_forbidden_to_one_is_not_done_for_it_by_another(office: Office, who: str) -> None:
    text = f'@id("no") forbid (principal == Remit::Agent::"{who}", action, resource) when {{ true }};'
    assert office.code(office.view(policies=text)) == "forbidden_by_policy"


def test_the_risk_of_either_counts(office: Office, build: Any) -> None:
    lapsed = build.activation(state=ActivationState.LAPSED)
    assert office.code(office.view(activations=[lapsed], risk=600_000)) == "activation_lapsed"


def test_limits_are_the_others_and_what_was_handed_on_beside_them(office: Office, build: Any) -> None:
    handed = json.dumps([{"action": "payments/transfer", "limits": {"rate": "2/min"}}])
    office.links = (link(office.credential, allow=handed),)
    rule = build.transfer_rule(budget=build.budget("1000.00"))
    boundary = build.boundary(rule)
    found = office.pay(office.view(boundary))
    reserved = [effect for effect in found.effects if isinstance(effect, Reserve)]
    (own,) = limits_of(boundary, rule)
    arguments = {"amount": Decimal("50.00")}
    assert reserved[0] == reservation(own, arguments, now=build.NOON), "the same counter as the other's own calls"
    assert [each.limit for each in reserved[1:]] == [2]
    assert "invoice-bot run_chief" in reserved[1].key


def test_two_hands_meet(office: Office, build: Any) -> None:
    view = office.view()
    middle = agent_record(build.agent(agent=AgentName("middle"), delegates=(CLERK,)), (), Risk(0, 0))
    view = dataclasses.replace(view, agents={**view.agents, AgentName("middle"): middle})
    tighter = json.dumps([{"action": "payments/*", "when": {"amount": {"max": "20.00"}}}])
    office.links = (link(office.credential), link(office.credential, agent=AgentName("middle"), allow=tighter))
    assert [office.code(view, amount) for amount in ("20.00", "20.01", "100.00")] == [
        "ok", "constraint_violated", "constraint_violated",
    ]  # fmt: skip


def test_what_is_for_emergencies_is_handed_on_to_nobody(office: Office, build: Any) -> None:
    """A person opened it for that one agent, open as it is; and ordinary access beside it is handed on as ever."""
    glass = build.boundary(build.rule("payments/transfer"), name="glass", break_glass=True)
    office.links = (link(office.credential, allow=""),)
    ordinary = build.boundary(build.rule("payments/transfer", build.bound("amount", max="10.00")))
    opening = Opening(
        opening="opn_1", agent=CHIEF, boundary=glass.boundary, by=OwnerName("dana"), opened=Instant(build.NOON - 1),
        ends=Instant(build.NOON + MINUTE), reason="the bank is down", ticket="INC-7",
    )  # fmt: skip
    for boundaries, small, large in (
        ((glass,), "not_visible", "not_visible"),
        ((ordinary, glass), "ok", "constraint_violated"),
    ):
        view = dataclasses.replace(office.view(*boundaries), openings={(CHIEF, glass.boundary): opening})
        assert (office.code(view, "5.00"), office.code(view, "50.00")) == (small, large)
        own = build.call({"amount": Decimal("50.00"), "currency": "EUR"})
        assert build.ask(own, view).answer.opening == "opn_1", "the agent itself may, while it is open"


def test_the_conditions_of_the_other_hold_and_what_was_handed_on_comes_on_top(office: Office, build: Any) -> None:
    """Else an agent that may do something within limits would have another do it without."""
    handed = json.dumps(
        [
            {
                "action": "payments/transfer", "limits": {"volume": {"bytes": "10B", "per": "day"}},
                "sequence": {"per_run": 2},
            }
        ]
    )  # fmt: skip
    office.links = (link(office.credential, allow=handed),)
    conditions = Conditions(volume=Volume(bytes=100, per="day"), per_run=5, max_depth=1)
    rule = build.transfer_rule(conditions=conditions)
    reserved = [each for each in office.pay(office.view(build.boundary(rule))).effects if isinstance(each, Reserve)]
    found = {each.key: each.limit for each in reserved}
    assert found["volume day invoice-bot-payments payments/transfer"] == 10
    assert found["run run_chief invoice-bot-payments payments/transfer"] == 2
    alone = build.transfer_rule(conditions=Conditions(max_depth=0))
    assert office.code(office.view(build.boundary(alone))) == "delegation_too_deep"


def test_what_is_handed_on_with_a_condition_about_an_earlier_call_has_that_call_leave_its_mark(
    office: Office, build: Any
) -> None:
    """Else "not after that", said by who hands on, would forbid nothing."""
    seen = "payments/list_invoices"
    handed = [{"action": seen}, {"action": "payments/transfer", "sequence": {"forbidden_after": [seen]}}]
    office.links = (link(office.credential, allow=json.dumps(handed)),)
    view = office.view(build.boundary(build.transfer_rule(), build.rule(seen)))
    looked_for = [each.key for each in office.pay(view).effects if isinstance(each, Unmarked)]
    left = [each.key for each in build.ask(office.call({}, "list_invoices"), view).effects if isinstance(each, Mark)]
    assert looked_for == left != []
