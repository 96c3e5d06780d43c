"""The first day's figures: they wait for the first boundary, for what is written down first is the day's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.interaction.apply_world import DANA, Rig, Tree

from remit.access.activation_seal import UNSEALED
from remit.certification.posture.report import PostureReport
from remit.kernel.clock import Micros
from remit.policy.cedar import CedarEngine
from remit.policy.facts import Facts
from remit.server import compose_governance
from remit.server.changed import Changed
from remit.server.stored import StoredFacts


class Unbound(Tree):
    """The same agent, without a boundary."""

    def documents(self) -> list[dict[str, Any]]:
        return [each for each in super().documents() if each["kind"] != "boundary"]


def test_a_row_of_noughts_does_not_stand_for_the_whole_first_day() -> None:
    rig = Rig()
    writer, clock, coverage = rig.writer, rig.clock, SimpleNamespace(covered=lambda: Micros(0))
    facts = Facts(
        source=StoredFacts(UNSEALED), engine=CedarEngine(), contact=clock.now, reader=writer, covered=coverage.covered
    )
    writer.read(lambda connection: facts.load(connection, epoch=writer.epoch))
    writer.feed.subscribe(facts.apply)
    ground: Any = SimpleNamespace(
        database=SimpleNamespace(writer=writer, reader=writer), clock=clock, facts=facts, coverage=coverage,
        seal=UNSEALED, policy=SimpleNamespace(prepare=facts.prepare),
    )  # fmt: skip
    nobody: Any = SimpleNamespace()
    tick = compose_governance._certifying(ground, nobody, nobody, nobody, Changed()).ticks["posture"]
    report = PostureReport(reader=writer, clock=clock)

    tick(lambda: False)
    assert report.newest(most=1) is None
    rig.apply(Unbound(), by=DANA)  # an agent is registered, and may do nothing yet
    tick(lambda: False)
    assert report.newest(most=1) is None
    rig.apply(Tree(), by=DANA, approve=True)
    tick(lambda: False)
    newest = report.newest(most=1)
    assert newest is not None
    assert newest[1].sums.granted == 3
