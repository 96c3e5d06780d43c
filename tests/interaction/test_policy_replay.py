"""Every recorded decision is made again, on the state as it was, and comes out as it was recorded."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.interaction.replay_world import ReplayWorld

from remit.server.what_if import Asked

PAY = {"amount": Decimal("100.00"), "currency": "EUR", "to": "x"}
MUCH = {**PAY, "amount": Decimal("240.00")}
TOO_MUCH = {**PAY, "amount": Decimal("900.00")}
OVER = {**PAY, "amount": Decimal("300.00")}
FORBID = (
    '@id("no-usd") @title("No dollars") forbid(principal, action == Remit::Action::"payments/transfer", resource)\n'
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReplayWorld:
    return ReplayWorld(tmp_path, monkeypatch)


def lived(world: ReplayWorld) -> list[str]:
    """A few dozen calls of every sort, while policies, boundaries, pins and versions change."""
    said = []

    def calls() -> None:
        said.append(world.call("payments/list_invoices"))
        said.extend(world.call("payments/transfer", each) for each in (PAY, MUCH, TOO_MUCH, OVER))
        said.append(world.call("payments/transfer", {"amount": Decimal("1.00")}))
        said.append(world.call("payments/delete_payee", {"id": "x"}))
        said.append(world.call("payments:tools/list"))
        said.append(world.call("payments:resources/subscribe"))
        said.append(world.call("payments/list_invoices", purpose="nothing"))
        said.append(world.call("payments/list_invoices", credential="another"))
        said.append(world.call("elsewhere/tool"))
        world.later(1_000_000)

    calls()
    world.tree.policies["money.cedar"] = (
        FORBID + 'when { context.input has amount && context.input.amount.greaterThan(decimal("200.00")) };'
    )
    world.apply()
    calls()
    world.tree.transfer["when"]["amount"]["max"] = "150.00"
    world.apply()
    calls()
    world.restart()
    calls()
    world.rig.lister.tools["payments"][2]["inputSchema"]["properties"]["note"] = {"type": "string"}
    world.tree.agent["version"] = "1.5"
    world.apply()
    calls()
    return said


def test_everything_is_decided_again_as_it_was(world: ReplayWorld) -> None:
    said = lived(world)
    found = world.simulate()
    assert found["differs"] == []
    assert (found["decisions"], found["reproduced"]) == (len(said), len(said))
    assert {"allow", "forbidden_by_policy", "constraint_violated", "approval_required", "not_visible"} <= set(said)
    world.restart()
    assert world.simulate() == found


def test_a_forbid_flips_what_it_forbids_and_nothing_else(world: ReplayWorld) -> None:
    lived(world)
    text = '@id("stop") forbid(principal, action == Remit::Action::"payments/list_invoices", resource);'
    found = world.simulate(Asked([{"kind": "policy", "file": "stop.cedar", "text": text}]))
    flips: list[dict[str, Any]] = found["flips"]
    assert found["differs"] == []
    assert {(each["action"], each["change"], each["was"]["decision"]) for each in flips} == {
        ("payments/list_invoices", "narrow", "allow")
    }
    assert {each["would"]["policy"] for each in flips} == {"stop"}
    assert len(flips) == 5
    assert found["agents"] == {"invoice-bot": {"narrow": 5}}
    assert found["activations"] == {flips[0]["activation"]: {"narrow": 5}}
