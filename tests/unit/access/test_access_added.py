"""What approvals add, and the most they may add in a year: the word of `widen`, counted."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.access import spec
from remit.access.added import approvals, check_limit, points, spent, tiers, widens, year_of
from remit.access.draft import Draft, History, Version
from remit.access.model import BoundaryState
from remit.access.propose import after, approve, preview, propose
from remit.access.weight import LEVELS
from remit.access.widen import rules_widen
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.kernel.clock import DAY, HOUR, Instant, Micros, parse_date_end
from remit.kernel.errors import Conflict
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, ServerName, ToolName

NOW = Instant(parse_date_end("2026-11-24"))
DANA = OwnerName("dana")
TIERS = {"low": Tier.LOW, "medium": Tier.MEDIUM, "high": Tier.HIGH, "critical": Tier.CRITICAL}
SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}}}


def catalog(*tools: str) -> Server:
    found = {
        ToolName(name): Tool(
            name=ToolName(name), tier=TIERS[name.rstrip("0123456789")], pin="p", definition={"inputSchema": SCHEMA},
            seen=None, state=PinState.APPROVED,
        )
        for name in tools
    }  # fmt: skip
    return Server(server=ServerName("s"), url="", credential=None, tiers=(), review="", tools=found, set_pin="x")


SERVER = catalog(*TIERS, "low1", "low2")
TIER = tiers(lambda name: SERVER if name == "s" else None)


def draft(*allow: str | dict[str, Any], name: str = "b", end: str = "2027-03-31", purpose: str = "p") -> Draft:
    clauses = [
        {"action": f"s/{each}"} if isinstance(each, str) else {**each, "action": f"s/{each['action']}"}
        for each in allow
    ]
    return spec.boundary({"boundary": name, "agent": "bot", "purpose": purpose, "allow": clauses, "not_after": end})


class Book:
    """Every version that there ever was, as the database would hold it."""

    def __init__(self, server: Server = SERVER) -> None:
        self.server = server
        self.versions: dict[tuple[str, int], Version] = {}

    def find(self, _name: ServerName) -> Server:
        return self.server

    def history(self, name: str) -> History:
        mine = [each for each in self.versions.values() if each.draft.boundary == name]
        waiting = [each for each in mine if each.state in {BoundaryState.PROPOSED, BoundaryState.WAITING_FOR_CATALOG}]
        active = [each for each in mine if each.state is BoundaryState.ACTIVE]
        return History(
            active=active[0] if active else None,
            waiting=waiting[0] if waiting else None,
            last=max((each.version for each in mine), default=0),
        )

    def take(self, *writes: Version) -> None:
        self.versions |= {(each.draft.boundary, each.version): each for each in writes}

    def approved(self, written: Draft, now: int = NOW, agent: Agent | None = None) -> Version:
        history = self.history(written.boundary)
        step = propose(written, history, self.find, now=Instant(now))
        self.take(*step.writes)
        if not step.waits:
            return step.now
        last = approve(after(history, step), self.find, by=DANA, now=Instant(now))
        if agent is not None:
            check_limit(agent, self.versions.values(), last.writes, TIER, now=Instant(now))
        self.take(*last.writes)
        return last.now

    def revoke(self, name: str) -> None:
        active = self.history(name).active
        assert active is not None
        self.take(replace(active, state=BoundaryState.REVOKED))

    def points(self) -> list[int]:
        return [each.points for each in approvals(self.versions.values(), TIER)]


def bot(limit: int | None) -> Agent:
    return Agent(
        agent=AgentName("bot"), owner=DANA, version="1", purposes=(), max_instances=1, not_after=Instant(NOW + DAY),
        sender_constraint=SenderConstraint.DPOP, max_run=Micros(HOUR), keys=(), state=AgentState.ACTIVE,
        max_widening=limit,
    )  # fmt: skip


def test_what_an_agent_begins_with_is_no_widening() -> None:
    book = Book()
    book.approved(draft("low", "critical"))
    (first,) = approvals(book.versions.values(), TIER)
    assert (first.reasons, first.before, first.after, first.points) == ((), 0, 41, 0)


def test_two_boundaries_of_one_moment_are_what_it_begins_with_and_a_later_one_is_not() -> None:
    book = Book()
    book.approved(draft("low"))
    book.approved(draft("high", name="c"))
    assert book.points() == [0, 0]
    book.approved(draft("critical", name="a"), NOW + 1)
    assert book.points() == [40, 0, 0]


def test_what_is_let_in_or_loosened_counts_in_full() -> None:
    book = Book()
    book.approved(draft("low", {"action": "critical", "when": {"amount": {"max": "5"}}}))
    book.approved(draft("low", "high", {"action": "critical", "when": {"amount": {"max": "9"}}}), NOW + 1)
    last = approvals(book.versions.values(), TIER)[-1]
    assert (last.points, last.before, last.after) == (50, 41, 51)
    assert "s/high is added" in last.reasons
    assert "s/critical: the bound on amount is loosened or removed" in last.reasons


def test_narrowing_earns_nothing_and_a_later_end_costs_nothing() -> None:
    book = Book()
    book.approved(draft("low", "high"))
    book.approved(draft("low"), NOW + 1)
    assert book.points() == [0, 0]
    book.approved(draft("low", "high"), NOW + 2)
    book.approved(draft("low", "high", end="2027-09-30"), NOW + 3)
    found = approvals(book.versions.values(), TIER)
    assert [each.points for each in found] == [0, 0, 10, 0]
    assert found[-1].reasons == ("it ends later",)


def test_letting_go_first_is_no_way_round() -> None:
    book = Book()
    book.approved(draft("low", "high"))
    book.revoke("b")
    book.approved(draft("low", "high"), NOW + 1)
    assert book.points() == [0, 11]


def test_another_purpose_counts_in_full() -> None:
    book = Book()
    book.approved(draft("low", "high"))
    book.approved(draft("low", "high", purpose="q"), NOW + 1)
    found = approvals(book.versions.values(), TIER)[-1]
    assert (found.points, found.reasons) == (11, ("the purpose is another",))


def test_a_pattern_that_matches_more_later_counts_when_a_person_lets_it_in() -> None:
    book = Book(catalog("low"))
    book.approved(draft("low*"))
    book.server = SERVER
    history = book.history("b")
    step = approve(history, book.find, by=DANA, now=Instant(NOW + 1))
    book.take(*step.writes)
    found = approvals(book.versions.values(), TIER)[-1]
    assert (found.points, found.reasons) == (2, ("s/low1 is added", "s/low2 is added"))


def test_the_limit_holds_and_says_what_is_left_and_who_may_raise_it() -> None:
    book, agent = Book(), bot(12)
    book.approved(draft("low"), agent=agent)
    book.approved(draft("low", "high"), NOW + 1, agent)
    with pytest.raises(Conflict) as raised:
        book.approved(draft("low", "high", "medium"), NOW + 2, agent)
    assert raised.value.public == "this adds 3 to what bot may do, and 2 of 12 are left in 2026"
    assert "an operator raises max_widening of bot" in raised.value.try_
    book.approved(draft("low", "high", "low1", "low2"), NOW + 3, agent)
    assert spent(book.versions.values(), TIER, year=2026) == 12
    with pytest.raises(Conflict, match="0 of 12"):
        book.approved(draft("low", "high", "low1", "low2", "medium"), NOW + 4, agent)
    book.approved(draft("low", "high", "low1", "low2", end="2028-01-01"), NOW + 5, agent)


def test_without_a_limit_nothing_is_refused_and_with_none_at_all_only_the_first_is_let_in() -> None:
    book = Book()
    book.approved(draft("low"), agent=bot(0))
    book.approved(draft("low", "critical"), NOW + 1, bot(None))
    with pytest.raises(Conflict, match=r"this adds 10 .* 0 of 0 are left"):
        book.approved(draft("low", "critical", "high"), NOW + 2, bot(0))


def test_a_new_year_begins_anew() -> None:
    book, agent = Book(), bot(10)
    new_year = parse_date_end("2026-12-31")
    assert (year_of(Instant(new_year - 1)), year_of(new_year)) == (2026, 2027)
    book.approved(draft("low"), agent=agent)
    book.approved(draft("low", "high"), new_year - 1, agent)
    book.approved(draft("low", "high", "low1"), new_year, agent)
    assert [spent(book.versions.values(), TIER, year=year) for year in (2026, 2027)] == [10, 1]


def test_a_limit_that_was_lowered_takes_nothing_away() -> None:
    book = Book()
    book.approved(draft("low"))
    book.approved(draft("low", "critical"), NOW + 1, bot(40))
    book.approved(draft("low", "critical", end="2027-09-30"), NOW + 2, bot(5))


def test_what_the_catalog_does_not_know_is_high() -> None:
    assert TIER(ActionName("s/critical")) is Tier.CRITICAL
    assert TIER(ActionName("s/ghost")) is TIER(ActionName("other/low")) is TIER(ActionName("s:low")) is Tier.HIGH


CLAUSES = st.builds(
    lambda name, most, rate, auto: (
        {"action": name}
        | ({"when": {"amount": {"max": most}}} if most else {})
        | ({"limits": {"rate": rate}} if rate else {})
        | ({"first_use": "auto"} if auto else {})
    ),
    st.sampled_from([*TIERS, "low1", "low*"]),
    st.sampled_from(["", "1", "5"]),
    st.sampled_from(["", "3/min", "9/min"]),
    st.booleans(),
)
DRAFTS = st.builds(
    lambda clauses, end: draft(*clauses, end=end),
    st.lists(CLAUSES, min_size=1, max_size=4, unique_by=lambda each: each["action"]),
    st.sampled_from(["2027-03-31", "2027-06-30"]),
)


@settings(max_examples=200)
@given(st.lists(DRAFTS, min_size=2, max_size=5))
def test_it_says_of_each_version_what_was_said_before_the_approval(written: list[Draft]) -> None:
    book, foreseen = Book(), {}
    for at, each in enumerate(written):
        history = book.history("b")
        step = propose(each, history, book.find, now=NOW)
        book.take(*step.writes)
        if not step.waits:
            continue
        looked = preview(book.history("b"), book.find)
        assert looked is not None
        foreseen[looked[0].version] = looked[1]
        book.take(*approve(book.history("b"), book.find, by=DANA, now=Instant(NOW + at)).writes)
    first, *found = approvals(book.versions.values(), TIER)
    assert (first.points, first.reasons) == (0, ())
    said = {version: reasons for version, reasons in foreseen.items() if reasons and version != first.version.version}
    assert {one.version.version: one.reasons for one in found if one.reasons} == said
    for before, after_ in pairwise([first, *found]):
        rules = list(rules_widen(before.version.rules or {}, after_.version.rules or {}))
        assert bool(after_.points) == bool(rules)
        assert after_.points >= after_.after - after_.before


@given(DRAFTS, DRAFTS)
def test_points_are_those_of_the_actions_in_question(one: Draft, other: Draft) -> None:
    old, new = Book().approved(one), Book().approved(other)
    assert points(old, old, TIER) == 0
    assert widens(old, old) == ()
    assert 0 <= points(old, new, TIER) <= points(None, new, TIER)
    assert points(None, new, TIER) == sum(LEVELS[TIER(action)] for action in new.rules or {})


def test_a_version_for_another_agent_is_its_own_beginning() -> None:
    mine = Book().approved(draft("low"))
    theirs = replace(mine, draft=replace(mine.draft, agent=AgentName("other"), boundary=BoundaryName("b")), version=2)
    assert points(mine, theirs, TIER) == 1
    check_limit(bot(0), [mine], [theirs], TIER, now=NOW)
