"""Policies that read arguments: `context.input`, however it is reached, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from remit.attestation.model import Link
from remit.kernel.names import ActionName, AgentName, InstanceId, RunId
from remit.policy.argued import argued, reads_arguments
from remit.policy.cedar import CedarEngine
from remit.policy.organisation import read

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

    from remit.policy.view import View

READ = [
    'when { context.input.to == "mallory" }', "when { context has input }", "unless { context.input has to }",
    'when { true && (context.purpose == "pay" || [context.input].contains(context.input)) }',
    "when { context == context }", "when { if principal == resource then false else context.input.amount > 1 }",
]  # fmt: skip
NOT_READ = [
    "", 'when { context.purpose == "pay" }', "when { context has purpose && context.purpose == context.purpose }",
    'when { principal == Remit::Agent::"input" }', 'when { "input" == "context" }',
]  # fmt: skip


def policy(condition: str) -> Any:
    (found,) = read({"p.cedar": f"forbid (principal, action, resource) {condition};"}, CedarEngine(), serial=1).policies
    return found.cedar


@pytest.mark.parametrize("condition", READ)
def test_what_reads_arguments(condition: str) -> None:
    assert reads_arguments(policy(condition))


@pytest.mark.parametrize("condition", NOT_READ)
def test_what_does_not(condition: str) -> None:
    assert not reads_arguments(policy(condition))


TRANSFER = ActionName("payments/transfer")
WHEN = "when { context has input && context.input has amount };"


def forbidding(build: Build, scope: str, *, effect: str = "forbid", when: str = WHEN) -> View:
    return build.view(policies=f"{effect} ({scope}) {when}")


@pytest.mark.parametrize(
    "scope",
    [
        "principal, action, resource", 'principal == Remit::Agent::"invoice-bot", action, resource',
        'principal in Remit::Owner::"dana", action, resource',
        'principal, action == Remit::Action::"payments/transfer", resource',
        'principal, action in Remit::Action::"tier:critical", resource',
        'principal, action in Remit::Action::"server:payments", resource == Remit::Server::"payments"',
    ],
)  # fmt: skip
def test_a_forbid_that_can_apply_counts(build: Build, scope: str) -> None:
    caller = build.caller()
    assert argued(forbidding(build, scope), caller, TRANSFER)
    assert not argued(forbidding(build, scope, effect="permit"), caller, TRANSFER)
    assert not argued(forbidding(build, scope, when=";"), caller, TRANSFER)


@pytest.mark.parametrize(
    "scope",
    [
        'principal == Remit::Agent::"other", action, resource', 'principal in Remit::Owner::"lee", action, resource',
        'principal, action == Remit::Action::"payments/list_invoices", resource',
        'principal, action in Remit::Action::"tier:low", resource',
    ],
)  # fmt: skip
def test_one_of_others_does_not(build: Build, scope: str) -> None:
    assert not argued(forbidding(build, scope), build.caller(), TRANSFER)


def test_of_whom_the_caller_acts_for_it_counts_too(build: Build) -> None:
    """A forbid of the chief's payments is not passed by through its clerk."""
    view = forbidding(build, 'principal == Remit::Agent::"invoice-bot", action, resource')
    clerk = AgentName("clerk")
    view = replace(view, agents={**view.agents, clerk: build.record(agent=build.agent(agent=clerk))})
    alone = replace(build.caller(), agent=clerk)
    chief = Link(
        agent=AgentName("invoice-bot"), instance=InstanceId("i"), credential="c", run=RunId("r"), token="t", allow="[]"
    )
    assert not argued(view, alone, TRANSFER)
    assert argued(view, replace(alone, links=(chief,)), TRANSFER)


def test_of_who_is_not_known_and_of_policies_that_do_not_read_the_worst_is_taken(build: Build) -> None:
    view = build.view()
    assert not argued(view, build.caller(), TRANSFER)
    assert argued(view, replace(build.caller(), agent=AgentName("nobody")), TRANSFER)
    broken = replace(view, organisation=replace(view.organisation, fault="it does not read"))
    assert argued(broken, build.caller(), TRANSFER)
