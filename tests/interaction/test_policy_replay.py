"""Every recorded decision is made again, on the state as it was, and comes out as it was recorded."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.interaction.calling_world import VIEWER
from tests.interaction.kept_world import OnDisk
from tests.interaction.replay_world import ReplayWorld
from typer.testing import CliRunner

from remit.access.activation_seal import UNSEALED
from remit.audit.log import Log
from remit.audit.states import States
from remit.cli.main import app
from remit.kernel.canonical import parse
from remit.kernel.clock import Instant
from remit.kernel.errors import ConfigInvalid, Conflict, IntegrityFailed
from remit.kernel.names import BoundaryName
from remit.policy import history, replay
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.decide import decide
from remit.policy.model import Answer, Call, Proposal
from remit.policy.record import answer_fields
from remit.policy.replay import Again
from remit.policy.simulate import Part, Range, part_from, report
from remit.policy.touched import Touched
from remit.policy.view import View
from remit.server import http_simulate, simulating, state
from remit.server.door import Ask
from remit.server.http_simulate import Simulating
from remit.server.state import _backfill
from remit.server.stored import StoredFacts
from remit.server.what_if import Asked, within_of

PAY = {"amount": Decimal("100.00"), "currency": "EUR", "to": "x"}
MUCH = {**PAY, "amount": Decimal("240.00")}
TOO_MUCH = {**PAY, "amount": Decimal("900.00")}
OVER = {**PAY, "amount": Decimal("300.00")}
FORBID = (
    '@id("no-usd") @title("No dollars") forbid(principal, action == Remit::Action::"payments/transfer", resource)\n'
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReplayWorld:
    return ReplayWorld(tmp_path, monkeypatch)


def lived(world: ReplayWorld) -> list[str]:
    """A few dozen calls of every sort, while policies, boundaries, pins and versions change."""
    said = []

    def calls() -> None:
        said.append(world.call("payments/list_invoices"))
        said.extend(world.call("payments/transfer", each) for each in (PAY, MUCH, TOO_MUCH, OVER))
        said.append(world.call("payments/transfer", {"amount": Decimal("1.00")}))
        said.append(world.call("payments/delete_payee", {"id": "x"}))
        said.append(world.call("payments:tools/list"))
        said.append(world.call("payments:resources/subscribe"))
        said.append(world.call("payments/list_invoices", purpose="nothing"))
        said.append(world.call("payments/list_invoices", credential="another"))
        said.append(world.call("elsewhere/tool"))
        world.later(1_000_000)

    calls()
    world.tree.policies["policies/money.cedar"] = (
        FORBID + 'when { context.input has amount && context.input.amount.greaterThan(decimal("200.00")) };'
    )
    world.apply()
    calls()
    world.tree.transfer["when"]["amount"]["max"] = "150.00"
    world.apply()
    calls()
    world.restart()
    calls()
    world.rig.lister.tools["payments"][2]["inputSchema"]["properties"]["note"] = {"type": "string"}
    world.tree.agent["version"] = "1.5"
    world.apply()
    calls()
    return said


def test_everything_is_decided_again_as_it_was(world: ReplayWorld) -> None:
    said = lived(world)
    found = world.simulate()
    assert found["differs"] == []
    assert (found["decisions"], found["reproduced"]) == (len(said), len(said))
    assert {"allow", "forbidden_by_policy", "constraint_violated", "approval_required", "not_visible"} <= set(said)
    world.restart()
    assert world.simulate() == found


def test_a_forbid_flips_what_it_forbids_and_nothing_else(world: ReplayWorld) -> None:
    lived(world)
    text = '@id("stop") forbid(principal, action == Remit::Action::"payments/list_invoices", resource);'
    found = world.simulate(Asked([{"kind": "policy", "file": "stop.cedar", "text": text}]))
    flips: list[dict[str, Any]] = found["flips"]
    assert found["differs"] == []
    assert {(each["action"], each["change"], each["was"]["decision"]) for each in flips} == {
        ("payments/list_invoices", "narrow", "allow")
    }
    assert {each["would"]["policy"] for each in flips} == {"stop"}
    assert len(flips) == 5
    assert found["agents"] == {"invoice-bot": {"narrow": 5}}
    assert found["activations"] == {flips[0]["activation"]: {"narrow": 5}}


def test_the_files_of_a_candidate_take_the_place_of_their_namesakes_at_every_epoch(world: ReplayWorld) -> None:
    lived(world)
    found = world.simulate(Asked([{"kind": "policy", "file": "policies/money.cedar", "text": "// nothing"}]))
    assert found["changes"]["widen"] == 1  # under the narrower boundary 240.00 is refused all the same
    widened = [each["was"] for each in found["flips"] if each["change"] == "widen"]
    assert widened == [{"decision": "deny", "code": "forbidden_by_policy", "policy": "no-usd"}]
    assert found["uncounted"] == 0


def test_a_candidate_that_could_not_have_stood_beside_what_stood_says_so(world: ReplayWorld) -> None:
    world.tree.policies["policies/money.cedar"] = FORBID + ";"
    world.apply()
    world.call("payments/list_invoices")
    world.tree.policies["policies/limits.cedar"] = world.tree.policies.pop("policies/money.cedar")
    world.apply(prune=True)
    world.call("payments/list_invoices")
    same = [{"kind": "policy", "file": "policies/limits.cedar", "text": FORBID + ";"}]
    with pytest.raises(ConfigInvalid, match=r"stood at the time .* @id 'no-usd' is taken") as refused:
        world.simulate(Asked(same))
    assert "--prune" in (refused.value.try_ or "")
    own = {"kind": "boundary", "spec": world.tree.boundary, "file": "b.yaml", "line": 1}
    assert world.simulate(Asked([*same, own], prune=True))["flips"] == []


def test_a_boundary_that_would_be_narrower(world: ReplayWorld) -> None:
    world.call("payments/transfer", PAY)
    world.call("payments/transfer", MUCH)
    spec = {**world.tree.boundary, "allow": [{"action": "payments/transfer", "when": {"amount": {"max": "150.00"}}}]}
    found = world.simulate(Asked([{"kind": "boundary", "spec": spec, "file": "b.yaml", "line": 1}]))
    assert [each["would"]["code"] for each in found["flips"]] == ["approval_required", "constraint_violated"]
    bad = Asked([{"kind": "boundary", "spec": {**spec, "allow": [{"action": "payments/nothing"}]}, "file": "b.yaml"}])
    with pytest.raises(ConfigInvalid, match="no tool for payments/nothing"):
        world.simulate(bad)


def test_a_budget_that_was_spent_is_spent_again_and_more_of_it_lets_through(world: ReplayWorld) -> None:
    world.tree.transfer["limits"] = {"rate": "30/min", "budget": {"argument": "amount", "max": "250.00", "per": "day"}}
    world.apply()
    said = [world.call("payments/transfer", PAY) for _ in range(4)]
    assert said == ["allow", "allow", "budget_exhausted", "budget_exhausted"]
    world.restart()  # no counter is known in memory: the writer finds that nothing is left
    said.append(world.call("payments/transfer", PAY))
    assert said[-1] == "budget_exhausted"
    assert world.simulate()["differs"] == []
    spec = {**world.tree.boundary}
    more = {"rate": "30/min", "budget": {"argument": "amount", "max": "5000.00", "per": "day"}}
    spec["allow"] = [world.tree.boundary["allow"][0], {**world.tree.transfer, "limits": more}]
    found = world.simulate(Asked([{"kind": "boundary", "spec": spec, "file": "b.yaml", "line": 1}]))
    assert (found["changes"], found["uncounted"]) == ({"widen": 3}, 0)


def test_an_entitlement_that_would_have_lapsed(world: ReplayWorld) -> None:
    assert [world.call("payments/transfer", PAY) for _ in range(2)] == ["allow", "allow"]
    found = world.simulate(Asked(lapsed=[["invoice-bot", "payments/transfer"]]))
    assert [(each["change"], each["would"]["code"]) for each in found["flips"]] == [("narrow", "activation_lapsed")]
    with pytest.raises(ConfigInvalid, match="no agent nobody"):
        world.simulate(Asked(lapsed=[["nobody", "payments/transfer"]]))


def test_a_number_with_an_exponent_is_refused_again(world: ReplayWorld) -> None:
    assert world.call("payments/transfer", {**PAY, "amount": parse("1e0")}) == "invalid_arguments"
    world.call("payments/transfer", {**PAY, "amount": parse("-0")})
    assert world.call("payments/transfer", {**PAY, "amount": parse("1E+2")}) == "invalid_arguments"
    found = world.simulate()
    assert (found["reproduced"], found["differs"]) == (3, [])


def test_what_was_erased_is_counted_apart(world: ReplayWorld) -> None:
    world.call("payments/list_invoices")
    world.database.writer.change(lambda tx: world.keys.erase_data_key(tx, "agent:invoice-bot"))
    found = world.simulate()
    assert (found["decisions"], found["reproduced"], found["not_replayable"]) == (1, 0, {"erased": 1})


def test_the_report_is_the_same_however_the_work_is_divided(
    world: ReplayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived(world)
    asked = Asked([{"kind": "policy", "file": "policies/money.cedar", "text": "// nothing"}])
    whole = world.simulate(asked)
    monkeypatch.setattr(simulating, "_PIECE", 7)
    assert world.simulate(asked) == whole
    assert world.simulate(asked, processes=2) == whole
    monkeypatch.setattr(history, "_KEPT", 2)
    assert world.simulate(asked) == whole
    assert world.simulate(asked, within=within_of("2026-11-25T00:00:01Z", None, None))["digest"] != whole["digest"]


def test_a_plan_on_another_base_is_stale(world: ReplayWorld) -> None:
    base = world.simulate()["base"]
    assert world.simulate(plan=base)["base"] == base
    world.tree.policies["policies/money.cedar"] = FORBID + ";"
    world.apply()
    with pytest.raises(Conflict, match="not those that the plan was made on"):
        world.simulate(plan=base)


def test_what_does_not_come_out_as_it_was_recorded_is_told(world: ReplayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: a server that somebody altered let through what no boundary does. A sound one says so afterwards."""

    def other(call: Call, view: View, *, now: Instant) -> Proposal:
        found = decide(call, view, now=now)
        if found.answer.allowed:
            return msgspec.structs.replace(found, facts={"more": 1})
        return msgspec.structs.replace(found, answer=Answer(boundary=BoundaryName("pay"), boundary_version=1))

    world.call("payments/list_invoices")
    with monkeypatch.context() as altered:
        altered.setattr("remit.policy.service.decide", other)
        assert [world.call(*each) for each in (("payments/transfer", TOO_MUCH), ("payments/list_invoices",))] == [
            "allow", "allow",
        ]  # fmt: skip
    found = world.simulate(Asked(lapsed=[["invoice-bot", "payments/list_invoices"]]))
    assert (found["decisions"], found["reproduced"], found["flips"]) == (3, 1, [])
    assert [each["how"] for each in found["differs"]] == [
        "decision was 'allow', and comes out as 'deny'",
        "the details of the answer come out otherwise",
    ]
    given = ["--data", str(world.folder), "--keyfile", str(world.opens.path), "--processes", "1"]
    assert CliRunner().invoke(app, ["policy", "simulate", *given], standalone_mode=False).return_value == 8


@pytest.mark.parametrize("name", ["code", "step", "policy", "boundary", "boundary_version", "break_glass", "approval"])
def test_what_was_recorded_beside_what_comes_out_is_told(
    world: ReplayWorld, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Attack: a server that somebody altered says of an allow that a person approved it. Nobody did."""
    action = "payments/delete_payee" if name.startswith("boundary") else "payments/list_invoices"
    with monkeypatch.context() as altered:
        altered.setattr("remit.policy.record.answer_fields", lambda *said: {**answer_fields(*said), name: "x"})
        world.call(action)
    (found,) = world.simulate()["differs"]
    assert found["how"] == f"{name} was 'x', and comes out as None"


def test_another_engine_proves_nothing(world: ReplayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.call("payments/list_invoices")
    monkeypatch.setattr("remit.policy.record.ENGINE", "cedarpy 9, evaluator 9")
    with pytest.raises(IntegrityFailed, match="another version of the engine") as refused:
        world.simulate()
    assert refused.value.try_ == "the ones after that: --since 2026-11-25T00:00:00.000001Z"
    found = world.simulate(within=within_of("2026-11-25T00:00:00.000001Z", None, None))
    assert found["decisions"] == 0


@pytest.mark.parametrize("body", ["", "0000"])
def test_a_past_that_was_rewritten_is_not_believed(world: ReplayWorld, body: str) -> None:
    """Attack: whoever holds the database takes out or rewrites what a boundary was, so that a decision seems right."""
    world.call("payments/list_invoices")
    world.place()
    *_, digest = [each["state"] for each in headers(world) if each.get("what") == "boundary"]

    def behind(tx: Any) -> None:
        if body:
            tx.connection.exec_driver_sql("UPDATE bodies SET body = ? WHERE digest = ?", (body.encode(), digest))
        else:
            tx.connection.exec_driver_sql("DELETE FROM bodies WHERE digest = ?", (digest,))

    world.database.writer.change(behind)
    with pytest.raises(IntegrityFailed, match="state as it was cannot be made again"):
        world.simulate()


def test_what_stood_before_bodies_were_kept_is_kept_at_the_next_start(
    world: ReplayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.database.writer.change(lambda tx: tx.connection.exec_driver_sql("DELETE FROM bodies") and None)
    states = States(world.keys, world.database.reader)
    assert len(world.database.reader.read(states.unkept)) > 3
    monkeypatch.setattr(state, "_STEP", 3)
    _backfill(world.database, states)
    assert world.database.reader.read(states.unkept) == []
    world.call("payments/transfer", PAY)
    found = world.simulate()
    assert (found["decisions"], found["reproduced"]) == (1, 1)


def headers(world: ReplayWorld) -> list[dict[str, Any]]:
    return [parse(entry.header) for entry in OnDisk(world.database).entries]


def test_a_server_answers_part_by_part_what_its_data_says(world: ReplayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    lived(world)
    text = "// nothing"
    asked = Asked([{"kind": "policy", "file": "policies/money.cedar", "text": text}])
    whole = world.simulate(asked)
    monkeypatch.setattr(http_simulate, "_PART", 5)
    doors = Simulating(
        log=Log(world.database.reader, world.keys), reader=world.database.reader, view=world.facts.view,
        source=StoredFacts(UNSEALED), engine=CompiledEngine(CedarEngine()), mac=world.recorder.mac,
    )  # fmt: skip
    body: dict[str, Any] = {"documents": list(asked.documents), "prune": False, "lapsed": []}
    total, at, parts = Part(), 0, 0
    while at is not None:
        answer = doors.simulate(Ask(operator=VIEWER, path={}, body={**body, "from": at}))
        total.add(part_from(answer))
        at, parts = answer["next"], parts + 1
    assert parts > 10
    assert report(total, base=answer["base"], within=Range(), candidate=answer["candidate"]) == whole


def test_the_command_beside_the_data(world: ReplayWorld, tmp_path: Path) -> None:
    lived(world)
    whole = world.simulate()
    (tmp_path / "tree" / "policies").mkdir(parents=True)
    (tmp_path / "tree" / "policies" / "money.cedar").write_text("// nothing\n", encoding="utf-8")
    given = ["--data", str(world.folder), "--keyfile", str(world.opens.path), "--processes", "1"]
    done = CliRunner().invoke(app, ["policy", "simulate", *given, "--json"], standalone_mode=False)
    assert (done.return_value, parse(done.stdout)) == (0, whole)
    tree = str(tmp_path / "tree")
    shown = CliRunner().invoke(app, ["policy", "simulate", tree, *given, "--fail-on", "widen"], standalone_mode=False)
    assert shown.return_value == 9
    assert "1 would be let through" in shown.stdout
    narrow = CliRunner().invoke(app, ["policy", "simulate", tree, *given], standalone_mode=False)
    assert narrow.return_value == 0
    nobody = CliRunner().invoke(
        app, ["policy", "simulate", tree, *given, "--agent", "invoice-bto"], standalone_mode=False
    )
    assert "0 of 0 decisions" in nobody.stdout
    assert "that says nothing of the change" in nobody.stdout


def test_what_a_run_did_before_is_read_again(world: ReplayWorld) -> None:
    world.tree.transfer["sequence"] = {"per_run": 2}
    world.apply()
    said = [world.call("payments/transfer", PAY) for _ in range(3)]
    world.restart()
    said.append(world.call("payments/transfer", PAY))
    assert said[:2] == ["allow", "allow"]
    assert "allow" not in said[2:]
    found = world.simulate()
    assert (found["reproduced"], found["differs"]) == (4, [])


def forbids(scope: str) -> list[dict[str, Any]]:
    return [{"kind": "policy", "file": "stop.cedar", "text": f'@id("stop") forbid({scope});'}]


@pytest.mark.parametrize(
    ("scope", "decided_again"),
    [
        ('principal == Remit::Agent::"another", action, resource', False),
        ('principal, action == Remit::Action::"payments/list_payees", resource', False),
        ('principal in Remit::Owner::"lee", action, resource', False),
        ('principal in Remit::Owner::"dana", action, resource', True),
        ('principal, action in Remit::Action::"tier:low", resource', True),
        ('principal, action in [Remit::Action::"server:payments"], resource', True),
        ('principal, action, resource == Remit::Server::"payments"', True),
        ("principal, action, resource", True),
    ],
)
def test_what_a_change_does_not_touch_needs_no_second_decision(
    world: ReplayWorld,
    monkeypatch: pytest.MonkeyPatch,
    scope: str,
    decided_again: bool,  # noqa: FBT001 - a row
) -> None:
    """The report is the same as if every call were decided twice, whatever the policy's scope."""
    said, asked = lived(world), Asked(forbids(scope))
    times: list[bool] = []

    def again(*given: Any, other: bool = False, **more: Any) -> Again:
        times.append(other)
        return replay.again(*given, other=other, **more)

    monkeypatch.setattr("remit.policy.simulate.again", again)
    found = world.simulate(asked)
    assert len(times) - times.count(True) == len(said)
    assert (times.count(True) > 0) is decided_again
    monkeypatch.setattr(Touched, "__call__", lambda _self, _call: True)
    assert world.simulate(asked) == found
    assert times.count(True) >= len(said)
