"""What Cedar says about questions of an organisation's own types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.policy import organisation
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.declared import reading
from remit.policy.declared.judge import Asked, Judge, Judgement, Thing
from remit.policy.declared.model import Declaration, Part
from remit.policy.declared.reach import MOST
from remit.policy.model import Code
from remit.policy.ports import Slice, Verdict

ENGINE = CompiledEngine(CedarEngine())
SCHEMA = """namespace D {
  entity Group in [Group];
  entity User in [Group] = { mail?: String, boss?: User, level?: Long };
  entity Folder in [Folder];
  entity Doc in [Folder] = { owner?: User, secret?: Bool, price?: decimal, mark?: String };
  entity Net = { from: ipaddr };
  type About = { reason?: String, now?: datetime, action?: { soft?: Bool } };
  action read, write, delete appliesTo { principal: User, resource: Doc, context: About };
  action ask appliesTo { principal: User, resource: Doc, context: { ticket: String } };
  action meet appliesTo { principal: User, resource: User };
  action join appliesTo { principal: User, resource: Net };
}
"""


def uid(kind: str, name: str) -> dict[str, str]:
    return {"type": f"D::{kind}", "id": name}


def entity(kind: str, name: str, *parents: dict[str, str], **attrs: Any) -> dict[str, Any]:
    return {"uid": uid(kind, name), "attrs": attrs, "parents": list(parents)}


ENTITIES: list[dict[str, Any]] = [
    entity("Group", "staff"),
    entity("Group", "admins", uid("Group", "staff")),
    entity("User", "ann", uid("Group", "staff"), mail="ann@x", boss=uid("User", "bo")),
    entity("User", "bo", uid("Group", "admins"), level=9),
    entity("Folder", "top"),
    entity("Doc", "plan", uid("Folder", "top"), owner=uid("User", "ann")),
]
POLICIES = """
@id("staff-read") permit (principal in D::Group::"staff", action == D::Action::"read", resource in D::Folder::"top");
@id("own") permit (principal, action == D::Action::"write", resource)
when { resource has owner && resource.owner == principal };
@id("boss") permit (principal, action == D::Action::"write", resource)
when { resource has owner && resource.owner has boss && resource.owner.boss == principal };
@id("secrets") @title("Secrets stay") forbid (principal, action == D::Action::"read", resource)
when { resource has secret && resource.secret };
@id("cheap") permit (principal, action == D::Action::"write", resource)
when { resource has price && resource.price.lessThan(decimal("10.00")) };
@id("soft") permit (principal, action == D::Action::"delete", resource)
when { context has action && context.action has soft && context.action.soft };
@id("sum") permit (principal, action == D::Action::"meet", resource)
when { principal has level && resource has level && principal.level + resource.level > 0 };
@id("ticket") permit (principal, action == D::Action::"ask", resource) when { context.ticket like "T-*" };
@id("local") permit (principal, action == D::Action::"join", resource) when { resource.from.isLoopback() };
"""
FILES = {
    "d.cedarschema": Declaration(Part.SCHEMA, SCHEMA),
    "d.json": Declaration(Part.ENTITIES, json.dumps(ENTITIES)),
    "remit.toml": Declaration(Part.AUTHZEN, '[authzen.types]\nuser = "D::User"\ndoc = "D::Doc"\nnet = "D::Net"\n'),
}
DECLARED = reading.read(FILES, ENGINE, serial=1)
RULES = organisation.read({"d.cedar": POLICIES}, ENGINE, serial=1)
JUDGE = Judge(ENGINE)
NAMES = {"subject": ("user", "ann"), "resource": ("doc", "plan")}


def ask(action: str, who: str = "ann", resource: tuple[str, str] = ("doc", "plan"), **sent: Any) -> Judgement:
    asked = Asked(
        subject=Thing("user", who, sent.get("subject", {})),
        action=action,
        resource=Thing(resource[0], resource[1], sent.get("about", {})),
        action_properties=sent.get("how", {}),
        context=sent.get("context", {}),
    )
    return JUDGE.judge(asked, DECLARED, RULES)


def code(found: Judgement) -> str | None:
    return None if found.denial is None else found.denial.code.value


def test_the_policies_are_valid() -> None:
    reading.check_entities(DECLARED, ENGINE)
    organisation.check(RULES, dict(DECLARED.schema), ENGINE)


def test_groups_and_folders_reach_through() -> None:
    for subject in ("ann", "bo"):
        assert ask("read", subject) == Judgement(denial=None, policies=("staff-read",))
    assert code(ask("read", "stranger")) == "not_granted"
    assert code(ask("read", resource=("doc", "elsewhere"))) == "not_granted"


def test_attributes_are_followed_from_entity_to_entity() -> None:
    assert ask("write", "ann").policies == ("own",)
    assert ask("write", "bo").policies == ("boss",)
    sent = {"owner": {"type": "user", "id": "ann"}}  # by AuthZEN's name of the type
    assert ask("write", "bo", ("doc", "new"), about=sent).policies == ("boss",)
    assert code(ask("write", "bo", ("doc", "new"), about={"owner": {"type": "user", "id": "nobody"}})) == "not_granted"


@pytest.mark.requirement("authzen:stored-attributes")
def test_what_is_stored_wins_and_what_is_not_declared_is_dropped() -> None:
    """Whoever may ask must not be able to say whose a stored thing is."""
    mine = {"owner": {"type": "user", "id": "eve"}, "colour": "red", "owner_id": 7}
    assert code(ask("write", "eve", about=mine)) == "not_granted"
    assert ask("write", "eve", ("doc", "new"), about=mine).policies == ("own",)
    assert ask("read", about={"unknown": {"deep": [1, 2.5, None]}}, context={"other": 1}).denial is None


def test_what_is_sent_is_kept_for_nothing() -> None:
    assert ask("write", "eve", ("doc", "new"), about={"owner": {"type": "user", "id": "eve"}}).denial is None
    assert code(ask("write", "eve", ("doc", "new"))) == "not_granted"


def test_a_forbid_says_its_title_and_never_its_text() -> None:
    denial = ask("read", about={"secret": True}).denial
    assert denial is not None
    assert (denial.code, denial.policy) == (Code.FORBIDDEN_BY_POLICY, "secrets")
    assert denial.title == "Forbidden by policy: Secrets stay"


def test_properties_of_the_action_stand_in_the_context() -> None:
    assert ask("delete", how={"soft": True}).policies == ("soft",)
    assert code(ask("delete", how={"soft": False})) == "not_granted"
    assert code(ask("delete")) == "not_granted"
    assert code(ask("delete", context={"action": {"soft": True}})) == "not_granted"  # that is no property of the action


INEXACT = (Decimal("9.99999"), "cheap", True, Decimal("1E+1"))


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ("9.99", None),
        (Decimal("9.99"), None),
        (9, None),
        (10, "not_granted"),
        *((each, "invalid_arguments") for each in INEXACT),
    ],
)
def test_decimals_are_exact(price: Any, expected: str | None) -> None:
    assert code(ask("write", "eve", ("doc", "new"), about={"price": price})) == expected


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"about": {"secret": "yes"}}, "/resource/properties/secret"),
        ({"about": {"owner": "ann"}, "resource": ("doc", "new")}, "/resource/properties/owner"),
        ({"about": {"owner": {"type": "doc", "id": "ann"}}, "resource": ("doc", "new")}, "/resource/properties/owner"),
        ({"subject": {"level": "9"}}, "/subject/properties/level"),
        ({"context": {"reason": 1}}, "/context/reason"),
        ({"how": {"soft": "yes"}}, "/context/action/soft"),
    ],
)
def test_what_does_not_fit_is_told_and_never_an_allow(sent: dict[str, Any], path: str) -> None:
    denial = ask("read", **sent).denial
    assert denial is not None
    assert (denial.code, [each.path for each in denial.violations]) == (Code.INVALID_ARGUMENTS, [path])


def test_what_is_required_has_to_be_sent() -> None:
    assert code(ask("ask")) == "invalid_arguments"
    assert ask("ask", context={"ticket": "T-1"}).policies == ("ticket",)
    assert code(ask("join", resource=("net", "lo"))) == "invalid_arguments"
    assert ask("join", resource=("net", "lo"), about={"from": "127.0.0.1"}).policies == ("local",)


def test_values_that_only_the_engine_reads_are_refused_too() -> None:
    assert code(ask("join", resource=("net", "lo"), about={"from": "nowhere"})) == "invalid_arguments"
    assert code(ask("read", context={"now": "yesterday"})) == "invalid_arguments"


@pytest.mark.requirement("authzen:undeclared")
def test_what_is_not_declared_is_hidden() -> None:
    assert code(ask("fly")) == "not_visible"
    assert code(ask("meet")) == "not_visible"  # declared, and not of a doc
    assert code(ask("read", resource=("folder", "top"))) == "not_visible"
    for kind in ("agent", "Remit::Agent"):
        asked = Asked(subject=Thing(kind, "bot"), action="read", resource=Thing("doc", "plan"))
        assert code(JUDGE.judge(asked, DECLARED, RULES)) == "not_visible"


def test_an_error_is_no_decision_even_beside_an_allow() -> None:
    found = ask("meet", "bo", ("user", "ann"), about={"level": 2**63 - 1})
    assert code(found) == "enforcement_unavailable"  # the sum overflows


def test_a_subject_that_is_its_own_resource_is_one_thing() -> None:
    assert ask("meet", "new", ("user", "new"), subject={"level": 1}, about={"level": 5}).policies == ("sum",)
    assert ask("meet", "new", ("user", "new"), subject={"level": 1}).policies == ("sum",)


class Broken(CompiledEngine):
    """An engine that fails in some way."""

    def __init__(self, how: Any) -> None:
        super().__init__(CedarEngine())
        self.how = how

    def ask(self, question: Slice, context: str) -> Verdict:
        assert question.request
        assert context
        raise self.how


@pytest.mark.parametrize("how", [RuntimeError("x"), MemoryError(), KeyError("x"), TypeError("x")])
def test_an_engine_that_fails_allows_nothing(how: Exception) -> None:
    asked = Asked(subject=Thing("user", "ann"), action="read", resource=Thing("doc", "plan"))
    found = Judge(Broken(how)).judge(asked, DECLARED, RULES)
    assert code(found) == "enforcement_unavailable"


def test_what_cannot_be_read_decides_nothing() -> None:
    asked = Asked(subject=Thing("user", "ann"), action="read", resource=Thing("doc", "plan"))
    bad = reading.unreadable(FILES, fault="torn", serial=9)
    assert code(JUDGE.judge(asked, bad, RULES)) == "enforcement_unavailable"
    torn = organisation.unreadable({}, fault="torn", serial=9)
    assert code(JUDGE.judge(asked, DECLARED, torn)) == "enforcement_unavailable"


def test_a_question_that_needs_too_much_is_not_decided() -> None:
    groups = [{"type": "D::Group", "id": f"g{at}"} for at in range(MOST + 1)]
    crowd = [*({"uid": each} for each in groups), {"uid": {"type": "D::User", "id": "ann"}, "parents": groups}]
    files = FILES | {"d.json": Declaration(Part.ENTITIES, json.dumps(crowd))}
    asked = Asked(subject=Thing("user", "ann"), action="read", resource=Thing("doc", "plan"))
    assert code(JUDGE.judge(asked, reading.read(files, ENGINE, serial=7), RULES)) == "enforcement_unavailable"


class Weighing(CedarEngine):
    """Notes how much it is given."""

    def __init__(self) -> None:
        self.given: dict[str, int] = {}

    def policies(self, policies: Mapping[str, Any]) -> Any:
        self.given["policies"] = len(policies)
        return super().policies(policies)

    def entities(self, entities: list[dict[str, Any]], schema: Any) -> Any:
        self.given["entities"] = len(entities)
        return super().entities(entities, schema)


def test_a_question_costs_what_it_is_about() -> None:
    """Not what there is: thousands of others may be declared, and shared groups do not count either."""
    crowd = [entity("User", f"u{at}", uid("Group", "staff")) for at in range(500)]
    docs = [entity("Doc", f"d{at}", uid("Folder", "top"), owner=uid("User", f"u{at}")) for at in range(500)]
    files = FILES | {"d.json": Declaration(Part.ENTITIES, json.dumps([*ENTITIES, *crowd, *docs]))}
    each = 'permit (principal in D::Group::"staff", action == D::Action::"read", resource == D::Doc::"d{}");'
    text = "\n".join(each.format(at) for at in range(300))
    engine = Weighing()
    declared, rules = reading.read(files, engine), organisation.read({"x.cedar": text}, engine)
    asked = Asked(subject=Thing("user", "u7"), action="read", resource=Thing("doc", "d9"))
    found = Judge(engine).judge(asked, declared, rules)
    assert found == Judgement(denial=None, policies=("x:10",))
    assert engine.given == {"policies": 1, "entities": 4}  # the user and its group, the document and its folder


USERS = st.sampled_from(["ann", "bo", "eve"])
SCOPES = {
    "principal": [
        "principal",
        'principal == D::User::"ann"',
        'principal in D::Group::"staff"',
        'principal in D::Group::"admins"',
        "principal is D::User",
        'principal is D::User in D::Group::"admins"',
        "principal is D::Doc",
    ],
    "action": [
        "action",
        'action == D::Action::"read"',
        'action in [D::Action::"write", D::Action::"delete"]',
        'action == D::Action::"meet"',
    ],
    "resource": [
        "resource",
        'resource == D::Doc::"plan"',
        'resource in D::Folder::"top"',
        "resource is D::Doc",
        "resource is D::User",
        'resource is D::Doc in D::Folder::"top"',
    ],
}
STATEMENTS = st.builds(
    lambda effect, principal, action, resource: f"{effect} ({principal}, {action}, {resource});",
    st.sampled_from(["permit", "permit", "forbid"]),
    *(st.sampled_from(SCOPES[part]) for part in ("principal", "action", "resource")),
)


ACTIONS = st.sampled_from(["read", "write", "delete"])


@given(st.lists(STATEMENTS, max_size=8), USERS, ACTIONS, st.sampled_from(["plan", "new"]))
def test_the_slice_answers_as_the_whole_set_does(statements: list[str], user: str, action: str, doc: str) -> None:
    """A policy that the index left out would be a forbid that nobody hears."""
    engine, text = CedarEngine(), "\n".join(statements)
    rules = organisation.read({"x.cedar": text}, engine, serial=1)
    asked = Asked(subject=Thing("user", user), action=action, resource=Thing("doc", doc))
    found = Judge(engine).judge(asked, DECLARED, rules)
    schema = engine.schema(DECLARED.schema)
    stored = {each["uid"]["id"]: each for each in ENTITIES}
    rows = {user: entity("User", user), doc: entity("Doc", doc)} | stored
    request = {"principal": uid("User", user), "action": uid("Action", action), "resource": uid("Doc", doc)}
    policies = engine.policies({policy.id: policy.cedar for policy in rules.policies})
    whole = engine.ask(Slice(policies, engine.entities(list(rows.values()), schema), schema, request), "{}")
    assert (found.denial is None) == (whole.ruling.value == "allow")
    assert found.policies == whole.reasons


AROUND = """namespace D {
  entity Group in [Group] = { lead?: User };
  entity User in [Group] = { team?: Group } tags User;
  entity Doc;
  action read appliesTo { principal: User, resource: Doc };
}
"""
# Bo leads ann's team, and is suspended.
LED: list[dict[str, Any]] = [
    entity("Group", "suspended"),
    entity("Group", "team", lead={"__entity": uid("User", "bo")}),
    entity("User", "ann", uid("Group", "team"), team={"__entity": uid("Group", "team")})
    | {"tags": {"stand-in": {"__entity": uid("User", "bo")}}},
    entity("User", "bo", uid("Group", "suspended")),
]


@pytest.mark.parametrize(
    ("where", "stopped"),
    [
        # What ann is in and what she names are the same: it is looked at all the same.
        ('principal has team && principal.team has lead && principal.team.lead in D::Group::"suspended"', True),
        ('principal.hasTag("stand-in") && principal.getTag("stand-in") in D::Group::"suspended"', True),
        ('D::User::"bo" in D::Group::"suspended"', True),
        ('D::User::"bo" in [D::Group::"suspended"]', True),
        ('D::Group::"team" has lead && D::Group::"team".lead in D::Group::"suspended"', True),
        ('(if principal == D::User::"ann" then D::User::"bo" else principal) in D::Group::"suspended"', True),
        ('D::User::"ann" in D::Group::"suspended"', False),
    ],
)
def test_whatever_a_forbid_looks_at_is_there(where: str, *, stopped: bool) -> None:
    """Attack: an entity that is not there is in nothing and has nothing, and so a forbid would pass it over."""
    files = {"d.cedarschema": Declaration(Part.SCHEMA, AROUND), "d.json": Declaration(Part.ENTITIES, json.dumps(LED))}
    declared = reading.read(files, ENGINE, serial=1)
    text = f"permit (principal, action, resource); forbid (principal is D::User, action, resource) when {{ {where} }};"
    rules = organisation.read({"d.cedar": text}, ENGINE, serial=1)
    organisation.check(rules, dict(declared.schema), ENGINE)
    found = Judge(ENGINE).judge(
        Asked(subject=Thing("D::User", "ann"), action="read", resource=Thing("D::Doc", "plan")), declared, rules
    )
    assert code(found) == ("forbidden_by_policy" if stopped else None)
