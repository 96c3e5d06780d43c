"""A tree of documents is applied: the whole way through the registry rooms, on a real writer's transaction."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from tests.interaction.apply_world import ADMIN, DANA, LEE, OTHER, PUBLIC, Rig, Tree, owner_role, tool

from remit.access.model import BoundaryState
from remit.access.sql import load_of_agent
from remit.agents.model import AgentState
from remit.catalog.model import PinState, Server
from remit.catalog.ports import Unreached
from remit.kernel.canonical import parse
from remit.kernel.errors import ConfigInvalid, Conflict, Forbidden, Malformed
from remit.kernel.names import ToolName
from remit.people.change import Actor
from remit.server.voice import Voice


def test_a_new_tree_is_created_and_its_boundary_waits_for_the_owner(rig: Rig, tree: Tree) -> None:
    rows = rig.apply(tree)
    assert [row["change"] for row in rows.values()] == ["create"] * 7
    assert next(iter(rows)).startswith("owner/")
    assert rows["boundary/pay"] == {
        "kind": "boundary",
        "name": "pay",
        "change": "create",
        "state": "proposed",
        "waits": True,
    }
    assert rows["server/payments"]["state"] == "pinned"
    assert rig.boundary() is None
    assert set(rig.data_keys.made) == {"agent:invoice-bot"}


def test_applying_again_changes_nothing(rig: Rig, tree: Tree) -> None:
    rig.apply(tree)
    epoch, entries = rig.writer.epoch, len(rig.writer.entries)
    rows = rig.apply(tree)
    assert {row["change"] for row in rows.values()} == {"unchanged"}
    assert rows["boundary/pay"]["waits"]
    assert (rig.writer.epoch, len(rig.writer.entries)) == (epoch, entries)


def test_the_owner_approves_and_the_rules_are_expanded(rig: Rig, tree: Tree) -> None:
    rig.apply(tree)
    rig.access.approve("pay", by=LEE)
    boundary = rig.boundary()
    assert list(boundary.rules) == ["payments/list_invoices", "payments/list_payees", "payments/transfer"]
    assert boundary.approved_by == "lee"
    assert rig.entries("boundary")[-1]["by"] == "lee"
    rows = rig.apply(tree)
    assert rows["boundary/pay"] == rows["boundary/pay"] | {"change": "unchanged", "state": "active", "waits": False}


def test_apply_with_approve_as_the_owner_takes_effect_at_once(applied: Rig) -> None:
    assert applied.boundary().approved_by == "dana"
    entry = applied.entries("boundary")[-1]
    assert (entry["by"], entry["as"], entry["change"]) == ("admin", "dana", "approve")


@pytest.mark.parametrize("by", [ADMIN, Actor(by="mo"), Actor(by="nobody")])
def test_nobody_else_approves(rig: Rig, tree: Tree, by: Actor) -> None:
    rig.apply(tree)
    with pytest.raises(Forbidden):
        rig.access.approve("pay", by=by)
    assert rig.boundary() is None


def test_the_admin_token_cannot_apply_with_approve(rig: Rig, tree: Tree) -> None:
    with pytest.raises(Forbidden):
        rig.applier.apply(tree.documents(), by=ADMIN, voice=Voice(approves=owner_role(ADMIN)))
    assert rig.writer.epoch == 0


def test_another_owners_approve_leaves_it_waiting(rig: Rig, tree: Tree) -> None:
    row = rig.apply(tree, by=Actor(by="mo"), approve=True)["boundary/pay"]
    assert row["waits"]
    assert "neither the owner" in row["note"]


def narrow_max(tree: Tree) -> None:
    tree.transfer["when"]["amount"]["max"] = "400.00"


def narrow_end(tree: Tree) -> None:
    tree.boundary["not_after"] = "2027-01-31"


def narrow_drop(tree: Tree) -> None:
    del tree.boundary["allow"][0]


def narrow_glob(tree: Tree) -> None:
    tree.boundary["allow"][0]["action"] = "payments/list_payees"


@pytest.mark.parametrize("bend", [narrow_max, narrow_end, narrow_drop, narrow_glob])
def test_narrowing_applies_at_once_and_keeps_the_approval(
    applied: Rig, tree: Tree, bend: Callable[[Tree], None]
) -> None:
    bend(tree)
    row = applied.apply(tree)["boundary/pay"]
    assert (row["change"], row["state"], row["waits"]) == ("narrow", "active", False)
    boundary = applied.boundary()
    assert (boundary.version, boundary.approved_by) == (2, "dana")


def widen_max(tree: Tree) -> None:
    tree.transfer["when"]["amount"]["max"] = "600.00"


def widen_bound(tree: Tree) -> None:
    del tree.transfer["when"]["currency"]


def widen_limits(tree: Tree) -> None:
    del tree.transfer["limits"]


def widen_approval(tree: Tree) -> None:
    del tree.transfer["approval"]


def widen_end(tree: Tree) -> None:
    tree.boundary["not_after"] = "2027-04-30"


def widen_first_use(tree: Tree) -> None:
    tree.transfer["first_use"] = "auto"


def widen_ttl(tree: Tree) -> None:
    tree.transfer["ttl"] = "8d"


@pytest.mark.parametrize(
    "bend", [widen_max, widen_bound, widen_limits, widen_approval, widen_end, widen_first_use, widen_ttl]
)
def test_widening_waits_whole_and_the_old_version_stays(applied: Rig, tree: Tree, bend: Callable[[Tree], None]) -> None:
    before = applied.boundary()
    narrow_drop_too = tree.boundary["allow"][0]
    bend(tree)
    tree.boundary["allow"].remove(narrow_drop_too)
    row = applied.apply(tree)["boundary/pay"]
    assert (row["change"], row["state"], row["waits"]) == ("widen", "proposed", True)
    assert applied.boundary() == before
    applied.access.approve("pay", by=Actor(by="dana"))
    assert applied.boundary().version == 2
    assert {each.state for each in applied.access.versions("pay")} == {BoundaryState.ACTIVE, BoundaryState.SUPERSEDED}


def test_taking_a_widening_back_withdraws_it(applied: Rig, tree: Tree) -> None:
    widen_max(tree)
    applied.apply(tree)
    row = applied.apply(Tree())["boundary/pay"]
    assert (row["change"], row["waits"]) == ("update", False)
    with_nothing_waiting = applied.access.approve("pay", by=Actor(by="dana"))
    assert with_nothing_waiting.version == 1


def test_a_new_tool_waits_and_is_in_no_boundary_until_a_person_says_so(applied: Rig, tree: Tree) -> None:
    applied.lister.tools["payments"].append(tool("list_secrets"))
    row = applied.apply(tree)["server/payments"]
    assert (row["change"], row["state"]) == ("update", "review")
    assert applied.catalog.server("payments").tools[ToolName("list_secrets")].state is PinState.PENDING
    applied.catalog.approve("payments", by=ADMIN)
    narrow_max(tree)
    assert applied.apply(tree)["boundary/pay"]["change"] == "narrow"
    assert "payments/list_secrets" not in applied.boundary().rules
    applied.access.approve("pay", by=Actor(by="dana"))
    assert "payments/list_secrets" in applied.boundary().rules


def test_a_broader_pattern_widens_even_if_it_matches_the_same_tools_today(applied: Rig, tree: Tree) -> None:
    tree.purpose["actions"] = ["payments/list_*", "payments/transfer"]
    applied.lister.tools["payments"] = [each for each in applied.lister.tools["payments"] if "list" in each["name"]]
    tree.boundary["allow"] = [{"action": "payments/list_*"}]
    applied.apply(tree)
    tree.boundary["allow"] = [{"action": "payments/list_i*"}]
    assert applied.apply(tree)["boundary/pay"]["change"] == "narrow"
    tree.boundary["allow"] = [{"action": "payments/list_in*"}, {"action": "payments/list_p*"}]
    assert applied.apply(tree)["boundary/pay"]["change"] == "widen"


def test_an_unreachable_server_leaves_its_boundaries_waiting_for_the_catalog(rig: Rig, tree: Tree) -> None:
    known = rig.lister.tools.pop("payments")
    rows = rig.apply(tree, by=DANA, approve=True)
    assert (rows["server/payments"]["state"], rows["boundary/pay"]["state"]) == ("unreachable", "waiting_for_catalog")
    assert rows["boundary/pay"]["waits"]
    assert "could not be asked" in rows["server/payments"]["note"]
    with pytest.raises(Conflict, match="waits for the tools of payments"):
        rig.access.approve("pay", by=Actor(by="dana"))
    rig.lister.tools["payments"] = known
    rows = rig.apply(tree)
    assert (rows["boundary/pay"]["change"], rows["boundary/pay"]["state"]) == ("update", "proposed")
    assert rig.access.approve("pay", by=Actor(by="dana")).version == 1


def test_a_quarantined_server_keeps_boundaries_waiting_until_its_tools_are_approved(rig: Rig, tree: Tree) -> None:
    tree.server["review"] = "quarantine"
    assert rig.apply(tree)["boundary/pay"]["state"] == "waiting_for_catalog"
    rig.catalog.approve("payments", by=ADMIN)
    assert rig.access.boundaries()[0].state is BoundaryState.PROPOSED
    assert len(rig.access.approve("pay", by=Actor(by="dana")).rules) == 3


def test_prune_ends_what_the_documents_do_not_name(applied: Rig, tree: Tree) -> None:
    tree.policies = {"a.cedar": "// nothing is forbidden yet\n"}
    applied.apply(tree)
    tree.policies = {}
    tree.without = {"boundary", "agent", "server", "purpose"}
    del tree.owners[2]
    rows = applied.apply(tree, prune=True)
    pruned = {name: row["state"] for name, row in rows.items() if row["change"] == "prune"}
    assert pruned == {
        "policy/a.cedar": "removed",
        "boundary/pay": "revoked",
        "agent/invoice-bot": "retired",
        "server/payments": "removed",
        "purpose/pay-invoices": "closed",
        "owner/mo": "removed",
    }
    assert applied.boundary() is None
    assert applied.agents.agent("invoice-bot").state is AgentState.RETIRED
    assert applied.catalog.servers() == []
    assert all(row["change"] == "unchanged" for row in applied.apply(tree, prune=True).values())


def test_what_is_retired_or_closed_does_not_come_back(applied: Rig, tree: Tree) -> None:
    bare = Tree()
    bare.without = {"boundary", "agent"}
    applied.apply(bare, prune=True)
    with pytest.raises(Conflict, match="retired for ever"):
        applied.applier.apply(tree.documents(), by=ADMIN)
    bare.without = {"boundary", "agent", "purpose"}
    applied.apply(bare, prune=True)
    with pytest.raises(Conflict, match="closed for ever"):
        applied.applier.apply(tree.documents(), by=ADMIN)


def test_prune_refuses_what_would_be_left_hanging(applied: Rig, tree: Tree) -> None:
    tree.without = {"server"}
    with pytest.raises(ConfigInvalid, match="there is no server payments"):
        applied.applier.apply(tree.documents(), by=ADMIN, prune=True)
    assert applied.boundary() is not None


def test_a_purpose_may_narrow_and_never_widen(applied: Rig, tree: Tree) -> None:
    tree.purpose["not_after"] = "2027-05-31"
    assert applied.apply(tree)["purpose/pay-invoices"]["change"] == "narrow"
    tree.purpose["actions"].append("payments/delete_payee")
    with pytest.raises(Conflict, match="delete_payee is not part of it") as refused:
        applied.applier.apply(tree.documents(), by=ADMIN)
    assert refused.value.try_ == "make a new purpose under another name"


def test_a_changed_version_and_key_are_recorded(applied: Rig, tree: Tree) -> None:
    tree.agent |= {"version": "1.5", "attest": [{"private_key_jwt": {"jwk": OTHER}}]}
    assert applied.apply(tree)["agent/invoice-bot"]["change"] == "update"
    entry = applied.entries("agent")[-1]
    assert (entry["version_before"], entry["version"]) == ("1.4", "1.5")
    assert (entry["keys_before"], entry["keys"]) == ([PUBLIC["kid"]], [OTHER["kid"]])
    assert entry["before"] != entry["after"]


def test_a_file_does_not_resume_what_a_person_stopped(applied: Rig, tree: Tree) -> None:
    applied.agents.suspend("invoice-bot", by=LEE)
    applied.people.deactivate("mo", by=ADMIN)
    tree.agent["version"] = "1.5"
    rows = applied.apply(tree)
    assert (rows["agent/invoice-bot"]["state"], rows["owner/mo"]["state"]) == ("suspended", "inactive")


def test_when_the_owner_goes_the_backup_takes_over_in_the_same_change(applied: Rig) -> None:
    epoch = applied.writer.epoch
    applied.people.deactivate("dana", by=ADMIN)
    assert applied.writer.epoch == epoch + 1
    assert applied.agents.agent("invoice-bot").owner == "lee"
    applied.people.deactivate("lee", by=ADMIN)
    assert applied.agents.agent("invoice-bot").state is AgentState.SUSPENDED
    with pytest.raises(Conflict, match="not active"):
        applied.agents.resume("invoice-bot", by=ADMIN)
    applied.people.reactivate("lee", by=ADMIN)
    assert applied.agents.agent("invoice-bot").state is AgentState.SUSPENDED
    assert applied.agents.resume("invoice-bot", by=LEE).state is AgentState.ACTIVE


Bend = Callable[[Tree], object]
BAD: dict[str, tuple[Bend, str]] = {
    "no end": (lambda tree: tree.boundary.pop("not_after"), "boundary.yaml:1: not_after: is missing"),
    "past end": (lambda tree: tree.boundary.update(not_after="2026-11-23"), "not_after: the end has passed"),
    "unknown action": (
        lambda tree: tree.boundary["allow"].append({"action": "payments/list_nothing"}),
        "allow.2.action: the server payments has no tool for payments/list_nothing",
    ),
    "unknown argument": (
        lambda tree: tree.transfer["when"].update(iban={"prefix": "DE"}),
        "allow.1.when.iban: payments/transfer has no argument iban",
    ),
    "max on text": (
        lambda tree: tree.transfer["when"].update(to={"max": "5"}),
        "allow.1.when.to.max: to of payments/transfer is not a number",
    ),
    "budget on text": (
        lambda tree: tree.transfer["limits"]["budget"].update(argument="to"),
        "allow.1.limits.budget.argument: to of payments/transfer is not a number",
    ),
    "threshold on text": (
        lambda tree: tree.transfer.update(approval={"above": {"to": "5"}}),
        "allow.1.approval.above.to: to of payments/transfer is not a number",
    ),
    "foreign purpose": (
        lambda tree: tree.boundary["allow"].append({"action": "payments/delete_payee"}),
        "allow.2.action: payments/delete_payee is not part of the purpose",
    ),
    "unknown agent": (lambda tree: tree.boundary.update(agent="ghost"), "agent: there is no agent ghost"),
    "unknown owner": (lambda tree: tree.agent.update(owner="ghost"), "agent.yaml:1: owner: there is no owner ghost"),
    "unknown backup": (lambda tree: tree.owners[0].update(backup=["ghost"]), "backup.0: there is no owner ghost"),
    "unknown purpose": (lambda tree: tree.agent.update(purposes=["x"]), "purposes.0: there is no active purpose x"),
    "agent past its end": (lambda tree: tree.agent.update(not_after="2020-01-01"), "not_after: the end has passed"),
    "bad policy": (lambda tree: tree.policies.update({"p.cedar": "bad"}), "p.cedar:1: bad policy"),
    "twice": (lambda tree: tree.owners.append(tree.owners[0]), "the owner dana stands in owner.yaml:1 as well"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_trees_are_refused_whole(rig: Rig, tree: Tree, what: str) -> None:
    bend, message = BAD[what]
    bend(tree)
    for dry_run in (True, False):
        with pytest.raises(ConfigInvalid) as refused:
            rig.applier.apply(tree.documents(), by=ADMIN, dry_run=dry_run)
        assert message in refused.value.detail
        assert str(refused.value).startswith(refused.value.detail.splitlines()[0])
    assert rig.writer.epoch == 0
    assert {parse(entry.header)["change"] for entry in rig.writer.entries} <= {"ask"}


def test_every_problem_is_told_at_once(rig: Rig, tree: Tree) -> None:
    tree.owners[0]["email"] = "nobody"
    tree.agent["version"] = 1
    tree.boundary["surprise"] = True
    with pytest.raises(ConfigInvalid) as refused:
        rig.applier.apply(tree.documents(), by=ADMIN)
    assert len(refused.value.detail.splitlines()) >= 3
    assert " more)" in str(refused.value)


@pytest.mark.parametrize(
    "document", [None, {"kind": "ghost"}, {"kind": "owner"}, {"kind": "owner", "spec": {}, "x": 1}, {"kind": "policy"}]
)
def test_a_document_of_no_shape_is_malformed(rig: Rig, document: Any) -> None:
    with pytest.raises(Malformed):
        rig.applier.apply([document], by=ADMIN)


def test_who_may_only_plan_sends_no_request_to_a_url_of_their_own(applied: Rig, tree: Tree) -> None:
    """A credential would go with it: server-side request forgery by a reader's diff."""
    applied.lister.asked.clear()
    tree.server["url"] = "http://attacker.example/mcp"
    applied.applier.apply(tree.documents(), by=Actor(by="mo"), dry_run=True, may_reach=False)
    assert applied.lister.asked == []
    applied.applier.apply(Tree().documents(), by=Actor(by="mo"), dry_run=True, may_reach=False)
    assert applied.lister.asked == ["payments"]


def test_a_server_that_is_starting_is_asked_again(rig: Rig, tree: Tree) -> None:
    answers: list[Any] = [Unreached("refused"), Unreached("refused"), rig.lister.tools["payments"]]

    class Starting:
        def list_tools(self, _server: Server) -> list[dict[str, Any]]:
            answer = answers.pop(0)
            if isinstance(answer, Unreached):
                raise answer
            return list(answer)

    paused: list[float] = []
    applier = dataclasses.replace(rig.applier, lister=Starting(), patience=10.0, sleep=paused.append)
    rows = {row["kind"]: row for row in applier.apply(tree.documents(), by=ADMIN)}
    assert rows["server"]["state"] == "pinned"
    assert len(paused) == 2


def test_topics_name_what_changed(rig: Rig, tree: Tree) -> None:
    heard: list[str] = []
    rig.writer.feed.subscribe(lambda _epoch, topics, _connection: heard.extend(topics))
    rig.apply(tree, by=DANA, approve=True)
    assert {"owner:dana", "purpose:pay-invoices", "server:payments", "agent:invoice-bot"} <= set(heard)
    assert [each.boundary for each in rig.writer.read(lambda c: load_of_agent(c, "invoice-bot"))] == ["pay"]
