"""1,000,000 activations and 100,000,000 use events in DuckDB: a full rebuild, and a day on which 1 % were used.

The events are made inside DuckDB from a seed: each entitlement has a rhythm of its own (daily to every eighth
day), some are silent from a day on, one event of a hundred is told twice, and no order is kept. The rebuild rolls all
of them up and judges every entitlement in two processes. Then a day passes on which one of a hundred was used: it is
rolled up, and what it touched or what became due is judged. The same moment is judged as a whole beside it, from
the same recorded states, and both must stand alike. What is written for a state that changed is weighed as the log
would hold it.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import folder
from benchmarks.report import finish, options, row

from remit.catalog.model import Tier
from remit.certification.estate.duck import DuckEstate
from remit.certification.estate.judging import Bench, Terms
from remit.certification.estate.verdicts import Verdicts, changed, differences, full, incremental, judging
from remit.certification.transition import Transition, transition
from remit.certification.usage.windows import windows
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, Instant, Micros
from remit.policy.entitlement import Holder

FULL_FLOOR, FULL_AIM = 120.0, 40.0  # seconds
DAY_FLOOR, DAY_AIM = 10.0, 2.0
MEMORY_FLOOR, MEMORY_AIM = 6000.0, 3000.0  # MB, of all processes
BYTES_FLOOR, BYTES_AIM = 1536.0, 1024.0
FIRST, DAYS = 20_000, 180  # the days of the events
DIRTY = 100  # one of so many is used on the day
PROCESSES = 2
_OK = Holder(version="1.4", state="active", owner_active=True, risk=0)
_RISKY = Holder(version="1.4", state="active", owner_active=True, risk=720_000)
TERMS = tuple(
    Terms(tier=tier, holder=holder, version="1.4", shorter=shorter)
    for tier in (Tier.LOW, Tier.MEDIUM, Tier.LOW, Tier.HIGH)
    for holder in (_OK, _OK, _OK, _RISKY)
    for shorter in (None, Micros(30 * DAY))
)


def events(activations: int, many: int, seed: int) -> str:
    """The query that makes them. An entitlement's rhythm and end follow from its number, the rest from a hash."""
    made = many * 100 // 101  # and of each hundred the first again
    return f"""
        SELECT eid, ({FIRST} + (pick % (lives // step)) * step) * {DAY} + within AS happened FROM (
            SELECT (h % {activations})::INTEGER AS eid, (h >> 24) % 65536 AS pick, (h >> 20) % {DAY} AS within,
                1 + (h % {activations}) % 8 AS step,
                CASE WHEN (h % {activations}) % 20 = 0 THEN 60 ELSE {DAYS} END AS lives
            FROM (SELECT (hash((i % {made}) * 2 + {seed}) >> 4)::BIGINT AS h FROM range({many}) AS numbers(i))
        )"""  # noqa: S608 - numbers of our own


def fill(estate: DuckEstate, *, activations: int, many: int, seed: int) -> None:
    """The events as a table beside the estate, and the starts."""
    estate.run(f"CREATE TABLE history AS {events(activations, many, seed)}")
    terms = f"(eid * 7 + eid // {len(TERMS)}) % {len(TERMS)}"
    numbers = f"range({activations}) AS numbers(eid)"
    estate.start_from(f"SELECT eid::INTEGER, {terms}, {FIRST * DAY}, {FIRST * DAY} FROM {numbers}")  # noqa: S608 - ours


def day(activations: int) -> str:
    """The uses of the day after: one of a hundred, up to three times."""
    return f"""
        SELECT ((range * {DIRTY} + hash(range % {activations // DIRTY}) % {DIRTY}) % {activations})::INTEGER AS eid,
            {FIRST + DAYS}::BIGINT * {DAY} + (hash(range) % {DAY})::BIGINT AS happened
        FROM range({3 * activations // DIRTY})"""  # noqa: S608 - numbers of our own


def bench(days: int) -> Bench:
    """At the end of a day, with a complete record."""
    now = Instant((FIRST + days) * DAY)
    return Bench(now=now, windows=windows([(0, now)]), terms=TERMS)


class Memory:
    """The most that this process and those it started held at one moment, in MB."""

    def __init__(self) -> None:
        self.most = 0.0
        self._over = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While it lasts, look ten times a second."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self.most = max(self.most, sum(map(_resident, _family())))


def _family() -> list[int | str]:
    children = Path("/proc/self/task").glob("*/children")
    found: list[int | str] = ["self"]
    for each in children:
        try:
            found += map(int, each.read_text(encoding="ascii").split())
        except OSError:
            continue
    return found


def _resident(process: int | str) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 1e6


def rebuilt(estate: DuckEstate) -> tuple[Verdicts, dict[str, float]]:
    """Everything from the events: roll-up, habits, verdicts."""
    began, spent = time.perf_counter(), sum(os.times()[:4])
    estate.load_from("SELECT eid, happened FROM history")
    estate.roll_up()
    rolled = time.perf_counter()
    with judging(bench(DAYS), PROCESSES) as judge:
        found = full(estate, judge=judge)
        found.root()
    ended = time.perf_counter()
    cpu = sum(os.times()[:4]) - spent
    return found, {"full": ended - began, "roll_up": rolled - began, "judge": ended - rolled, "cpu": cpu}


def passed(estate: DuckEstate, before: Verdicts, activations: int) -> tuple[Verdicts, dict[str, float]]:
    """The day after."""
    began, now = time.perf_counter(), bench(DAYS + 1)
    estate.load_from(day(activations))
    dirty = estate.roll_up()
    with judging(now) as judge:
        after, judged = incremental(estate, before, dirty, now=now.now, judge=judge)
        moved = changed(before, after)
    ended = time.perf_counter()
    return after, {"day": ended - began, "dirty": len(dirty), "judged": judged, "moved": len(moved)}


def weigh(estate: DuckEstate, before: Verdicts, moved: list[int]) -> list[float]:
    """Bytes of the entries that are written for `moved`."""
    now = bench(DAYS + 1)
    found = []
    for each in estate.habits(moved[:10_000]):
        taken = transition(now.activation(before.held(each)), now.settings[each.terms])
        if isinstance(taken, Transition):  # else it came back with its use, which a decision records
            found.append(float(len(canonical(dict(taken.verdict)))))
    return found


def measure(home: Path, *, activations: int, many: int) -> list[dict[str, Any]]:
    """Fill once, rebuild, let a day pass, and compare."""
    memory = Memory()
    estate = DuckEstate.open(home, memory="2500MB")
    fill(estate, activations=activations, many=many, seed=7)
    with memory.watched():
        before, times = rebuilt(estate)
        after, more = passed(estate, before, activations)
    now = bench(DAYS + 1)
    with judging(now, PROCESSES) as judge:
        whole = full(estate, before, judge=judge)
    odd = len(differences(after, whole)) + (after.root() != whole.root())
    weights = weigh(estate, before, changed(before, after))
    estate.close()
    times |= more
    less: dict[str, Any] = {"less_is_better": True}

    def told(what: str, name: str, unit: str, digits: int = 2, **limits: Any) -> dict[str, Any]:  # noqa: ANN401 - a row's own
        return row(what, [times[name]], unit, digits=digits, **less, **limits)

    what = f"{activations:,} activations, {many:,} events"
    return [
        told(f"{what}: full rebuild", "full", "s", floor=FULL_FLOOR, aim=FULL_AIM),
        told("  of that, days of use from events", "roll_up", "s"),
        told("  of that, habits and verdicts", "judge", "s"),
        told("  processor time of all of it", "cpu", "s"),
        told("  a day on which 1 % were used", "day", "s", floor=DAY_FLOOR, aim=DAY_AIM),
        told("  of them used", "dirty", "", 0),
        told("  judged, as used or due", "judged", "", 0),
        told("  in another state, which is all that is written", "moved", "", 0),
        row("  differences between the day and everything judged", [odd], "", floor=0, aim=0, digits=0, **less),
        row("  memory of all processes, at most", [memory.most], "MB", digits=0, floor=MEMORY_FLOOR, aim=MEMORY_AIM,
            **less),
        row("  entry of a changed state", weights, "B", digits=0, floor=BYTES_FLOOR, aim=BYTES_AIM, **less),
    ]  # fmt: skip


def main() -> int:
    parser = options(__doc__, rounds=1)
    parser.add_argument("--activations", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--small", action="store_true", help="a hundredth of it, to see that it runs")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    parts = 100 if chosen.small else 1
    with folder(chosen.folder) as home:
        rows = measure(home, activations=chosen.activations // parts, many=chosen.events // parts)
    return finish("estate_scale", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
