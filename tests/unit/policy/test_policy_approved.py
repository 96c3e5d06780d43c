"""What is known of approvals of a call: which one lets it pass, or why none does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from remit.attestation.model import Link
from remit.kernel.clock import HOUR, MINUTE, Instant, parse_date_end
from remit.kernel.names import ActionName, AgentName, InstanceId, PurposeName, RunId
from remit.policy.approved import Found, Standing, approved, asked_of, bound_to, by_call
from remit.policy.model import Approvers, Call
from remit.policy.view import View

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

NOON = Instant(parse_date_end("2026-11-23") + 12 * HOUR)
LATER = Instant(NOON + MINUTE)


def mac(value: bytes) -> str:
    return value.hex()


@pytest.fixture
def call(build: Build) -> Call:
    found: Call = build.call({"amount": 400, "currency": "EUR"})
    return found


def standing(call: Call, **parts: Any) -> Standing:
    made: dict[str, Any] = {
        "request": "arq_1", "asked": asked_of(call), "binding": mac(bound_to(call)), "state": "approved",
        "until": LATER, "approval": "apr_1", "by": ("dana",),
    }  # fmt: skip
    return Standing(**(made | parts))


def found(build: Build, call: Call, *them: Standing, now: Instant = NOON, **how: Any) -> Found:
    view: View = replace(build.view(build.boundary()), approvals=by_call(them), mac=mac)
    return approved(call, view, now=now, **how)


def test_it_passes_with_what_must_commit(build: Build, call: Call) -> None:
    it = found(build, call, standing(call))
    assert it.passes
    assert it.effect is not None
    assert (it.effect.request, it.effect.approval, it.effect.decision, it.effect.at) == (
        "arq_1", "apr_1", call.id, NOON,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "state"),
    [
        ({"state": "pending"}, "pending"),
        ({"state": "pending", "until": NOON}, "expired"),
        ({"until": NOON}, "expired"),
        ({"state": "expired"}, "expired"),
        ({"state": "denied"}, "denied"),
        ({"used": "dec_other"}, "used"),
        ({"by": ()}, "stale"),
        ({"binding": "other"}, "stale"),
        ({"binding": "other", "state": "pending"}, "none"),
        ({"binding": "other", "used": "dec_other"}, "none"),
    ],
)
def test_why_none_lets_it_pass(build: Build, call: Call, parts: dict[str, Any], state: str) -> None:
    it = found(build, call, standing(call, **parts))
    assert (it.state, it.passes, it.effect) == (state, False, None)


def test_what_is_approved_counts_before_what_was_asked_later(build: Build, call: Call) -> None:
    later = [standing(call, request=f"arq_{n}", state=s) for n, s in ((2, "denied"), (3, "pending"), (4, "expired"))]
    assert found(build, call, *later, standing(call)).passes
    assert found(build, call, *later).state == "pending"
    assert found(build, call, later[0], later[2]).state == "expired", "the newest speaks"


def test_each_part_of_the_call_is_bound(call: Call) -> None:
    caller = call.caller
    link = Link(
        agent=AgentName("root"), instance=InstanceId("i"), credential="c", run=RunId("r"), token="t", attested=NOON
    )
    others = [
        replace(call, arguments={"amount": 400}),
        replace(call, arguments={"amount": 400, "currency": "EUR", "x": None}),
        replace(call, action=ActionName("payments/list_invoices")),
        replace(call, caller=replace(caller, agent=AgentName("other"))),
        replace(call, caller=replace(caller, purpose=PurposeName("other"))),
        replace(call, caller=replace(caller, links=(link,))),  # the same agent, with another's access
    ]
    assert len({bound_to(each) for each in (call, *others)}) == 7
    same = replace(call, arguments={"currency": "EUR", "amount": 400}, caller=replace(caller, token="new"))
    assert bound_to(same) == bound_to(call)


def test_who_may_approve_is_as_the_boundary_says_now(build: Build, call: Call) -> None:
    two = Approvers(by=("lee", "mo"), quorum=2)
    for by, state in ((("dana", "lee"), "stale"), (("lee",), "stale"), (("lee", "mo"), "approved")):
        assert found(build, call, standing(call, by=by), approvers=two).state == state


def test_an_approval_that_is_named_is_the_only_one_that_counts(build: Build, call: Call) -> None:
    assert found(build, replace(call, approval="apr_1"), standing(call)).passes
    assert found(build, replace(call, approval="apr_2"), standing(call)).state == "none"


def test_a_call_that_runs_keeps_what_it_used(build: Build, call: Call) -> None:
    it = found(build, call, standing(call, used=call.id), now=LATER)
    assert it.passes
    assert it.effect is None


def test_where_nothing_was_asked_for_nothing_is_hashed(build: Build, call: Call) -> None:
    view = build.view(build.boundary())
    assert approved(call, view, now=NOON).state == "none"
    with pytest.raises(ValueError, match="key"):
        approved(call, replace(view, approvals=by_call([standing(call)])), now=NOON)
