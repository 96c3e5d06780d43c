"""What a simulation came to so far travels in the page, and adds up to the same however the log was divided."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.console.tally import CHANGES, Tally, tally

FLIPS = st.builds(
    lambda agent, action, change: {
        "id": "dec_1", "time": "2026-11-01T00:00:00Z", "agent": agent, "action": action, "change": change,
        "was": {"decision": "allow", "boundary": "b"}, "would": {"decision": "deny", "code": "forbidden_by_policy"},
    },
    st.sampled_from(["x", "y"]), st.sampled_from(["s/a", "s/b"]), st.sampled_from(CHANGES),
)  # fmt: skip


def part(flips: list[dict[str, Any]], next_: int | None) -> dict[str, Any]:
    return {
        "decisions": len(flips) + 2, "reproduced": len(flips) + 1, "uncounted": 1, "differs": [],
        "not_replayable": {"erased": 1}, "engines": {}, "flips": flips, "next": next_,
    }  # fmt: skip


@given(st.lists(st.lists(FLIPS, max_size=5), min_size=1, max_size=5))
def test_the_sums_are_those_of_all_parts(parts: list[list[dict[str, Any]]]) -> None:
    found = Tally(seen="a b")
    for at, flips in enumerate(parts):
        found = tally(found.text())  # as it travels through the page
        found.take(part(flips, at if at + 1 < len(parts) else None))
    flat = [flip for flips in parts for flip in flips]
    assert found.flips == len(flat)
    assert found.reproduced == len(flat) + len(parts)
    assert found.skipped == len(parts)
    for agent, action in found.cells:
        for change in CHANGES:
            same = [each for each in flat if (each["agent"], each["action"], each["change"]) == (agent, action, change)]
            assert found.cells[agent, action][change] == len(same)
    assert found.next is None


def test_what_is_no_tally_begins_anew_and_one_never_grows_without_end() -> None:
    for text in ("", "{}", "[1]", '{"cells": 1}', "null"):
        assert tally(text) == Tally()
    found = Tally()
    flip = {"id": "d", "time": "t", "change": "widen", "was": {"decision": "allow"}, "would": {"decision": "allow"}}
    found.take(part([{**flip, "agent": f"a{at}", "action": "s/x"} for at in range(5000)], None))
    assert found.flips == 5000
    assert len(found.cells) <= 401
    assert len(found.examples) <= 40
