"""A policy set is observed beside the one in force, enforced, and rolled back, on a live Remit with real calls."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from tests.interaction.apply_world import DANA, Tree
from tests.interaction.calling_world import CallingWorld

from remit.kernel.clock import HOUR
from remit.kernel.errors import ConfigInvalid, Conflict, NotFound
from remit.people.change import Actor
from remit.policy.files import PolicyFiles
from remit.policy.observing import Observing
from remit.policy.rules import Rules
from remit.policy.sql import load_all
from remit.server.door import Ask
from remit.server.http_policies import Policies
from remit.server.operators import Authority, Operator, Role
from remit.server.plan_policies import surprises
from remit.server.policy_life import PolicyLife
from remit.server.policy_watch import PolicyWatch

ANN, BOB = Actor(by="ann"), Actor(by="bob")
FORBID = '@id("no-transfers")\nforbid (principal, action == Remit::Action::"payments/transfer", resource);\n'
SMALL = (
    '@id("only-small")\nforbid (principal, action == Remit::Action::"payments/transfer", resource)\n'
    'when { context.input has amount && context.input.amount.greaterThan(decimal("100.0")) };\n'
)
LISTS = '@id("no-lists")\nforbid (principal, action == Remit::Action::"payments/list_invoices", resource);\n'
OVERFLOWS = (
    '@id("overflows")\nforbid (principal, action == Remit::Action::"payments/list_invoices", resource)\n'
    "when { 9223372036854775807 + 1 > 0 };\n"
)


class LifeWorld(CallingWorld):
    """With everything that policy sets need."""

    def __init__(self, tree: Tree | None = None, *, most: int = 100) -> None:
        super().__init__(tree)
        self.tree = tree or Tree()
        writer, records = self.rig.writer, self.rig.records
        self.watch = PolicyWatch(
            observing=Observing(self.facts.organisations, self.policy._engine, most=most), writer=writer
        )
        writer.feed.subscribe(self.watch.follow, self.watch.reload)
        self.aside = self.watch.observing.saw
        self.life = PolicyLife(
            writer=writer, reader=writer, records=records, clock=self.rig.clock, checker=self.policy,
            files=PolicyFiles(reader=writer, records=records), watch=self.watch,
        )  # fmt: skip

    def apply(self, **files: str) -> dict[str, dict[str, Any]]:
        self.tree.policies = {f"{name}.cedar": text for name, text in files.items()}
        return self.rig.apply(self.tree, by=DANA, prune=True)

    def transfer(self, amount: str = "50.00") -> set[str]:
        return self.call("transfer", {"amount": Decimal(amount), "currency": "EUR", "to": "x"})

    def stored(self) -> Mapping[str, str]:
        return self.rig.writer.read(load_all)

    def states(self) -> list[tuple[str, str]]:
        return [(row["version"], row["state"]) for row in self.life.history()["sets"]]

    def restarted(self) -> None:
        """What a new process would read."""
        self.watch.keep()
        self.watch.observing.take(None)
        self.rig.writer.read(self.watch.reload)


def rows(report: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {row["policy"]: (row["allow_to_deny"], row["deny_to_allow"]) for row in report["policies"]}


def test_observed_enforced_and_rolled_back() -> None:
    world = LifeWorld()
    world.apply(base=FORBID)
    assert world.states() == [("1", "enforced")]
    observed = world.life.observe({"base.cedar": SMALL, "more.cedar": LISTS}, by=ANN)
    assert (observed["version"], observed["state"]) == ("2", "observe")
    assert observed["differs"] == {"base.cedar": "changed", "more.cedar": "added"}
    # Live decisions: what is in force alone decides them.
    assert world.transfer() == {"forbidden_by_policy"}
    assert world.transfer("200.00") == {"forbidden_by_policy"}
    assert world.call("list_invoices", times=3) == {"allow"}
    report = world.life.flips(None)
    assert (report["version"], report["compared"], report["dropped"], report["broken"]) == ("2", 5, 0, 0)
    assert rows(report) == {"no-lists": (3, 0), "no-transfers": (0, 1)}
    lists, transfers = report["policies"]
    assert [each["decision"] for each in lists["examples"]] == ["dec_5", "dec_4", "dec_3"]
    assert transfers["examples"][0] | {"at": ""} == {
        "flip": "deny_to_allow", "decision": "dec_1", "agent": "invoice-bot", "purpose": "pay-invoices",
        "action": "payments/transfer", "at": "",
    }  # fmt: skip
    # It widens, so one person's word leaves everything as it is.
    waits = world.life.enforce("2", by=ANN, counts=True)
    assert (waits["waits"], waits["change"], world.stored()) == (True, "widen", {"base.cedar": FORBID})
    assert "another than ann" in waits["note"]
    assert world.life.enforce("2", by=ANN, counts=True)["waits"]
    done = world.life.enforce("2", by=BOB, counts=True)
    assert (done["waits"], done["state"]) == (False, "enforced")
    assert world.transfer() == {"allow"}
    assert world.transfer("200.00") == {"forbidden_by_policy"}
    assert world.call("list_invoices") == {"forbidden_by_policy"}
    assert world.states() == [("2", "enforced"), ("1", "retired")]
    with pytest.raises(NotFound):
        world.life.flips(None)
    assert world.life.history()["before"] == "1"
    # Back again; that lets lists through, so it takes two as well.
    assert world.life.rollback(by=BOB, counts=True)["waits"]
    assert not world.life.rollback(by=ANN, counts=True)["waits"]
    assert world.stored() == {"base.cedar": FORBID}
    assert world.transfer() == {"forbidden_by_policy"}
    assert world.states() == [("2", "retired"), ("1", "enforced")]
    said = [(entry["name"], entry["change"], entry["by"]) for entry in world.rig.entries("policy_set")]
    assert said == [
        ("1", "enforce", "admin"), ("2", "observe", "ann"), ("1", "retire", "bob"), ("2", "enforce", "bob"),
        ("2", "retire", "ann"), ("1", "enforce", "ann"),
    ]  # fmt: skip


def test_what_only_forbids_more_comes_into_force_by_one_word() -> None:
    world = LifeWorld()
    world.apply(base=SMALL)
    version = world.life.observe({"base.cedar": SMALL + LISTS}, by=ANN)["version"]
    assert world.life.history()["before"] is None  # nothing was in force before
    assert not world.life.enforce(version, by=ANN, counts=False)["waits"]
    assert world.call("list_invoices") == {"forbidden_by_policy"}


def test_a_word_that_does_not_count_is_neither_the_first_nor_the_second() -> None:
    """Attack: whoever holds the admin token makes a second person's token and seconds their own word with it."""
    world = LifeWorld()
    world.apply(base=FORBID)
    version = world.life.observe({"base.cedar": SMALL}, by=ANN)["version"]
    assert world.life.enforce(version, by=BOB, counts=False)["waits"]
    assert world.life.enforce(version, by=ANN, counts=True)["waits"]
    assert world.life.enforce(version, by=BOB, counts=False)["waits"]
    assert world.stored() == {"base.cedar": FORBID}
    assert not world.life.enforce(version, by=BOB, counts=True)["waits"]
    assert not world.life.rollback(by=ANN, counts=False)["waits"]  # that only forbids more
    assert world.life.rollback(by=ANN, counts=True)["waits"]
    assert world.life.rollback(by=BOB, counts=False)["waits"]
    assert world.stored() == {"base.cedar": FORBID}


def test_what_another_thread_asks_meanwhile_is_no_answer_here() -> None:
    """Attack: while a widening is judged in the writer's turn, many narrowings are asked about beside it."""
    world = LifeWorld()
    declared: dict[str, Any] = {}

    class Slow(dict[str, str]):
        """What is compared while another thread gets its answer."""

        __hash__ = None

        def __eq__(self, other: object) -> bool:
            world.policy._foreseen._last = None
            return dict.__eq__(self, other) is True

    after = Rules({}, declared)
    first = world.policy.widens(Rules({"base.cedar": FORBID}, declared), after)
    assert first
    assert world.policy.widens(Rules(Slow({"base.cedar": FORBID}), declared), after) == first


def test_a_word_does_not_outlive_an_hour_nor_another_change() -> None:
    world = LifeWorld()
    world.apply(base=FORBID)
    version = world.life.observe({"base.cedar": SMALL}, by=ANN)["version"]
    world.life.enforce(version, by=ANN, counts=True)
    world.later(HOUR)
    assert world.life.enforce(version, by=BOB, counts=True)["waits"]
    world.apply(base=FORBID, more=LISTS)
    assert world.life.enforce(version, by=ANN, counts=True)["waits"]


def test_what_is_counted_survives_a_restart_and_starts_anew_beside_other_policies() -> None:
    world = LifeWorld()
    world.apply(base=SMALL)
    world.life.observe({"base.cedar": SMALL, "more.cedar": LISTS}, by=ANN)
    world.call("list_invoices", times=2)
    world.watch.settle()
    world.restarted()
    world.call("list_invoices", times=3)
    assert rows(world.life.flips(None)) == {"no-lists": (5, 0)}
    world.apply(base=SMALL, also=FORBID)
    report = world.life.flips("2")
    assert (report["compared"], report["policies"]) == (0, [])


def test_nodes_count_for_themselves_and_the_report_sums() -> None:
    world = LifeWorld()
    world.apply(base=SMALL)
    world.life.observe({"base.cedar": SMALL, "more.cedar": LISTS}, by=ANN)
    world.watch.node = lambda: "nod_1"
    world.call("list_invoices", times=2)
    world.watch.settle()
    world.watch.node = lambda: "nod_2"
    world.call("list_invoices", times=4)
    report = world.life.flips(None)
    assert (report["compared"], rows(report)) == (6, {"no-lists": (6, 0)})
    assert len(report["policies"][0]["examples"]) == 5


def test_a_full_queue_drops_and_says_how_much() -> None:
    world = LifeWorld(most=2)
    world.apply(base=SMALL)
    world.life.observe({"base.cedar": SMALL, "more.cedar": LISTS}, by=ANN)
    world.call("list_invoices", times=5)
    report = world.life.flips(None)
    assert (report["compared"], report["dropped"]) == (2, 3)


def test_decisions_that_come_faster_than_they_are_compared_hold_up_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    world = LifeWorld()
    world.apply(base=SMALL)
    world.life.observe({"base.cedar": SMALL, "more.cedar": LISTS}, by=ANN)
    world.call("list_invoices", times=2)
    waiting = world.watch.observing._waiting
    many = iter([waiting[0]] * 50)
    monkeypatch.setattr("time.sleep", lambda _: waiting.extend(itertools.islice(many, 1)))
    assert (world.life.flips(None)["compared"], len(waiting)) == (2, 2)


def test_a_policy_that_errors_is_told_apart() -> None:
    """It would refuse the call for good, as Remit does where it cannot decide."""
    world = LifeWorld()
    world.apply(base=SMALL)
    world.life.observe({"base.cedar": SMALL, "more.cedar": OVERFLOWS}, by=ANN)
    assert world.call("list_invoices") == {"allow"}
    report = world.life.flips(None)
    assert (report["broken"], report["policies"]) == (1, [])
    assert report["broken_examples"][0]["decision"] == "dec_1"


def test_what_limits_refuse_is_no_difference_between_two_sets() -> None:
    world = LifeWorld()
    world.apply(base=SMALL)
    world.life.observe({"base.cedar": SMALL + LISTS}, by=ANN)
    assert world.call("transfer", {"amount": Decimal("90.00"), "currency": "EUR", "to": "x"}, times=31) == {
        "allow", "rate_limited",
    }  # fmt: skip
    report = world.life.flips(None)
    assert (report["compared"], report["flips"]) == (31, 0)


def test_one_set_is_observed_at_a_time() -> None:
    world = LifeWorld()
    world.apply(base=SMALL)
    world.life.observe({"base.cedar": FORBID}, by=ANN)
    world.life.observe({"base.cedar": LISTS}, by=ANN)
    assert world.states() == [("3", "observe"), ("2", "draft"), ("1", "enforced")]
    world.life.observe({"base.cedar": FORBID}, by=ANN)
    assert world.states() == [("3", "draft"), ("2", "observe"), ("1", "enforced")]
    assert world.life.put_aside(by=ANN)["state"] == "draft"
    assert world.watch.observing.candidate is None
    with pytest.raises(NotFound):
        world.life.put_aside(by=ANN)
    with pytest.raises(Conflict):
        world.life.observe({"base.cedar": SMALL}, by=ANN)


def test_what_does_not_validate_is_refused_and_nothing_changes() -> None:
    world = LifeWorld()
    world.apply(base=SMALL)
    with pytest.raises(ConfigInvalid, match=r"base\.cedar:1: "):
        world.life.observe({"base.cedar": FORBID.replace("transfer", "nope")}, by=ANN)
    assert world.states() == [("1", "enforced")]
    assert world.stored() == {"base.cedar": SMALL}


def test_policies_from_before_sets_were_kept_can_be_gone_back_to() -> None:
    world = LifeWorld()
    world.rig.writer.change(
        lambda tx: PolicyFiles(reader=world.rig.writer, records=world.rig.records).put(tx, "base.cedar", SMALL, by=ANN)
    )
    assert world.states() == []
    world.apply(base=SMALL + LISTS)
    assert world.states() == [("2", "enforced"), ("1", "retired")]
    world.life.rollback(by=ANN, counts=True)
    world.life.rollback(by=BOB, counts=True)
    assert world.stored() == {"base.cedar": SMALL}


TIER = '@id("no-transfers")\nforbid (principal, action in Remit::Action::"tier:critical", resource);\n'


def test_a_forbid_does_not_come_to_hang_on_a_tier_by_one_word() -> None:
    """Attack: one person has it forbid the tool's tier, which stops as much today, and then lowers the tier."""
    world = LifeWorld()
    world.apply(base=FORBID)
    version = world.life.observe({"base.cedar": TIER}, by=ANN)["version"]
    assert world.life.enforce(version, by=ANN, counts=True)["waits"]
    assert world.stored() == {"base.cedar": FORBID}


def test_which_decisions_would_flip_is_told_to_whoever_may_read_decisions() -> None:
    """Everybody may look at policies; what agents did, and when, is not everybody's to read."""
    world = LifeWorld()
    world.apply(base=SMALL)
    world.life.observe({"base.cedar": SMALL + LISTS + OVERFLOWS}, by=ANN)
    world.call("list_invoices")
    authority = Authority.shipped()
    door = Policies(view=world.facts.view, life=world.life, clock=world.rig.clock, authority=authority)

    def told(role: Role) -> tuple[int, int, bool]:
        found = door.flips(Ask(operator=Operator(person="pat", roles=frozenset({role})), path={}))
        examples = [*found["broken_examples"], *(each for row in found["policies"] for each in row["examples"])]
        return found["flips"], found["broken"], bool(examples)

    whole = told(Role.AUDITOR)
    assert whole[2]
    for role in (Role.VIEWER, Role.OWNER, Role.REVIEWER):
        assert told(role) == (*whole[:2], False)
    for role in (Role.OPERATOR, Role.SECURITY, Role.ADMIN):
        assert told(role) == whole


@pytest.mark.parametrize("condition", ["context.input has amuont", "false"])
def test_what_can_never_do_anything_stays_and_does_not_come(condition: str) -> None:
    """Attack: a forbid that stops nothing. One that is in force since it was not seen holds nobody else's change up."""
    world = LifeWorld()
    idle = f'forbid (principal, action == Remit::Action::"payments/transfer", resource) when {{ {condition} }};'
    with pytest.raises(ConfigInvalid, match=r"^idle\.cedar:1: "):
        world.life.observe({"idle.cedar": idle}, by=ANN)
    files = PolicyFiles(reader=world.rig.writer, records=world.rig.records)
    world.rig.writer.change(lambda tx: files.put(tx, "idle.cedar", idle, by=ANN))
    version = world.life.observe({"idle.cedar": idle, "lists.cedar": LISTS}, by=ANN)["version"]
    assert world.life.enforce(version, by=ANN, counts=True)["change"] == "enforced"
    view = world.facts.view()
    told = surprises(view.organisation.policies, [each.server for each in view.servers.values()])
    assert re.match(r"idle:1 \(line 1\): .*(amuont|never holds)", told["idle.cedar"])
    gone = world.life.observe({"lists.cedar": LISTS}, by=ANN)["version"]
    assert world.life.enforce(gone, by=ANN, counts=True)["waits"]  # nobody can tell that it stopped nothing
    world.life.enforce(gone, by=BOB, counts=True)
    with pytest.raises(ConfigInvalid, match=r"^idle\.cedar:1: "):
        world.life.enforce(version, by=ANN, counts=True)


def test_whoever_enforces_finds_the_answer_about_what_is_in_force_and_no_other() -> None:
    """Attack: a set is observed beside policies that it only tightens, and enforced over others that it loosens."""
    world = LifeWorld()
    world.apply(base=SMALL)
    version = world.life.observe({"base.cedar": FORBID}, by=ANN)["version"]
    declared: dict[str, Any] = {}
    assert not world.policy.widens(Rules({"base.cedar": SMALL}, declared), Rules({"base.cedar": FORBID}, declared))
    world.apply(base=SMALL, more=LISTS)
    assert world.life.enforce(version, by=ANN, counts=True)["waits"]
    assert set(world.stored()) == {"base.cedar", "more.cedar"}
