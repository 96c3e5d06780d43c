"""Break-glass in a decision: worth nothing until it is open, after all that is ordinary, and renewing nothing."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.access.model import Boundary
from remit.access.opening import Opening
from remit.catalog.model import Tier
from remit.enforcement.streams import ends
from remit.freezes.model import FreezeKind
from remit.kernel.canonical import encode, parse
from remit.kernel.clock import DAY, HOUR, MINUTE, FixedClock, Instant
from remit.policy.denial import NOT_OPEN
from remit.policy.mandate import Issue, mandate
from remit.policy.mandates import published
from remit.policy.model import Code, Denial, Proposal
from remit.policy.record import decision_fields
from remit.policy.service import PolicyService
from remit.policy.view import View
from remit.policy.visible import seen
from remit.storage.model import Activate, ConsumeProof, Reserve

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

GLASS = "glass"


def glass(build: Build, *rules: Any, name: str = GLASS, **changes: Any) -> Boundary:
    chosen = rules or (build.rule("payments/transfer", build.bound("amount", max="9000.00")),)
    return build.boundary(*chosen, name=name, break_glass=True, **changes)


def opened(
    build: Build, view: View, *, name: str = GLASS, until: int = 30 * MINUTE, agent: str = "invoice-bot"
) -> View:
    """`view`, in which that boundary was opened a minute ago."""
    opening = Opening(
        opening=f"opn_{name}", agent=agent, boundary=name, by="dana", opened=Instant(build.NOON - MINUTE),  # type: ignore[arg-type]
        ends=Instant(build.NOON + until), reason="the bank is down", ticket="INC-7",
    )  # fmt: skip
    return dataclasses.replace(view, openings={**view.openings, (opening.agent, opening.boundary): opening})


def denial_of(proposal: Proposal) -> Denial:
    assert proposal.answer.denial is not None
    return proposal.answer.denial


def test_what_is_not_open_is_refused_and_says_how_to_ask(build: Build) -> None:
    denial = denial_of(build.transfer(build.view(glass(build))))
    assert (denial.code, denial.step, denial.state, denial.reactivation, denial.cause) == (
        Code.ACTIVATION_LAPSED, 9, "new", "owner", NOT_OPEN,
    )  # fmt: skip
    first, second = denial.remedies
    assert (first.kind, second.kind) == ("request_access", "stop")
    assert first.fields["break_glass"] == GLASS
    assert first.fields["ask_owner"].startswith("remit breakglass open invoice-bot glass --for ")


def test_what_is_open_is_entitled_without_an_activation(build: Build) -> None:
    """Neither one that is there is used, nor is one started: a critical action that nobody ever started."""
    view = opened(build, build.view(glass(build), activations=[]))
    proposal = build.transfer(view)
    assert (proposal.answer.allowed, proposal.answer.boundary, proposal.answer.opening) == (True, GLASS, "opn_glass")
    assert (proposal.starts, proposal.verdicts) == ((), ())
    assert not [effect for effect in proposal.effects if isinstance(effect, Activate)]


@pytest.mark.parametrize(("until", "allowed"), [(1, True), (0, False), (-1, False)])
def test_an_opening_that_is_over_opens_nothing(build: Build, until: int, allowed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    view = opened(build, build.view(glass(build)), until=until)
    assert build.transfer(view).answer.allowed is allowed


def test_an_opening_is_for_one_boundary_of_one_agent(build: Build) -> None:
    view = build.view(glass(build))
    assert not build.transfer(opened(build, view, name="other")).answer.allowed
    assert not build.transfer(opened(build, view, agent="other-bot")).answer.allowed
    ordinary = build.view(build.boundary(build.transfer_rule(), name=GLASS), activations=[build.activation()])
    proposal = build.transfer(opened(build, ordinary))
    assert (proposal.answer.allowed, proposal.answer.opening) == (True, None), "an ordinary one is not for emergencies"


def test_bounds_limits_and_a_person_hold_as_ever(build: Build) -> None:
    rule = build.rule(
        "payments/transfer", build.bound("amount", max="500.00"), rate=build.rate(1),
        approval_above=(("amount", Decimal("250.00")),),
    )  # fmt: skip
    view = opened(build, build.view(glass(build, rule)))
    assert denial_of(build.transfer(view, "500.01")).code is Code.CONSTRAINT_VIOLATED
    assert denial_of(build.transfer(view, "300.00")).code is Code.APPROVAL_REQUIRED
    proposal = build.transfer(view, "200.00")
    (reserve,) = [effect for effect in proposal.effects if isinstance(effect, Reserve)]
    view.counters.note(reserve, 1)
    assert denial_of(build.transfer(view, "200.00")).code is Code.RATE_LIMITED
    unlimited = dataclasses.replace(rule, rate=None, approval_above=(), first_use=None)
    each = build.transfer(opened(build, build.view(glass(build, unlimited))), "200.00")
    assert denial_of(each).code is Code.APPROVAL_REQUIRED, "critical without limits takes a person, open or not"


def test_policies_freezes_and_ends_hold_as_ever(build: Build) -> None:
    forbid = '@id("no") forbid (principal, action, resource);'
    assert denial_of(build.transfer(opened(build, build.view(glass(build), policies=forbid)))).code is (
        Code.FORBIDDEN_BY_POLICY
    )
    stop = build.freeze(FreezeKind.AGENT)
    assert denial_of(build.transfer(opened(build, build.view(glass(build), freezes=[stop])))).code is Code.REVOKED
    over = glass(build, not_after=build.NOON)
    assert denial_of(build.transfer(opened(build, build.view(over)))).code is Code.NOT_GRANTED
    stale = opened(build, build.view(glass(build), contact=build.NOON - HOUR))
    assert denial_of(build.transfer(stale)).code is Code.ENFORCEMENT_UNAVAILABLE


# ordinary first --------------------------------------------------------------------------------


def test_what_is_ordinary_comes_first_whatever_the_names(build: Build) -> None:
    """`aaa` comes before `zzz`; the emergency is used only once the ordinary one refuses."""
    ordinary = build.boundary(build.transfer_rule(), name="zzz")
    view = build.view(
        glass(build, name="aaa"), ordinary, activations=[build.activation(boundary="zzz")]
    )  # fmt: skip
    view = opened(build, view, name="aaa")
    assert [build.transfer(view, amount).answer.boundary for amount in ("500.00", "500.01")] == ["zzz", "aaa"]


def test_a_quota_or_budget_that_is_used_up_is_what_an_emergency_is_for(build: Build) -> None:
    ordinary = build.boundary(build.transfer_rule(rate=build.rate(1)))
    view = build.view(ordinary, glass(build))
    (reserve,) = [each for each in build.transfer(view).effects if isinstance(each, Reserve)]
    view.counters.note(reserve, 1)
    assert denial_of(build.transfer(view)).code is Code.RATE_LIMITED
    proposal = build.transfer(opened(build, view))
    assert proposal.answer.boundary == GLASS
    assert not [each for each in proposal.effects if isinstance(each, Reserve)], "the ordinary budget is not touched"


def test_who_asked_for_too_much_is_told_so_and_not_of_an_emergency(build: Build) -> None:
    view = build.view(build.boundary(), glass(build))
    assert denial_of(build.transfer(view, "500.01")).code is Code.CONSTRAINT_VIOLATED


def test_without_the_agents_activations_no_emergency_is_assumed(build: Build) -> None:
    view = opened(build, build.view(build.boundary(), glass(build)))
    view.activations.let_go("invoice-bot")
    assert denial_of(build.transfer(view)).code is Code.ENFORCEMENT_UNAVAILABLE


AMOUNTS = st.sampled_from(["1", "250", "499.99", "500.00", "500.01", "9000.00", "9000.01", "1000000"])
LAW = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


WORLDS = st.frozensets(st.sampled_from(["ordinary", "started", "open"]))


@LAW
@given(amount=AMOUNTS, most=AMOUNTS, world=WORLDS, now=st.sampled_from([0, 29 * MINUTE, 30 * MINUTE, DAY]))
def test_an_opening_makes_nothing_usable_beyond_its_boundary(
    build: Build, amount: str, most: str, world: frozenset[str], now: int
) -> None:
    """What is allowed only because of an opening is inside its boundary and its time; nothing else changes."""
    inside = build.rule("payments/transfer", build.bound("amount", max=most))
    boundaries = [glass(build, inside), *([build.boundary(build.transfer_rule())] if "ordinary" in world else [])]
    held = [build.activation()] if "started" in world else []
    before = build.view(*boundaries, activations=held, contact=build.NOON + now)
    view = opened(build, before) if "open" in world else before
    at = build.NOON + now
    found, without = build.transfer(view, amount, at), build.transfer(before, amount, at)
    if without.answer.allowed or "open" not in world:
        assert found == without, "an opening changes nothing about what is ordinary"
    elif found.answer.allowed:
        assert Decimal(amount) <= Decimal(most)
        assert now < 30 * MINUTE
        assert found.answer.opening == "opn_glass"
    if found.answer.opening is not None:
        assert {type(effect) for effect in found.effects} <= {ConsumeProof, Reserve}
        assert not found.starts
    other = build.ask(build.call({}, tool="delete_all"), view, at)
    assert not other.answer.allowed, "what the boundary does not name stays hidden"


# methods, running calls, what is seen ------------------------------------------------------------


def test_methods_pass_on_an_ordinary_boundary_or_an_open_one(build: Build) -> None:
    only = build.view(glass(build))
    assert denial_of(build.ask(build.method("tools/list"), only)).cause == NOT_OPEN
    answer = build.ask(build.method("tools/list"), opened(build, only)).answer
    assert (answer.boundary, answer.opening) == (GLASS, "opn_glass")
    both = opened(build, build.view(glass(build, name="aaa"), build.boundary(name="zzz")), name="aaa")
    answer = build.ask(build.method("tools/list"), both).answer
    assert (answer.boundary, answer.opening) == ("zzz", None)
    assert denial_of(build.ask(build.method("prompts/list"), only)).code is Code.NOT_GRANTED


@pytest.mark.parametrize("held", [True, False])
def test_what_runs_by_an_opening_ends_with_it(build: Build, held: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Also where an ordinary boundary names the action and merely waits for its owner."""
    ordinary = [build.boundary(build.rule("payments/transfer", first_use=None), name="aaa")] if held else []
    server = build.server(build.tool(tier=Tier.HIGH), build.tool("list_invoices"))
    shut = build.view(*ordinary, glass(build), activations=[], servers=[server])
    view = opened(build, shut)
    arguments = {"amount": Decimal("125.50"), "currency": "EUR"}
    call = build.call(arguments)
    assert build.ask(call, view).answer.opening == "opn_glass"
    running = dataclasses.replace(call, under="opn_glass")
    assert not ends(build.ask(running, view).answer)
    assert ends(build.ask(running, shut).answer), "closed"
    later = dataclasses.replace(view, contact=lambda: Instant(build.NOON + 30 * MINUTE))
    assert not ends(build.ask(running, later, build.NOON + 30 * MINUTE - 1).answer)
    assert ends(build.ask(running, later, build.NOON + 30 * MINUTE).answer), "its time is over"
    left = ordinary or [build.boundary(build.rule("payments/list_invoices"))]
    gone = build.view(*left, activations=[], servers=[server])
    assert ends(build.ask(running, gone).answer), "its boundary was revoked"


def test_what_is_not_open_is_visible_and_not_listed(build: Build) -> None:
    listing = build.boundary(build.rule("payments/list_invoices"))
    shut = build.view(listing, glass(build))
    service = PolicyService(
        facts=None, engine=build.engine, clock=FixedClock(build.NOON), mac=lambda _: "", docs="",  # type: ignore[arg-type]
    )  # fmt: skip
    both = {"payments/list_invoices", "payments/transfer"}
    assert seen(shut, shut.agents.get("invoice-bot"), "pay-invoices") == both
    assert service.shown(shut, build.caller()) == {"payments/list_invoices"}
    assert service.shown(opened(build, shut), build.caller()) == both
    schema = {"type": "object", "properties": {"amount": {"type": "number"}}}
    caller, action = build.caller(), "payments/transfer"
    wide = service.narrowed(opened(build, shut), caller, action, schema, now=build.NOON)  # type: ignore[arg-type]
    assert wide["properties"]["amount"]["maximum"] == 9000


def test_the_entry_names_the_opening_and_its_payload_has_every_argument(build: Build) -> None:
    view = opened(build, build.view(glass(build)))
    call = build.call({"amount": Decimal("8000.00"), "currency": "CHF", "note": "n", "tags": ["a", "b"], "count": 3})
    fields, payload = decision_fields(call, build.ask(call, view), view=view, mac=lambda _: "mac")
    assert (fields["break_glass"], fields["boundary"]) == ("opn_glass", GLASS)
    assert parse(payload["arguments"]) == call.arguments
    ordinary = build.view()
    assert "break_glass" not in decision_fields(call, build.transfer(ordinary), view=ordinary)[0]


def told(build: Build, view: View) -> dict[str, Any]:
    found = mandate(view, Issue(caller=build.caller(), base="https://r.test"), now=build.NOON, used=lambda _: 0)
    jsonschema_rs.validator_for(parse(published())).validate(parse(encode(found)))
    return found


def test_the_mandate_says_how_to_ask_until_it_is_open(build: Build) -> None:
    shut = build.view(build.boundary(build.rule("payments/list_invoices")), glass(build))
    found = told(build, shut)
    assert [each["action"] for each in found["actions"]] == ["payments/list_invoices"]
    assert [each["boundary"] for each in found["boundaries"]] == ["invoice-bot-payments"]
    (emergency,) = found["emergencies"]
    assert (emergency["boundary"], emergency["actions"], emergency["opening"], emergency["open_until"]) == (
        GLASS, ["payments/transfer"], None, None,
    )  # fmt: skip
    assert emergency["ask_owner"].startswith("remit breakglass open invoice-bot glass ")
    found = told(build, opened(build, shut))
    transfer = found["actions"][1]
    assert (transfer["usable"], transfer["starts"]) == (True, None)
    assert transfer["until"] == found["emergencies"][0]["open_until"] == "2026-11-24T12:30:00.000000Z"
    assert transfer["granted_by"][0]["break_glass"] == found["emergencies"][0]["opening"] == "opn_glass"
    assert "emergencies" not in told(build, build.view())


def test_where_both_name_an_action_the_mandate_says_what_is_usable_now(build: Build) -> None:
    """The ordinary entitlement waits for its owner; the emergency makes it usable for as long as it is open."""
    server = build.server(build.tool("list_invoices", tier=Tier.HIGH))
    rule = build.rule("payments/list_invoices", first_use=None)
    shut = build.view(build.boundary(rule), glass(build, rule), servers=[server], activations=[])
    (action,) = told(build, shut)["actions"]
    assert (action["usable"], action["starts"]) == (False, "owner")
    (action,) = told(build, opened(build, shut))["actions"]
    assert (action["state"], action["usable"], action["until"]) == ("new", True, "2026-11-24T12:30:00.000000Z")
