"""Keeps the `toxic_combination` signals of agents in line with what they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remit.access.judge import TOXIC
from remit.agents.signals import Signal
from remit.certification.noticing.combination_sql import SqlCombinations
from remit.certification.noticing.combinations import Holding, held, signals_by_entitlement
from remit.certification.ports import Asker, Signaller
from remit.certification.posture.privilege import standings
from remit.certification.usage.coverage import CoverageClock
from remit.kernel.clock import Clock
from remit.people.change import Actor
from remit.policy.view import View
from remit.storage.ports import Reader, Transaction, Writer

MACHINE: Final = Actor(by="remit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """Worker threads only.

    Args:
        prepare: Loads an agent's activations into the view.
    """

    writer: Writer
    reader: Reader
    view: Callable[[], View]
    clock: Clock
    coverage: CoverageClock
    signaller: Signaller
    asker: Asker
    prepare: Callable[[str], None]

    def _ask(self, tx: Transaction, held: Holding) -> None:
        combination = held.combination
        facts = {
            "combination": combination.combination,
            "because": combination.why,
            "severity": combination.severity.value,
            "reach": held.reach.value,
            "entitlements": [f"{key.purpose} {key.action}" for key in held.keys],
        }
        self.asker.ask(
            tx, kind="toxic", agent=held.agent, about=combination.combination, why=TOXIC, facts=facts
        )  # fmt: skip

    def check(self, agent: str) -> int:
        """Say of an agent's entitlements which are held together with what nobody should; how many signals moved."""
        view = self.view()
        record = view.agents.get(agent)
        if record is None:
            return 0
        before = {each.about for each in record.risk.noticed if each.signal is Signal.TOXIC_COMBINATION}
        combinations = self.reader.read(lambda connection: SqlCombinations(connection).all())
        if not combinations and not before:
            return 0
        self.prepare(agent)
        found = held(combinations, standings(view, record, covered=self.coverage.covered(), now=self.clock.now()))
        change = signals_by_entitlement(found, before)
        if not change.on and not change.off:
            return 0

        def apply(tx: Transaction) -> int:
            for on, abouts in ((True, change.on), (False, change.off)):
                for about in abouts:
                    self.signaller.signal_within(tx, agent, Signal.TOXIC_COMBINATION, about=about, on=on, by=MACHINE)
            for each in found:
                self._ask(tx, each)  # what is asked already stays as it is
            return len(change.on) + len(change.off)

        return self.writer.change(apply)
