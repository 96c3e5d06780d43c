"""What `remit why` adds to a recorded decision: the path, where the policy stands, and what was tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.policy.conftest import Build
from tests.unit.policy.test_policy_service import service

from remit.audit.log import Recorded
from remit.catalog.model import Kind
from remit.kernel.canonical import encode
from remit.server.reasons import path, reasons

EURO = '// money\n@id("eu") @title("Euro only")\nforbid (principal, action, resource == Remit::Server::"payments")'
UNLESS = ' unless { context.input has currency && context.input.currency == "EUR" };'


def recorded(view: Any, payload: Any = None, **changes: Any) -> Recorded:
    header = {
        "decision": "deny", "agent": "invoice-bot", "purpose": "pay-invoices", "server": "payments", "step": 7,
        "action": "payments/transfer", "code": "forbidden_by_policy", "policy": "eu", "run": "r", "instance": "i",
        "policies": view.organisation.digest,
    }  # fmt: skip
    said = {"arguments": encode({"amount": 5, "currency": "USD"}).decode(), "named": []} if payload is None else payload
    return Recorded(header | changes, said, 1)


def test_the_policy_with_its_line_and_what_passes_it() -> None:
    build = Build()
    view = build.view(policies=EURO + UNLESS)
    found = reasons(recorded(view), service(build, view))
    (policy,) = found["policies_then"]
    assert (policy["file"], policy["line"], policy["since"]) == ("organisation.cedar", 2, "unchanged")
    assert [each["said"] for each in found["path"]] == ["passed"] * 6 + ["refused"] + ["not reached"] * 4
    assert (found["now"]["decision"], found["now"]["code"]) == (False, "forbidden_by_policy")
    first = found["would"][0]
    assert (first["if"], first["who"], first["then"]["decision"]) == ("with currency=EUR", "agent", True)


def test_what_has_changed_since_is_said() -> None:
    build = Build()
    view = build.view(policies=EURO + UNLESS)
    changed = reasons(recorded(view, policies="00"), service(build, view))["policies_then"]
    assert [each["since"] for each in changed] == ["changed"]
    gone = build.view()
    found = reasons(recorded(view), service(build, gone))
    assert [(each["since"], each["file"]) for each in found["policies_then"]] == [("gone", None)]


def test_an_allow_names_its_boundary_then_and_now() -> None:
    build = Build()
    view = build.view()
    said = {"decision": "allow", "boundary": "invoice-bot-payments", "boundary_version": 2, "policy": None}
    arguments = {"arguments": encode({"amount": 5, "currency": "EUR"}).decode(), "named": []}
    found = reasons(recorded(view, arguments, **said), service(build, view))
    assert (found["boundary_now"], found["now"]["decision"], found["would"]) == (3, True, [])
    assert {each["said"] for each in found["path"]} == {"passed"}


def test_an_operation_of_an_api_is_tried_as_the_call_that_it_was() -> None:
    """It has a slash and a colon in its name: taken for a method of MCP, it would be said to be refused now."""
    build = Build()
    operation = "payments:POST /transfers"
    server = replace(build.server(build.tool("POST /transfers", schema=build.schema)), kind=Kind.HTTP)
    boundary = build.boundary(build.rule(operation, build.bound("amount", max="500.00"), first_use="auto"))
    view = build.view(boundary, servers=[server], purposes=[build.purpose("pay-invoices", operation)])
    arguments = {"arguments": encode({"amount": 5, "currency": "EUR"}).decode(), "named": []}
    said = {"decision": "allow", "boundary": "invoice-bot-payments", "boundary_version": 3, "policy": None}
    found = reasons(recorded(view, arguments, action=operation, **said), service(build, view))
    assert (found["now"]["decision"], found["would"]) == (True, [])
    more = {"arguments": encode({"amount": 900, "currency": "EUR"}).decode(), "named": []}
    about = {"code": "constraint_violated", "policy": None, "step": 8}
    refused = reasons(recorded(view, more, action=operation, **about), service(build, view))
    assert (refused["now"]["code"], refused["would"][0]["if"]) == ("constraint_violated", "with amount=500.00")


@pytest.mark.parametrize(("payload", "more"), [("erased", {}), ({"arguments": "{}"}, {"acts_for": ["another"]})])
def test_what_cannot_be_asked_again_says_why(payload: Any, more: dict[str, Any]) -> None:
    build = Build()
    view = build.view()
    found = reasons(recorded(view, payload, **more), service(build, view))
    assert (found["now"], found["would"]) == (None, [])
    assert found["not_tried"]


def test_a_method_ends_with_the_boundary() -> None:
    said = path({"decision": "allow", "agent": "bot", "server": "payments", "action": "payments:tools/list"})
    assert [each["step"] for each in said if each["said"] == "passed"] == list(range(1, 9))


def test_of_types_of_ones_own_nothing_is_said_that_is_about_agents() -> None:
    build = Build()
    view = build.view(policies='@id("owners-edit")\npermit (principal, action, resource);')
    about = {"agent": "", "server": "", "purpose": "", "action": "edit", "policy": None, "code": None}
    sent: dict[str, Any] = {"sent": {}}  # the payload of such a question
    found = reasons(
        recorded(view, sent, **about, decision="allow", step=None, named=["owners-edit"]), service(build, view)
    )
    assert [each["step"] for each in found["path"] if each["said"] == "passed"] == [1, 2, 3, 6, 7]
    assert {each["said"] for each in found["path"]} == {"passed", "not asked"}
    assert [(each["policy"], each["since"]) for each in found["policies_then"]] == [("owners-edit", "unchanged")]
    # It is not tried as an agent's call, which it is not: that would be said to be denied.
    assert (found["now"], found["would"]) == (None, [])
    assert "no agent's call" in found["not_tried"]
    denied = path({"decision": "deny", "agent": "", "server": "", "action": "edit", "step": 6})
    assert [each["step"] for each in denied if each["said"] == "passed"] == [1, 2, 3]
    assert [each["step"] for each in denied if each["said"] == "refused"] == [6]
