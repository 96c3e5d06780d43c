"""Puts together what bears too much at once: the lanes, their record, and what stops an agent in a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.enforcement.pipeline import Pipeline
from remit.enforcement.repeats import Repeats
from remit.kernel.clock import Instant
from remit.policy.model import Answer, Call
from remit.policy.view import View
from remit.server.gate import Gate
from remit.server.ground import Ground
from remit.server.later import Later
from remit.server.runaway import Runaway
from remit.server.shed_record import ShedRecord
from remit.server.shedding import Shedding

if TYPE_CHECKING:
    from remit.server.compose_governance import Governance


def shedding(ground: Ground, gate: Gate) -> Shedding:
    """The lanes of this process; what they refuse is recorded in sum while it runs."""
    found = Shedding(gate.metrics.registry)
    gate.life.more.append(ShedRecord(lanes=found.lanes, writer=ground.database.writer, records=ground.records).run)
    return found


def watch_loops(ground: Ground, pipeline: Pipeline, governance: Later[Governance]) -> None:
    """Tell what stops agents in a loop of each decision, after whoever is told of it already."""
    before, most = pipeline.aside, ground.settings.loop_denials
    if not most:
        return
    runaway = Runaway(
        repeats=Repeats(most), agents=lambda: governance.load().agents, writer=ground.database.writer,
        clock=ground.clock,
    )  # fmt: skip

    def told(call: Call, answer: Answer, view: View, at: Instant) -> None:
        if before is not None:
            before(call, answer, view, at)
        runaway.saw(call, answer, view, at)

    pipeline.aside = told
