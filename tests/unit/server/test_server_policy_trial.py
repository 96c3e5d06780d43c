"""Tests of policies are the real decision, over what a directory says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from remit.kernel.clock import Instant, parse_date_end
from remit.kernel.errors import ConfigInvalid
from remit.people.document import SpecInvalid
from remit.policy.case import suite
from remit.policy.cedar import CedarEngine
from remit.server.documents import Document, Findings, TreeInvalid, read
from remit.server.policy_trial import Result, run

NOW = Instant(parse_date_end("2026-11-24"))
FORBID = """
@id("small-only")
@title("Small")
forbid (principal, action == Remit::Action::"payments/transfer", resource)
when { context.input has amount && context.input.amount.greaterThan(decimal("100.0")) };
@id("no-lists")
forbid (principal == Remit::Agent::"lister", action == Remit::Action::"payments/list", resource);
"""
SCHEMA = """namespace Docs {
  entity User = { staff?: Bool };
  entity Doc;
  action read appliesTo { principal: User, resource: Doc, context: { at_home?: Bool } };
}
"""
READ = """@id("staff") permit (principal, action == Docs::Action::"read", resource) when { principal has staff };
@id("home") @title("Not at home") forbid (principal, action == Docs::Action::"read", resource)
when { context has at_home && context.at_home };
"""
TREE: list[dict[str, Any]] = [
    {"kind": "owner", "spec": {"owner": "dana", "name": "Dana", "email": "dana@example.test"}},
    {
        "kind": "purpose",
        "spec": {
            "purpose": "pay", "statement": "Pay", "actions": ["payments/*"], "data_classes": [],
            "not_after": "2027-06-30",
        },
    },
    {"kind": "server", "spec": {"server": "payments", "url": "http://127.0.0.1:9101/mcp"}},
    {
        "kind": "agent",
        "spec": {
            "agent": "bot", "owner": "dana", "version": "1", "purposes": ["pay"], "not_after": "2027-06-30",
            "attest": [{"local_process": {"uid": 1000}}],
        },
    },
    {
        "kind": "boundary",
        "spec": {
            "boundary": "bot-pays", "agent": "bot", "purpose": "pay", "not_after": "2027-03-31",
            "allow": [{"action": "payments/transfer", "when": {"amount": {"max": "500.00"}}, "first_use": "auto"}],
        },
    },
]  # fmt: skip


def documents(*, alone: bool = False) -> list[Document]:
    policy = {"kind": "policy", "file": "base.cedar", "text": FORBID}
    tree = [] if alone else [{**each, "file": "f.yaml", "line": 1} for each in TREE]
    findings = Findings()
    found = read([policy, *tree], findings)
    findings.finish()
    return found


def tried(*cases: dict[str, Any], alone: bool = False, **more: Any) -> tuple[list[Result], list[str]]:
    named = [{"name": "n", "agent": "bot", "action": "payments/transfer", **each} for each in cases]
    found = suite({"tests": named, **more}, file="t.test.yaml", lines={})
    return run(documents(alone=alone), [found], CedarEngine(), now=NOW)


def euros(amount: str) -> dict[str, Any]:
    return {"arguments": {"amount": Decimal(amount)}}


@pytest.mark.parametrize(
    ("amount", "code", "policy"),
    [
        ("50.00", "allow", None),
        ("200.00", "forbidden_by_policy", "small-only"),
        ("900.00", "forbidden_by_policy", "small-only"),  # before the boundary's own bound
    ],
)
def test_the_whole_decision_is_tried(amount: str, code: str, policy: str | None) -> None:
    (result,), _ = tried(
        {**euros(amount), "expect": code, "policy": policy} if policy else euros(amount) | {"expect": code}
    )
    assert (result.passed, result.got, result.policy) == (True, code, policy)


def test_boundaries_of_the_directory_count_too() -> None:
    (result,), _ = tried({"action": "payments/delete", "expect": "deny"})
    assert result.got == "not_visible"
    (result,), _ = tried({**euros("50.00"), "expect": "allow", "at": "2027-05-01"})
    assert (result.passed, result.got) == (False, "not_granted")


@pytest.mark.parametrize(
    ("expect", "policy", "passed"),
    [
        ("forbidden_by_policy", "small-only", True), ("forbidden_by_policy", "other", False), ("deny", None, True),
        ("allow", None, False), ("not_granted", None, False),
    ],
)  # fmt: skip
def test_what_was_expected_is_compared(expect: str, policy: str | None, passed: bool) -> None:  # noqa: FBT001 - a row
    case = euros("200.00") | {"expect": expect} | ({"policy": policy} if policy else {})
    (result,), _ = tried(case)
    assert result.passed is passed


def test_policies_that_no_test_decides_by_are_named() -> None:
    assert tried({**euros("200.00"), "expect": "deny"})[1] == ["no-lists"]
    assert tried({**euros("50.00"), "expect": "allow"})[1] == ["small-only", "no-lists"]


def test_policies_are_tested_alone_with_whoever_the_test_names() -> None:
    results, untouched = tried(
        {**euros("50.00"), "expect": "allow"},
        {**euros("200.00"), "expect": "forbidden_by_policy"},
        {"agent": "lister", "action": "payments/list", "expect": "forbidden_by_policy", "policy": "no-lists"},
        {"agent": "other", "action": "payments/list", "expect": "allow"},
        alone=True,
    )  # fmt: skip
    assert [each.passed for each in results] == [True] * 4
    assert untouched == []


def test_what_a_tool_takes_may_be_said() -> None:
    (result,), _ = tried(
        {"arguments": {"amount": "50"}, "expect": "deny"}, alone=True, tools={"payments/transfer": {"amount": "number"}}
    )
    assert result.got == "invalid_arguments"


@pytest.mark.parametrize(
    "spec",
    [
        {}, {"tests": []}, {"tests": [{"name": "n"}]},
        {"tests": [{"name": "n", "agent": "A b", "action": "a/b", "expect": "deny"}]},
        {"tests": [{"name": "n", "agent": "a", "action": "a/b", "expect": "maybe"}]},
        {"tests": [{"name": "n", "agent": "a", "action": "ab", "expect": "deny"}]},
        {"tests": [{"name": "n", "agent": "a", "action": "a/b", "expect": "deny", "typo": 1}]},
        {"tests": [{"name": "n", "agent": "a", "action": "a/b", "expect": "deny"}], "tools": {"a/b": {"x": "float"}}},
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(SpecInvalid):
        suite(spec, file="t", lines={})


def bounded(*allow: dict[str, Any]) -> list[Document]:
    """The directory with another boundary of the agent."""
    boundary = {"boundary": "b", "agent": "bot", "purpose": "pay", "not_after": "2027-03-31", "allow": list(allow)}
    tree, findings = (*TREE[:-1], TREE[-1] | {"spec": boundary}), Findings()
    found = read([{**each, "file": "f.yaml", "line": 4} for each in tree], findings)
    findings.finish()
    return found


TRANSFER = {"action": "payments/transfer", "when": {"amount": {"max": "500.00"}}, "first_use": "auto"}
BEFORE = {"action": "payments/approve", "same": {"invoice": "id"}}
AFTER = {"requires_before": [BEFORE], "forbidden_after": ["mail/read"]}


@pytest.mark.parametrize("tools", [{}, {"payments/transfer": {"amount": "number", "invoice": "optional string"}}])
@pytest.mark.parametrize(
    "allow",
    [
        [TRANSFER, {"action": "payments/list_*"}],  # no test calls one of these, and nothing says that there is one
        [TRANSFER, {"action": "payments/read_*", "when": {"id": {"in": ["a"]}}}],
        [TRANSFER, {"action": "payments/disburse", "sequence": AFTER}],
    ],
    ids=["pattern", "bounded pattern", "sequence"],
)
def test_an_agent_of_the_directory_is_tested_whatever_else_its_boundary_names(
    allow: list[dict[str, Any]], tools: dict[str, Any]
) -> None:
    case = {"name": "n", "agent": "bot", "action": "payments/transfer", "expect": "allow"} | euros("50.00")
    found = suite({"tests": [case], "tools": tools}, file="t", lines={})
    results, _ = run(bounded(*allow), [found], CedarEngine(), now=NOW)
    assert [each.got for each in results] == ["allow"]


def test_a_boundary_that_does_not_fit_the_tools_is_told_with_its_file() -> None:
    case = {"name": "n", "agent": "bot", "action": "payments/transfer", "expect": "allow"}
    found = suite({"tests": [case], "tools": {"payments/transfer": {"sum": "number"}}}, file="t", lines={})
    with pytest.raises(TreeInvalid, match=r"f\.yaml:4: allow\.0\.when\.amount.*has no argument amount"):
        run(bounded(TRANSFER), [found], CedarEngine(), now=NOW)


def own_documents(policy: str = READ) -> list[Document]:
    texts = {
        ("schema", "policies/docs.cedarschema"): SCHEMA,
        ("entities", "entities/docs.json"): '[{"uid": {"type": "Docs::User", "id": "ann"}, "attrs": {"staff": true}}]',
        ("authzen", "remit.toml"): '[authzen.types]\nuser = "Docs::User"\ndoc = "Docs::Doc"\n',
        ("policy", "policies/docs.cedar"): policy,
    }
    return [Document(kind=kind, name=file, value=text, file=file, line=1) for (kind, file), text in texts.items()]


def own(**said: Any) -> dict[str, Any]:
    subject, resource = {"type": "user", "id": "ann"}, {"type": "doc", "id": "plan"}
    return {"name": "n", "subject": subject, "action": "read", "resource": resource, **said}


@pytest.mark.parametrize(
    ("case", "got", "policy"),
    [
        (own(expect="allow"), "allow", None),
        (own(subject={"type": "user", "id": "bo"}, expect="deny"), "not_granted", None),
        (own(subject={"type": "user", "id": "bo", "properties": {"staff": True}}, expect="allow"), "allow", None),
        (own(action={"name": "read"}, context={"at_home": True}, expect="forbidden_by_policy", policy="home"),
         "forbidden_by_policy", "home"),
        (own(action="burn", expect="not_visible"), "not_visible", None),
    ],
)  # fmt: skip
def test_questions_about_own_types_are_judged_as_an_enforcement_point_would_be_answered(
    case: dict[str, Any], got: str, policy: str | None
) -> None:
    found = suite({"tests": [case]}, file="t.test.yaml", lines={"tests.0": 3})
    (result,), untouched = run(own_documents(), [found], CedarEngine(), now=NOW)
    assert (result.passed, result.got, result.policy, result.case.line) == (True, got, policy, 3)
    assert ("home" in untouched) is (policy is None)


def test_a_policy_that_does_not_fit_what_is_declared_is_refused_with_its_line() -> None:
    found = suite({"tests": [own(expect="allow")]}, file="t.test.yaml", lines={})
    bad = READ.replace("context has at_home && context.at_home", "context.at_work")
    with pytest.raises(ConfigInvalid, match=r"policies/docs\.cedar:2: "):
        run(own_documents(bad), [found], CedarEngine(), now=NOW)


def test_what_such_a_test_lacks_is_named() -> None:
    with pytest.raises(SpecInvalid) as refused:
        suite({"tests": [{"subject": {"type": "user"}, "expect": "perhaps", "agent": "x"}]}, file="t", lines={})
    assert {each.field for each in refused.value.problems} == {
        f"tests.0.{field}" for field in ("name", "subject.id", "action", "resource", "expect", "agent")
    }
