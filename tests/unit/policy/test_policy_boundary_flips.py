"""A boundary that lets more through is shown with a call; a narrower one never is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from remit.access.model import Rule
from remit.policy.boundary_flips import Versions, lets_through
from remit.policy.organisation import Organisation
from remit.policy.slices import Slices
from remit.policy.view import server_record

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

    from remit.policy.widen_search import Shown


def shown(build: Build, before: Rule | None, after: Rule, **changes: Any) -> Shown | None:
    old = None if before is None else build.boundary(before)
    versions = Versions(before=old, after=build.boundary(after, **changes))
    servers = {"payments": server_record(build.server())}
    return lets_through(versions, servers, Organisation(), Slices(build.engine), now=build.NOON)


def amount(build: Build, most: str, **parts: Any) -> Rule:
    return build.rule("payments/transfer", build.bound("amount", max=most), **parts)


@pytest.mark.parametrize("turned", [False, True])
def test_a_bound_a_member_and_a_threshold(build: Build, *, turned: bool) -> None:
    pairs = [
        (amount(build, "500.00"), amount(build, "500.0001")),
        (build.rule("payments/transfer", build.bound("currency", in_=("EUR",))),
         build.rule("payments/transfer", build.bound("currency", in_=("EUR", "USD")))),
        (build.rule("payments/transfer", build.bound("to", prefix="ab")),
         build.rule("payments/transfer", build.bound("to", prefix="a"))),
        (build.rule("payments/transfer", build.bound("to", max_length=3)),
         build.rule("payments/transfer", build.bound("to", max_length=4))),
        (amount(build, "500", approval_above=(("amount", build.bound(max="250").max),)),
         amount(build, "500", approval_above=(("amount", build.bound(max="300").max),))),
        (amount(build, "500"), build.rule("payments/transfer")),
    ]  # fmt: skip
    for narrow, wide in pairs:
        found = shown(build, wide, narrow) if turned else shown(build, narrow, wide)
        assert (found is None) == turned, (narrow, wide, found)
        if found is not None and found.before is not None and found.after is not None:
            assert not found.before.allowed
            assert found.after.allowed


def test_a_rate_and_a_budget_are_shown_once_they_are_used_up(build: Build) -> None:
    found = shown(build, amount(build, "500", rate=build.rate(30)), amount(build, "500", rate=build.rate(60)))
    assert found is not None
    assert found.given == "the rate in force is used up"
    found = shown(build, amount(build, "9", budget=build.budget("50")), amount(build, "9", budget=build.budget("60")))
    assert found is not None
    assert found.given == "the budget in force is used up"


def test_a_new_boundary_and_a_later_end(build: Build) -> None:
    assert shown(build, None, amount(build, "500")) is not None
    later = shown(build, amount(build, "500"), amount(build, "500"), not_after=build.END + 86_400_000_000)
    assert later is not None
    assert later.trial.now >= build.END
