"""What an organisation declares of its own types comes and goes with its policies, by `apply` alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.interaction.apply_world import Tree
from tests.interaction.desk import Desk

from remit.policy.declared.sql import SqlDeclarations
from remit.policy.sql import load_all

SCHEMA = """namespace Docs {
  entity User = { role?: String };
  entity Doc;
  action read appliesTo { principal: User, resource: Doc };
}
"""
POLICY = '@id("read") permit (principal is Docs::User, action == Docs::Action::"read", resource);\n'
MAP = '[authzen.types]\nuser = "Docs::User"\ndoc = "Docs::Doc"\n'
PEOPLE = [{"uid": {"type": "Docs::User", "id": "ann"}}]
FILES = {
    ("schema", "policies/docs.cedarschema"): SCHEMA,
    ("entities", "entities/people.json"): json.dumps(PEOPLE),
    ("authzen", "remit.toml"): MAP,
}
KINDS = {"schema", "entities", "authzen", "policy"}


def stored(desk: Desk) -> dict[str, str]:
    found = desk.rig.writer.read(lambda connection: SqlDeclarations(connection).all())
    return {file: each.text for file, each in found.items()}


def rows(answer: tuple[int, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    assert answer[0] == 200, answer
    return {row["name"]: row for row in answer[1]["changes"] if row["kind"] in KINDS}


@pytest.fixture
def declared(desk: Desk, tree: Tree) -> Desk:
    """A schema, its names and people, without a policy: nothing is widened, so one person is enough."""
    tree.declared = dict(FILES)
    assert not any(row["waits"] for row in rows(desk.apply(desk.admin, tree.documents())).values())
    return desk


@pytest.fixture
def ruled(declared: Desk, tree: Tree) -> Desk:
    """And a permit, which took two."""
    tree.policies = {"policies/docs.cedar": POLICY}
    for person in ("ann", "bob"):
        declared.apply(declared.token(person, "operator"), tree.documents())
    assert declared.rig.writer.read(load_all) == tree.policies
    return declared


def test_a_directory_is_in_force_and_says_so(declared: Desk, tree: Tree) -> None:
    assert stored(declared) == {file: text for (_, file), text in FILES.items()}
    again = rows(declared.apply(declared.admin, tree.documents()))
    assert {(row["change"], row["state"]) for row in again.values()} == {("unchanged", "enforced")}
    said = declared.rig.entries("declaration")
    assert [(entry["name"], entry["change"], entry["part"]) for entry in said] == [
        (file, "create", kind) for kind, file in FILES
    ]
    assert all("state" in entry or entry["after"] for entry in said)


def test_what_comes_with_a_new_permit_waits_with_it(desk: Desk, tree: Tree) -> None:
    tree.declared, tree.policies = dict(FILES), {"policies/docs.cedar": POLICY}
    ann, bob = desk.token("ann", "operator"), desk.token("bob", "operator")
    first = rows(desk.apply(ann, tree.documents()))
    assert {(row["waits"], row["state"]) for row in first.values()} == {(True, "waiting_for_second_person")}
    assert stored(desk) == {}
    second = rows(desk.apply(bob, tree.documents()))
    assert not any(row["waits"] for row in second.values())
    assert len(stored(desk)) == len(FILES)


def test_another_schema_or_map_under_a_permit_takes_two_people(ruled: Desk, tree: Tree) -> None:
    """Whoever says what a word means says what is allowed."""
    ann, bob = ruled.token("ann", "operator"), ruled.token("bob", "operator")
    for name, text in (
        (("schema", "policies/docs.cedarschema"), SCHEMA.replace("resource: Doc", "resource: [Doc, User]")),
        (("authzen", "remit.toml"), MAP + 'person = "Docs::User"\n'),
    ):
        tree.declared[name] = text
        first = rows(ruled.apply(ann, tree.documents()))[name[1]]
        assert first["waits"]
        assert f"{name[1]} is changed: the permit read may reach more" in first["note"]
        assert stored(ruled)[name[1]] != text
        assert not rows(ruled.apply(bob, tree.documents()))[name[1]]["waits"]
        assert stored(ruled)[name[1]] == text


def test_entities_are_data_and_take_one(ruled: Desk, tree: Tree) -> None:
    tree.declared["entities", "entities/people.json"] = json.dumps([{"uid": {"type": "Docs::User", "id": "bo"}}])
    ann = ruled.token("ann", "operator")
    epoch = ruled.rig.writer.epoch
    row = rows(ruled.apply(ann, tree.documents()))["entities/people.json"]
    assert ruled.rig.writer.epoch == epoch + 1  # every view is told
    assert (row["change"], row["waits"]) == ("update", False)
    assert "bo" in stored(ruled)["entities/people.json"]


def test_a_prune_takes_what_is_not_named_any_more(declared: Desk, tree: Tree) -> None:
    del tree.declared["entities", "entities/people.json"]
    kept = rows(declared.apply(declared.admin, tree.documents()))
    assert "entities/people.json" not in kept
    assert len(stored(declared)) == len(FILES)
    gone = rows(declared.apply(declared.admin, tree.documents(), prune=True))["entities/people.json"]
    assert (gone["change"], gone["state"]) == ("prune", "removed")
    assert set(stored(declared)) == {"policies/docs.cedarschema", "remit.toml"}
    tree.declared = {}
    declared.apply(declared.admin, tree.documents(), prune=True)
    assert stored(declared) == {}


PEOPLE_FILE, SCHEMA_FILE, MAP_FILE = (
    ("entities", "entities/people.json"),
    ("schema", "policies/docs.cedarschema"),
    ("authzen", "remit.toml"),
)
AGENT = '[\n{"uid": {"type": "Remit::Agent", "id": "x"}}]'
BAD: list[tuple[tuple[str, str], str, str]] = [
    (PEOPLE_FILE, AGENT, "entities/people.json:2: Remit::Agent"),
    (SCHEMA_FILE, SCHEMA + "namespace Remit { entity X; }", "policies/docs.cedarschema:6: .*Remit"),
    (SCHEMA_FILE, "namespace Docs { entity User; }", "remit.toml:3: .*Docs::Doc"),
    (SCHEMA_FILE, SCHEMA.replace("action read", "action look"), "policies/docs.cedar:1"),
    (MAP_FILE, '[authzen.types]\nagent = "Docs::User"\n', "remit.toml:2: agent is Remit's own"),
]


@pytest.mark.parametrize(("name", "text", "said"), BAD)
def test_what_is_wrong_is_refused_with_its_line_and_nothing_changes(
    ruled: Desk, tree: Tree, name: tuple[str, str], text: str, said: str
) -> None:
    before = stored(ruled)
    tree.declared[name] = text
    tree.purpose["not_after"] = "2027-05-31"
    status, answer = ruled.apply(ruled.admin, tree.documents())
    assert (status, answer["code"]) == (422, "config_invalid")
    assert re.search(said, answer["title"]), answer["title"]
    assert stored(ruled) == before


def test_a_policy_of_a_type_that_nobody_declared_is_refused(desk: Desk, tree: Tree) -> None:
    tree.policies = {"policies/docs.cedar": POLICY}
    status, answer = desk.apply(desk.admin, tree.documents())
    assert status == 422
    assert answer["title"].startswith("policies/docs.cedar:1: ")


def test_an_argument_that_no_tool_has_is_refused_or_told(desk: Desk, tree: Tree) -> None:
    """A typo behind `has` is false and no error: the forbid would be in force, and stop nothing."""
    text = "forbid (principal, SCOPE, resource) when { context.input has amuont };"
    exact = text.replace("SCOPE", 'action == Remit::Action::"payments/transfer"')
    tree.policies = {"policies/typo.cedar": "// why\n" + exact}
    status, answer = desk.apply(desk.admin, tree.documents())
    assert (status, answer["code"]) == (422, "config_invalid")
    assert answer["title"].startswith("policies/typo.cedar:2: ")
    assert "amuont" in answer["title"]
    tree.policies = {"policies/typo.cedar": text.replace("SCOPE", 'action in Remit::Action::"tier:critical"')}
    status, answer = desk.apply(desk.admin, tree.documents())
    (row,) = (each for each in answer["changes"] if each["kind"] == "policy")
    assert (status, row["state"]) == (200, "enforced")
    assert "no action of its scope has the argument amuont" in row["note"]


def test_a_file_of_rules_is_text(desk: Desk) -> None:
    entities, nameless = {"kind": "entities", "file": "x.json", "text": 1}, {"kind": "authzen", "text": ""}
    other = {"kind": "schema", "file": "x.json", "text": ""}
    for document in ({"kind": "schema", "spec": {}}, entities, nameless, other):
        assert desk.apply(desk.admin, [document])[0] == 400
