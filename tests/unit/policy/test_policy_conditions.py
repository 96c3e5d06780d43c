"""Step 10 beside rates and budgets, as a function: what is refused, what is left to the writer, what is told."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.conditions import Conditions, Step, Volume, Window
from remit.attestation.model import Link
from remit.catalog.labels import Labels, labels_of
from remit.kernel.canonical import encode, parse
from remit.kernel.clock import HOUR, Instant
from remit.kernel.names import ActionName, AgentName, InstanceId, RunId, ToolName
from remit.policy import flow
from remit.policy.conditions import Met, meet
from remit.policy.conditions_told import told
from remit.policy.mandate import Issue, mandate
from remit.policy.mandates import published
from remit.policy.model import Call, Code, Denial
from remit.policy.record import decision_fields
from remit.policy.sequence import Noted, marks, noted
from remit.policy.view import View, grant_of, no_key, server_record
from remit.storage.effects import settle
from remit.storage.model import Entry, Mark, Marked, Reserve, Unmarked, Work

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

LIST = ActionName("payments/list_invoices")
PAID = Step(action=LIST, same=(("to", "to"), ("amount", "amount")))
OUT = Labels(carries_out=True)
IN = Labels(returns=("untrusted",))
OPEN = Window(days=tuple(range(7)), start=0, end=1440, zone="UTC")
SHUT = Window(days=(1,), start=12 * 60 + 1, end=13 * 60, zone="UTC")  # NOON is 12:00 on a Tuesday


def keyed(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def world(build: Build, labels: tuple[tuple[str, Labels], ...] = (), **conditions: Any) -> View:
    rule = build.transfer_rule(conditions=Conditions(**conditions) if conditions else None)
    server = dataclasses.replace(build.server(), labels=labels)
    boundary = build.boundary(rule, build.rule("payments/list_invoices"))
    return dataclasses.replace(build.view(boundary, servers=[server]), mac=keyed)


def pay(build: Build, to: str = "x", **changes: Any) -> Call:
    found: Call = build.call({"amount": 5, "currency": "EUR", "to": to}, **changes)
    return found


def keys_of(effects: list[Any]) -> set[str]:
    return {each.key for each in effects}


def code(build: Build, view: View, call: Call, now: int | None = None) -> str:
    denial = build.ask(call, view, **({} if now is None else {"now": now})).answer.denial
    return "ok" if denial is None else denial.code.value


def test_outside_of_its_window_it_says_when_to_come_again(build: Build) -> None:
    denial = build.ask(pay(build), world(build, windows=(SHUT,))).answer.denial
    assert denial is not None
    assert (denial.code, denial.step, denial.retry_after) == (Code.OUTSIDE_WINDOW, 10, 60)
    assert denial.retryable
    assert code(build, world(build, windows=(SHUT, OPEN)), pay(build)) == "ok"


def test_the_rules_of_zones_stand_in_the_engine_where_they_decided(build: Build) -> None:
    for conditions, said in (({"windows": (OPEN,)}, True), ({"per_run": 9}, False)):
        view = world(build, **conditions)
        proposal = build.ask(pay(build), view)
        _, payload = decision_fields(pay(build), proposal, view=view)
        assert (", zones 20" in payload["engine"]) is said


def test_what_is_left_to_the_writer(build: Build) -> None:
    view = world(build, requires_before=(PAID,), forbidden_after=(LIST,), per_run=2)
    call = pay(build)
    effects = build.ask(call, view).effects
    marked = next(each for each in effects if isinstance(each, Marked))
    assert marked.key.startswith("done run_1 payments/list_invoices ")
    assert [each.key for each in effects if isinstance(each, Unmarked)] == ["seen run_1 payments/list_invoices"]
    assert [(e.amount, e.limit) for e in effects if isinstance(e, Reserve)] == [(1, 2)]
    for each in effects:
        if isinstance(each, (Marked, Unmarked)):
            again = dataclasses.replace(call, otherwise=frozenset({each.key}))
            assert code(build, view, again) == "sequence_required"


def test_equal_values_have_one_key_and_others_another(build: Build) -> None:
    """What is compared is what was meant: 5 is 5.00 and not "5", and no value of one argument is one of another."""
    view = world(build, requires_before=(PAID,))
    said = [{"to": "x", "amount": 5}, {"to": "x", "amount": Decimal("5.00")}, {"to": "x", "amount": Decimal("5.01")},
            {"to": "5", "amount": 5}, {"to": "y", "amount": 5}]  # fmt: skip

    def key(arguments: dict[str, Any]) -> str:
        effects = build.ask(build.call({"currency": "EUR", **arguments}), view).effects
        return next(each.key for each in effects if isinstance(each, Marked))

    keys = [key(each) for each in said]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


VALUES = st.one_of(
    st.booleans(), st.integers(-20, 20), st.decimals(-20, 20, places=2), st.integers(-20, 20).map(str),
    st.booleans().map(str),
)  # fmt: skip


@given(VALUES, VALUES)
def test_a_value_is_the_same_as_another_only_of_its_kind(build: Build, one: Any, other: Any) -> None:
    """An agent must not pass the text "5" for the number 5 that was approved: a server may read them apart."""

    def mark(value: Any) -> str:
        call = dataclasses.replace(build.call({}), arguments={"amount": value})
        (left,) = marks(Noted(results=(("amount",),)), call, keyed, now=build.NOON)[1]
        return str(left.key)

    kinds = [bool if isinstance(each, bool) else str if isinstance(each, str) else Decimal for each in (one, other)]
    assert (mark(one) == mark(other)) is (kinds[0] is kinds[1] and one == other)


@pytest.mark.parametrize(("one", "other"), [(5, "5"), (Decimal("5.00"), "5"), (True, 1), (True, "True")])
def test_the_values_that_a_mutant_mixed_up(build: Build, one: object, other: object) -> None:
    left = [
        marks(Noted(results=(("amount",),)), dataclasses.replace(build.call({}), arguments={"amount": each}), keyed,
              now=build.NOON)[1]
        for each in (one, other)
    ]  # fmt: skip
    assert left[0] != left[1]


def test_what_another_rule_asks_for_leaves_a_mark(build: Build) -> None:
    view = world(build, requires_before=(Step(action=LIST),), forbidden_after=(LIST,))
    proposal = build.ask(build.call({}, tool="list_invoices"), view)
    assert [each.key for each in proposal.effects if isinstance(each, Mark)] == ["seen run_1 payments/list_invoices"]
    assert [each.key for each in proposal.after] == ["done run_1 payments/list_invoices"]
    plain = build.ask(build.call({}, tool="list_invoices"), world(build))
    assert (plain.after, [each for each in plain.effects if isinstance(each, Mark)]) == ((), [])


def test_what_belongs_to_no_run_can_not_be_ordered_and_leaves_nothing(build: Build) -> None:
    """An enforcement point names no run: one for all of them would let each stand on what another did."""
    pep = {"pep": "edge", "instance": InstanceId("edge")}
    for conditions in ({"requires_before": (Step(action=LIST),)}, {"forbidden_after": (LIST,)}, {"per_run": 1}):
        call = pay(build, **pep)
        call = dataclasses.replace(call, caller=dataclasses.replace(call.caller, run=RunId("")))
        assert code(build, world(build, **conditions), call) == "sequence_required"
        listing = dataclasses.replace(build.call({}, tool="list_invoices"), caller=call.caller)
        assert build.ask(listing, world(build, **conditions)).after == ()


def test_what_is_counted_as_it_passes_is_not_granted_where_it_does_not(build: Build) -> None:
    view = world(build, volume=Volume(bytes=10, per="day"))
    assert code(build, view, pay(build)) == "ok"
    assert code(build, view, pay(build, pep="edge")) == "not_granted"


def test_the_taint_is_of_everybody_in_the_chain(build: Build) -> None:
    """An agent that has read must not have another carry it out, nor have another read for it."""
    link = Link(
        agent=AgentName("chief"), instance=InstanceId("chief-1"), credential="c", run=RunId("run_c"), token="t"
    )  # fmt: skip
    alone, chained = pay(build), pay(build)
    chained = dataclasses.replace(chained, caller=dataclasses.replace(chained.caller, links=(link,)))
    marks = keys_of(flow.effects(IN, chained, now=Instant(0), approved=False))
    credential = alone.caller.credential
    own = {"taint invoice-bot pay-invoices thumbprint-1", f"taint invoice-bot pay-invoices client {credential}"}
    assert marks == own | {"taint chief pay-invoices chief-1", "taint chief pay-invoices client c"}
    for key in marks:
        assert flow.blocked(OUT, dataclasses.replace(chained, otherwise=frozenset({key})), approved=False)
    assert keys_of(flow.effects(OUT, alone, now=Instant(0), approved=False)) == own


NAMES = st.sampled_from(["a", "b", "c"])


@given(st.tuples(NAMES, NAMES), st.tuples(NAMES, NAMES))
def test_taint_meets_who_is_the_same_copy_or_the_same_client(
    build: Build, read: tuple[str, str], sends: tuple[str, str]
) -> None:
    """A new process has a key of its own, and what the one before it read may wait in a file: the client is tainted."""

    def of(instance: str, credential: str) -> Call:
        return pay(build, instance=InstanceId(f"instance-{instance}"), credential=f"key-{credential}")

    marked = frozenset(keys_of(flow.effects(IN, of(*read), now=Instant(0), approved=False)))
    asks = dataclasses.replace(of(*sends), otherwise=marked)
    meets = read[0] == sends[0] or read[1] == sends[1]
    assert flow.blocked(OUT, asks, approved=False) is meets
    assert bool(keys_of(flow.effects(OUT, asks, now=Instant(0), approved=False)) & marked) is meets  # at the writer


def test_a_question_without_a_credential_is_tainted_by_nobody_elses(build: Build) -> None:
    """An operator who asks what a copy may do has none: two such copies are not one client."""
    one, other = (pay(build, instance=InstanceId(name), credential="").caller for name in ("one", "other"))
    assert not {*flow.keys(one)} & {*flow.keys(other)}


def test_a_persons_yes_lets_data_be_carried_out_and_nothing_else(build: Build) -> None:
    grant = grant_of(build.boundary(), build.transfer_rule(conditions=Conditions(per_run=1)), (), None)
    tool = server_record(dataclasses.replace(build.server(), labels=(("transfer", OUT),))).tools[build.tool().name]
    tainted = dataclasses.replace(pay(build), otherwise=frozenset(flow.keys(pay(build).caller)))
    refused = meet(grant, tool, tainted, keyed, now=build.NOON)
    assert isinstance(refused, Denial)
    assert (refused.code, refused.remedies[0].kind) == (Code.FLOW_BLOCKED, "request_access")
    passed = meet(grant, tool, tainted, keyed, now=build.NOON, approved=True)
    assert isinstance(passed, Met)
    assert [type(each) for each in passed.effects] == [Reserve]


def test_labels_of_all_patterns_count_together() -> None:
    said = (("read_*", IN), ("*", OUT), ("read_mail", Labels(returns=("private",))))
    assert labels_of("read_mail", said) == Labels(returns=("private", "untrusted"), carries_out=True)
    assert labels_of("other", said[:1]) is None


def test_a_tool_whose_labels_change_is_another_record(build: Build) -> None:
    before = server_record(build.server())
    after = server_record(dataclasses.replace(build.server(), labels=(("transfer", OUT),)), before)
    same = server_record(dataclasses.replace(build.server(), labels=(("transfer", OUT),)), after)
    assert before.tools[ToolName("transfer")].labels is None
    assert after.tools[ToolName("transfer")].labels == OUT
    assert after.tools[ToolName("list_invoices")] is before.tools[ToolName("list_invoices")]
    assert same.tools[ToolName("transfer")] is after.tools[ToolName("transfer")]


def test_without_a_key_nothing_is_compared(build: Build) -> None:
    view = dataclasses.replace(world(build, requires_before=(PAID,)), mac=no_key)
    with pytest.raises(ValueError, match="no key"):
        build.ask(pay(build), view)


def test_rules_of_one_purpose_ask_together(build: Build) -> None:
    rules = [
        build.rule("a/x", conditions=Conditions(requires_before=(Step(action=LIST), PAID))),
        build.rule("a/y", conditions=Conditions(forbidden_after=(LIST,))),
        build.rule("a/z"),
    ]
    assert set(noted(rules)) == {LIST}
    assert noted(rules)[LIST].admission
    assert noted(rules)[LIST].results == ((), ("to", "amount"))


def test_what_an_agent_is_told_before_it_calls(build: Build) -> None:
    """The mandate keeps to its schema and tells all of it; a listed tool tells it in its `_meta`."""
    conditions: dict[str, Any] = {
        "windows": (SHUT,), "volume": Volume(bytes=10, per="day"), "requires_before": (PAID,),
        "per_run": 2, "max_depth": 1,
    }  # fmt: skip
    view = world(build, (("transfer", OUT),), **conditions)
    issue = Issue(caller=build.caller(), base="https://r.example", hypothetical=True, tainted=True)
    found = mandate(view, issue, now=build.NOON)
    jsonschema_rs.validator_for(json.loads(published())).validate(parse(encode(found)))
    (window,) = found["windows"]
    assert (window["open"], window["opens"]) == (False, "2026-11-24T12:01:00.000000Z")
    transfer = next(each for each in found["actions"] if each["tool"] == "transfer")
    assert transfer["flow"] == {"returns": [], "carries_out": True, "tainted": True}
    (granted,) = transfer["granted_by"]
    assert [(limit["kind"], limit["max"]) for limit in granted["limits"]] == [("volume", 10)]
    assert (granted["max_depth"], granted["sequence"]["per_run"]) == (1, 2)
    grants = view.agents["invoice-bot"].reach.grants[build.caller().purpose, pay(build).action]
    told_of = told(grants, OUT)
    assert told_of["any_of"][0]["windows"] == window["windows"]
    assert told((*grants, grant_of(build.boundary(), build.rule(), (), None)), None) == {}


# Concurrency -----------------------------------------------------------------------------
CALLS = st.lists(st.sampled_from(["read", "send", "pay", "approve"]), min_size=2, max_size=10)


@given(names=CALLS, cuts=st.sets(st.integers(1, 9)), order=st.randoms(use_true_random=False))
def test_no_interleaving_of_calls_exceeds_a_limit(names: list[str], cuts: set[int], order: Any) -> None:
    """However the writer batches them: a send never follows a read, a payment an approval, and two are the most."""
    effects: dict[str, tuple[Any, ...]] = {
        "read": (Mark("taint", Instant(5), Instant(9)),),
        "send": (Unmarked("taint", Instant(9)),),
        "pay": (Marked("done", Instant(1)), Reserve("run", Instant(0), Instant(9), 1, 2)),
        "approve": (Mark("done", Instant(5), Instant(9)),),
    }
    order.shuffle(names)
    works = [Work((Entry(str(at), name.encode()),), effects[name], lambda _: ()) for at, name in enumerate(names)]
    used: dict[tuple[str, int], int] = {}
    answers = []
    bounds = [0, *sorted(cut for cut in cuts if cut < len(works)), len(works)]
    for low, high in itertools.pairwise(bounds):
        settled = settle(works[low:high], fresh=set(), used=used)
        used |= settled.counters
        answers += settled.answers
    passed = [name for name, answer in zip(names, answers, strict=True) if answer.failed is None]  # type: ignore[union-attr]
    assert "send" not in (passed[passed.index("read") :] if "read" in passed else [])
    assert "pay" not in (passed[: passed.index("approve")] if "approve" in passed else passed)
    assert passed.count("pay") <= 2
    assert passed.count("pay") == min(2, names[names.index("approve") :].count("pay") if "approve" in names else 0)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(1, 60))
def test_no_interleaving_of_results_exceeds_the_volume(sizes: list[int], limit: int) -> None:
    used: dict[tuple[str, int], int] = {}
    granted = 0
    for size in sizes:
        effect = Reserve("volume", Instant(0), Instant(9), size + 5, limit, least=size)
        settled = settle([Work((), (effect,), lambda _: ())], fresh=set(), used=used)
        used |= settled.counters
        granted += sum(settled.answers[0].granted)  # type: ignore[union-attr]
    assert granted == used.get(("volume", 0), 0) <= limit


def test_the_depth_of_a_chain(build: Build) -> None:
    rule = build.transfer_rule(conditions=Conditions(max_depth=0))
    link = Link(agent=AgentName("chief"), instance=InstanceId("c"), credential="c", run=RunId("r"), token="t")
    call = dataclasses.replace(pay(build), caller=dataclasses.replace(build.caller(), links=(link,)))
    tool = server_record(build.server()).tools[build.tool().name]
    denied = meet(grant_of(build.boundary(), rule, (), None), tool, call, keyed, now=build.NOON)
    assert isinstance(denied, Denial)
    assert denied.code is Code.DELEGATION_TOO_DEEP
    assert isinstance(meet(grant_of(build.boundary(), rule, (), None), tool, pay(build), keyed, now=build.NOON), Met)


def test_who_acts_for_another_goes_on_in_that_ones_run(build: Build) -> None:
    """Else an agent would get a fresh history, and its number of calls anew, by having another call for it."""
    link = Link(agent=AgentName("chief"), instance=InstanceId("c"), credential="c", run=RunId("run_c"), token="t")
    call = dataclasses.replace(pay(build), caller=dataclasses.replace(build.caller(), links=(link,)))
    conditions = Conditions(requires_before=(Step(action=LIST),), forbidden_after=(LIST,), per_run=1)
    grant = grant_of(build.boundary(), build.transfer_rule(conditions=conditions), (), Noted(admission=True))
    met = meet(grant, server_record(build.server()).tools[ToolName("transfer")], call, keyed, now=build.NOON)
    assert isinstance(met, Met)
    assert {key.split(" ")[1] for key in keys_of(list(met.effects))} == {"run_c"}


def test_a_copy_that_has_read_nothing_is_forgotten_within_the_hour(build: Build) -> None:
    """Its row says nothing, and many copies live for minutes; one that has read is remembered."""
    lives = {
        type(each): each.expires - build.NOON
        for labels in (OUT, IN)
        for each in flow.effects(labels, pay(build), now=build.NOON, approved=False)
        if isinstance(each, (Mark, Unmarked))
    }
    assert lives == {Unmarked: HOUR, Mark: flow.STICKS}
