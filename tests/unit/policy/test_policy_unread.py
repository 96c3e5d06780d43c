"""What a decision did not come to read is kept beside what it read, once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from remit.kernel.canonical import canonical, parse
from remit.policy import spent
from remit.policy.approved import Standing, asked_of, bound_to, by_call
from remit.policy.circumstances import read_back
from remit.policy.model import Call, Proposal
from remit.policy.record import decision_fields
from remit.policy.replay import again, differs
from remit.policy.view import View
from remit.storage.model import ConsumeApproval

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build


def standing(call: Call, number: int, **parts: Any) -> Standing:
    made: dict[str, Any] = {
        "request": f"arq_{number}", "asked": asked_of(call), "binding": bound_to(call).hex(), "state": "approved",
        "until": call.caller.expires, "approval": f"apr_{number}", "by": ("dana",),
    }  # fmt: skip
    return Standing(**(made | parts))


def over(build: Build, *them: Standing) -> View:
    """A view on which 400 takes an approval."""
    rule = build.transfer_rule(approval_above=(("amount", Decimal("250.00")),))
    return replace(build.view(build.boundary(rule)), approvals=by_call(them), consumed={}, mac=bytes.hex)


def once_more(call: Call, proposal: Proposal, view: View) -> str:
    """In which way what is recorded of `proposal` does not come out again."""
    header, payload = decision_fields(call, proposal, view=view)
    header, payload = parse(canonical(header | {"id": call.id})), parse(canonical(payload))
    recorded = read_back(header, payload)
    return differs(header, payload, again(recorded, view), recorded, view)


@pytest.fixture
def call(build: Build) -> Call:
    found: Call = build.call({"amount": 400, "currency": "EUR"})
    return found


def test_an_approval_that_another_call_took_is_kept_as_it_was_when_this_one_was_decided(
    build: Build, call: Call
) -> None:
    """The writer says no a moment later, when this node may know already who used it."""
    view = over(build, standing(call, 1))
    proposal = build.ask(call, view)
    (effect,) = [each for each in proposal.effects if isinstance(each, ConsumeApproval)]
    assert decision_fields(call, proposal, view=view)[1]["approvals"][0][-1] == ""
    view.consumed["arq_1"] = "dec_other"  # type: ignore[index]
    lost = spent.denied(effect, call, proposal, view.counters, now=proposal.read.now)
    assert decision_fields(call, lost, view=view)[1]["approvals"][0][-1] == ""
    assert once_more(call, lost, view) == ""


@pytest.mark.parametrize(
    ("them", "kept", "state"),
    [
        ([{"binding": "o"}], 1, "stale"),
        ([{"binding": "o", "used": "dec_9"}], 1, "none"),
        ([{"binding": "o", "state": "pending"}] * 50, 0, "none"),
        ([{"binding": "o", "state": "denied"}, {"state": "pending"}, {"binding": "o"}], 2, "pending"),
        ([{"state": "denied"}, {"binding": "o", "state": "expired"}], 1, None),
        ([{}, {"binding": "o", "state": "pending"}], 1, None),
    ],
)
def test_what_was_asked_about_other_arguments_is_kept_only_where_it_speaks(
    build: Build, call: Call, them: list[dict[str, Any]], kept: int, state: str | None
) -> None:
    """Attack: an agent asks for much, so that each of its calls fills the disk with all of it."""
    view = over(build, *[standing(call, number, **parts) for number, parts in enumerate(them)])
    proposal = build.ask(call, view)
    denial = proposal.answer.denial
    assert (None if denial is None else denial.state) == state
    assert len(decision_fields(call, proposal, view=view)[1].get("approvals", ())) == kept
    assert once_more(call, proposal, view) == ""
