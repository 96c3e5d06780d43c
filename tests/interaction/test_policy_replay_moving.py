"""A log is decided again while it grows: what came meanwhile is judged by what came with it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.interaction.calling_world import VIEWER
from tests.interaction.replay_world import ReplayWorld

from remit.access.activation_seal import UNSEALED
from remit.audit.log import Log
from remit.kernel.errors import Malformed
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.server.door import Ask
from remit.server.http_simulate import Simulating
from remit.server.stored import StoredFacts

PAY = {"amount": Decimal("100.00"), "currency": "EUR", "to": "x"}
FORBID = '@id("stop") forbid(principal, action == Remit::Action::"payments/transfer", resource);'


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReplayWorld:
    return ReplayWorld(tmp_path, monkeypatch)


def simulating(world: ReplayWorld, log: Log) -> Simulating:
    return Simulating(
        log=log, reader=world.database.reader, view=world.facts.view, source=StoredFacts(UNSEALED),
        engine=CompiledEngine(CedarEngine()), mac=world.recorder.mac,
    )  # fmt: skip


def test_a_policy_may_speak_of_what_has_no_place_in_the_log_yet(world: ReplayWorld) -> None:
    documents = [{"kind": "policy", "file": "policies/stop.cedar", "text": FORBID}]
    body: dict[str, Any] = {"documents": documents, "prune": False, "lapsed": [], "from": 0}
    doors = simulating(world, Log(world.database.reader, world.keys))
    found = doors.simulate(Ask(operator=VIEWER, path={}, body=body))
    assert (found["decisions"], found["next"]) == (0, None)
    assert found["candidate"]


def test_what_changes_while_it_is_asked_for_is_no_difference(
    world: ReplayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.call("payments/transfer", PAY)
    world.place()
    log = Log(world.database.reader, world.keys)
    doors = simulating(world, log)
    body: dict[str, Any] = {"documents": [], "prune": False, "lapsed": [], "from": 0}
    doors.simulate(Ask(operator=VIEWER, path={}, body=body))
    read = log.sealed

    def sealed(start: int, most: int) -> Any:
        """At the very moment a policy comes, and a call is decided by it."""
        monkeypatch.setattr(log, "sealed", read)
        world.tree.policies["policies/money.cedar"] = FORBID
        world.apply()
        world.call("payments/transfer", PAY)
        world.place()
        return read(start, most)

    monkeypatch.setattr(log, "sealed", sealed)
    found = doors.simulate(Ask(operator=VIEWER, path={}, body=body))
    assert (found["decisions"], found["differs"]) == (2, [])


@pytest.mark.parametrize("start", [-1, 10**21])
def test_a_place_that_no_log_has_is_refused(world: ReplayWorld, start: int) -> None:
    doors = simulating(world, Log(world.database.reader, world.keys))
    with pytest.raises(Malformed):
        doors.simulate(Ask(operator=VIEWER, path={}, body={"from": start}))
