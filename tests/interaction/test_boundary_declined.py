"""`POST /v1/boundaries/NAME/decline`: whose no counts, to what, and what the log says of it."""

from typing import Any

import pytest
from tests.interaction.apply_world import Tree
from tests.interaction.desk import Desk
from tests.interaction.test_who_approves import most, rows, wide

DOOR = "/v1/boundaries/pay/decline"


@pytest.fixture
def waits(desk: Desk, tree: Tree) -> int:
    """The version that waits for a yes: version 1 is in force."""
    assert rows(desk.apply(desk.token("dana", "owner"), wide(tree).documents()))["boundary/pay"]["waits"]
    return waiting(desk)["version"]  # type: ignore[no-any-return]


def waiting(desk: Desk) -> Any:
    status, found = desk.ask(desk.admin, "GET", "/v1/boundaries/pay")
    assert status == 200
    return found["waits"]


def decline(desk: Desk, person: str, role: str, version: object) -> tuple[int, dict[str, Any]]:
    return desk.ask(desk.token(person, role), "POST", DOOR, {"version": version})


def declined(desk: Desk) -> list[dict[str, Any]]:
    return [each for each in desk.rig.entries("boundary") if each["change"] == "decline"]


@pytest.mark.parametrize("person", ["dana", "lee"])
def test_its_owner_and_backup_say_no_and_the_log_says_who(desk: Desk, waits: int, person: str) -> None:
    status, said = decline(desk, person, "owner", waits)
    assert (status, said["boundary"], said["version"], said["state"]) == (200, "pay", waits, "revoked")
    assert waiting(desk) is None
    assert most(desk) == "500.00", "what is in force stays"
    (entry,) = declined(desk)
    assert (entry["what"], entry["name"], entry["version"], entry["by"]) == ("boundary", "pay", waits, person)
    assert "as" not in entry
    assert entry["state"] == "revoked"
    assert entry["before"] == entry["after"], "of what is in force nothing changed"
    assert entry["after"]


@pytest.mark.parametrize(
    ("person", "role"),
    [("dana", "viewer"), ("dana", "operator"), ("lee", "reviewer"), ("mo", "owner"), ("sam", "security"),
     ("ada", "auditor")],
)  # fmt: skip
def test_nobody_else_does_whatever_their_name_or_role(desk: Desk, waits: int, person: str, role: str) -> None:
    status, refused = decline(desk, person, role, waits)
    assert (status, refused["code"]) == (403, "forbidden")
    assert waiting(desk)["version"] == waits
    assert declined(desk) == []


def test_nor_does_the_admin(desk: Desk, waits: int) -> None:
    assert desk.ask(desk.admin, "POST", DOOR, {"version": waits})[0] == 403
    assert (waiting(desk)["version"], declined(desk)) == (waits, [])


def test_what_is_in_force_is_not_declined(desk: Desk, waits: int) -> None:
    status, refused = decline(desk, "dana", "owner", waits - 1)
    assert (status, refused["code"]) == (409, "conflict")
    assert f"version {waits - 1} of pay does not wait" in str(refused)
    assert (waiting(desk)["version"], most(desk), declined(desk)) == (waits, "500.00", [])


def test_nor_where_nothing_waits(desk: Desk) -> None:
    assert decline(desk, "dana", "owner", 1)[0] == 409
    assert (most(desk), declined(desk)) == ("500.00", [])


def test_once_is_all(desk: Desk, waits: int) -> None:
    assert decline(desk, "dana", "owner", waits)[0] == 200
    assert decline(desk, "dana", "owner", waits)[0] == 409
    assert decline(desk, "lee", "owner", waits)[0] == 409
    assert [each["version"] for each in declined(desk)] == [waits]
    status, _ = desk.ask(desk.token("dana", "owner"), "POST", "/v1/boundaries/pay/approve", {"version": waits})
    assert status == 409, "what was declined is not approved afterwards"
    assert most(desk) == "500.00"


def test_the_same_document_waits_anew_as_a_version_of_its_own(desk: Desk, tree: Tree, waits: int) -> None:
    assert decline(desk, "dana", "owner", waits)[0] == 200
    assert rows(desk.apply(desk.token("dana", "owner"), tree.documents()))["boundary/pay"]["waits"]
    assert waiting(desk)["version"] == waits + 1


def test_what_nobody_knows_is_not_found(desk: Desk) -> None:
    for role in ("owner", "viewer"):
        status, refused = desk.ask(desk.token("dana", role), "POST", "/v1/boundaries/none/decline", {"version": 1})
        assert (status, refused["code"]) == (404, "not_found")
    assert declined(desk) == []


@pytest.mark.parametrize("body", [{}, {"version": "2"}, {"version": True}, {"version": 2**63}, {"version": 2, "to": 1}])
def test_which_version_has_to_be_said(desk: Desk, waits: int, body: dict[str, Any]) -> None:
    assert desk.ask(desk.token("dana", "owner"), "POST", DOOR, body)[0] == 400
    assert waiting(desk)["version"] == waits
