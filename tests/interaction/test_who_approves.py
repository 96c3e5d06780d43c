"""Approving a boundary: whose word it takes on every path, and what exactly they say yes to."""

from typing import Any

import pytest
from tests.interaction.apply_world import ADMIN, PUBLIC, Tree, tool
from tests.interaction.desk import Desk

WIDE = "99999.00"


def wide(tree: Tree, most: str = WIDE) -> Tree:
    tree.transfer["when"]["amount"]["max"] = most
    return tree


def rows(answer: tuple[int, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    assert answer[0] == 200, answer
    return {f"{row['kind']}/{row['name']}": row for row in answer[1]["changes"]}


def most(desk: Desk) -> str:
    return str(desk.rig.boundary().rules["payments/transfer"].when[0].max)


# who -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["operator", "reviewer", "security", "viewer", "auditor"])
@pytest.mark.parametrize("person", ["dana", "lee"])
def test_a_token_of_another_role_approves_nothing_whoever_holds_it(
    desk: Desk, tree: Tree, person: str, role: str
) -> None:
    status, problem = desk.apply(desk.token(person, role), wide(tree).documents(), approve=True)
    assert (status, problem["code"]) == (403, "forbidden")
    assert most(desk) == "500.00"


def test_the_admin_token_approves_nothing(desk: Desk, tree: Tree) -> None:
    assert desk.apply(desk.admin, wide(tree).documents(), approve=True)[0] == 403
    tree.owners.append({"owner": "admin", "name": "Adm", "email": "adm@example.test"})
    tree.agent["owner"] = "admin"
    assert desk.apply(desk.admin, tree.documents(), approve=True)[0] == 403
    assert most(desk) == "500.00"


@pytest.mark.parametrize("person", ["dana", "lee"])
def test_the_owner_and_the_backup_apply_and_approve_with_their_own_tokens(desk: Desk, tree: Tree, person: str) -> None:
    found = rows(desk.apply(desk.token(person, "owner"), wide(tree).documents(), approve=True))
    assert not found["boundary/pay"]["waits"]
    assert most(desk) == WIDE
    assert desk.rig.boundary().approved_by == person


def test_who_takes_an_agent_over_in_the_same_apply_approves_nothing_of_it(bare: Desk, tree: Tree) -> None:
    rows(bare.apply(bare.admin, tree.documents(), approve=True, act_as="dana"))
    tree.agent["owner"] = "mo"
    found = rows(bare.apply(bare.admin, wide(tree).documents(), approve=True, act_as="mo"))
    assert found["boundary/pay"]["waits"]
    assert "apply first" in found["boundary/pay"]["note"]
    assert most(bare) == "500.00"
    assert bare.ask(bare.admin, "POST", "/v1/boundaries/pay/approve", {}, act_as="mo")[0] == 200


def test_who_is_made_a_backup_in_the_same_apply_approves_nothing(bare: Desk, tree: Tree) -> None:
    rows(bare.apply(bare.admin, tree.documents(), approve=True, act_as="dana"))
    tree.owners[0]["backup"] = ["lee", "mo"]
    found = rows(bare.apply(bare.admin, wide(tree).documents(), approve=True, act_as="mo"))
    assert found["boundary/pay"]["waits"]
    assert most(bare) == "500.00"


def test_who_gives_an_agent_away_in_the_same_apply_approves_nothing_more(bare: Desk, tree: Tree) -> None:
    rows(bare.apply(bare.admin, tree.documents(), approve=True, act_as="dana"))
    tree.agent["owner"] = "mo"
    found = rows(bare.apply(bare.admin, wide(tree).documents(), approve=True, act_as="dana"))
    assert found["boundary/pay"]["waits"]


def test_a_new_directory_is_approved_by_the_owner_it_names(bare: Desk, tree: Tree) -> None:
    assert not rows(bare.apply(bare.admin, tree.documents(), approve=True, act_as="dana"))["boundary/pay"]["waits"]
    assert bare.rig.boundary().approved_by == "dana"


@pytest.mark.parametrize("person", ["lee", "mo"])
def test_a_new_directory_is_approved_by_nobody_else(bare: Desk, tree: Tree, person: str) -> None:
    """The backup of a new owner is one only once the document is applied."""
    found = rows(bare.apply(bare.admin, tree.documents(), approve=True, act_as=person))
    assert found["boundary/pay"]["waits"]
    assert bare.rig.boundary() is None


def test_an_operator_is_not_the_owner_of_what_they_register(bare: Desk, tree: Tree) -> None:
    tree.owners.append({"owner": "op", "name": "Op", "email": "op@example.test"})
    tree.agent["owner"] = "op"
    assert bare.apply(bare.token("op", "operator"), tree.documents(), approve=True)[0] == 403
    assert bare.rig.boundary() is None


# what ------------------------------------------------------------------------------------------


def test_only_the_version_that_was_looked_at_is_approved(desk: Desk, tree: Tree) -> None:
    dana, op = desk.token("dana", "owner"), desk.token("op", "operator")
    rows(desk.apply(op, wide(tree, "600.00").documents()))
    seen = desk.ask(dana, "GET", "/v1/boundaries/pay")[1]["waits"]
    assert seen["version"] == 2
    assert seen["widens"] == ["payments/transfer: the bound on amount is loosened or removed"]
    rows(desk.apply(op, wide(tree).documents()))
    status, problem = desk.ask(dana, "POST", "/v1/boundaries/pay/approve", {"version": seen["version"]})
    assert (status, problem["code"]) == (409, "conflict")
    assert "version 3" in problem["title"]
    assert most(desk) == "500.00"
    assert desk.ask(dana, "POST", "/v1/boundaries/pay/approve", {"version": 3})[0] == 200
    assert most(desk) == WIDE


def test_without_a_version_what_waits_is_approved(desk: Desk, tree: Tree) -> None:
    rows(desk.apply(desk.admin, wide(tree).documents()))
    assert desk.ask(desk.token("lee", "owner"), "POST", "/v1/boundaries/pay/approve", {})[0] == 200
    assert most(desk) == WIDE


@pytest.mark.parametrize("version", ["2", 2.5, True])
def test_a_version_is_a_whole_number(desk: Desk, version: Any) -> None:
    status, problem = desk.ask(desk.token("dana", "owner"), "POST", "/v1/boundaries/pay/approve", {"version": version})
    assert (status, problem["code"]) == (400, "malformed")


def test_when_nothing_waits_nothing_is_shown_to_wait(desk: Desk) -> None:
    assert desk.ask(desk.admin, "GET", "/v1/boundaries/pay")[1]["waits"] is None
    assert desk.ask(desk.admin, "GET", "/v1/boundaries/none")[0] == 404


def test_a_tool_that_a_pattern_matches_by_now_is_shown_as_what_it_adds(desk: Desk, tree: Tree) -> None:
    desk.rig.lister.tools["payments"].append(tool("list_secrets"))
    rows(desk.apply(desk.admin, tree.documents()))
    assert desk.ask(desk.admin, "GET", "/v1/boundaries/pay")[1]["waits"] is None
    desk.rig.catalog.approve("payments", by=ADMIN)
    seen = desk.ask(desk.admin, "GET", "/v1/boundaries/pay")[1]["waits"]
    assert (seen["version"], seen["widens"]) == (1, ["payments/list_secrets is added"])
    assert desk.ask(desk.token("dana", "owner"), "POST", "/v1/boundaries/pay/approve", {"version": 1})[0] == 200
    assert "payments/list_secrets" in desk.rig.boundary().rules


# what an owner may apply -----------------------------------------------------------------------


def of_another(tree: Tree) -> Tree:
    """Another agent, of mo's, with a boundary of its own."""
    tree.agent |= {"agent": "other-bot", "owner": "mo"}
    tree.boundary |= {"boundary": "other", "agent": "other-bot"}
    return tree


@pytest.fixture
def two(desk: Desk) -> Desk:
    other = {"agent": "other-bot", "owner": "mo"}
    both = Tree().documents()
    more = [each for each in of_another(Tree()).documents() if each["kind"] in {"agent", "boundary"}]
    found = rows(desk.apply(desk.admin, both + [each | {"line": 9} for each in more]))
    assert found["agent/other-bot"]["change"] == "create", other
    return desk


def test_an_owner_applies_boundaries_of_their_own_agents(two: Desk, tree: Tree) -> None:
    tree.transfer["when"]["amount"]["max"] = "400.00"
    found = rows(two.apply(two.token("dana", "owner"), tree.documents()))
    assert found["boundary/pay"]["change"] == "narrow"
    assert most(two) == "400.00"


def test_an_owner_applies_nothing_of_anothers_agent(two: Desk, tree: Tree) -> None:
    dana = two.token("dana", "owner")
    of_another(tree).transfer["when"]["amount"]["max"] = "1.00"
    status, problem = two.apply(dana, tree.documents())
    assert (status, problem["code"]) == (403, "forbidden")
    assert "boundary other" in problem["title"]
    assert two.apply(dana, tree.documents(), dry_run=True)[0] == 200


def test_moving_a_boundary_to_another_agent_takes_an_owner_of_both(two: Desk, tree: Tree) -> None:
    """Owner of either is not enough: what one gives away the other takes, and both are changed by it."""
    tree.boundary["agent"] = "other-bot"
    for person in ("dana", "mo"):
        assert two.apply(two.token(person, "owner"), tree.documents())[0] == 403, person
    tree.boundary |= {"boundary": "other", "agent": "invoice-bot"}
    for person in ("dana", "mo"):
        assert two.apply(two.token(person, "owner"), tree.documents())[0] == 403, person
    assert [each.agent for each in two.rig.access.versions("pay")] == ["invoice-bot"]
    assert [each.agent for each in two.rig.access.versions("other")] == ["other-bot"]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("owner", {"owner": "pay", "name": "Eve", "email": "eve@example.test"}),
        ("purpose", {"purpose": "pay", "statement": "P", "actions": ["a/b"], "data_classes": [],
                     "not_after": "2027-01-01"}),
        ("server", {"server": "pay", "url": "http://127.0.0.1:1/mcp"}),
        ("agent", {"agent": "pay", "owner": "dana", "version": "1", "purposes": ["pay-invoices"],
                   "not_after": "2027-01-01", "attest": [{"private_key_jwt": {"jwk": PUBLIC}}]}),
        ("policy", None),
    ],
)  # fmt: skip
def test_an_owner_applies_nothing_but_boundaries(two: Desk, kind: str, spec: dict[str, Any] | None) -> None:
    """Not even under the name of a boundary that is theirs."""
    document: dict[str, Any] = {"kind": kind, "file": "pay", "text": ""}
    if spec is not None:
        document = {"kind": kind, "spec": spec, "file": "x.yaml", "line": 1}
    status, problem = two.apply(two.token("dana", "owner"), [document])
    assert (status, problem["code"]) == (403, "forbidden"), problem


def test_an_owner_prunes_nothing_of_anothers(two: Desk, tree: Tree) -> None:
    assert two.apply(two.token("dana", "owner"), tree.documents(), prune=True)[0] == 403
    assert two.rig.boundary("pay") is not None
