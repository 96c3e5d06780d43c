"""What is passed over as untouched is decided alike: on whatever policies, for tools and for methods."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.kernel.names import ActionName
from remit.policy import organisation
from remit.policy.cedar import CedarEngine
from remit.policy.touched import Touched

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

    from remit.policy.model import Call
    from remit.policy.view import View

LAW = settings(
    max_examples=examples(200),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
ENGINE = CedarEngine()
PRINCIPALS = (
    "principal",
    'principal == Remit::Agent::"invoice-bot"',
    'principal == Remit::Agent::"other"',
    'principal in Remit::Owner::"dana"',
    'principal in Remit::Owner::"lee"',
    "principal is Remit::Agent",
)
ACTIONS = (
    "action",
    *(f'action in Remit::Action::"tier:{tier}"' for tier in ("low", "medium", "high", "critical")),
    'action in Remit::Action::"server:payments"',
    'action == Remit::Action::"payments/transfer"',
    'action in [Remit::Action::"payments:resources/read", Remit::Action::"payments:ping"]',
)
RESOURCES = ("resource", 'resource == Remit::Server::"payments"', 'resource == Remit::Server::"other"')
CALLS = ("transfer", "list_invoices", "resources/read", "tasks/cancel", "ping", "resources/list", "unknown/method")


def policies() -> st.SearchStrategy[str]:
    scope = st.tuples(st.sampled_from(PRINCIPALS), st.sampled_from(ACTIONS), st.sampled_from(RESOURCES))
    effect = st.sampled_from(["forbid", "forbid", "permit"])
    one = st.tuples(effect, scope).map(lambda of: f"{of[0]} ({', '.join(of[1])});")
    return st.lists(one, max_size=2).map(lambda each: "\n".join(f'@id("p{at}") {text}' for at, text in enumerate(each)))


def asked(build: Build, name: str, *, entitled: bool) -> Call:
    if "/" not in name and name != "ping":
        return build.call(None if name == "transfer" else {}, tool=name)
    call = build.method(name)
    if not entitled:
        return call
    arguments = {"uri": "a://b"} if name == "resources/read" else {"taskId": "t"} if name == "tasks/cancel" else {}
    return dataclasses.replace(call, arguments=arguments)


def views(build: Build, before: str, after: str) -> tuple[View, View]:
    granted = [build.rule(f"payments:{name}") for name in ("resources/read", "tasks/cancel", "resources/list")]
    rules = build.transfer_rule(), build.rule("payments/list_invoices"), *granted
    every = ActionName("payments/*"), ActionName("payments:*")
    was = build.view(build.boundary(*rules), purposes=[build.purpose("pay-invoices", *every)], policies=before)
    would = organisation.read({"organisation.cedar": after} if after else {}, ENGINE, serial=-1)
    return was, dataclasses.replace(was, organisation=would)


@LAW
@given(policies(), policies(), st.sampled_from(CALLS), st.booleans())
@example("", '@id("p") forbid (principal, action in Remit::Action::"tier:low", resource);', "resources/read", True)  # noqa: FBT003 - asked for as a boundary grants it
@example("", '@id("p") forbid (principal, action in Remit::Action::"tier:medium", resource);', "tasks/cancel", True)  # noqa: FBT003 - as above
def test_what_is_not_touched_is_decided_alike(
    build: Build,
    before: str,
    after: str,
    name: str,
    entitled: bool,  # noqa: FBT001 - drawn
) -> None:
    """Attack: a candidate stops methods by their tier, and is said to change nothing."""
    was, would = views(build, before, after)
    call, touched = asked(build, name, entitled=entitled), Touched(was, would)
    answers = [build.ask(call, view).answer for view in (was, would)]
    assert touched(call) or answers[0] == answers[1]


def test_a_call_let_through_and_then_stopped_is_seen(build: Build) -> None:
    """The law would hold of calls that are all refused."""
    stop = '@id("p") forbid (principal, action in Remit::Action::"tier:low", resource);'
    was, would = views(build, "", stop)
    for name in ("list_invoices", "resources/read"):
        call = asked(build, name, entitled=True)
        assert build.ask(call, was).answer.allowed
        assert not build.ask(call, would).answer.allowed
        assert Touched(was, would)(call)


def test_of_what_no_policy_of_either_is_about_nothing_is_said(build: Build) -> None:
    was, would = views(build, "", '@id("p") forbid (principal, action in Remit::Action::"tier:high", resource);')
    assert not Touched(was, would)(asked(build, "resources/read", entitled=True))
    assert not Touched(was, would)(asked(build, "list_invoices", entitled=True))
    assert not Touched(was, was)(asked(build, "list_invoices", entitled=True))
