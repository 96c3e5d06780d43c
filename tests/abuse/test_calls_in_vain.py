"""Calls that come to nothing, like a clock: they keep nothing in force, are noticed, and fill no memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.abuse.estate import BOT, PURPOSE, Estate, Held, played

from remit.agents.signals import Signal
from remit.audit.service import Recorder
from remit.catalog.model import Tier
from remit.certification.batch import Consequences
from remit.certification.doubting import Doubting
from remit.certification.noticing.own_signals import OwnSignals
from remit.certification.ports import Nobody
from remit.certification.service import CertificationService
from remit.enforcement.model import Outcome
from remit.kernel.clock import DAY, HOUR

HELD = {"medium": Held(tier=Tier.MEDIUM), "critical": Held(tier=Tier.CRITICAL, chosen=True)}


class Heard:
    """Whatever is noticed."""

    def __init__(self) -> None:
        self.said: list[tuple[Signal, str, bool]] = []

    def signal_within(self, _tx: Any, name: str, signal: Signal, *, about: str, on: bool, **_: Any) -> None:
        assert name == BOT
        self.said.append((signal, about, on))


def services(estate: Estate, heard: Heard) -> tuple[CertificationService, OwnSignals]:
    clock, nobody = estate.world.clock, Nobody()
    records = Recorder(estate.world.ring, clock, lambda: 1)
    bound: dict[str, Any] = {"writer": estate.writer, "reader": estate.reader, "clock": clock}
    doubting = Doubting(**bound, records=records, asker=nobody)
    after = Consequences(records=records, asker=nobody, withdrawer=nobody, doubting=doubting)
    service = CertificationService(**bound, coverage=estate, view=estate.facts.view, after=after)  # type: ignore[arg-type]
    return service, OwnSignals(**bound, view=estate.facts.view, signaller=heard)  # type: ignore[arg-type]


def test_a_failing_metronome_keeps_nothing_in_force_and_is_noticed(world: Any) -> None:
    estate, heard = Estate(world, HELD), Heard()
    service, own = services(estate, heard)

    async def scenario(estate: Estate) -> None:
        said = set()
        for _ in range(31):
            estate.world.clock.at += DAY
            await asyncio.to_thread(service.sweep)
            await asyncio.to_thread(own.check)
            said.add(await estate.call(await estate.token(), "medium", Outcome.ERROR))
            await estate.pipeline.drain()
        assert said == {"allow"}, "it lapsed for want of use all the same, and came back by itself"

    played(estate, scenario)
    found = [each for each in estate.verdicts() if each["action"] == "payments/medium"]
    assert [(each["verdict"], each.get("reason")) for each in found][-2:] == [("lapse", "idle"), ("reactivate", None)]
    assert (Signal.KEEP_ALIVE, f"remit: {PURPOSE} payments/medium", True) in heard.said


@pytest.mark.parametrize("name", ["rubbish", "list_everything", "x" * 200])
def test_names_that_an_agent_makes_up_cost_no_memory(world: Any, name: str) -> None:
    async def scenario(estate: Estate) -> None:
        token = await estate.token()
        for at in range(50):
            assert await estate.call(token, f"{name}-{at}") == "not_visible"
        activations = estate.facts.view().activations
        assert activations.take_seen().vain == {}
        estate.world.clock.at += HOUR
        estate.risk(1_000_000)
        at = estate.world.clock.at
        for _ in range(50):
            assert await estate.call(await estate.token(), "medium", Outcome.ERROR) in {"allow", "activation_lapsed"}
        await estate.pipeline.drain()
        assert set(activations.take_seen().vain) == {(estate.key("medium"), at // DAY)}, "what is named is one entry"

    played(Estate(world, HELD), scenario)
