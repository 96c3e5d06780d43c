"""The console's pages over 10,000 agents and 1,000,000 decisions: what the server takes for each, and what it holds.

Real processes: `remit up` on a data directory that is filled before (agents with ten boundaries each, three months of
sealed decisions in a signed log, a posture of each day), and this client, who is signed in and asks for every page
twenty times. How long a page took is what its own `Server-Timing` header says. The list of agents and the overview are
asked for again over 100,000 agents. Then Debian's Chromium (where it is installed) follows the live page while an agent
makes 500 decisions a second; the heap of its scripts, after a forced collection, and the server's memory are read at
the beginning and at the end.
"""

from __future__ import annotations

import http.client
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import insert, select
from starlette.routing import compile_path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import console_live, console_log, scale
from benchmarks.estate import Running, environment, folder, ready, running, up
from benchmarks.report import finish, options, percentile, row

from remit.console.http import assets
from remit.console.pages.every import PAGES
from remit.kernel.clock import DAY, SystemClock
from remit.storage.database import open_database
from remit.storage.governance_schema import posture

FLOOR, AIM = 300.0, 100.0  # milliseconds
SIZE_FLOOR, SIZE_AIM = 0.6, 0.5  # MB
GROWTH_FLOOR, GROWTH_AIM = 20.0, 5.0  # MB
ROUNDS: Final = 20
MANY: Final = 100_000
_PATTERNS: Final = {each.path: compile_path(f"/console{each.path}")[0] for each in PAGES}


@dataclass(slots=True)
class Client:
    """One person who is signed in."""

    base: str
    cookie: str = ""

    def ask(self, path: str) -> tuple[int, str, float]:
        """Status, text, and the milliseconds that the server says it took."""
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=600)
        connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = connection.getresponse()
        text, said = answer.read().decode(), answer.getheader("Server-Timing", "")
        set_ = [value for name, value in answer.getheaders() if name.lower() == "set-cookie" and "session=" in value]
        self.cookie = set_[0].partition(";")[0] if set_ else self.cookie
        connection.close()
        found = re.search(r"page;dur=([\d.]+)", said)
        return answer.status, text, float(found[1]) if found else 0.0


@contextmanager
def served(data: Path, environ: dict[str, str]) -> Iterator[Running]:
    """The instance, as `remit up --dev` serves it."""
    with running(up("--data", str(data), "--dev", "--refresh", "1h"), environ) as process:
        api = ready(process)["api"]
        yield Running(
            direct="",
            remit=api,
            home=data.parent,
            environ={**environ, "REMIT_URL": api, "REMIT_TOKEN_FILE": str(data / "admin.token")},
        )


def signed_in(found: Running) -> Client:
    """By a link, as a person would."""
    link = found.command("console").split()[0]
    parts, client = urlsplit(link), Client(found.remit)
    client.ask(f"{parts.path}?{parts.query}")
    return client


def places(client: Client) -> dict[str, str]:
    """One address for each page that there is something to show on, found by following links."""
    waiting = [f"/console{each.path}" for each in PAGES if "{" not in each.path]
    found: dict[str, str] = {}
    while waiting and len(found) < len(PAGES):
        path = waiting.pop(0)
        name = next((each for each, pattern in _PATTERNS.items() if pattern.match(unquote(path))), None)
        if name is None or name in found:
            continue
        status, text, _ = _patiently(client, path)
        if status != 200:
            raise AssertionError(f"{path}: {status} {text}")
        found[name] = path
        waiting += re.findall(r'href="(/console/[^"?#]+)', text)
    return found


def _patiently(client: Client, path: str) -> tuple[int, str, float]:
    """The page once it is there: what was just filled is put in order in the background."""
    until = time.monotonic() + 600
    while (found := client.ask(path))[0] == 503 and time.monotonic() < until:
        time.sleep(1)
    return found


def timed(client: Client, path: str, rounds: int) -> list[float]:
    """What the server says of each time."""
    client.ask(path)
    return [client.ask(path)[2] for _ in range(rounds)]


def with_days(data: Path) -> None:
    """Each of the last days has a posture of all: today's."""
    database, today = open_database(data / "remit.db"), SystemClock().now() // DAY
    query = select(posture.c.body).where(posture.c.agent == "").order_by(posture.c.day.desc()).limit(1)
    body = database.reader.read(lambda connection: connection.execute(query).scalar_one())
    rows = [{"day": today - ago, "agent": "", "body": body} for ago in range(1, console_log.DAYS)]
    database.writer.change(lambda tx: tx.connection.execute(insert(posture), rows))
    database.close()


def made(home: Path, environ: dict[str, str], *, agents: int, decisions: int) -> Path:
    """A data directory that is filled and in use."""
    data = home / "data"
    each = scale.PURPOSES if decisions else 1  # boundaries of an agent
    scale.prepare(data, environ, partial(scale.fill, count=agents, each=each))
    if decisions:
        with served(data, environ) as found:
            _wait_for_posture(signed_in(found))
        with_days(data)
        console_log.write(data, home / ".config" / "remit" / "keyfile", decisions=decisions)
    return data


def _wait_for_posture(client: Client) -> None:
    """The day's snapshot is taken in the background."""
    until = time.monotonic() + 600
    while "not counted yet" in client.ask("/console")[1]:
        assert time.monotonic() < until, "no posture was taken"
        time.sleep(1)


def pages(home: Path, *, agents: int, decisions: int, rounds: int) -> dict[str, list[float]]:
    """Every page by its path: the milliseconds of each time."""
    environ = environment(home)
    data = made(home, environ, agents=agents, decisions=decisions)
    with served(data, environ) as found:
        client = signed_in(found)
        return {name: timed(client, path, rounds) for name, path in places(client).items()}


def many(home: Path, *, agents: int, rounds: int) -> dict[str, list[float]]:
    """The two pages that show all agents, where there are many more."""
    environ = environment(home)
    data = made(home, environ, agents=agents, decisions=0)
    with served(data, environ) as found:
        client = signed_in(found)
        return {path: timed(client, path, rounds) for path in ("/console", "/console/agents?q=agent-7&sort=-ends")}


def rows_of(found: dict[str, list[float]], about: str, *, judged: bool = False) -> list[dict[str, Any]]:
    """The slowest page is judged by its 95th of a hundred, if that is asked for; each page's median stands below."""
    worst = max(found, key=lambda name: percentile(found[name], 95))
    less: dict[str, Any] = {"less_is_better": True, "digits": 1}
    limits: dict[str, Any] = {"floor": FLOOR, "aim": AIM} if judged else {}
    told = [
        row(f"{about}: slowest page, p95", [percentile(found[worst], 95)], "ms", **limits, **less),
        row(f"  which is {worst or 'the overview'}, median", found[worst], "ms", **less),
        row(
            "  median of the pages' medians", [statistics.median(map(statistics.median, found.values()))], "ms", **less
        ),
    ]
    return told + [row(f"  {name or '/'}", times, "ms", **less) for name, times in found.items() if name != worst]


def live_rows(held: console_live.Held) -> list[dict[str, Any]]:
    """What grew while the page followed."""
    less: dict[str, Any] = {"less_is_better": True, "digits": 1}
    limits: dict[str, Any] = {"floor": GROWTH_FLOOR, "aim": GROWTH_AIM}
    return [
        row("live page, growth of its scripts' heap", [held.heap[1] - held.heap[0]], "MB", **limits, **less),
        row("  its heap at the end", [held.heap[1]], "MB", **less),
        row("  decisions a second meanwhile", [held.rate], "/s", floor=450, aim=500, digits=0),
        row("  rows that it shows at the end", [held.rows], "", digits=0),
        row("  growth of the server's memory", [held.server[1] - held.server[0]], "MB", **less),
    ]


def main() -> int:
    parser = options(__doc__, rounds=ROUNDS)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--many", type=int, default=MANY, help="agents of the second instance; 0: none")
    parser.add_argument("--live", type=int, default=180, help="seconds that the live page follows; 0: not at all")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    size = sum(map(len, assets().values())) / 1e6
    rows = [row("static files, raw", [size], "MB", floor=SIZE_FLOOR, aim=SIZE_AIM, less_is_better=True)]
    with folder(chosen.folder) as home:
        found = pages(home, agents=chosen.agents, decisions=chosen.decisions, rounds=chosen.rounds)
        rows += rows_of(found, f"{chosen.agents:,} agents, {chosen.decisions:,} decisions", judged=True)
    if chosen.many:
        with folder(chosen.folder) as home:
            found = many(home, agents=chosen.many, rounds=chosen.rounds)
            rows += rows_of(found, f"{chosen.many:,} agents, overview and list")
    if chosen.live and console_live.CHROMIUM is not None:
        with folder(chosen.folder) as home:
            rows += live_rows(console_live.followed(home, seconds=chosen.live))
    return finish("console", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
