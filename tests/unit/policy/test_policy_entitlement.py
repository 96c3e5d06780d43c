"""Step 9 inside a decision: in force, starting by itself, or waiting for a person."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from remit.access.activation import ActivationState, Usage
from remit.agents.risk import Risk
from remit.agents.signals import Noticed, Signal, secret_at
from remit.catalog.model import Tier
from remit.certification.replaying.replay import replay
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant, Micros
from remit.kernel.names import PurposeName
from remit.policy.entitlement import quota
from remit.policy.model import Call, Code
from remit.policy.view import View
from remit.policy.who import Access, standing
from remit.storage.model import Activate, ConsumeProof, Reserve

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

LIST = "payments/list_invoices"


def listing(build: Build, tier: Tier, **view: Any) -> tuple[View, Call]:
    """The listing tool with this tier, asked for."""
    server = build.server(build.tool("list_invoices", tier=tier))
    rule = build.rule(LIST, first_use=view.pop("first_use", None))
    made = build.view(build.boundary(rule), servers=[server], **view)
    return made, build.call({}, tool="list_invoices")


@pytest.mark.parametrize("tier", [Tier.LOW, Tier.MEDIUM])
def test_a_first_use_starts_by_itself_and_commits_with_the_decision(build: Build, tier: Tier) -> None:
    view, call = listing(build, tier, activations=[])
    proposal = build.ask(call, view)
    assert proposal.answer.allowed
    proof, started = proposal.effects
    assert isinstance(proof, ConsumeProof)
    assert isinstance(started, Activate)
    assert (started.key, started.expected, started.row.serial) == (tuple(build.key(LIST)), 0, 1)
    assert started.row.due > build.NOON
    assert (started.notice is None) == (tier is Tier.LOW)
    (activation,) = proposal.starts
    assert activation.state is ActivationState.ACTIVE
    (verdict,) = proposal.verdicts
    assert (verdict["verdict"], verdict["from"], verdict["to"]) == ("start", "new", "active")
    assert replay(verdict).outcome == "same"


def test_a_first_use_of_what_is_high_waits_for_its_owner(build: Build) -> None:
    view, call = listing(build, Tier.HIGH, activations=[])
    denial = build.ask(call, view).answer.denial
    assert denial is not None
    assert (denial.code, denial.step, denial.state) == (Code.ACTIVATION_LAPSED, 9, "new")
    assert denial.reactivation == "owner"
    view, call = listing(build, Tier.HIGH, activations=[], first_use="auto")
    assert build.ask(call, view).answer.allowed


def test_what_is_critical_and_has_no_limits_needs_a_person_for_each_call(build: Build) -> None:
    view, call = listing(build, Tier.CRITICAL, activations=[])
    denial = build.ask(call, view).answer.denial
    assert denial is not None
    assert (denial.code, denial.step, denial.state) == (Code.APPROVAL_REQUIRED, 11, "none")


def test_use_is_no_effect_while_it_is_in_force(build: Build) -> None:
    view, call = listing(build, Tier.MEDIUM)
    proposal = build.ask(call, view)
    assert [type(effect) for effect in proposal.effects] == [ConsumeProof]
    assert (proposal.starts, proposal.verdicts) == ((), ())


def test_after_a_lapse_it_starts_again_and_that_is_counted(build: Build) -> None:
    old = build.activation(build.key(LIST), usage=Usage(Instant(build.NOON - 31 * DAY), Micros(0)), serial=4)
    view, call = listing(build, Tier.MEDIUM, activations=[old], covered=31 * DAY)
    proposal = build.ask(call, view)
    assert proposal.answer.allowed
    _, quota, started = proposal.effects
    assert isinstance(quota, Reserve)
    assert quota.limit == 5
    assert isinstance(started, Activate)
    assert (started.expected, started.row.serial) == (4, 5)
    assert proposal.verdicts[0]["verdict"] == "reactivate"
    view.counters.note(quota, 5)
    spent = build.ask(call, view).answer.denial
    assert spent is not None
    assert (spent.code, spent.step) == (Code.RATE_LIMITED, 9)


def test_the_quota_is_the_agents_whatever_it_works_for(build: Build) -> None:
    """Under two purposes it wakes up no more, and another agent's quota is another one."""
    old = Usage(Instant(build.NOON - 31 * DAY), Micros(0))
    purposes = ("pay-invoices", "report")
    boundaries = [build.boundary(build.rule(LIST), name=name, purpose=PurposeName(name)) for name in purposes]
    server = build.server(build.tool("list_invoices", tier=Tier.MEDIUM))
    view = build.view(
        *boundaries,
        servers=[server],
        covered=31 * DAY,
        activations=[build.activation(build.key(LIST, name), usage=old, serial=4) for name in purposes],
    )
    charged = []
    for name in purposes:
        proposal = build.ask(build.call({}, tool="list_invoices", purpose=PurposeName(name)), view)
        assert proposal.answer.allowed
        charged.append(next(effect for effect in proposal.effects if isinstance(effect, Reserve)))
    assert charged[0] == charged[1]
    assert quota("invoice-bot", build.NOON) == charged[0]
    assert quota("other-bot", build.NOON).key != charged[0].key


def test_the_log_says_that_another_version_started_it(build: Build) -> None:
    old = build.activation(build.key(LIST), usage=Usage(Instant(build.NOON - 31 * DAY), Micros(0)))
    for version, same in (("1.4", True), ("2.0", False)):
        agent = build.agent(version=version)
        view, call = listing(build, Tier.MEDIUM, activations=[old], covered=31 * DAY, agent=agent)
        proposal = build.ask(call, view)
        (verdict,) = proposal.verdicts
        assert (verdict["verdict"], verdict["statement"]["ask"]["same_version"]) == ("reactivate", same)
        assert proposal.starts[0].agent_version == version


def test_a_hole_in_the_record_lets_nothing_lapse(build: Build) -> None:
    old = build.activation(build.key(LIST), usage=Usage(Instant(build.NOON - 31 * DAY), Micros(0)))
    view, call = listing(build, Tier.MEDIUM, activations=[old], covered=29 * DAY)
    assert [type(effect) for effect in build.ask(call, view).effects] == [ConsumeProof]


def test_what_lapsed_and_is_high_needs_a_key_proved_within_a_minute(build: Build) -> None:
    old = build.activation(build.key(LIST), usage=Usage(Instant(build.NOON - 15 * DAY), Micros(0)))
    view, call = listing(build, Tier.HIGH, activations=[old], covered=15 * DAY)
    assert build.ask(call, view).answer.allowed
    caller = dataclasses.replace(call.caller, attested=Instant(build.NOON - MINUTE - 1))
    denial = build.ask(dataclasses.replace(call, caller=caller), view).answer.denial
    assert denial is not None
    assert (denial.code, denial.state, denial.retryable) == (Code.ACTIVATION_LAPSED, "lapsed", True)
    assert denial.remedies[0].fields["action"] == "request_token"


def test_what_lapsed_and_is_critical_never_comes_back_alone(build: Build) -> None:
    old = build.activation(usage=Usage(Instant(build.NOON - 25 * HOUR), Micros(0)))
    view = build.view(build.boundary(build.transfer_rule(rate=build.rate(9))), activations=[old], covered=25 * HOUR)
    denial = build.transfer(view).answer.denial
    assert denial is not None
    assert (denial.code, denial.state, denial.reactivation) == (Code.ACTIVATION_LAPSED, "lapsed", "owner")


def test_a_stolen_identity_at_risk_wakes_nothing_up(build: Build) -> None:
    view, call = listing(build, Tier.LOW, activations=[], risk=500_000)
    denial = build.ask(call, view).answer.denial
    assert denial is not None
    assert denial.code is Code.ACTIVATION_LAPSED
    view, call = listing(build, Tier.LOW, risk=650_000)
    assert build.ask(call, view).answer.allowed


@pytest.mark.parametrize("tier", [Tier.HIGH, Tier.CRITICAL])
def test_another_version_of_the_agent_is_not_the_one_that_was_trusted(build: Build, tier: Tier) -> None:
    view, call = listing(build, tier, agent=build.agent(version="2.0"), first_use="auto")
    denial = build.ask(call, view).answer.denial
    assert denial is not None
    assert (denial.code, denial.state) == (Code.ACTIVATION_LAPSED, "suspended")


@pytest.mark.parametrize("tier", Tier)
def test_where_the_servers_credential_is_known_elsewhere_the_agent_waits_and_asks_nobody(
    build: Build, tier: Tier
) -> None:
    view, call = listing(build, tier)
    about = secret_at("payments-key", call.server)
    view.agents[call.caller.agent].risk = Risk(0, 0, noticed=(Noticed(Signal.CREDENTIAL_EXPOSED, about, build.NOON),))
    proposal = build.ask(call, view)
    denial = proposal.answer.denial
    assert denial is not None
    assert (denial.code, denial.state, denial.reactivation) == (Code.ACTIVATION_LAPSED, "suspended", "never")
    assert [each.kind for each in denial.remedies] == ["wait", "stop"]
    assert "credential is replaced" in denial.title
    assert standing(call, view, proposal).access is Access.STOPPED


def test_a_boundary_approved_again_begins_anew(build: Build) -> None:
    gone = build.activation(build.key(LIST), state=ActivationState.REVOKED, serial=7)
    view, call = listing(build, Tier.MEDIUM, activations=[gone])
    proposal = build.ask(call, view)
    assert proposal.answer.allowed
    assert proposal.verdicts[0]["verdict"] == "start"


def test_an_agent_whose_activations_are_not_here_is_not_decided(build: Build) -> None:
    view, call = listing(build, Tier.LOW)
    view.activations.forget()
    denial = build.ask(call, view).answer.denial
    assert denial is not None
    assert denial.code is Code.ENFORCEMENT_UNAVAILABLE


def test_a_wall_clock_that_jumps_lets_nothing_lapse(build: Build) -> None:
    view, call = listing(build, Tier.LOW, covered=HOUR, contact=build.NOON + 100 * DAY)
    for now in (build.NOON + 100 * DAY, build.NOON):
        assert [type(effect) for effect in build.ask(call, view, now).effects] == [ConsumeProof]


@pytest.mark.parametrize("tier", [Tier.HIGH, Tier.CRITICAL])
@pytest.mark.parametrize("state", [None, ActivationState.LAPSED])
def test_nothing_starts_that_could_not_be_used_a_moment_later(
    build: Build, tier: Tier, state: ActivationState | None
) -> None:
    """Held with what nobody should hold with it: the risk of that alone would let it start."""
    held = [] if state is None else [build.activation(build.key(LIST), state=state)]
    view, call = listing(build, tier, activations=held, first_use="auto")
    record = view.agents[call.caller.agent]
    about = f"{call.caller.purpose} {LIST}"
    record.risk = Risk(200_000, 0, Instant(0), (Noticed(Signal.TOXIC_COMBINATION, about, build.NOON),))
    denial = build.ask(call, view).answer.denial
    assert denial is not None
    assert (denial.code, denial.step) == (Code.ACTIVATION_LAPSED, 9)


@pytest.mark.parametrize("tier", [Tier.CRITICAL, Tier.HIGH])
def test_no_company_keeps_what_is_critical(build: Build, tier: Tier) -> None:
    """What is used together has one idle time. An agent chooses what its runs do: nothing critical lasts for that."""
    before = Usage(Instant(build.NOON - 20 * DAY), Micros(0), 5)
    idle = build.activation(build.key(LIST), usage=before, started=0, since=0)
    other = build.key("payments/transfer")
    used = build.activation(other, usage=Usage(build.NOON, Micros(20 * DAY), 5))
    # Its owner chose limits, so that no approval is what it needs.
    server = build.server(build.tool("list_invoices", tier=tier))
    view = build.view(
        build.boundary(build.rule(LIST, rate=build.rate(9))), servers=[server], activations=[idle, used],
        covered=20 * DAY,
    )  # fmt: skip
    call = build.call({}, tool="list_invoices")
    view.activations.group(call.caller.agent, {idle.key: (other,)})
    denial = build.ask(call, view).answer.denial
    found = None if denial is None else (denial.code, denial.step, denial.state)
    assert found == {Tier.CRITICAL: (Code.ACTIVATION_LAPSED, 9, "lapsed"), Tier.HIGH: None}[tier]


@pytest.mark.parametrize(("ago", "charged"), [(MINUTE, False), (13 * HOUR, True)])
def test_what_is_used_together_is_charged_once_an_hour(build: Build, ago: int, *, charged: bool) -> None:
    """The first of a group that wakes up in an hour is charged, and what wakes up after it is not."""
    old = Usage(Instant(build.NOON - 31 * DAY), Micros(0), 1)
    lapsed = build.activation(build.key(LIST), usage=old)
    other = build.key("payments/transfer")
    woken = Instant(build.NOON - build.NOON % HOUR) if ago < HOUR else Instant(build.NOON - ago)
    beside = build.activation(other, usage=old, started=woken, since=woken)
    view, call = listing(build, Tier.MEDIUM, activations=[lapsed, beside], covered=31 * DAY)
    view.activations.group(call.caller.agent, {lapsed.key: (other,)})
    proposal = build.ask(call, view)
    assert proposal.answer.allowed
    assert proposal.verdicts[0]["verdict"] == "reactivate"
    assert any(isinstance(effect, Reserve) for effect in proposal.effects) is charged
