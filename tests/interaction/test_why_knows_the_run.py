"""`remit why` and `remit who` say of what a run has read and done what the next call would hear: on the real stores."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.interaction.apply_world import Tree
from tests.interaction.approvals_world import OVER, WORK, Approvals, said

from remit.policy.who import Access

TOOLS = {"transfer": {"tier": "critical", "carries_out": True}, "list_*": {"tier": "low", "returns": ["untrusted"]}}


def test_a_call_decided_anew_and_each_way_that_is_tried_know_of_the_taint() -> None:
    """Else they are said to pass, and the agent that does as it is told is refused."""
    tree = Tree()
    tree.server["tools"] = TOOLS
    world = Approvals(tree)
    small, large = ({**OVER, "amount": Decimal(amount)} for amount in ("10.00", "900.00"))
    assert said(world.admitted(world.call({}, tool="list_invoices")).answer) == "allow"
    world.written()
    assert world.tries(small) == "flow_blocked none"
    proposal, _, _ = world.policy.anew(replace(world.call(small), hypothetical=True))
    assert said(proposal.answer) == "flow_blocked none"
    assert world.tries(large).startswith("constraint_violated")
    _, ways, _ = world.policy.anew(replace(world.call(large), hypothetical=True))
    assert [said(each.proposal.answer) for each in ways] == ["approval_required none", "flow_blocked none"]
    clean = replace(world.call(large, instance="another", credential=""), hypothetical=True)
    _, ways, _ = world.policy.anew(clean)
    assert "allow" in [said(each.proposal.answer) for each in ways], "of a copy that read nothing"


def test_who_says_of_a_step_that_comes_first_what_can_says() -> None:
    """`direct` would say that the next call is let through: of a run that did nothing yet, it is not."""
    tree = Tree()
    tree.transfer["sequence"] = {"requires_before": [{"action": "payments/list_invoices"}]}
    world = Approvals(tree)
    small = {**OVER, "amount": Decimal("10.00")}
    can = world.policy.can("invoice-bot", "pay-invoices", "payments/transfer", small)
    assert can["denial"]["code"] == "sequence_required"
    found = world.policy.standing("invoice-bot", WORK, "payments/transfer", small)
    assert (found.access, found.code) == (Access.OUTSIDE_LIMITS, "sequence_required")
