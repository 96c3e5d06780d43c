"""The calls of a run, in the order of their times: what has no place in the log yet is the newest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from hypothesis import example, given
from hypothesis import strategies as st

from remit.audit.log import Recorded
from remit.kernel.clock import SECOND, Instant, rfc3339
from remit.server.http_runs import Runs

if TYPE_CHECKING:
    from remit.audit.finding import Finder

NOON = Instant(1_795_521_600_000_000)


class Pages:
    """Stands in for the finder: for each run its newest calls, the newest first, of so many positions a page."""

    def __init__(self, found: dict[str, list[Recorded]], reads: int = 1000) -> None:
        self._found, self._reads = found, reads

    def page(self, sought: Any, *, before: int | None, most: int) -> Any:
        end = max((place(each) for each in self._found["all"]), default=0) + 1 if before is None else before
        low = max(0, end - self._reads)
        here = [each for each in self._found[sought.fields["run"]] if low <= place(each) < end]
        more = place(here[most]) + 1 if len(here) > most else low or None
        return SimpleNamespace(entries=here[:most], more=more, places=[place(each) for each in here[:most]])

    def outcomes(self, decisions: Any, _agents: Any) -> dict[str, Any]:
        self.asked = list(decisions)
        return {}


def place(each: Recorded) -> int:
    """Where it stands in the log, or will: here, its second."""
    return int(each.header["id"].removeprefix("dec_")) if each.index is None else each.index


def call(second: int, index: int | None) -> Recorded:
    return Recorded({"id": f"dec_{second}", "time": rfc3339(Instant(NOON + second * SECOND))}, {}, index)


def test_outcomes_are_looked_for_of_what_went_on() -> None:
    """A call that was refused has none: looking for it reads the log to its end."""
    one, other = call(0, 0), call(1, 1)
    one.header["decision"], other.header["decision"] = "deny", "allow"
    pages = Pages({"run_a": [other, one], "all": [other, one]})
    Runs(reader=cast("Any", None), finder=cast("Finder", pages), clock=cast("Any", None))._calls(["run_a"], None, 9)
    assert pages.asked == ["dec_1"]


def runs(found: dict[str, list[Recorded]], reads: int = 1000) -> Runs:
    every = {**found, "all": [each for of in found.values() for each in of]}
    return Runs(reader=cast("Any", None), finder=cast("Finder", Pages(every, reads)), clock=cast("Any", None))


def calls(found: dict[str, list[Recorded]], limit: int) -> list[str]:
    return [each["decision"] for each in runs(found)._calls(list(found), None, limit)[0]]


def test_a_call_without_a_place_in_the_log_is_the_newest() -> None:
    found = {"run_a": [call(90, None), call(4, 40), call(0, 0)], "run_b": [call(8, 80), call(5, 50)]}
    assert calls(found, 10) == ["dec_0", "dec_4", "dec_5", "dec_8", "dec_90"]
    assert calls(found, 2) == ["dec_8", "dec_90"], "and it is not what a page leaves out"


@example(owners=["run_b", "run_a", "run_a"], waiting=3, limit=1, reads=9)
@given(
    owners=st.lists(st.sampled_from(["run_a", "run_b", "run_c", ""]), max_size=60),
    waiting=st.integers(0, 5),
    limit=st.integers(1, 9),
    reads=st.integers(1, 20),
)
def test_the_pages_of_a_run_have_each_call_once(owners: list[str], waiting: int, limit: int, reads: int) -> None:
    """Also while little of the log can be read for one page, as after an upgrade."""
    found: dict[str, list[Recorded]] = {"run_a": [], "run_b": [], "run_c": []}
    for at in reversed(range(len(owners))):
        if owners[at]:
            found[owners[at]].append(call(at, at if at < len(owners) - waiting else None))
    there, got, before = runs(found, reads), list[str](), None
    for _ in range(len(owners) + 2):
        page, before = there._calls(list(found), before, limit)
        assert len(page) <= limit
        got += [each["decision"] for each in page]
        if before is None:
            break
    assert before is None
    assert sorted(got) == sorted(each.header["id"] for of in found.values() for each in of)
