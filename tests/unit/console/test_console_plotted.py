"""What the plots show adds up, and every sentence can be said of whatever there is."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from remit.console import plotted
from remit.console.drawn import HIGH, WIDE, bars, meters, scatter
from remit.console.frame import filled, micros
from remit.kernel.clock import SECOND, Instant

AT = Instant(1_800_000_000 * SECOND)
COUNTS = st.dictionaries(st.integers(0, 898), st.integers(0, 50), max_size=40)
AGENTS = st.lists(
    st.fixed_dictionaries(
        {
            "agent": st.text(max_size=8), "granted": st.one_of(st.none(), st.integers(0, 30)),
            "granted_weight": st.integers(0, 10**6), "over_privilege_millionths": st.integers(0, 10**6),
        }
    ),
    max_size=30,
)  # fmt: skip


def day(name: str, granted: int, used: int, lapsed: int = 0) -> dict[str, Any]:
    return {
        "day": name, "granted": granted, "used": used, "direct": {"count": 1}, "latent": {"count": 2},
        "day_before": {"lapsed": lapsed, "returned": 1},
    }  # fmt: skip


@given(COUNTS, COUNTS, COUNTS)
def test_nothing_that_was_decided_is_lost_between_the_drawing_and_its_table(
    allow: dict[int, int], deny: dict[int, int], other: dict[int, int]
) -> None:
    counted = {"allow": allow, "deny": deny, "other": other}
    seconds = {name: [of.get(at, 0) for at in range(899)] for name, of in counted.items()}
    rows = plotted.minutes(seconds, AT)
    for name, of in seconds.items():
        assert sum(row[name] for row in rows) == sum(of)
    curve = plotted.paced(seconds, AT)
    assert len(curve["x"]) == len(curve["allow"]) == 899 // plotted.EACH
    assert curve["x"][-1] == AT // SECOND
    assert curve["x"] == sorted(set(curve["x"]))
    assert round(sum(curve["deny"]) * plotted.EACH) == sum(seconds["deny"][899 % plotted.EACH :])
    assert str(sum(deny.values())) in plotted.paced_said(seconds) or not sum(map(sum, seconds.values()))


@example([{"agent": "", "granted": 1, "granted_weight": 0, "over_privilege_millionths": each} for each in (0, 1)])
@given(AGENTS)
def test_every_point_is_within_the_drawing_and_the_worst_come_first(agents: list[dict[str, Any]]) -> None:
    points = plotted.spread(agents, most=10)
    assert len(points) == min(10, sum(bool(each["granted"]) for each in agents))
    for each in scatter(points)["points"]:
        assert 0 <= each["x"] <= WIDE
        assert 0 <= each["y"] <= HIGH
    unused = [each["weight"] * (100 - each["used"]) for each in points]
    assert all(a >= b - 1e-6 for a, b in pairwise(unused))
    assert plotted.spread_said(points, len(agents))


def test_a_snapshot_tells_of_the_day_before() -> None:
    series = [day("2026-03-01", 5, 1, lapsed=3), day("2026-03-02", 4, 1)]
    assert plotted.turns(series) == {"day": ["2026-02-28", "2026-03-01"], "lapsed": [3, 0], "returned": [1, 1]}
    assert "1 fewer than on 2026-03-01" in plotted.creep_said(series)
    assert "3 entitlements lapsed" in plotted.turns_said(plotted.turns(series))
    assert "today" in plotted.turns_said({"lapsed": [0], "returned": [0]}), "who sees it happen looks for it here"
    old = [{**day("2026-03-01", 5, 1), "day_before": None}]
    assert plotted.turns(old)["lapsed"] == [0], "rows of days before this was counted"
    assert plotted.days(series)[0]["lapsed"] == 3
    assert plotted.creep(series)["granted"] == [5, 4]
    for empty in (plotted.creep_said([]), plotted.turns_said(plotted.turns([])), plotted.ages_said([])):
        assert empty


def test_the_oldest_credential_comes_first_and_one_without_a_value_not_at_all() -> None:
    known = {"kind": "static", "exposed": None, "next_rotation": None}
    secrets = [
        {**known, "secret": "young", "made": "2027-01-14T08:00:00Z"},
        {**known, "secret": "old", "made": "2026-01-15T08:00:00Z", "exposed": "2026-02-01T00:00:00Z"},
        {**known, "secret": "none", "made": None},
    ]
    rows = plotted.ages(secrets, AT, micros)
    assert [(row["secret"], row["days"]) for row in rows] == [("old", 365), ("young", 1)]
    assert "old, 365 days old" in plotted.ages_said(rows)
    drawn = bars(rows)["rows"]
    assert drawn[0]["long"] > drawn[1]["long"] >= 2


def test_a_limit_that_was_not_counted_is_no_bar() -> None:
    rows: list[dict[str, Any]] = [
        {"action": "a", "share": None},
        {"action": "b", "share": 250.0},
        {"action": "c", "share": 10.0},
        {"action": "d", "share": 0.0},
        {"action": "e", "share": 0.01},
    ]
    drawn = [(each["action"], each["long"]) for each in meters(rows)]
    assert drawn == [("b", 100.0), ("c", 10.0), ("e", 0.5), ("d", 0)], "what was used is seen, and nothing is nothing"


def test_a_link_has_each_of_its_places_as_one_segment() -> None:
    row = {"agent": "../{owner}?a=b#c/\u202e<", "owner": "dana"}
    assert filled("/console/agents/{agent}", row) == "/console/agents/..%2F%7Bowner%7D%3Fa%3Db%23c%2F%E2%80%AE%3C"
    assert filled("/console/agents?owner={owner}&then={other}", row) == "/console/agents?owner=dana&then={other}"
