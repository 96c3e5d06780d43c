"""Toxic combinations as files, and the limit on what approvals may add, by every door that approves."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from tests.interaction.apply_world import ADMIN, DANA, LEE, Rig, Tree

from remit.audit.objects import OBJECTS
from remit.certification.noticing.combination_sql import SqlCombinations
from remit.certification.noticing.combinations import Combination
from remit.certification.posture.report import PostureReport
from remit.kernel.clock import DAY
from remit.kernel.errors import ConfigInvalid, Conflict, Malformed
from remit.server.door import Ask
from remit.server.http_posture import PostureDoors
from remit.server.operators import Operator, Role
from remit.server.shapes import agent as shape

LEAK = {
    "combination": "steal", "actions": ["payments/transfer", "payments/delete_*"], "why": "Pay, and hide it.",
    "severity": "critical",
}  # fmt: skip


class Grown(Tree):
    """The tree, with combinations and more boundaries."""

    def __init__(self) -> None:
        super().__init__()
        self.combinations: list[dict[str, Any]] = [deepcopy(LEAK)]
        self.more: list[dict[str, Any]] = []

    def documents(self) -> list[dict[str, Any]]:
        found = super().documents()
        for kind, several in (("combination", self.combinations), ("boundary", self.more)):
            found += [
                {"kind": kind, "spec": deepcopy(spec), "file": f"{kind}/{at}.yaml", "line": 1}
                for at, spec in enumerate(several)
            ]
        return found

    def allow(self, *actions: str) -> None:
        """What the boundary allows: these actions, unbounded."""
        self.boundary["allow"] = [{"action": f"payments/{each}"} for each in actions]


@pytest.fixture
def tree() -> Grown:
    found = Grown()
    found.purpose["actions"] = ["payments/*"]
    found.server["tools"] = {"transfer": {"tier": "critical"}, "delete_*": {"tier": "high"}, "*": {"tier": "low"}}
    found.allow("list_payees")
    return found


def stored(rig: Rig) -> list[Combination]:
    return rig.writer.read(lambda connection: SqlCombinations(connection).all())


# combinations ---------------------------------------------------------------------------------


def test_a_combination_is_registered_and_recorded(rig: Rig, tree: Grown) -> None:
    row = rig.apply(tree)["combination/steal"]
    assert (row["change"], row["state"], row["waits"]) == ("create", "watched", False)
    (found,) = stored(rig)
    assert (found.combination, found.actions) == ("steal", ("payments/transfer", "payments/delete_*"))
    (entry,) = rig.entries("combination")
    assert (entry["name"], entry["change"], entry["before"]) == ("steal", "create", None)
    assert "combination" in OBJECTS
    assert rig.apply(tree)["combination/steal"]["change"] == "unchanged"
    tree.combinations[0]["why"] = "Another reason."
    assert rig.apply(tree)["combination/steal"]["change"] == "update"
    assert stored(rig)[0].why == "Another reason."


def test_it_stays_without_its_file_and_goes_with_a_prune(rig: Rig, tree: Grown) -> None:
    rig.apply(tree)
    tree.combinations = []
    rig.apply(tree)
    assert len(stored(rig)) == 1
    assert rig.apply(tree, prune=True)["combination/steal"]["state"] == "removed"
    assert stored(rig) == []
    assert rig.entries("combination")[-1]["change"] == "remove"


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        (["ghost/x", "payments/transfer"], "actions.0: there is no server ghost"),
        (["payments/*", "payments/transfer"], "actions.1: payments/transfer is part of payments"),
    ],
)
def test_a_combination_that_names_nothing_is_refused(rig: Rig, tree: Grown, actions: list[str], said: str) -> None:
    tree.combinations[0]["actions"] = actions
    with pytest.raises(ConfigInvalid, match=said):
        rig.apply(tree)
    assert stored(rig) == []


def test_it_may_be_about_every_server(rig: Rig, tree: Grown) -> None:
    tree.combinations[0]["actions"] = ["*/transfer", "*/delete_*"]
    assert rig.apply(tree)["combination/steal"]["change"] == "create"


# the limit ------------------------------------------------------------------------------------


def test_an_approval_over_the_limit_is_refused_and_the_old_version_stays(rig: Rig, tree: Grown) -> None:
    tree.agent["max_widening"] = 15
    rig.apply(tree, by=DANA, approve=True)
    tree.allow("list_payees", "delete_payee")
    rig.clock.at += DAY
    rig.apply(tree)
    rig.access.approve("pay", by=LEE)
    tree.allow("list_payees", "delete_payee", "transfer")
    rig.apply(tree)
    epoch = rig.writer.epoch
    with pytest.raises(Conflict, match="this adds 40 to what invoice-bot may do, and 5 of 15 are left in 2026"):
        rig.access.approve("pay", by=LEE)
    assert (rig.boundary().version, rig.writer.epoch) == (2, epoch)
    tree.agent["max_widening"] = 50
    rig.apply(tree)
    assert rig.access.approve("pay", by=LEE).version == 3
    entry = next(each for each in rig.entries("agent")[::-1] if "max_widening" in each)
    assert (entry["max_widening_before"], entry["max_widening"], entry["by"]) == (15, 50, "admin")


def test_apply_with_approve_is_no_way_round(rig: Rig, tree: Grown) -> None:
    tree.agent["max_widening"] = 39
    rig.apply(tree, by=DANA, approve=True)
    tree.allow("list_payees", "transfer")
    rig.clock.at += DAY
    row = rig.apply(tree, by=DANA, approve=True)["boundary/pay"]
    assert (row["waits"], row["state"]) == (True, "proposed")
    assert row["note"] == "this adds 40 to what invoice-bot may do, and 39 of 39 are left in 2026"
    assert rig.boundary().version == 1


def test_two_boundaries_of_one_apply_share_what_is_left(rig: Rig, tree: Grown) -> None:
    tree.agent["max_widening"] = 15
    rig.apply(tree, by=DANA, approve=True)
    rig.clock.at += DAY
    tree.allow("list_payees", "delete_payee")
    tree.more = [{**tree.boundary, "boundary": "two", "allow": [{"action": "payments/delete_payee"}]}]
    rows = rig.apply(tree, by=DANA, approve=True)
    assert [rows[f"boundary/{name}"]["waits"] for name in ("pay", "two")] == [False, True]
    assert "this adds 10 to what invoice-bot may do, and 5 of 15 are left" in rows["boundary/two"]["note"]


def test_what_an_agent_begins_with_is_free_even_in_several_boundaries(rig: Rig, tree: Grown) -> None:
    tree.agent["max_widening"] = 0
    tree.more = [{**tree.boundary, "boundary": "two", "allow": [{"action": "payments/transfer"}]}]
    rows = rig.apply(tree, by=DANA, approve=True)
    assert not any(row["waits"] for row in rows.values())


def test_letting_go_and_asking_again_is_no_way_round(rig: Rig, tree: Grown) -> None:
    tree.agent["max_widening"] = 10
    tree.allow("transfer")
    rig.apply(tree, by=DANA, approve=True)
    rig.access.revoke("pay", by=ADMIN)
    rig.clock.at += DAY
    rig.apply(tree)
    with pytest.raises(Conflict, match="this adds 40"):
        rig.access.approve("pay", by=DANA)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("max_children", 1001, "from 0 to 1000"), ("max_children", -1, "from 0"), ("max_widening", -1, "from 0 to 1000")],
)
def test_limits_that_are_none(rig: Rig, tree: Grown, key: str, value: int, said: str) -> None:
    tree.agent[key] = value
    with pytest.raises(ConfigInvalid, match=f"{key}: a whole number {said}"):
        rig.apply(tree)


def test_limits_are_kept_and_shown(rig: Rig, tree: Grown) -> None:
    rig.apply(tree)
    found = shape(rig.agents.agent("invoice-bot"))
    assert (found["max_children"], found["max_widening"]) == (0, None)
    tree.agent |= {"max_children": 3, "max_widening": 7}
    rig.apply(tree)
    found = shape(rig.agents.agent("invoice-bot"))
    assert (found["max_children"], found["max_widening"]) == (3, 7)


def test_the_report_says_who_widened_what(rig: Rig, tree: Grown) -> None:
    tree.agent["max_widening"] = 100
    rig.apply(tree, by=DANA, approve=True)
    tree.allow("list_payees", "transfer")
    rig.clock.at += DAY
    rig.apply(tree)
    rig.access.approve("pay", by=LEE)
    doors = PostureDoors(report=PostureReport(reader=rig.writer, clock=rig.clock), clock=rig.clock)
    viewer = Operator(person="v", roles=frozenset({Role.VIEWER}))
    answer = doors.widenings(Ask(operator=viewer, path={}))
    assert answer["year"] == 2026
    (agent,) = answer["agents"]
    (one,) = agent["widenings"]
    assert (agent["agent"], agent["points"], agent["max_widening"], agent["left"]) == ("invoice-bot", 40, 100, 60)
    assert (one["boundary"], one["version"], one["by"], one["points"]) == ("pay", 2, "lee", 40)
    assert (one["weight_before"], one["weight_after"]) == (1, 41)
    assert "payments/transfer is added" in one["widens"]
    assert doors.widenings(Ask(operator=viewer, path={}, query={"year": "2025"})) == {"year": 2025, "agents": []}
    for wrong in ("9999", "0", "x", "-1"):
        with pytest.raises(Malformed):
            doors.widenings(Ask(operator=viewer, path={}, query={"year": wrong}))
