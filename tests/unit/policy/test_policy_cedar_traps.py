"""Every trap of the Cedar engine that could turn a deny into an allow, each with its own test."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import cedarpy
import pytest

from remit.policy.cedar import CedarEngine
from remit.policy.model import Code
from remit.policy.organisation import unreadable
from remit.policy.ports import Ruling, Slice, Verdict
from remit.policy.schema import for_action, for_catalog
from remit.policy.shape import shape_of

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build


class Scripted(CedarEngine):
    """The real engine, with the verdict put in its mouth."""

    def __init__(self, verdict: Verdict | Exception) -> None:
        self.verdict = verdict

    def ask(self, question: Slice, context: str) -> Verdict:  # noqa: ARG002 - what is said is fixed
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


class Counting(CedarEngine):
    """The real engine, counting what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Slice] = []

    def ask(self, question: Slice, context: str) -> Verdict:
        self.asked.append(question)
        return super().ask(question, context)


OWN = "boundary invoice-bot-payments"


def code(build: Build, verdict: Verdict | Exception) -> Code | None:
    denial = build.transfer(build.view(engine=Scripted(verdict))).answer.denial
    return None if denial is None else denial.code


def test_an_allow_by_the_boundarys_own_permit_is_the_only_allow(build: Build) -> None:
    assert code(build, Verdict(Ruling.ALLOW, (OWN,), ())) is None
    assert code(build, Verdict(Ruling.ALLOW, (OWN, "organisation p"), ())) is None


def test_no_decision_denies_although_it_is_truthy(build: Build) -> None:
    assert bool(cedarpy.Decision.NoDecision) is True
    assert code(build, Verdict(Ruling.NONE, (OWN,), ())) is Code.ENFORCEMENT_UNAVAILABLE


def test_any_diagnostic_error_denies_even_beside_an_allow(build: Build) -> None:
    assert code(build, Verdict(Ruling.ALLOW, (OWN,), ("skipped a policy",))) is Code.ENFORCEMENT_UNAVAILABLE


def test_an_engine_that_raises_denies(build: Build) -> None:
    assert code(build, RuntimeError("gone")) is Code.ENFORCEMENT_UNAVAILABLE


def test_an_organisation_permit_can_not_stand_in_for_a_boundary(build: Build) -> None:
    allow_all = '@id("invoice-bot-payments") permit (principal, action, resource);'
    view = build.view(policies=allow_all)
    assert build.transfer(view, "900.00").answer.denial is not None
    report = build.ask(build.call({}, tool="list_invoices", purpose="report"), view)
    assert report.answer.denial is not None
    assert report.answer.denial.code is Code.NOT_GRANTED
    assert code(build, Verdict(Ruling.ALLOW, ("organisation invoice-bot-payments",), ())) is not None
    assert code(build, Verdict(Ruling.ALLOW, ("invoice-bot-payments",), ())) is not None


def test_a_disagreement_denies_and_is_an_incident(build: Build) -> None:
    for verdict in (Verdict(Ruling.DENY, (), ()), Verdict(Ruling.ALLOW, ("organisation p",), ())):
        proposal = build.transfer(build.view(engine=Scripted(verdict)))
        assert proposal.answer.denial is not None
        assert proposal.answer.denial.code is Code.ENFORCEMENT_UNAVAILABLE
        assert proposal.facts["incident"]["kind"] == "structure_and_cedar_disagree"
        assert [type(effect).__name__ for effect in proposal.effects] == ["ConsumeProof"]


def test_cedar_allowing_what_the_structure_denies_is_an_incident_too(build: Build) -> None:
    proposal = build.transfer(build.view(engine=Scripted(Verdict(Ruling.ALLOW, (OWN,), ()))), "900.00")
    assert proposal.answer.denial is not None
    assert proposal.answer.denial.code is Code.CONSTRAINT_VIOLATED
    assert proposal.facts["incident"]["what"] == "Cedar allows and the structure does not"


def test_a_forbid_that_errors_is_skipped_by_cedar_and_denied_here(build: Build) -> None:
    # The catalog had an amount when this was written; the tool approved since then has text there.
    text = '@id("f") forbid (principal, action, resource) when { context.input.amount.greaterThan(decimal("1.0")) };'
    schema = {"type": "object", "properties": {"amount": {"type": "string"}}}
    rule = build.rule("payments/transfer")
    view = build.view(build.boundary(rule), policies=text, servers=[build.server(build.tool(schema=schema))])
    for arguments in ({"amount": "500"}, {}):
        denial = build.ask(build.call(arguments), view).answer.denial
        assert denial is not None
        assert denial.code is Code.ENFORCEMENT_UNAVAILABLE


def test_an_action_group_matches_because_a_schema_is_always_given(build: Build) -> None:
    for group in ("server:payments", "tier:critical"):
        view = build.view(policies=f'@id("g") forbid (principal, action in Remit::Action::"{group}", resource);')
        denial = build.transfer(view).answer.denial
        assert denial is not None
        assert denial.policy == "g"
    other = build.view(policies='@id("g") forbid (principal, action in Remit::Action::"tier:low", resource);')
    assert build.transfer(other).answer.allowed
    assert not build.ask(build.call({}, tool="list_invoices"), other).answer.allowed


def test_without_a_schema_an_action_group_silently_does_not_match(build: Build) -> None:
    forbid = (
        'permit (principal, action, resource); forbid (principal, action in Remit::Action::"tier:critical", resource);'
    )
    request: dict[str, Any] = {
        "principal": {"type": "Remit::Agent", "id": "a"},
        "action": {"type": "Remit::Action", "id": "s/t"},
        "resource": {"type": "Remit::Server", "id": "s"},
        "context": {},
    }
    assert cedarpy.is_authorized(request, forbid, "[]").decision is cedarpy.Decision.Allow


def test_entity_ids_with_quotes_and_controls_stay_entities(build: Build) -> None:
    strange = 'transfer"\\n::\u00e9`'
    rule = build.rule(f"payments/{strange}")
    schema = {"type": "object", "properties": {}}
    view = build.view(
        build.boundary(rule),
        servers=[build.server(build.tool(strange, schema=schema))],
        purposes=[build.purpose("pay-invoices", "payments/*")],
    )
    assert build.ask(build.call({}, tool=strange), view).answer.allowed


def test_reasons_are_our_own_ids_and_not_positions(build: Build) -> None:
    text = 'permit (principal, action, resource);\n@id("second") forbid (principal, action, resource);'
    denial = build.transfer(build.view(policies={"rules.cedar": text})).answer.denial
    assert denial is not None
    assert denial.policy == "second"
    unnamed = build.transfer(
        build.view(policies={"rules.cedar": "forbid (principal, action, resource);"})
    ).answer.denial
    assert unnamed is not None
    assert unnamed.policy == "rules:1"


def test_numbers_reach_cedar_as_exact_decimals(build: Build) -> None:
    text = '@id("d") forbid (principal, action == Remit::Action::"payments/transfer", resource) when { context.input.amount == decimal("0.3") };'  # noqa: E501 - one policy
    view = build.view(policies=text)
    for amount, allowed in ((Decimal("0.3000"), False), (Decimal("0.3001"), True), (3, True)):
        assert build.ask(build.call({"amount": amount, "currency": "EUR"}), view).answer.allowed is allowed


def test_a_float_is_refused_before_cedar_could_fail_on_it(build: Build) -> None:
    denial = build.ask(build.call({"amount": 0.5, "currency": "EUR"}), build.view()).answer.denial
    assert denial is not None
    assert denial.code is Code.INVALID_ARGUMENTS


def test_context_that_does_not_fit_the_schema_is_no_decision(build: Build) -> None:
    engine = CedarEngine()
    schema = engine.schema(for_action("s/t", ("server:s",), shape_of(build.schema)))
    policies = {"p": engine.read("permit (principal, action, resource);")["staticPolicies"]["policy0"]}
    request = {
        "principal": {"type": "Remit::Agent", "id": "a"},
        "action": {"type": "Remit::Action", "id": "s/t"},
        "resource": {"type": "Remit::Server", "id": "s"},
    }
    question = Slice(engine.policies(policies), engine.entities([], schema), schema, request)
    for context in ({}, {"input": {"amount": 1.5}}, {"input": {"amount": "1.00001", "currency": "EUR"}}):
        verdict = engine.ask(question, json.dumps(context))
        assert verdict.ruling is Ruling.NONE
        assert verdict.errors


@pytest.mark.parametrize("name", ["__entity", "__extn", "__expr"])
def test_an_argument_cannot_pose_as_an_entity_or_an_extension_value(build: Build, name: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "object", "properties": {"fn": {"type": "string"}}}}}
    assert not shape_of(schema).members
    view = build.view(build.boundary(build.rule()), servers=[build.server(build.tool(schema=schema))])
    assert build.ask(build.call({name: {"fn": "decimal"}}), view).answer.allowed


def test_an_allowed_call_asks_cedar_once_and_parses_nothing_again(build: Build) -> None:
    engine = Counting()
    view = build.view(engine=engine)
    for _ in range(3):
        assert build.transfer(view).answer.allowed
    assert len(engine.asked) == 3
    assert engine.asked[0] is engine.asked[2]


def test_a_structural_denial_asks_cedar_once(build: Build) -> None:
    engine = Counting()
    build.transfer(build.view(engine=engine), "900.00")
    assert len(engine.asked) == 1


def test_a_slice_holds_only_policies_whose_scope_can_apply(build: Build) -> None:
    many = "\n".join(
        f'@id("{name}") forbid ({principal}, {action}, {resource}) when {{ false }};'
        for name, principal, action, resource in [
            ("everyone", "principal", "action", "resource"),
            ("agent", 'principal == Remit::Agent::"invoice-bot"', "action", "resource"),
            ("owner", 'principal in Remit::Owner::"dana"', "action", "resource"),
            ("typed", "principal is Remit::Agent", "action", "resource"),
            ("group", "principal", 'action in [Remit::Action::"tier:critical"]', "resource is Remit::Server"),
            ("other-agent", 'principal == Remit::Agent::"other"', "action", "resource"),
            ("other-owner", 'principal in Remit::Owner::"lee"', "action", "resource"),
            ("other-tier", "principal", 'action in Remit::Action::"tier:low"', "resource"),
            ("other-server", "principal", "action", 'resource == Remit::Server::"crm"'),
        ]
    )
    engine = Counting()
    build.transfer(build.view(policies=many, engine=engine))
    assert len(engine.asked[0].policies) == 6


def test_partial_evaluation_is_not_built_on() -> None:
    assert not [name for name in vars(CedarEngine) if "partial" in name]


def test_the_schema_of_a_catalog_takes_every_name(build: Build) -> None:
    tools = [
        build.tool(
            "x", schema={"type": "object", "properties": {n: {"type": "integer"} for n in ("a b", "", "é", "\n")}}
        )
    ]
    servers = [build.server(*tools), build.server(name="server"), build.server(name="ping"), build.server(name="tier")]
    assert CedarEngine().schema(for_catalog(servers)) is not None


def test_stored_policies_that_do_not_parse_allow_nothing(build: Build) -> None:
    view = dataclasses.replace(build.view(), organisation=unreadable({"x": "forbid"}, fault="x:1: bad", serial=9))
    denial = build.transfer(view).answer.denial
    assert denial is not None
    assert denial.code is Code.ENFORCEMENT_UNAVAILABLE
    assert not build.ask(build.method("ping"), view).answer.allowed
