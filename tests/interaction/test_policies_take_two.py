"""Policies of the organisation that widen take two people; those that only forbid more take one."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.interaction.apply_world import Tree
from tests.interaction.desk import Desk

from remit.kernel.clock import HOUR, MINUTE
from remit.policy.sql import load_all

FORBID = '@id("no-deletions")\nforbid (principal, action == Remit::Action::"payments/delete_payee", resource);\n'
WEAKER = FORBID.replace(";", ' when { principal == Remit::Agent::"nobody" };')
ALSO = '@id("no-transfers")\nforbid (principal, action == Remit::Action::"payments/transfer", resource);\n'
PERMIT = '@id("anything")\npermit (principal, action, resource);\n'


def policies(desk: Desk) -> dict[str, str]:
    return dict(desk.rig.writer.read(load_all))


def rows(answer: tuple[int, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    assert answer[0] == 200, answer
    return {row["name"]: row for row in answer[1]["changes"] if row["kind"] == "policy"}


def said(desk: Desk) -> Iterator[tuple[str, str, str | None]]:
    for entry in desk.rig.entries("policies"):
        yield entry["change"], entry["by"], entry.get("first")


@pytest.fixture
def ruled(desk: Desk, tree: Tree) -> Desk:
    tree.policies = {"base.cedar": FORBID}
    assert not rows(desk.apply(desk.admin, tree.documents()))["base.cedar"]["waits"]
    assert policies(desk) == {"base.cedar": FORBID}
    return desk


def removed(tree: Tree) -> None:
    tree.policies = {}


def emptied(tree: Tree) -> None:
    tree.policies = {"base.cedar": "// nothing\n"}


def weakened(tree: Tree) -> None:
    tree.policies = {"base.cedar": WEAKER}


def replaced(tree: Tree) -> None:
    tree.policies = {"base.cedar": ALSO}


def permitted(tree: Tree) -> None:
    tree.policies["more.cedar"] = PERMIT


def permitted_and_forbidden(tree: Tree) -> None:
    tree.policies = {"base.cedar": FORBID + ALSO + PERMIT}


WIDENS = [removed, emptied, weakened, replaced, permitted, permitted_and_forbidden]


@pytest.mark.parametrize("bend", WIDENS)
def test_what_widens_waits_whole_for_another_person(ruled: Desk, tree: Tree, bend: Callable[[Tree], None]) -> None:
    ann, bob = ruled.token("ann", "operator"), ruled.token("bob", "operator")
    bend(tree)
    tree.purpose["not_after"] = "2027-05-31"  # the rest of the apply takes effect
    foreseen = ruled.apply(ann, tree.documents(), prune=True, dry_run=True)
    assert list(said(ruled)) == []
    first = ruled.apply(ann, tree.documents(), prune=True)
    assert foreseen == first
    changed = [row for row in rows(first).values() if row["change"] != "unchanged"]
    assert changed
    for row in changed:
        assert (row["waits"], row["state"]) == (True, "waiting_for_second_person")
        assert "waits for a second person: another than ann" in row["note"]
        assert "nothing of the policies changed yet" in row["note"]
    assert policies(ruled) == {"base.cedar": FORBID}
    assert ruled.rig.access.purposes()[0].not_after < ruled.rig.clock.at + 365 * 24 * HOUR
    assert not [row for row in first[1]["changes"] if row["kind"] == "purpose" and row["change"] != "narrow"]

    again = ruled.apply(ann, tree.documents(), prune=True)
    assert all(row["waits"] for row in rows(again).values() if row["change"] != "unchanged")
    assert policies(ruled) == {"base.cedar": FORBID}

    second = ruled.apply(bob, tree.documents(), prune=True)
    assert not any(row["waits"] for row in rows(second).values())
    assert policies(ruled) == tree.policies
    assert list(said(ruled)) == [
        ("widening_asked", "ann", None), ("widening_asked", "ann", None), ("widening_seconded", "bob", "ann"),
    ]  # fmt: skip
    assert ruled.rig.entries("policies")[-1]["widens"]
    third = ruled.apply(bob, tree.documents(), prune=True)
    assert all(row["change"] == "unchanged" for row in rows(third).values())


def test_a_word_counts_for_an_hour(ruled: Desk, tree: Tree) -> None:
    ann, bob = ruled.token("ann", "operator"), ruled.token("bob", "operator")
    weakened(tree)
    ruled.apply(ann, tree.documents())
    ruled.later(HOUR)
    assert rows(ruled.apply(bob, tree.documents()))["base.cedar"]["waits"]
    ruled.later(HOUR - MINUTE)
    assert not rows(ruled.apply(ann, tree.documents()))["base.cedar"]["waits"]


def test_a_word_counts_for_the_very_same_policies(ruled: Desk, tree: Tree) -> None:
    ann, bob = ruled.token("ann", "operator"), ruled.token("bob", "operator")
    weakened(tree)
    ruled.apply(ann, tree.documents())
    removed(tree)
    assert rows(ruled.apply(bob, tree.documents(), prune=True))["base.cedar"]["waits"]
    assert policies(ruled) == {"base.cedar": FORBID}


def test_a_word_counts_for_the_policies_it_was_said_over(ruled: Desk, tree: Tree) -> None:
    """Another forbid came into the same file meanwhile: the first person never saw that it would go."""
    ann, bob = ruled.token("ann", "operator"), ruled.token("bob", "operator")
    weakened(tree)
    ruled.apply(ann, tree.documents())
    between = Tree()
    between.policies = {"base.cedar": FORBID + ALSO}
    assert not rows(ruled.apply(bob, between.documents()))["base.cedar"]["waits"]
    assert rows(ruled.apply(bob, tree.documents()))["base.cedar"]["waits"]
    assert policies(ruled) == between.policies


@pytest.mark.parametrize(
    "after",
    [
        {"base.cedar": FORBID, "more.cedar": ALSO},
        {"base.cedar": FORBID + ALSO},
        {"base.cedar": "// moved\n" + ALSO, "more.cedar": FORBID},
        {"base.cedar": "// said better\n" + FORBID.replace("no-deletions", "nothing-is-deleted")},
    ],
)
def test_forbidding_more_takes_one_person(ruled: Desk, tree: Tree, after: dict[str, str]) -> None:
    tree.policies = after
    assert not any(row["waits"] for row in rows(ruled.apply(ruled.admin, tree.documents())).values())
    assert policies(ruled) == after
    assert list(said(ruled)) == []


def test_the_first_policies_take_two_people_if_they_permit(desk: Desk, tree: Tree) -> None:
    tree.policies = {"base.cedar": FORBID, "more.cedar": PERMIT}
    found = rows(desk.apply(desk.admin, tree.documents()))
    assert all(row["waits"] for row in found.values())
    assert policies(desk) == {}
    desk.apply(desk.token("ann", "operator"), tree.documents())
    assert policies(desk) == tree.policies


def test_the_admin_token_can_not_make_itself_a_second_person(ruled: Desk, tree: Tree) -> None:
    weakened(tree)
    ruled.apply(ruled.admin, tree.documents())
    status, made = ruled.ask(ruled.admin, "POST", "/v1/operators/tokens", {"person": "zed", "role": "operator"})
    assert status == 201
    row = rows(ruled.apply(made["token"], tree.documents()))["base.cedar"]
    assert row["waits"]
    assert "does not count until an hour after it was issued" in row["note"]
    assert policies(ruled) == {"base.cedar": FORBID}
    assert len(list(said(ruled))) == 1
    ruled.later(HOUR - MINUTE)
    ruled.apply(ruled.admin, tree.documents())
    ruled.later(MINUTE)
    assert not rows(ruled.apply(made["token"], tree.documents()))["base.cedar"]["waits"]


def test_under_dev_two_people_are_played(bare: Desk, tree: Tree) -> None:
    tree.policies = {"base.cedar": PERMIT}
    assert rows(bare.apply(bare.admin, tree.documents(), act_as="ann"))["base.cedar"]["waits"]
    assert rows(bare.apply(bare.admin, tree.documents(), act_as="ann"))["base.cedar"]["waits"]
    assert not rows(bare.apply(bare.admin, tree.documents(), act_as="bob"))["base.cedar"]["waits"]
    assert policies(bare) == tree.policies


def test_policies_that_stay_meanwhile_must_fit_the_rest(ruled: Desk, tree: Tree) -> None:
    """The rest takes effect now: it may not take away what the policies in force speak of."""
    tree.without = {"boundary", "agent", "purpose", "server"}
    removed(tree)
    status, problem = ruled.apply(ruled.admin, tree.documents(), prune=True)
    assert (status, problem["code"]) == (422, "config_invalid")
    assert "stays in force until a second person agrees" in problem["title"]
    assert policies(ruled) == {"base.cedar": FORBID}


def test_a_revoked_persons_word_is_no_longer_meant(ruled: Desk, tree: Tree) -> None:
    ann, bob = ruled.token("ann", "operator"), ruled.token("bob", "operator")
    weakened(tree)
    ruled.apply(ann, tree.documents())
    assert ruled.ask(ruled.admin, "DELETE", "/v1/operators/tokens/ann")[0] == 200
    said = [(each["change"], each["by"], each.get("first")) for each in ruled.rig.entries("policies")]
    assert said[-2:] == [("widening_asked", "ann", None), ("taken_back", "admin", "ann")], "the log has it too"
    assert rows(ruled.apply(bob, tree.documents()))["base.cedar"]["waits"]
