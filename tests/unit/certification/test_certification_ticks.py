"""A full sweep finds nothing that the ticks had not recorded, whatever happened before it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from structlog.testing import capture_logs
from tests.thorough import examples
from tests.unit.certification.test_certification_service import BOT, NOON, TIERS, WORK, Desk, key

from remit.access.activation import ActivationState, Usage
from remit.access.activation_sql import SqlActivations
from remit.access.doubt import DoubtState
from remit.access.judge import usable
from remit.access.model import Rule
from remit.agents.signals import Noticed, Signal
from remit.catalog.model import Tier
from remit.certification.setting import setting_of
from remit.certification.together_sql import SqlTogether
from remit.certification.transition import transition
from remit.certification.usage.days import DayKey, UseDay
from remit.certification.usage.sql import SqlUseDays
from remit.certification.usage.windows import Windows, windows
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.errors import RemitError
from remit.kernel.names import ActionName
from remit.people.change import Actor
from remit.policy.view import View
from remit.storage.governance_schema import together

DANA = Actor(by="operator:dana")
GROUP = ("read", "write", "t0", "t1")
MORE = tuple(f"t{at}" for at in range(7))  # as many as the limiter looks at
TOOLS = (*TIERS, *MORE)
SHORT, LONG = Usage(NOON, Micros(0), 4, (1, 1, 1)), Usage(NOON, Micros(0), 3, (9, 9))
STEPS = (1, HOUR, 7 * HOUR, DAY, 3 * DAY, 9 * DAY, 10 * DAY)


class Busy(Desk):
    """A desk where everything happens. `write` needs `change`, and what is in `GROUP` is used together."""

    def __init__(self, *, told: bool = False) -> None:
        super().__init__()
        self.seen: Windows | None = windows([(NOON - DAY, NOON)]) if told else None
        self.rules |= {name: Rule(action=ActionName(f"s/{name}")) for name in MORE}
        self.rules["write"] = Rule(action=ActionName("s/write"), needs=(ActionName("s/change"),))
        rows = [{"agent": BOT, "purpose": WORK, "action": f"s/{each}", "group": "s/read"} for each in GROUP]
        self.memory.change(lambda tx: tx.connection.execute(insert(together), rows) and None)
        self.known.group(BOT, self.memory.read(lambda c: SqlTogether(c).of_agent(BOT)))
        for at, tool in enumerate(TOOLS):
            self.put(tool, usage=LONG if at % 3 else SHORT)
        self.memory.change(lambda tx: SqlActivations(tx.connection).postpone((key(tool), NOON) for tool in TOOLS))
        self.settle()

    def view(self) -> View:
        return dataclasses.replace(super().view(), coverage={} if self.seen is None else {"s": self.seen})

    def settle(self) -> None:
        """Time passes, second by second: what is due is judged until nothing is."""
        for _ in range(12):
            self.service.tick()
            if not self.memory.read(lambda c: SqlActivations(c).due(Instant(self.clock.at + 1), 1)):
                return
            self.at(self.clock.at - NOON + 1, covered=self.covered + 1)
        raise AssertionError("it is due again and again")

    def flush(self) -> None:
        """What every heartbeat does."""
        with self.service.flushing() as flush:
            self.memory.change(flush)

    # what happens --------------------------------------------------------------------------------

    def use(self, tool: str, _: int) -> None:
        view, known = self.view(), self.known.find(key(tool))
        assert known is not None
        found = setting_of(view, key(tool), covered=self.covered, now=self.clock.now(), prefer=known.boundary)
        state = transition(known, found)
        after = known.state if isinstance(state, int) else state.after.state
        if usable(after, found.tier):
            self.known.used(key(tool), self.clock.now(), "run")
        elif after is ActivationState.LAPSED and found.tier is not Tier.CRITICAL:
            self.by_hand(lambda: self.hands.start(key(tool), by=DANA))

    def imports(self, tool: str, ago: int) -> None:
        """Another source tells of a use."""
        at = Instant(self.clock.at - ago)
        day = UseDay(DayKey(*key(tool), at // DAY, "src"), 1, 0, 0, at, at)

        def write(tx: Any) -> None:
            SqlUseDays(tx.connection).add([day])
            self.service.imported(tx, [key(tool)])

        self.memory.change(write)

    def complete(self, _: str, ago: int) -> None:
        """A source says that it told everything, up to a while ago."""
        if self.seen is not None:
            self.seen = self.seen.merge(windows([(NOON, max(NOON, self.clock.at - ago))]))
            self.memory.change(lambda tx: self.service.covered(tx, ["s"]))

    def registered(self, _: str, ago: int) -> None:
        """A source is registered, or the only one is taken off."""
        self.seen = windows([(NOON - DAY, self.clock.at - ago)]) if self.seen is None else None
        self.memory.change(lambda tx: self.service.covered(tx, ["s"]))

    def suspend(self, tool: str, _: int) -> None:
        self.by_hand(lambda: self.hands.suspend(key(tool), by=DANA))

    def start(self, tool: str, _: int) -> None:
        self.by_hand(lambda: self.hands.start(key(tool), by=DANA))

    def lapse(self, tool: str, _: int) -> None:
        self.by_hand(lambda: self.hands.lapse(key(tool), by=DANA))

    def by_hand(self, act: Callable[[], object]) -> None:
        try:
            act()
        except RemitError:
            self.hands.lapse(key("pay"), by=DANA)

    def noted(self, tool: str, _: int) -> None:
        """Something speaks against it, or no longer does; whoever certifies judges the agent at once."""
        about = (
            Noticed(Signal.TOXIC_COMBINATION, f"{WORK} s/{tool}", NOON)
            if tool in GROUP
            else Noticed(Signal.ANOMALY, "", NOON)
        )
        self.noticed = () if self.noticed else (about,)
        self.service.judge_agent(BOT)

    def trust(self, _: str, ago: int) -> None:
        """A person says of what is doubted whether it is right."""
        doubting = self.doubting()
        for found in [each for each in self.doubts.get("s", ()) if each.state is not DoubtState.OVER]:
            if ago % 2 or found.state is DoubtState.CANARY:
                self.memory.change(lambda tx, name=found.name: doubting.distrust(tx, name, by=DANA))  # type: ignore[misc]
            else:
                self.believe(found.name, agents=["a", "z", BOT], by=DANA)

    def passes(self, tool: str, ago: int) -> None:
        """Time passes; where `tool` is that, Remit was away and saw nothing."""
        self.doubting().tick()
        gone = 0 if tool == "pay" else ago
        self.at(self.clock.at - NOON + ago, covered=self.covered + gone)
        self.flush()
        self.settle()


HAPPENS: Mapping[str, Callable[[Busy, str, int], None]] = {
    "use": Busy.use, "imports": Busy.imports, "complete": Busy.complete, "registered": Busy.registered,
    "suspend": Busy.suspend, "start": Busy.start, "lapse": Busy.lapse, "noted": Busy.noted, "trust": Busy.trust,
    "passes": Busy.passes,
}  # fmt: skip
OFTEN = [*HAPPENS, "use", "use", "imports", *(["passes"] * 5)]
HISTORY = st.lists(
    st.tuples(st.sampled_from(OFTEN), st.sampled_from(TOOLS), st.sampled_from(STEPS)), min_size=4, max_size=24
)


def swept(desk: Busy) -> dict[str, Any]:
    """The entry of one sweep."""
    desk.service.sweep()
    found: dict[str, Any] = json.loads(desk.memory.entries[-1].header)
    return found


@pytest.mark.parametrize("told", [False, True])
@settings(max_examples=examples(40), deadline=None, phases=(Phase.explicit, Phase.generate))
@example(history=[("use", "read", 1), ("use", "read", 1), ("suspend", "change", 1), ("lapse", "write", 1)])
@given(history=HISTORY)
def test_after_the_ticks_a_sweep_changes_nothing(history: list[tuple[str, str, int]], *, told: bool) -> None:
    desk = Busy(told=told)
    for what, tool, ago in history:
        HAPPENS[what](desk, tool, ago)
    desk.flush()
    desk.settle()
    before = len(desk.verdicts())
    found = swept(desk)
    assert [(each["action"], each["from"], each["to"]) for each in desk.verdicts()[before:]] == []
    assert (found["changed"], found["missed"]) == (0, 0)


def test_what_no_tick_would_have_looked_at_is_told() -> None:
    desk = Busy()
    desk.at(11 * DAY)
    never = [(key(tool), NOON + 99 * DAY) for tool in ("t2", "t5")]
    desk.memory.change(lambda tx: SqlActivations(tx.connection).postpone(never))
    with capture_logs() as logs:
        found = swept(desk)
    assert found["changed"] > found["missed"] == 2
    assert [(each["log_level"], each.get("entitlements")) for each in logs] == [("warning", 2)]
    with capture_logs() as logs:
        assert swept(desk)["missed"] == 0
    assert logs == []


def test_use_that_comes_during_a_sweep_is_nothing_that_was_missed() -> None:
    desk = Busy()
    desk.at(11 * DAY)
    desk.settle()
    assert desk.stored("t2").state is ActivationState.EXPIRING
    desk.known.used(key("t2"), desk.clock.now())
    found = swept(desk)
    assert desk.stored("t2").state is ActivationState.ACTIVE
    assert (found["changed"] > 0, found["missed"]) == (True, 0)
