"""The calls of a run, in the order of their times: what has no place in the log yet is the newest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from remit.audit.log import Recorded
from remit.kernel.clock import SECOND, Instant, rfc3339
from remit.server.http_runs import Runs

if TYPE_CHECKING:
    from remit.audit.finding import Finder

NOON = Instant(1_795_521_600_000_000)


class Pages:
    """Stands in for the finder: for each run its newest calls, the newest first."""

    def __init__(self, found: dict[str, list[Recorded]]) -> None:
        self._found = found

    def page(self, sought: Any, *, before: int | None, most: int) -> Any:
        assert before is None
        return SimpleNamespace(entries=self._found[sought.fields["run"]][:most], more=None)

    def outcomes(self, _decisions: Any, _agents: Any) -> dict[str, Any]:
        return {}


def call(second: int, index: int | None) -> Recorded:
    return Recorded({"id": f"dec_{second}", "time": rfc3339(Instant(NOON + second * SECOND))}, {}, index)


def calls(found: dict[str, list[Recorded]], limit: int) -> list[str]:
    runs = Runs(reader=cast("Any", None), finder=cast("Finder", Pages(found)), clock=cast("Any", None))
    return [each["decision"] for each in runs._calls(list(found), None, limit)[0]]


def test_a_call_without_a_place_in_the_log_is_the_newest() -> None:
    found = {"run_a": [call(9, None), call(4, 40), call(0, 0)], "run_b": [call(8, 80), call(5, 50)]}
    assert calls(found, 10) == ["dec_0", "dec_4", "dec_5", "dec_8", "dec_9"]
    assert calls(found, 2) == ["dec_8", "dec_9"], "and it is not what a page leaves out"
