"""How soon a freeze is felt: from the last byte of its request to the first refused call of an agent in a tight loop.

Real processes: an MCP server, `remit up` with its durable journal, an agent that calls without a pause, and this
operator, who freezes and unfreezes it over a new connection each time, as the command line does, at any moment
within a call. The clock starts before the last bytes of the request are handed to the kernel, and ends when the
agent has read the whole refusal. At the end the server's ledger is compared with the agent's calls: none that
began after a freeze was answered, and before its end was asked for, may stand there.
"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import Running, estate, folder, running
from benchmarks.loop import AGENT
from benchmarks.report import finish, options, tail_row

FLOOR, AIM = 100.0, 20.0  # milliseconds
_REFUSED_EACH = 3  # refusals to see of each freeze: there is something to find in the ledger
_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Call:
    """One call as its agent saw it; times are `time.monotonic_ns`."""

    number: int
    started: int
    answered: int
    code: str


@dataclass(frozen=True, slots=True)
class Stop:
    """One freeze: its last byte, its answer, the first refusal, and the request that ended it."""

    sent: int
    answered: int
    refused: int
    ending: int


class Operator:
    """Freezes and unfreezes one agent with a personal token."""

    def __init__(self, remit: str, secret: str) -> None:
        self._address = urlsplit(remit).netloc
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def freeze(self) -> int:
        """Freeze; returns when its last byte was about to leave. The answer is waited for."""
        body = json.dumps({"kind": "agent", "name": AGENT, "reason": "measured"}).encode()
        return self._ask("POST", "/v1/freezes", body, http.client.CREATED)

    def unfreeze(self) -> int:
        """The same for its end."""
        return self._ask("DELETE", f"/v1/freezes/agent/{AGENT}", b"", http.client.OK)

    def _ask(self, method: str, path: str, body: bytes, expected: int) -> int:
        connection = http.client.HTTPConnection(self._address)
        try:
            connection.putrequest(method, path)
            for name, value in (*self._headers.items(), ("Content-Length", str(len(body)))):
                connection.putheader(name, value)
            sent = time.monotonic_ns()
            connection.endheaders(body)
            answer = connection.getresponse()
            told = answer.read()
        finally:
            connection.close()
        assert answer.status == expected, told
        return sent


class Agent:
    """What the looping agent prints, call by call."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._lines = process.stdout
        self.calls: list[Call] = []

    def next(self) -> Call:
        """Its next answered call."""
        line = self._lines.readline()
        assert line, "the agent ended"
        call = Call(*json.loads(line))
        assert call.code in {"", "revoked"}, call
        self.calls.append(call)
        return call

    def until(self, count: int, *, code: str, after: int) -> Call:
        """Read on until `count` calls that began after `after` got `code`; returns the first that got it at all."""
        first: Call | None = None
        while count:
            call = self.next()
            if call.code == code and call.answered > after:
                first = first or call
                count -= call.started > after
        assert first is not None
        return first


def stop(agent: Agent, operator: Operator, chance: random.Random) -> Stop:
    """Freeze in the middle of its work, see it refused, let it go on."""
    calls = agent.calls
    typical = calls[-1].answered - calls[-1].started
    time.sleep(chance.random() * typical / 1e9)  # anywhere within a call, not always just after one
    sent = operator.freeze()
    answered = time.monotonic_ns()
    first = agent.until(1, code="revoked", after=sent)
    agent.until(_REFUSED_EACH, code="revoked", after=answered)
    ending = time.monotonic_ns()
    operator.unfreeze()
    agent.until(_REFUSED_EACH, code="", after=time.monotonic_ns())
    return Stop(sent, answered, first.answered, ending)


def leaked(stops: list[Stop], calls: list[Call], arrived: set[int]) -> list[Call]:
    """The calls that began while a freeze was in force and reached the server all the same."""
    windows = iter(stops)
    window = next(windows)
    found: list[Call] = []
    for call in calls:  # both are in the order of time
        while call.started >= window.ending:
            following = next(windows, None)
            if following is None:
                return found
            window = following
        if call.started > window.answered and call.number in arrived:
            found.append(call)
    return found


def measure(found: Running, ledger: Path, *, count: int) -> list[Stop]:
    """`count` freezes, and the proof that each of them held."""
    secret = json.loads(found.command("operator", "token", "dana", "--role", "operator", "--json"))["token"]
    operator, chance = Operator(found.remit, secret), random.Random(1)
    command = [sys.executable, str(Path(__file__).with_name("loop.py")), found.remit, found.key(AGENT)]
    with running(command, found.environ) as process:
        agent = Agent(process)
        agent.until(100, code="", after=0)
        stops = [stop(agent, operator, chance) for _ in range(count)]
    arrived = {int(line) for line in ledger.read_text(encoding="ascii").split()}
    assert {call.number for call in agent.calls if not call.code} <= arrived, "the ledger misses a call"
    through = leaked(stops, agent.calls, arrived)
    assert not through, f"{len(through)} calls reached the server though a freeze was answered: {through[:3]}"
    print(f"{sum(bool(call.code) for call in agent.calls)} refused calls, none of them reached the server after "
          f"the answer", file=sys.stderr)  # fmt: skip
    return stops


def rows(stops: list[Stop], *, rounds: int) -> list[dict[str, Any]]:
    felt = [(each.refused - each.sent) / _MILLION for each in stops]
    told = [(each.answered - each.sent) / _MILLION for each in stops]
    return [
        tail_row("freeze to first refused call, p99", felt, "ms", part=99, parts=rounds, floor=FLOOR, aim=AIM),
        tail_row("  p50", felt, "ms", part=50, parts=rounds),
        tail_row("  slowest", felt, "ms", part=100, parts=rounds),
        tail_row("freeze to its answer, p99", told, "ms", part=99, parts=rounds),
        tail_row("  p50", told, "ms", part=50, parts=rounds),
    ]


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--count", type=int, default=500, help="freezes in all")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home:
        ledger = home / "ledger"
        with estate(home, ledger=ledger) as found:
            stops = measure(found, ledger, count=chosen.count)
    return finish("freeze", rows(stops, rounds=chosen.rounds), as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
