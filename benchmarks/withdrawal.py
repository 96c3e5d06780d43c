"""How soon access that ends is denied: from the event to the first refused call of an agent in a tight loop.

Real processes: an MCP server, `remit up` with its durable journal, an agent that calls without a pause and fetches
a token whenever its own is refused, and an operator who makes one event after the other, each at any moment within
a call, and undoes it once it was felt: a critical signal is raised about the agent, its boundary is removed, it is
suspended (as when its owner goes and nobody follows), its entitlement is suspended by hand. Two spans are told: from
the answer to whoever made the event, after which no call may be let through, and from just before the request's last
bytes were sent. At the end the server's ledger is compared with the agent's calls: none that began after an event
was answered, and before its end was asked for, may stand there.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import HEADERS, SERVER, Running, body, estate, folder, running
from benchmarks.freeze import Call, Stop, leaked
from benchmarks.loop import AGENT, code_of
from benchmarks.report import finish, options, tail_row

from remit.cli.locate import find
from remit.cli.tree import read
from remit.sdk import keyfile
from remit.sdk.token import token

FLOOR, AIM = 1000.0, 200.0  # milliseconds
ACTION = f"{SERVER}/add"
_REFUSED_EACH = 3  # refusals to see of each event: there is something to find in the ledger
_MILLION = 1e6


def loop(remit: str, key: str) -> None:
    """The agent: one JSON line `[number, started, answered, code]` per answered call, until nobody reads them."""
    path = f"/mcp/{SERVER}"
    url, loaded = remit + path, keyfile.load(key)
    held, grant = token(AGENT, loaded, "bench", url=remit)
    connection = http.client.HTTPConnection(urlsplit(remit).netloc)
    number = 0
    while True:
        number += 1
        headers = {**HEADERS, "Authorization": f"DPoP {held.access_token}", "DPoP": grant.proof("POST", url, held)}
        sent, started = body(number), time.monotonic_ns()
        connection.request("POST", path, body=sent, headers=headers)
        answer = connection.getresponse()
        code = code_of(answer.status, answer.read())
        print(json.dumps([number, started, time.monotonic_ns(), code]), flush=True)
        if held.due or answer.status == http.client.UNAUTHORIZED:
            try:
                held, grant = token(AGENT, loaded, "bench", url=remit, instance_key=grant.instance)
            except Exception:  # noqa: BLE001 - whoever is suspended gets none, and asks again after the next call
                time.sleep(0.01)


class Agent:
    """What the looping agent prints, call by call."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._lines = process.stdout
        self.calls: list[Call] = []

    def until(self, count: int, *, refused: bool, after: int) -> Call:
        """Read on until `count` calls that began after `after` were (not) refused; the first that was at all."""
        first: Call | None = None
        while count:
            line = self._lines.readline()
            assert line, "the agent ended"
            call = Call(*json.loads(line))
            self.calls.append(call)
            if bool(call.code) is refused and call.answered > after:
                first = first or call
                count -= call.started > after
        assert first is not None
        return first


class People:
    """The owner, who makes events and undoes them, over a new connection each time."""

    def __init__(self, found: Running) -> None:
        target = find(found.environ)
        self._address = urlsplit(target.url).netloc
        self._headers = {"Authorization": f"Bearer {target.token}", "Content-Type": "application/json"}
        self._documents = read(found.home / "estate").documents

    def events(self) -> dict[str, tuple[Callable[[], int], Callable[[], object]]]:
        """Each event with what makes it (when its last byte was about to leave) and what undoes it."""
        entitlement = {"agent": AGENT, "action": ACTION}
        without = [each for each in self._documents if not self._is_boundary(each)]

        def signal(*, on: bool) -> int:
            return self._ask(f"/v1/agents/{AGENT}/signals", {"signal": "critical", "on": on})

        def start() -> None:
            self._ask("/v1/activations/start", entitlement)

        def calm() -> None:
            signal(on=False)
            start()

        return {
            "a critical signal": (lambda: signal(on=True), calm),
            "its boundary removed": (
                lambda: self._ask("/v1/apply", {"documents": without, "prune": True}),
                lambda: self._ask("/v1/apply", {"documents": self._documents, "approve": True}),
            ),
            "the agent suspended": (
                lambda: self._ask(f"/v1/agents/{AGENT}/suspend", {}),
                lambda: self._ask(f"/v1/agents/{AGENT}/resume", {}),
            ),
            "its entitlement suspended": (lambda: self._ask("/v1/activations/suspend", entitlement), start),
        }

    @staticmethod
    def _is_boundary(document: dict[str, Any]) -> bool:
        return bool(document["kind"] == "boundary" and document["spec"]["boundary"] == AGENT)

    def _ask(self, path: str, said: object) -> int:
        sending = json.dumps(said, default=str).encode()
        connection = http.client.HTTPConnection(self._address)
        try:
            connection.putrequest("POST", path)
            for name, value in (*self._headers.items(), ("Content-Length", str(len(sending)))):
                connection.putheader(name, value)
            connection.putheader("Remit-Act-As", "dana")
            sent = time.monotonic_ns()
            connection.endheaders(sending)
            answer = connection.getresponse()
            told = answer.read()
        finally:
            connection.close()
        assert answer.status == http.client.OK, (path, told)
        return sent


@dataclass(frozen=True, slots=True)
class Felt:
    """One event: what it was, and when it was felt."""

    what: str
    stop: Stop


def event(agent: Agent, what: str, make: Callable[[], int], undo: Callable[[], object], chance: random.Random) -> Felt:
    """Make an event in the middle of the agent's work, see it refused, undo it, see it go on."""
    typical = agent.calls[-1].answered - agent.calls[-1].started
    time.sleep(chance.random() * typical / 1e9)  # anywhere within a call, not always just after one
    sent = make()
    answered = time.monotonic_ns()
    first = agent.until(1, refused=True, after=sent)
    agent.until(_REFUSED_EACH, refused=True, after=answered)
    ending = time.monotonic_ns()
    undo()
    agent.until(_REFUSED_EACH, refused=False, after=time.monotonic_ns())
    return Felt(what, Stop(sent, answered, first.answered, ending))


def measure(found: Running, ledger: Path, *, count: int) -> list[Felt]:
    """`count` events of all kinds in turns, and the proof that each of them held."""
    events, chance = People(found).events(), random.Random(1)
    names = list(events)
    command = [sys.executable, str(Path(__file__).absolute()), "--agent", found.remit, found.key(AGENT)]
    with running(command, found.environ) as process:
        agent = Agent(process)
        agent.until(100, refused=False, after=0)
        felt = [event(agent, name, *events[name], chance) for name in (names[at % len(names)] for at in range(count))]
    arrived = {int(line) for line in ledger.read_text(encoding="ascii").split()}
    assert {call.number for call in agent.calls if not call.code} <= arrived, "the ledger misses a call"
    through = leaked([each.stop for each in felt], agent.calls, arrived)
    assert not through, f"{len(through)} calls reached the server though an event was answered: {through[:3]}"
    print(f"{sum(bool(call.code) for call in agent.calls)} refused calls, none of them reached the server after "
          f"the answer", file=sys.stderr)  # fmt: skip
    return felt


def rows(felt: list[Felt], *, rounds: int) -> list[dict[str, Any]]:
    """Spans in milliseconds. A call may be refused before whoever made the event has read the answer: that is 0."""
    stops = [each.stop for each in felt]
    after = [max(0.0, (each.refused - each.answered) / _MILLION) for each in stops]
    whole = [(each.refused - each.sent) / _MILLION for each in stops]
    kinds = dict.fromkeys(each.what for each in felt)
    each_kind = [
        tail_row(
            f"  {kind}, asked to refused, p99",
            [(each.stop.refused - each.stop.sent) / _MILLION for each in felt if each.what == kind],
            "ms", part=99, parts=1,
        )
        for kind in kinds
    ]  # fmt: skip
    return [
        tail_row("event answered to first refused call, p99", after, "ms", part=99, parts=rounds, floor=FLOOR, aim=AIM),
        tail_row("event asked for to first refused call, p99", whole, "ms", part=99, parts=rounds, floor=FLOOR,
                 aim=AIM),
        tail_row("  p50", whole, "ms", part=50, parts=rounds),
        tail_row("  slowest", whole, "ms", part=100, parts=rounds),
        *each_kind,
    ]  # fmt: skip


def chosen() -> argparse.Namespace:
    """What was asked for."""
    parser = options(__doc__, rounds=5)
    parser.add_argument("--count", type=int, default=200, help="events in all")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    return parser.parse_args()


def main() -> int:
    asked = chosen()
    with folder(asked.folder) as home:
        ledger = home / "ledger"
        with estate(home, ledger=ledger) as found:
            felt = measure(found, ledger, count=asked.count)
    return finish("withdrawal", rows(felt, rounds=asked.rounds), as_json=asked.json)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--agent"]:
        try:
            loop(*sys.argv[2:4])
        except BrokenPipeError:
            sys.stderr.close()
        sys.exit(0)
    sys.exit(main())
