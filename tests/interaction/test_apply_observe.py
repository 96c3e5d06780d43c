"""A server that comes under `mode: observe` is no longer enforced: that takes two people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.interaction.apply_world import Tree
from tests.interaction.desk import Desk

from remit.catalog.model import Mode
from remit.catalog.sql import load
from remit.kernel.clock import HOUR


def mode(desk: Desk) -> Mode:
    found = desk.rig.writer.read(lambda connection: load(connection, "payments"))
    assert found is not None
    return found.mode


def row(answer: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    assert answer[0] == 200, answer
    return next(each for each in answer[1]["changes"] if each["kind"] == "server")


def test_it_takes_two_people_and_meanwhile_it_is_enforced(desk: Desk, tree: Tree) -> None:
    ann, bob = desk.token("ann", "operator"), desk.token("bob", "operator")
    tree.server["mode"] = "observe"
    foreseen = row(desk.apply(ann, tree.documents(), dry_run=True))
    first = row(desk.apply(ann, tree.documents()))
    assert foreseen == first
    assert (first["waits"], first["state"]) == (True, "waiting_for_second_person")
    assert "another than ann" in first["note"]
    assert mode(desk) is Mode.ENFORCE
    assert row(desk.apply(ann, tree.documents()))["waits"]
    second = row(desk.apply(bob, tree.documents()))
    assert (second["waits"], second["change"], mode(desk)) == (False, "update", Mode.OBSERVE)
    assert row(desk.apply(bob, tree.documents()))["change"] == "unchanged"
    said = [(e["change"], e["by"], e.get("first")) for e in desk.rig.entries("servers")]
    assert said == [("observe_asked", "ann", None), ("observe_asked", "ann", None), ("observe_seconded", "bob", "ann")]
    # Back is narrower: one person, at once.
    del tree.server["mode"]
    assert not row(desk.apply(ann, tree.documents()))["waits"]
    assert mode(desk) is Mode.ENFORCE


def test_the_word_is_about_the_very_same_servers_and_lives_an_hour(desk: Desk, tree: Tree) -> None:
    ann, bob = desk.token("ann", "operator"), desk.token("bob", "operator")
    tree.server["mode"] = "observe"
    desk.apply(ann, tree.documents())
    tree.server["url"] = "http://127.0.0.1:9102/mcp"
    assert row(desk.apply(bob, tree.documents()))["waits"]
    desk.later(HOUR)
    assert row(desk.apply(ann, tree.documents()))["waits"]
    assert mode(desk) is Mode.ENFORCE


def elsewhere(tree: Tree) -> None:
    tree.server["url"] = "http://127.0.0.1:9102/mcp"


def with_a_secret(tree: Tree) -> None:
    tree.server["credential"] = {"secret": "another"}


@pytest.mark.parametrize("bend", [elsewhere, with_a_secret])
def test_an_observed_server_can_not_be_turned_on_another(desk: Desk, tree: Tree, bend: Callable[[Tree], None]) -> None:
    """Attack: an observed server of no account is led to a governed one, or given its secret."""
    ann, bob = desk.token("ann", "operator"), desk.token("bob", "operator")
    tree.server["mode"] = "observe"
    desk.apply(ann, tree.documents())
    desk.apply(bob, tree.documents())
    assert mode(desk) is Mode.OBSERVE
    bend(tree)
    assert row(desk.apply(bob, tree.documents()))["waits"]
    assert mode(desk) is Mode.ENFORCE


def test_a_new_server_in_observe_waits_too(bare: Desk, tree: Tree) -> None:
    """Attack: a governed server is registered once more under another name, where nothing is refused."""
    tree.server["mode"] = "observe"
    assert row(bare.apply(bare.admin, tree.documents(), act_as="ann"))["waits"]
    assert mode(bare) is Mode.ENFORCE
    assert not row(bare.apply(bare.admin, tree.documents(), act_as="bob"))["waits"]
    assert mode(bare) is Mode.OBSERVE


@pytest.mark.parametrize("role", ["reviewer", "owner"])
def test_only_the_word_of_who_may_change_servers_is_one_of_the_two(desk: Desk, tree: Tree, role: str) -> None:
    """Attack: somebody who may plan and no more says the first word, or takes the place of the one that was said."""
    ann, rita = desk.token("ann", "operator"), desk.token("rita", role)
    tree.server["mode"] = "observe"
    assert desk.apply(rita, tree.documents())[0] == 403
    first = row(desk.apply(ann, tree.documents()))
    assert (first["waits"], first["change"], mode(desk)) == (True, "update", Mode.ENFORCE)
    assert desk.apply(rita, tree.documents())[0] == 403
    assert [(e["change"], e["by"]) for e in desk.rig.entries("servers")] == [("observe_asked", "ann")]
