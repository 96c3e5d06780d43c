"""An agent's timeline: what several doors tell of it stands in its lane, in its place, once."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from remit.console.desk import Look
from remit.console.drawn import LANES, lanes
from remit.console.happened import happened
from remit.console.pages.agent import marked
from remit.kernel.clock import DAY, Instant

NOON = "2026-03-01T12:00:00Z"
NOW = Instant(20_000 * DAY)


def test_each_kind_has_its_lane_and_other_agents_are_left_out() -> None:
    freeze = {"id": "ent_1", "time": NOON, "kind": "change", "what": "freeze", "target": "agent", "by": "dana"}
    found = happened(
        "bot",
        entries=[
            {"id": "dec_1", "time": NOON, "kind": "decision", "decision": "deny", "code": "revoked", "action": "a/b"},
            {"id": "dec_2", "time": NOON, "kind": "decision", "decision": "allow", "action": "a/b"},
            {"id": "ver_1", "time": NOON, "kind": "verdict", "verdict": "lapse", "from": "active", "to": "lapsed"},
        ],
        changes=[
            {**freeze, "change": "freeze", "target_name": "bot"},
            {**freeze, "change": "cut", "target_name": "bot"},
            {**freeze, "change": "freeze", "target_name": "other"},
            {"id": "ent_2", "time": NOON, "what": "agent", "name": "bot", "change": "update", "by": "lee"},
            {"id": "ent_3", "time": NOON, "what": "agent", "name": "other", "change": "update", "by": "lee"},
        ],
        questions=[{"asked": NOON, "question": "qst_1", "kind": "toxic"}],
        rotations=[
            {"secret": "mine", "started": NOON, "cause": "age"}, {"secret": "theirs", "started": NOON, "cause": "age"}
        ],
        secrets=[{"secret": "mine", "exposed": NOON}],
    )  # fmt: skip
    assert sorted((each["lane"], each["to"]) for each in found) == [
        ("change", "log/ent_2"), ("credential", "credentials/mine"), ("credential", "credentials/mine"),
        ("frozen", "log/ent_1"), ("refused", "log/dec_1"), ("review", "reviews/qst_1"), ("verdict", "log/ver_1"),
    ]  # fmt: skip
    assert {each["lane"] for each in found} <= set(LANES)


class Busy:
    """The log of an agent that has called a thousand times since it was refused and its access lapsed."""

    def maybe(self, _path: str, **sought: str) -> dict[str, Any]:
        calls = [{"id": f"dec_{at}", "kind": "decision", "answer": "allow"} for at in range(1000)]
        rows = [
            *calls, {"id": "dec_no", "kind": "decision", "answer": "deny"}, {"id": "ver_1", "kind": "verdict"}
        ]  # fmt: skip
        found = [each for each in rows if all(each.get(name) == sought.get(name, each.get(name)) for name in each)]
        return {"entries": found[: int(sought["limit"])]}


def test_calls_crowd_no_verdict_and_no_refusal_out() -> None:
    assert {each["id"] for each in marked(cast("Look", Busy()), "bot")} == {"dec_no", "ver_1"}


@given(st.lists(st.tuples(st.integers(0, 800 * DAY), st.sampled_from(LANES)), max_size=40))
def test_every_mark_is_within_the_drawing_in_the_order_of_time(past: list[tuple[int, str]]) -> None:
    drawn = lanes([{"at": Instant(NOW - ago), "lane": lane, "to": "log/dec_1"} for ago, lane in past], NOW)
    marks = drawn["marks"]
    assert len(marks) == len(past)
    assert all(mark["to"] == "log/dec_1" for mark in marks), "a mark leads where its row does"
    assert all(drawn["left"] <= mark["x"] <= drawn["right"] and 0 < mark["y"] < drawn["high"] for mark in marks)
    by_time = sorted(marks, key=lambda mark: mark["at"])
    assert [mark["x"] for mark in by_time] == sorted(mark["x"] for mark in marks)
    assert len(drawn["ticks"]) <= 8
