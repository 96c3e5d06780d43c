"""A source that is cut for 20 of 45 days: nothing lapses for want of use, and filled in it is as if never cut.

Imports are bound to the certification service as a server binds them, and two worlds live the same days: in one
the source was never cut.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from typing import Final, NamedTuple

import pytest
from tests.unit.certification.test_certification_service import NOON, TIERS, Desk, Records, S, key

from remit.access.activation import ActivationState, Usage
from remit.access.judge import Verdict, judge
from remit.access.model import Rule
from remit.catalog.model import PinState, Tool
from remit.certification.usage.importing import UsageService
from remit.certification.usage.ingest import Line
from remit.certification.usage.line import event_of
from remit.certification.usage.windows import Windows
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.names import ActionName, ToolName
from remit.people.change import Actor
from remit.policy.entitlement import facts_of
from remit.policy.setting import Moment, live_grant, setting_in
from remit.policy.view import View, server_record

State = ActivationState
OPS = Actor(by="olu")
SPAN: Final = 60  # days
CUT: Final = range(15, 35)
FILLED: Final = 45  # the day on which the missing days are told
# On which days each is used. Its tier is the first word of its name.
USES: Final[Mapping[str, Collection[int]]] = {
    "read_daily": range(SPAN),
    "write_daily": range(SPAN),
    "change_daily": range(SPAN),
    "pay_daily": range(SPAN),
    "write_sometimes": range(0, SPAN, 3),
    "read_in_it": (20, 25, 30),  # only there
    "write_in_it": (16, 22, 28),
    "read_until_before": (0, 4, 8, 12),  # 5 x 4 days and more after its last
    "write_until_before": (0, 7, 14),
    "change_until_before": range(14),
    "read_until_in_it": (2, 10, 18),
    "write_until_in_it": (0, 7, 14, 21, 28),
    "change_until_in_it": (3, 12, 20, 33),
}
REACH: Final = ("read", "write", "change")  # what lapses and comes back by itself


class CutDesk(Desk):
    """The desk, with usage that comes from a source."""

    def __init__(self) -> None:
        self.windows: Mapping[str, Windows] = {}
        super().__init__()
        self.rules = {name: Rule(action=ActionName(f"s/{name}"), first_use="auto") for name in USES}
        self.usage = UsageService(
            writer=self.memory, reader=self.memory, records=Records(), clock=self.clock, view=self.view,
            dirty=self.service.imported, covered=self.service.covered,
        )  # fmt: skip
        self.usage.register("src", [S], by=OPS)
        for name in USES:
            self.put(name)

    def follow(self, epoch: int, topics: tuple[str, ...], connection: object) -> None:
        super().follow(epoch, tuple(each for each in topics if not each.startswith("usage")), connection)

    def view(self) -> View:
        found = super().view()
        tools = {
            ToolName(name): Tool(
                name=ToolName(name), tier=TIERS[name.partition("_")[0]], pin="", definition={}, seen=None,
                state=PinState.APPROVED,
            )
            for name in USES
        }  # fmt: skip
        server = replace(found.servers[S].server, tools=tools)
        return replace(found, servers={S: server_record(server)}, coverage=self.windows)

    def tell(self, day: int) -> None:
        """The source tells of one day, and that this is all of it."""
        said = [
            {"kind": "use", "at": NOON + day * DAY + 12 * HOUR, "id": f"{tool} {day}", "agent": "bot",
             "purpose": "work", "action": f"s/{tool}"}
            for tool, days in USES.items() if day in days
        ]  # fmt: skip
        lines = [Line(number, event_of(each, source="src")) for number, each in enumerate(said, 1)]
        covers = [(Instant(NOON + day * DAY), Instant(NOON + (day + 1) * DAY))]
        self.usage.import_batch("src", lines, covers=covers, by=OPS)
        self.windows = dict(self.usage.coverage())

    def judged(self, tool: str) -> Verdict:
        """What is decided of it now: its state, why, and how long until that would change by itself."""
        view, at = self.view(), Moment(self.clock.now(), self.covered)
        grant = live_grant(view, key(tool), now=at.now)
        holder = view.agents[key(tool).agent].holder(owner_active=True)
        tier = TIERS[tool.partition("_")[0]]
        setting = setting_in(view, key(tool), tier=tier, grant=grant, holder=holder, at=at)
        return judge(facts_of(self.stored(tool), setting))


class Lived(NamedTuple):
    """What became of a world."""

    states: Mapping[tuple[str, int], State]  # of each at the end of each day
    lapsed: Mapping[str, int]  # on which day, if it did
    usage: Mapping[str, Usage]
    verdicts: Mapping[str, Verdict]
    desk: CutDesk


@cache
def lived(*, cut: bool) -> Lived:
    desk, states, missing = CutDesk(), dict[tuple[str, int], State](), list[int]()
    lapsed: dict[str, int] = {}
    for day in range(SPAN):
        desk.at((day + 1) * DAY + HOUR)
        if cut and day in CUT:
            missing.append(day)
        else:
            desk.tell(day)
        if day == FILLED:
            while missing:
                desk.tell(missing.pop())  # the newest first, as any other order
        known = len(desk.verdicts())
        desk.service.tick()
        for each in desk.verdicts()[known:]:
            if (each["to"], each["reason"]) == (State.LAPSED.value, "idle"):
                lapsed[each["action"].partition("/")[2]] = day
        states |= {(tool, day): desk.stored(tool).state for tool in USES}
    usage = {tool: desk.stored(tool).usage for tool in USES}
    return Lived(states, lapsed, usage, {tool: desk.judged(tool) for tool in USES}, desk)


def of_reach(reach: Collection[str] = REACH) -> list[str]:
    return [tool for tool in USES if tool.partition("_")[0] in reach]


def test_no_entitlement_lapses_for_want_of_use_while_the_record_has_a_hole() -> None:
    found = lived(cut=True)
    hole = range(CUT.start, FILLED)
    assert {tool for tool, day in found.lapsed.items() if day in hole} == set()
    assert {state for (_, day), state in found.states.items() if day in hole} <= {
        State.ACTIVE, State.EXPIRING, State.NEEDS_USAGE, State.SUSPENDED
    }  # fmt: skip
    assert {tool for tool, day in lived(cut=False).lapsed.items() if day in hole} == {
        "read_until_before", "write_until_before", "change_until_before"
    }, "who would have lapsed, had the days been told"  # fmt: skip


@pytest.mark.parametrize("tier", REACH)
def test_what_was_idle_as_far_as_is_known_needs_usage(tier: str) -> None:
    found, last = lived(cut=True), FILLED - 1
    waiting = {tool for tool in of_reach([tier]) if found.states[tool, last] is State.NEEDS_USAGE}
    assert {f"{tier}_until_before", f"{tier}_until_in_it"} <= waiting
    daily = [found.states[f"{tier}_daily", day] for day in CUT]
    assert daily[-1] is State.NEEDS_USAGE, "what was in use each day may be idle, as far as is known"
    assert found.states[f"{tier}_daily", CUT.stop] is State.ACTIVE, "until it is seen again"


@pytest.mark.parametrize("tool", of_reach())
def test_once_it_is_filled_everything_is_as_if_it_had_never_been(tool: str) -> None:
    whole, cut = lived(cut=False), lived(cut=True)
    # Remit's own clock when it was told is later; of what a source tells of, it decides nothing.
    assert replace(cut.usage[tool], covered=Micros(0)) == replace(whole.usage[tool], covered=Micros(0))
    assert cut.verdicts[tool] == whole.verdicts[tool], "what is decided now, why, and when that ends"
    after = range(FILLED, SPAN)
    assert [cut.states[tool, day] for day in after] == [whole.states[tool, day] for day in after], "from that day on"


@pytest.mark.parametrize("tool", of_reach())
def test_it_lapses_when_it_would_have_or_when_that_is_known(tool: str) -> None:
    whole, cut = lived(cut=False).lapsed.get(tool), lived(cut=True).lapsed.get(tool)
    hidden = whole is not None and whole in range(CUT.start, FILLED)
    assert cut == (FILLED if hidden else whole)


def test_some_lapse_before_some_after_and_some_do_not() -> None:
    """Else the test above says little."""
    found = lived(cut=False).lapsed
    assert {tier: sorted(day for tool, day in found.items() if tool.startswith(tier)) for tier in REACH} == {
        "read": [32, 55, 58], "write": [35, 46, 49], "change": [27, 47],
    }  # fmt: skip


def test_what_is_critical_is_suspended_after_a_day_and_stays_so_until_a_person_starts_it() -> None:
    """That is the one difference: a hole in the record of what is critical is not waited for."""
    whole, cut = lived(cut=False), lived(cut=True)
    assert {whole.states["pay_daily", day] for day in range(SPAN)} <= {State.ACTIVE, State.EXPIRING}
    begun = [day for day in range(SPAN) if cut.states["pay_daily", day] is State.SUSPENDED]
    assert begun == list(range(CUT.start + 1, SPAN))
    suspended = cut.desk.stored("pay_daily")
    assert suspended.why == "record_incomplete_too_long"
    assert suspended.usage.gaps == whole.usage["pay_daily"].gaps, "its use is known all the same"
    cut.desk.hands.start(key("pay_daily"), by=Actor(by="dana"))
    assert cut.desk.judged("pay_daily").state is whole.verdicts["pay_daily"].state is State.ACTIVE
