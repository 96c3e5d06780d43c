"""`DELETE /v1/first-words/KIND`: who said a first word takes it back, the admin takes back any, nobody else does."""

from typing import Any

import pytest
from tests.interaction.apply_world import Tree
from tests.interaction.desk import Desk
from tests.interaction.test_policies_take_two import FORBID, policies

from remit.kernel.clock import HOUR, MINUTE
from remit.server.first_words import ERASURES, KEYS, OBSERVE, POLICIES, SECRETS, UNFREEZE_ALL, FirstWords
from remit.server.two_people import Word

ALL = "/v1/freezes/all/*"
NAMED = {
    UNFREEZE_ALL: ("frz_1", "freeze", "frz_1"),
    POLICIES: ("0a1b 2c3d", "policies", "policies"),
    KEYS: ("rotate key_1 same scheduled", "key", "key_1"),
    OBSERVE: ("0a1b", "servers", "servers"),
    SECRETS: ("0a1b", "secrets", "secrets"),
    ERASURES: ("erase bot", "agent", "bot"),
}


def words(desk: Desk) -> list[tuple[str, str]]:
    status, found = desk.ask(desk.admin, "GET", "/v1/first-words")
    assert status == 200
    return [(each["kind"], each["person"]) for each in found["words"]]


def take_back(desk: Desk, token: str, kind: str) -> tuple[int, dict[str, Any]]:
    return desk.ask(token, "DELETE", f"/v1/first-words/{kind}")


def say(desk: Desk, kind: str, person: str, about: str) -> None:
    word = Word(person=person, about=about, at=desk.rig.clock.now())
    desk.rig.writer.change(lambda tx: FirstWords(tx.connection).put(kind, word))


def taken(desk: Desk, what: str) -> list[dict[str, Any]]:
    return [each for each in desk.rig.entries(what) if each["change"] == "taken_back"]


def test_what_was_taken_back_takes_two_people_again(desk: Desk, tree: Tree) -> None:
    tree.policies = {"base.cedar": FORBID}
    desk.apply(desk.admin, tree.documents())
    ann, bob = desk.token("ann", "operator"), desk.token("bob", "operator")
    tree.policies = {}
    assert desk.apply(ann, tree.documents(), prune=True)[0] == 200
    assert words(desk) == [(POLICIES, "ann")]
    status, said = take_back(desk, ann, POLICIES)
    assert (status, said["taken_back"]["kind"], said["taken_back"]["person"]) == (200, POLICIES, "ann")
    assert words(desk) == []
    (entry,) = taken(desk, "policies")
    assert (entry["name"], entry["by"], entry["first"]) == ("policies", "ann", "ann")
    assert entry["about"] == said["taken_back"]["about"]
    assert desk.apply(bob, tree.documents(), prune=True)[0] == 200
    assert policies(desk) == {"base.cedar": FORBID}, "the second person's word is the first one again"
    assert words(desk) == [(POLICIES, "bob")]


@pytest.mark.parametrize("role", ["viewer", "owner", "reviewer", "operator", "security", "auditor"])
def test_nobody_takes_back_what_another_one_said(desk: Desk, role: str) -> None:
    say(desk, KEYS, "ann", "retire key_1")
    status, refused = take_back(desk, desk.token("bob", role), KEYS)
    assert (status, refused["code"]) == (403, "forbidden")
    assert words(desk) == [(KEYS, "ann")]
    assert taken(desk, "key") == []


@pytest.mark.parametrize("role", ["viewer", "owner", "reviewer", "operator", "security", "auditor"])
def test_whoever_said_it_takes_it_back_whatever_their_role_is_now(desk: Desk, role: str) -> None:
    say(desk, KEYS, "ann", "retire key_1")
    assert take_back(desk, desk.token("ann", role, age=MINUTE), KEYS)[0] == 200, "a new token, too: this gives nothing"
    assert words(desk) == []


@pytest.mark.parametrize("kind", NAMED)
def test_the_admin_takes_back_any_and_it_is_found_beside_what_was_asked(desk: Desk, kind: str) -> None:
    about, what, name = NAMED[kind]
    other = next(each for each in NAMED if each != kind)
    say(desk, kind, "ann", about)
    say(desk, other, "ann", NAMED[other][0])
    assert take_back(desk, desk.admin, kind)[0] == 200
    assert words(desk) == [(other, "ann")]
    (entry,) = taken(desk, what)
    assert (entry["name"], entry["by"], entry["first"], entry["about"]) == (name, "admin", "ann", about)


def test_a_freeze_of_everything_goes_on(desk: Desk) -> None:
    sam, lee = desk.token("sam", "security"), desk.token("lee", "security")
    assert desk.ask(sam, "POST", "/v1/freezes", {"kind": "all", "name": "*"})[0] == 201
    assert desk.ask(sam, "DELETE", ALL)[1]["waits"]
    assert take_back(desk, lee, UNFREEZE_ALL)[0] == 403
    assert take_back(desk, sam, UNFREEZE_ALL)[0] == 200
    assert desk.ask(lee, "DELETE", ALL)[1]["waits"], "lee is the first one now"
    asked, entry = [each for each in desk.rig.entries("freeze") if each["change"] in ("unfreeze_asked", "taken_back")][
        :2
    ]
    assert (entry["change"], entry["name"]) == ("taken_back", asked["name"])


@pytest.mark.parametrize("kind", [POLICIES, "no_such_kind", "first_word:policies"])
def test_where_none_stands_none_is_found(desk: Desk, kind: str) -> None:
    for token in (desk.admin, desk.token("ann", "viewer")):
        assert take_back(desk, token, kind)[0] == 404


def test_not_twice_and_not_after_its_hour(desk: Desk) -> None:
    say(desk, KEYS, "ann", "retire key_1")
    assert take_back(desk, desk.admin, KEYS)[0] == 200
    assert take_back(desk, desk.admin, KEYS)[0] == 404
    say(desk, KEYS, "ann", "retire key_1")
    desk.later(HOUR)
    assert take_back(desk, desk.admin, KEYS)[0] == 404
    assert len(taken(desk, "key")) == 1
