"""Policies that read arguments: `context.input`, however it is reached, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from remit.policy.argued import reads_arguments
from remit.policy.cedar import CedarEngine
from remit.policy.organisation import read

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
