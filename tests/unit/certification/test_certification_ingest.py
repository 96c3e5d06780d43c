"""What a batch adds: duplicates, refusals with their reasons, purposes, and the same in any order."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.certification.usage.imported import Imported, claim, refuse_history
from remit.certification.usage.ingest import Known, Line, newest_signals, span_of, take
from remit.certification.usage.model import OLDEST, SKEW, Kind, UsageEvent
from remit.certification.usage.windows import holes, stretched
from remit.kernel.clock import DAY, HOUR, Instant
from remit.kernel.errors import Malformed

NOW = Instant(1_795_521_600_000_000)


def purposes(agent: str, action: str) -> list[str]:
    return {("bot", "s/one"): ["work"], ("bot", "s/two"): ["play", "work"]}.get((agent, action), [])


def known(**stored: UsageEvent) -> Known:
    return Known(
        agents={"bot", "other"}, purposes=purposes, stored={each.id: each for each in stored.values()}, servers={"s"},
        holds=lambda agent: {"bot": ["else", "s"], "other": ["else"]}[agent],
    )  # fmt: skip


def use(id_: str, at: int = NOW - HOUR, **more: Any) -> UsageEvent:
    parts: dict[str, Any] = {"kind": Kind.USE, "agent": "bot", "action": "s/one"}
    return UsageEvent("src", id_, Instant(at), **(parts | more))


def lines(*events: UsageEvent) -> list[Line]:
    return [Line(number, event) for number, event in enumerate(events, 1)]


def test_what_is_new_is_taken_once() -> None:
    one, two = use("a"), use("b", NOW - 2 * HOUR)
    found = take(lines(one, two, one, two), known(b=two), now=NOW)
    assert (found.rows, found.duplicates, found.refused) == ([one], 3, [])
    assert [(row.uses, row.key.purpose) for row in found.days] == [(1, "work")]


def test_another_event_under_a_known_id_is_refused() -> None:
    stored, other = use("a"), use("a", NOW - 2 * HOUR)
    for found in (take(lines(other), known(a=stored), now=NOW), take(lines(stored, other), known(), now=NOW)):
        (refused,) = found.refused
        assert "another event has the id" in refused.reason


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (use("a", NOW + SKEW + 1), "future"),
        (use("a", NOW - OLDEST - 1), "older than 400 days"),
        (use("a", agent="stranger"), "the agent stranger is not registered"),
        (use("a", action="t/one"), "this source does not tell of the use of t"),
        (UsageEvent("src", "a", NOW, Kind.OWNER, body="{}"), "for a history"),
        (claim("src", (NOW - DAY, NOW + SKEW + 1)).event, "future"),
        (claim("src", (NOW - OLDEST - 1, NOW)).event, "older than 400 days"),
    ],
)
def test_what_is_refused_says_why(event: UsageEvent, reason: str) -> None:
    found = take([Line(7, event)], known(), now=NOW)
    (refused,) = found.refused
    assert reason in refused.reason
    assert (refused.line, found.rows, found.days, found.claims) == (7, [], [], [])


@pytest.mark.parametrize("at", [NOW + SKEW, NOW - OLDEST])
def test_at_the_limits_it_is_taken(at: int) -> None:
    assert len(take(lines(use("a", at)), known(), now=NOW).rows) == 1


def test_strangers_are_counted_and_their_numbers_are_not_missing() -> None:
    found = take(lines(use("#1"), use("#2", agent="stranger"), use("#3")), known(), now=NOW)
    assert dict(found.unknown) == {"stranger": 1}
    assert holes(stretched([], found.told)).spans == ()


def test_the_number_of_what_is_not_understood_stays_missing() -> None:
    found = take(lines(use("#1"), use("#2", NOW + DAY), use("#3")), known(), now=NOW)
    assert sorted(found.told) == [1, 3]
    assert not found.refused[0].told


def test_a_purpose_is_given_only_where_there_is_but_one() -> None:
    events = [
        use("a"),
        use("b", action="s/two"),
        use("c", action="s/unknown"),
        use("d", action="s/two", purpose="play"),
    ]
    found = take(lines(*events), known(), now=NOW)
    assert {(row.key.action, row.key.purpose) for row in found.days} == {
        ("s/one", "work"), ("s/two", ""), ("s/unknown", ""), ("s/two", "play"),
    }  # fmt: skip
    assert dict(found.unattributed) == {("bot", "s/two"): 1, ("bot", "s/unknown"): 1}
    assert [row.purpose for row in found.rows] == ["", "", "", "play"]
    counted = Imported("src")
    counted.add(found)
    assert {key.action for key in counted.moved} == {"s/one", "s/two"}


def test_what_is_no_call_is_kept_and_is_no_use() -> None:
    events = [use("a", kind=Kind.BREAKGLASS), use("b", kind=Kind.REACTIVATED), claim("src", (NOW - DAY, NOW)).event]
    found = take(lines(*events), known(), now=NOW)
    assert (found.rows, found.days) == (events, [])
    assert found.claims == [(NOW - DAY, NOW)] == [span_of(events[2])]


SOME = st.lists(
    st.builds(
        use,
        st.integers(0, 30).map(lambda number: f"#{number}"),
        st.just(NOW - HOUR),
        kind=st.sampled_from([Kind.USE, Kind.DENIAL]),
        agent=st.sampled_from(["bot", "stranger"]),
    ),
    max_size=30,
    unique_by=lambda event: event.id,
)


@given(SOME, st.randoms())
def test_order_and_repetition_change_nothing(events: list[UsageEvent], order: random.Random) -> None:
    first = take(lines(*events), known(), now=NOW)
    shuffled = [*events, *events[:5]]
    order.shuffle(shuffled)
    again = take(lines(*shuffled), known(), now=NOW)
    assert sorted(again.rows) == sorted(first.rows)
    assert (again.days, again.told) == (first.days, first.told)


def test_of_signals_the_newest_word_counts_in_whatever_order_they_came() -> None:
    def signal(id_: str, at: int, *, on: bool) -> UsageEvent:
        body = json.dumps({"signal": "anomaly", "about": "", "on": on})
        return UsageEvent("src", id_, Instant(at), Kind.SIGNAL, "bot", body=body)

    early, late = signal("z", 5, on=True), signal("a", 6, on=False)
    assert newest_signals([early, late]) == newest_signals([late, early]) == {("bot", "anomaly", ""): late}


def test_a_history_is_no_import() -> None:
    refuse_history(lines(use("a")))
    with pytest.raises(Malformed, match="line 2 is of kind owner"):
        refuse_history(lines(use("a"), UsageEvent("src", "b", NOW, Kind.OWNER)))


@pytest.mark.parametrize("span", [(5, 5), (6, 5), (-1, 5)])
def test_a_window_begins_before_it_ends(span: tuple[int, int]) -> None:
    with pytest.raises(Malformed):
        claim("src", span)


def test_the_same_window_is_the_same_event() -> None:
    assert claim("src", (1, 5)) == claim("src", (1, 5)) != claim("src", (1, 6))


def signal(agent: str, kind: str, about: str = "", *, on: bool = True) -> UsageEvent:
    body = json.dumps({"signal": kind, "about": about, "on": on})
    return UsageEvent("src", "x", Instant(NOW - HOUR), Kind.SIGNAL, agent, body=body)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (signal("bot", "critical"), ""),
        (signal("bot", "critical", "https://siem/alert 12:30"), ""),
        (signal("bot", "peer_outlier", "s/one"), ""),
        (signal("bot", "toxic_combination", "work s/one"), ""),
        (signal("bot", "peer_outlier", "else/one"), "what the signal is about: else/one"),
        (signal("bot", "toxic_combination", "work else/one"), "what the signal is about: else/one"),
        (signal("bot", "keep_alive", "work s:GET /one"), ""),
        (signal("bot", "keep_alive", "else:GET /one"), "what the signal is about: else:GET"),
        (signal("other", "critical"), "other may use nothing of the servers"),
        (signal("other", "credential_exposed"), "other may use nothing of the servers"),
        (signal("other", "critical", on=False), ""),
    ],
)
def test_a_source_says_nothing_against_whom_it_has_nothing_to_do_with(event: UsageEvent, reason: str) -> None:
    """One signal suspends everything that an agent has; what a source raised it may always end."""
    found = take(lines(event), known(), now=NOW)
    assert [each.event for each in lines(*found.rows)] == ([] if reason else [event])
    assert [(reason in each.reason, each.told) for each in found.refused] == ([(True, True)] if reason else [])
