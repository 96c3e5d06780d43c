"""`remit why` says of what was read what the next call would hear: on the real stores."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.interaction.apply_world import Tree
from tests.interaction.approvals_world import OVER, Approvals, said

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
