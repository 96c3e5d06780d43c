"""What a decision read beside the state is read again: what others tell of use, approvals, links, when, and after what.

Replaying the unchanged set reproduces every one of these decisions.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.interaction.apply_world import DANA, PUBLIC
from tests.interaction.replay_world import BOT, ReplayWorld

from remit.attestation.model import Link
from remit.certification.hands import Hands
from remit.certification.usage.coverage import CoverageClock
from remit.certification.usage.importing import UsageService
from remit.enforcement.model import Outcome
from remit.kernel.clock import DAY, HOUR, Instant
from remit.kernel.errors import IntegrityFailed
from remit.kernel.names import AgentName, InstanceId, RunId
from remit.keys.jwk import thumbprint
from remit.people.change import Actor
from remit.policy.service import PolicyService
from remit.requests.binding import Binder
from remit.requests.service import RequestService
from remit.requests.wanted import Wanted
from remit.server.what_if import Asked

PAY = {"amount": Decimal("100.00"), "currency": "EUR", "to": "x"}
OVER = {**PAY, "amount": Decimal("400.00")}
HERSELF, OPS = Actor(by="dana"), Actor(by="ops")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReplayWorld:
    return ReplayWorld(tmp_path, monkeypatch)


def reproduced(world: ReplayWorld, many: int) -> None:
    """Every decision comes out as it was recorded, also by who reads the database anew, and in two processes."""
    found = world.simulate()
    assert (found["differs"], found["reproduced"], found["decisions"]) == ([], many, many)
    assert world.simulate(processes=2)["digest"] == found["digest"]


def boundary(world: ReplayWorld, *rules: dict[str, Any]) -> Asked:
    spec = {**world.tree.boundary, "allow": list(rules)}
    return Asked([{"kind": "boundary", "spec": spec, "file": "b.yaml", "line": 1}])


# a person's yes ----------------------------------------------------------------------------------


def desk(world: ReplayWorld) -> RequestService:
    """Whom the agent asks."""
    binder = Binder(base="https://remit.test", key=b"b" * 32, mac=world.recorder.mac)
    world.policy = PolicyService(
        facts=world.facts, engine=world.policy._engine, clock=world.clock, mac=world.recorder.mac, docs="/errors",
        asking=binder.block,
    )  # fmt: skip
    bound: Any = {"writer": world.database.writer, "records": world.recorder, "clock": world.clock}
    hands = Hands(**bound, coverage=CoverageClock(), view=world.facts.view, prepare=world.policy.prepare)
    return RequestService(
        **bound, reader=world.database.reader, decider=world.policy, binder=binder, data_keys=world.keys,
        starter=lambda: hands,  # type: ignore[arg-type, return-value] # nothing is started here
    )  # fmt: skip


def asks(world: ReplayWorld, requests: RequestService) -> str:
    call = world.asked("payments/transfer", OVER)
    view = world.facts.view()
    denial = world.policy.tried(call, view, now=world.clock.now()).denial
    assert denial is not None
    told = world.policy.told(denial, call, epoch=view.epoch, evaluated_at=world.clock.now())
    wanted = Wanted(call=call, asker=f"agent:{BOT}", token=told["access_request"]["binding_token"])
    return requests.ask(wanted, by=Actor(by=f"agent:{BOT}")).request


def test_what_a_person_approved_passes_once_again_and_what_was_used_or_stale_does_not(world: ReplayWorld) -> None:
    requests, said = desk(world), [world.call("payments/transfer", OVER)]
    request = asks(world, requests)
    said.append(world.call("payments/transfer", OVER))
    requests.approve(request, by=HERSELF)
    said.append(world.call("payments/transfer", {**OVER, "to": "y"}))
    said += [world.call("payments/transfer", OVER) for _ in range(2)]
    world.later(HOUR)
    said.append(world.call("payments/transfer", OVER))
    assert said == ["approval_required"] * 3 + ["allow"] + ["approval_required"] * 2
    reproduced(world, 6)
    # What was refused early keeps that a person said yes: without the bound, the same yes would have been used.
    higher = boundary(world, {**world.tree.transfer, "approval": {"above": {"amount": "450.00"}}})
    assert world.simulate(higher)["changes"] == {"widen": 5}


# who acts for another ------------------------------------------------------------------------------


def test_what_was_handed_on_is_met_with_what_is_in_force_again(world: ReplayWorld) -> None:
    child = {**world.tree.agent, "agent": "report-bot"}
    world.tree.agent["delegates"] = ["report-bot"]
    documents = world.tree.documents
    world.tree.documents = lambda: [*documents(), {"kind": "agent", "spec": child, "file": "c.yaml", "line": 1}]  # type: ignore[method-assign] # one more
    world.apply()

    def link(allow: str = "") -> dict[str, Any]:
        one = Link(
            agent=AgentName(BOT), instance=InstanceId("i"), credential=thumbprint(PUBLIC), run=RunId("run_1"),
            token="tok_1", attested=Instant(world.clock.at), allow=allow,
        )  # fmt: skip
        return {"agent": "report-bot", "delegation": "dlg_1", "links": (one,)}

    handed = '[{"action":"payments/transfer","when":{"amount":{"max":"50.00"}}}]'

    def call(allow: str, arguments: dict[str, Any] | None = None, action: str = "payments/transfer") -> str:
        return world.call(action, arguments, **link(allow))

    small = {**PAY, "amount": Decimal("20.00")}
    said = [call("", PAY), call(handed, PAY), call(handed, small), call(handed, action="payments/list_invoices")]
    world.tree.transfer["when"]["amount"]["max"] = "10.00"
    world.apply()
    said += [call("", PAY), call(handed, small), world.call("payments/list_invoices")]
    world.rig.apply(world.tree, by=DANA, approve=True)
    assert said == [
        "allow", "constraint_violated", "allow", "not_visible", "constraint_violated", "constraint_violated", "allow",
    ]  # fmt: skip
    reproduced(world, 7)
    # A policy about the one for whom it acts is a policy about it, too.
    text = f'@id("stop") forbid(principal == Remit::Agent::"{BOT}", action, resource);'
    found = world.simulate(Asked([{"kind": "policy", "file": "stop.cedar", "text": text}]))
    assert [(each["agent"], each["change"]) for each in found["flips"]] == [
        ("report-bot", "narrow"), ("report-bot", "otherwise"), ("report-bot", "narrow"),
        ("report-bot", "otherwise"), ("report-bot", "otherwise"), (BOT, "narrow"),
    ]  # fmt: skip
    own = '@id("stop") forbid(principal == Remit::Agent::"report-bot", action, resource);'
    found = world.simulate(Asked([{"kind": "policy", "file": "stop.cedar", "text": own}]))
    assert {each["agent"] for each in found["flips"]} == {"report-bot"}
    # So is a boundary of that one.
    lists = world.simulate(boundary(world, {"action": "payments/list_*"}))
    assert {each["agent"] for each in lists["flips"]} == {"report-bot"}
    assert lists["changes"]["narrow"] == 2


# whose use others tell of ----------------------------------------------------------------------------


def test_how_much_others_had_told_by_then_is_what_counts(world: ReplayWorld) -> None:
    usage = UsageService(
        writer=world.database.writer, reader=world.database.reader, records=world.recorder, clock=world.clock,
        view=world.facts.view,
    )  # fmt: skip
    first = world.clock.at
    usage.register("told", ["payments"], by=OPS)
    said = [world.call("payments/transfer", PAY), world.call("payments/list_invoices")]
    world.later(26 * HOUR)
    said.append(world.call("payments/transfer", PAY))  # it is critical, and nobody told of the day since
    world.later(26 * HOUR)
    usage.import_batch("told", [], covers=[(first, world.clock.at)], by=OPS)
    said += [world.call("payments/transfer", PAY), world.call("payments/list_invoices")]
    assert said == ["allow", "allow", "allow", "activation_lapsed", "allow"]
    reproduced(world, 5)


# when, how much, and after what ------------------------------------------------------------------------


def test_windows_are_looked_at_as_of_then(world: ReplayWorld) -> None:
    world.tree.transfer["windows"] = [{"from": "08:00", "to": "18:00", "zone": "Europe/Berlin"}]
    world.apply()
    said = []
    for _ in range(8):
        said.append(world.call("payments/transfer", PAY))
        world.later(3 * HOUR)
    assert set(said) == {"allow", "outside_window"}
    reproduced(world, 8)
    free = {name: value for name, value in world.tree.transfer.items() if name != "windows"}
    assert world.simulate(boundary(world, world.tree.boundary["allow"][0], free))["changes"] == {
        "widen": said.count("outside_window")
    }


def test_a_rule_of_time_zones_of_another_release_is_another_engine(
    world: ReplayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tree.transfer["windows"] = [{"from": "00:00", "to": "24:00", "zone": "Europe/Berlin"}]
    world.apply()
    assert world.call("payments/transfer", PAY) == "allow"
    with monkeypatch.context() as other:
        other.setattr("remit.policy.conditions.version", lambda: "1999a")
        world.call("payments/transfer", PAY)
    with pytest.raises(IntegrityFailed, match="another version of the engine"):
        world.simulate()


def test_what_was_done_before_in_the_run_is_what_counts(world: ReplayWorld) -> None:
    world.tree.transfer["sequence"] = {
        "requires_before": [{"action": "payments/list_invoices", "within": "1h"}],
        "forbidden_after": ["payments/list_payees"],
        "per_run": 3,
    }
    world.apply()

    def pays(run: str) -> str:
        return world.call("payments/transfer", PAY, run=run)

    said = [pays("run_1"), world.call("payments/list_invoices", run="run_1")]
    said += [pays("run_1") for _ in range(4)]
    said += [world.call("payments/list_invoices", run="run_2"), world.call("payments/list_payees", run="run_2")]
    said.append(pays("run_2"))
    world.restart()
    said += [pays("run_1"), world.call("payments/list_invoices", run="run_3")]
    world.later(2 * HOUR)
    said.append(pays("run_3"))
    assert said.count("allow") == 7
    assert {"sequence_required"} <= set(said)
    reproduced(world, len(said))
    free = {name: value for name, value in world.tree.transfer.items() if name != "sequence"}
    found = world.simulate(boundary(world, world.tree.boundary["allow"][0], free))
    assert found["changes"] == {"widen": len(said) - 7}


def test_what_was_read_before_is_what_counts(world: ReplayWorld) -> None:
    tools = world.tree.server["tools"]
    tools["list_payees"] = {"tier": "low", "returns": ["untrusted", "private"]}
    tools["transfer"] = {"tier": "critical", "carries_out": True}
    world.apply()
    said = [world.call("payments/transfer", PAY), world.call("payments/list_payees")]
    said += [world.call("payments/transfer", PAY), world.call("payments/transfer", PAY, instance="another")]
    world.restart()
    said.append(world.call("payments/transfer", PAY))
    tools["transfer"] = {"tier": "critical"}
    world.apply()
    said.append(world.call("payments/transfer", PAY))
    # Another copy of the same client is tainted, too: what was read may have been handed to it.
    assert said == ["allow", "allow", "flow_blocked", "flow_blocked", "flow_blocked", "allow"]
    reproduced(world, 6)


def reads(world: ReplayWorld, size: int) -> str:
    """One call whose result has so many bytes; `allow`, `cut`, or the code that it was refused with."""

    async def read() -> str:
        pipeline = world.pipeline()
        admitted = await pipeline.admit(world.asked("payments/list_invoices"))
        if (denial := admitted.answer.denial) is not None:
            return denial.code.value
        over = await pipeline.passing.count(admitted, size)
        pipeline.outcome(admitted, Outcome.OK if over is None else Outcome.CUT)
        await pipeline.drain()
        return "allow" if over is None else "cut"

    return asyncio.run(read())


def test_how_much_was_read_before_is_what_counts(world: ReplayWorld) -> None:
    world.tree.boundary["allow"][0]["limits"] = {"volume": {"bytes": "100kB", "per": "day"}}
    world.apply()
    said = [reads(world, size) for size in (60_000, 50_000, 40_000, 1)]
    world.restart()
    said.append(reads(world, 1))
    world.later(DAY)
    said.append(reads(world, 1))
    assert said == ["allow", "cut", "allow", "budget_exhausted", "budget_exhausted", "allow"]
    reproduced(world, 6)
    more = {"action": "payments/list_*", "limits": {"volume": {"bytes": "200kB", "per": "day"}}}
    found = world.simulate(boundary(world, more, world.tree.transfer))
    assert found["changes"] == {"widen": 2}
