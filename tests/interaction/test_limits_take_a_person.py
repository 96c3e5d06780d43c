"""A critical action without limits needs a person each time: nobody but the owner may put limits in their place."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from tests.interaction.apply_world import Tree
from tests.interaction.desk import Desk

from remit.storage.schema import notices


def rows(answer: tuple[int, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    assert answer[0] == 200, answer
    return {f"{row['kind']}/{row['name']}": row for row in answer[1]["changes"]}


@pytest.fixture
def critical(bare: Desk, tree: Tree) -> Tree:
    """A transfer that is critical, with bounds and no limits, approved by its owner."""
    for part in ("limits", "approval"):
        tree.transfer.pop(part)
    rows(bare.apply(bare.admin, tree.documents(), approve=True, act_as="dana"))
    assert not bare.rig.boundary().rules["payments/transfer"].limited
    return tree


@pytest.mark.parametrize(
    "more",
    [
        {"limits": {"rate": "100000/min"}},
        {"limits": {"budget": {"argument": "amount", "max": "1000000.00", "per": "day"}}},
        {"approval": {"above": {"amount": "100000"}}},
        {"first_use": "auto"},
    ],
)
def test_a_first_limit_waits_for_the_owner(bare: Desk, critical: Tree, more: dict[str, Any]) -> None:
    critical.transfer.update(more)
    found = rows(bare.apply(bare.admin, critical.documents()))
    assert found["boundary/pay"]["waits"]
    assert not bare.rig.boundary().rules["payments/transfer"].limited


def test_a_tier_that_goes_down_is_shown_recorded_and_told(bare: Desk, critical: Tree) -> None:
    critical.server["tools"]["transfer"] = {"tier": "low"}
    shown = rows(bare.apply(bare.admin, critical.documents(), dry_run=True))["server/payments"]
    assert "the tier of transfer goes down, critical to low" in shown["note"]
    rows(bare.apply(bare.admin, critical.documents()))
    told = bare.rig.writer.read(lambda connection: list(connection.execute(select(notices.c.agent, notices.c.body))))
    ((agent, body),) = told
    assert agent == "invoice-bot"
    assert '"change":"critical to low"' in body
    assert '"action":"payments/transfer"' in body
    (incident,) = bare.rig.entries("tier_lowered")
    assert (incident["kind"], incident["tools"]) == ("incident", {"transfer": "critical to low"})
