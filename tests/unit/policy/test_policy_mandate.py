"""Mandates: what is in them, what is not, and that each keeps to the published schema."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.access.activation import ActivationState, Usage
from remit.access.model import Bound, Budget, PurposeState, Rate, Rule
from remit.agents.model import AgentState
from remit.catalog.model import PinState, Tier
from remit.freezes.model import FreezeKind
from remit.kernel.canonical import encode, parse
from remit.kernel.clock import DAY, SECOND, Instant, Micros, rfc3339, window_start
from remit.kernel.names import ActionName
from remit.policy.applicable import statement
from remit.policy.mandate import Issue, counted, mandate
from remit.policy.mandates import published
from remit.policy.view import Counters, View
from remit.storage.model import Reserve

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

SCHEMA = jsonschema_rs.validator_for(json.loads(published()))
BASE = "https://remit.example.test"
ROOT = Path(__file__).parents[3]


def made(build: Build, view: View, now: int | None = None, server: str | None = None, **caller: Any) -> dict[str, Any]:
    issue = Issue(caller=build.caller(**caller), base=BASE, server=server, hypothetical=True)
    found = mandate(view, issue, now=Instant(build.NOON if now is None else now))
    SCHEMA.validate(parse(encode(found)))
    return found


def of(found: dict[str, Any], action: str = "payments/transfer") -> dict[str, Any]:
    return next(each for each in found["actions"] if each["action"] == action)


def test_the_schema_is_published_as_it_is_used() -> None:
    assert (ROOT / "docs" / "schemas" / "mandate.json").read_bytes() == published()
    jsonschema_rs.meta.validate(json.loads(published()))


def test_the_example_of_the_design(build: Build) -> None:
    rule = build.transfer_rule(
        rate=build.rate(30), budget=build.budget("5000.00"), approval_above=(("amount", Decimal("250.00")),),
        ttl=Micros(7 * DAY),
    )  # fmt: skip
    counters = Counters()
    day = window_start("day", build.NOON)
    key = "budget day invoice-bot-payments payments/transfer amount"
    counters.note(Reserve(key, day, Instant(day + DAY), 0, 50_000_000), 1_255_000)
    found = made(build, build.view(build.boundary(rule, build.rule("payments/list_invoices")), counters=counters))
    assert (found["iss"], found["sub"], found["epoch"]) == (BASE, "invoice-bot", 812)
    assert found["exp"] - found["iat"] == 300
    assert found["iat"] == build.NOON // SECOND
    assert found["purpose"]["purpose"] == "pay-invoices"
    assert found["boundaries"] == [{"boundary": "invoice-bot-payments", "version": 3, "ends": rfc3339(build.END)}]
    transfer = of(found)
    assert transfer["input_schema"]["properties"]["amount"] == {"type": "number", "minimum": 0, "maximum": 500}
    assert (transfer["tier"], transfer["state"], transfer["usable"]) == ("critical", "active", True)
    assert transfer["until"] == rfc3339(build.NOON + DAY)  # critical: 24 hours, which the rule's 7 days do not lengthen
    (grant,) = transfer["granted_by"]
    assert grant["approval"] == [{"argument": "amount", "above": "250.00"}]
    rate, budget = grant["limits"]
    assert (rate["kind"], rate["per"], rate["max"], rate["left"]) == ("rate", "min", 30, None)
    assert (budget["argument"], budget["max"], budget["left"]) == ("amount", "5000.00", "4874.50")
    assert budget["resets"] == rfc3339(day + DAY)
    assert found["ask"]["can"] == f"{BASE}/v1/me/can"


def test_what_is_left_comes_from_whoever_is_asked(build: Build) -> None:
    view = build.view(build.boundary(build.transfer_rule(budget=build.budget("100"))))
    issue = Issue(caller=build.caller(), base=BASE)
    (wanted,) = counted(view, issue, now=build.NOON)
    held = {(wanted.key, wanted.window): 995_000}
    found = mandate(view, issue, now=build.NOON, used=lambda each: held.get((each.key, each.window), 0))
    assert of(found)["granted_by"][0]["limits"][0]["left"] == "0.50"


def test_only_what_its_boundaries_name_is_in_it(build: Build) -> None:
    other = build.server(build.tool("export"), name="crm")
    view = build.view(servers=[build.server(), other])
    text = encode(made(build, view)).decode()
    assert [each["action"] for each in made(build, view)["actions"]] == ["payments/list_invoices", "payments/transfer"]
    assert "delete_all" not in text
    assert "crm" not in text


def test_another_purpose_or_server_is_left_out(build: Build) -> None:
    report = build.boundary(build.rule("payments/list_invoices"), name="reports", purpose="report")
    crm = build.boundary(build.rule("crm/export"), name="crm", purpose="report")
    wide = build.purpose("report", "*")
    view = build.view(
        build.boundary(), report, crm, purposes=[build.purpose(), wide],
        servers=[build.server(), build.server(build.tool("export"), name="crm")],
    )  # fmt: skip
    found = made(build, view, purpose="report")
    assert [each["action"] for each in found["actions"]] == ["crm/export", "payments/list_invoices"]
    assert [each["boundary"] for each in found["boundaries"]] == ["crm", "reports"]
    here = made(build, view, purpose="report", server="payments")
    assert [each["action"] for each in here["actions"]] == ["payments/list_invoices"]
    assert [each["boundary"] for each in here["boundaries"]] == ["reports"]


def test_a_boundary_that_has_ended_grants_nothing(build: Build) -> None:
    view = build.view(build.boundary(not_after=build.NOON))
    found = made(build, view)
    assert (found["actions"], found["boundaries"]) == ([], [])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"agent": {"state": AgentState.SUSPENDED}}, "agent_suspended"),
        ({"purposes": {"state": PurposeState.CLOSED}}, "purpose_closed"),
        ({"freezes": (FreezeKind.SERVER, "payments")}, "revoked"),
        ({"tool": {"state": PinState.CHANGED}}, "tool_definition_changed"),
        ({}, None),
    ],
)
def test_what_every_call_would_be_refused_for_is_said(build: Build, change: dict[str, Any], code: str | None) -> None:
    changes: dict[str, Any] = {}
    if "agent" in change:
        changes["agent"] = build.agent(**change["agent"])
    if "purposes" in change:
        changes["purposes"] = [build.purpose(**change["purposes"])]
    if "freezes" in change:
        changes["freezes"] = [build.freeze(*change["freezes"])]
    if "tool" in change:
        changes["servers"] = [build.server(build.tool(**change["tool"]))]
    assert of(made(build, build.view(build.boundary(build.transfer_rule()), **changes)))["refused"] == code


@pytest.mark.parametrize(
    ("kind", "name", "on"),
    [(FreezeKind.ALL, "*", ["all"]), (FreezeKind.AGENT, "invoice-bot", ["agent"]),
     (FreezeKind.INSTANCE, "thumbprint-1", ["instance"]), (FreezeKind.INSTANCE, "another", []),
     (FreezeKind.SERVER, "crm", []), (FreezeKind.SERVER, "payments", [])],
)  # fmt: skip
def test_a_stop_on_the_agent_is_told(build: Build, kind: FreezeKind, name: str, on: list[str]) -> None:
    found = made(build, build.view(freezes=[build.freeze(kind, name)]))
    assert found["freeze"] == {"frozen": bool(on), "on": on}


@pytest.mark.parametrize(
    ("tier", "state", "first_use", "said"),
    [
        (Tier.LOW, None, None, ("new", False, "by_itself")),
        (Tier.HIGH, None, None, ("new", False, "owner")),
        (Tier.HIGH, None, "auto", ("new", False, "by_itself")),
        (Tier.MEDIUM, ActivationState.ACTIVE, None, ("active", True, None)),
        (Tier.MEDIUM, ActivationState.LAPSED, None, ("lapsed", False, "by_itself")),
        (Tier.CRITICAL, ActivationState.LAPSED, "auto", ("lapsed", False, "owner")),
        (Tier.LOW, ActivationState.SUSPENDED, None, ("suspended", False, "owner")),
    ],
)
def test_where_an_entitlement_stands(build: Build, tier: Tier, state: Any, first_use: Any, said: Any) -> None:
    view = build.view(
        build.boundary(build.rule("payments/transfer", first_use=first_use)),
        servers=[build.server(build.tool(tier=tier))],
        activations=[] if state is None else [build.activation(state=state, usage=Usage(build.NOON, Micros(0)))],
    )
    found = of(made(build, view))
    assert (found["state"], found["usable"], found["starts"]) == said
    assert (found["until"] is not None) == found["usable"]


def test_alternatives_stand_beside_what_one_schema_cannot_say(build: Build) -> None:
    def rule(most: str, currency: str) -> Rule:
        return build.rule("payments/transfer", build.bound(max=most), build.bound("currency", in_=(currency,)))

    view = build.view(build.boundary(rule("500", "EUR"), name="a"), build.boundary(rule("100", "USD"), name="b"))
    found = of(made(build, view))
    assert found["input_schema"]["properties"]["amount"] == {"type": "number", "maximum": 500}
    assert [each["properties"]["currency"]["enum"] for each in found["alternatives"]] == [["EUR"], ["USD"]]
    assert [each["boundary"] for each in found["granted_by"]] == ["a", "b"]


ANYONE = '@id("cap") @title("Cap") forbid (principal, action, resource) when { context.run == "x" };'
MINE = """
// for the reviewers: crm is next
@id("mine") @title("Not at night") @note("ask sam")
forbid (principal == Remit::Agent::"invoice-bot", action == Remit::Action::"payments/transfer", resource)
when { context.run == "// not a comment" }; // the end
"""
BOTH = 'action in [Remit::Action::"payments/transfer", Remit::Action::"payments/delete_all"]'
HIDDEN = MINE.replace('action == Remit::Action::"payments/transfer"', BOTH)
OTHERS = MINE.replace("invoice-bot", "report-bot")
ELSEWHERE = MINE.replace("payments/transfer", "payments/delete_all")


@pytest.mark.parametrize(
    ("policy", "told"),
    [(ANYONE, False), (MINE, True), (HIDDEN, False), (OTHERS, None), (ELSEWHERE, None),
     (MINE.replace('context.run == "', 'resource != Remit::Server::"crm" && context.run == "'), False),
     (MINE.replace('context.run == "', 'resource is Team::Wiki || context.run == "'), False)],
)  # fmt: skip
def test_a_policy_is_shown_if_it_speaks_to_this_agent_alone(build: Build, policy: str, told: bool | None) -> None:  # noqa: FBT001 - a parameter of the test
    found = made(build, build.view(policies=policy))
    if told is None:
        assert found["policies"] == []
        return
    (said,) = found["policies"]
    assert (said["effect"], said["conditional"]) == ("forbid", True)
    assert ("cedar" in said) == told
    text = encode(found).decode()
    assert "delete_all" not in text
    assert "crm" not in text
    assert "ask sam" not in text


def test_a_policys_text_is_its_statement_alone(build: Build) -> None:
    (said,) = made(build, build.view(policies=MINE))["policies"]
    assert said["id"] == "mine"
    assert said["title"] == "Not at night"
    assert said["actions"] == ["payments/transfer"]
    assert said["cedar"].splitlines() == [
        'forbid (principal == Remit::Agent::"invoice-bot", action == Remit::Action::"payments/transfer", resource)',
        'when { context.run == "// not a comment" };',
    ]


@pytest.mark.parametrize(
    ("text", "left"),
    [('@a("x \\" ;") @b permit (principal, action, resource);', "permit (principal, action, resource);"),
     ('@forbid\n("y")\nforbid (principal, action, resource);', "forbid (principal, action, resource);"),
     ("forbid (principal, // c\n  action, resource);", "forbid (principal,\n  action, resource);")],
)  # fmt: skip
def test_annotations_and_comments_are_not_shown(text: str, left: str) -> None:
    assert statement(text) == left


LIMITS = st.sampled_from([Decimal(text) for text in ("0", "1.5", "500.00", "0.0001")])
PERIODS = st.sampled_from(["hour", "day", "month"])


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    bounds = st.builds(Bound, argument=st.sampled_from(["amount", "currency", "tags", "none"]), max=LIMITS)
    return Rule(
        action=ActionName("payments/transfer"),
        when=tuple(draw(st.lists(bounds, max_size=2))),
        rate=draw(
            st.none() | st.builds(Rate, count=st.integers(1, 9), per=st.sampled_from(["second", "min", "hour", "day"]))
        ),
        budget=draw(
            st.none()
            | st.builds(Budget, argument=st.just("amount"), max=LIMITS, per=st.sampled_from(["hour", "day", "month"]))
        ),
        approval_above=draw(st.sampled_from([(), (("amount", Decimal(250)),)])),
        first_use=draw(st.sampled_from([None, "auto"])),
        ttl=draw(st.sampled_from([None, Micros(DAY)])),
    )


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    one=rules(), other=rules(), tier=st.sampled_from(Tier), pin=st.sampled_from(PinState),
    state=st.none() | st.sampled_from(ActivationState), now=st.sampled_from([0, DAY, 400 * DAY]),
    risk=st.sampled_from([0, 600_000, 900_000]), used=st.none() | st.integers(0, 2**63 - 1),
)  # fmt: skip
def test_every_mandate_keeps_to_the_schema(  # noqa: PLR0917 - hypothesis names them
    build: Build, one: Rule, other: Rule, tier: Tier, pin: PinState, state: Any, now: int, risk: int, used: int | None
) -> None:
    view = build.view(
        build.boundary(one, name="a"), build.boundary(other, name="b"), policies=ANYONE + MINE, risk=risk,
        servers=[build.server(build.tool(tier=tier, state=pin))], contact=build.NOON + now,
        activations=[] if state is None else [build.activation(state=state)],
    )  # fmt: skip
    issue = Issue(caller=build.caller(), base=BASE)
    found = mandate(view, issue, now=Instant(build.NOON + now), used=lambda _: used)
    SCHEMA.validate(parse(encode(found)))
