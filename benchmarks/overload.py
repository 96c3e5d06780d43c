"""Five times as many calls as the MCP gateway can take, for two minutes: what comes through, and what a freeze does.

Three real processes: an MCP server, `remit up` with its durable journal, and this client with at most so many
connections, one call in flight on each. First it calls as fast as it is answered, which is the capacity; then it sends
five times that rate, whatever comes back, and leaves out what no free connection is there for. In the middle one of the
agents is frozen.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import HEADERS, SERVER, Running, body, estate, folder
from benchmarks.gateway import plain_token
from benchmarks.report import finish, options, row

from remit.sdk import keyfile

TIMES, CONNECTIONS, AT_ONCE = 5, 1024, 48
AGENTS = ("plain-bot", *(f"bot-{number}" for number in range(7)))
FROZEN = AGENTS[-1]
_FLOOR, _AIM = 80.0, 90.0  # percent of capacity
_PAUSE = 0.002  # seconds between two looks at what is due


@dataclass
class Seen:
    """What came back."""

    answers: int = 0  # calls that came to a result
    refused: list[float] = field(default_factory=list)  # seconds until a 503
    denied: int = 0
    late: int = 0  # results for the frozen agent that were sent after its freeze was answered
    first_denied: float = 0.0
    frozen_at: float = 0.0
    left_out: int = 0
    rate: list[int] = field(default_factory=list)  # answers so far, each second


class Caller(asyncio.Protocol):
    """One connection: sends a call, says when it is answered."""

    def __init__(self, free: deque[Caller], seen: Seen) -> None:
        self.free, self.seen = free, seen
        self.buffer, self.sent, self.agent = b"", 0.0, ""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - uvloop's own
        self.transport = transport
        self.free.append(self)

    def call(self, agent: str, request: bytes) -> None:
        """Send one."""
        self.agent, self.sent = agent, time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, text = self.buffer.partition(b"\r\n\r\n")
        if not end or len(text) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self.buffer = b""
        now, seen = time.perf_counter(), self.seen
        if head.startswith(b"HTTP/1.1 503"):
            seen.refused.append(now - self.sent)
        elif b'"result":42' in text:
            seen.answers += 1
            if self.agent == FROZEN and seen.frozen_at and self.sent > seen.frozen_at:
                seen.late += 1
        elif b'"revoked"' in text and self.agent == FROZEN:
            seen.denied += 1
            seen.first_denied = seen.first_denied or now
        else:
            raise AssertionError((head, text))
        self.free.append(self)


def requests(port: int, tokens: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Calls of the agents in turn, for ever."""
    text = body(2)
    made = []
    for agent, token in tokens.items():
        lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        head = f"POST /mcp/{SERVER} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n{lines}"
        made.append((agent, f"{head}Content-Length: {len(text)}\r\n\r\n".encode("ascii") + text))
    while True:
        yield from made


class Busy(deque["Caller"]):
    """Of connections that are never free: each calls again as soon as it is answered."""

    def __init__(self, left: Iterator[tuple[str, bytes]]) -> None:
        super().__init__()
        self.left, self.over = left, False

    def append(self, caller: Caller) -> None:
        if not self.over:
            caller.call(*next(self.left))


async def callers(port: int, count: int, seen: Seen, free: deque[Caller]) -> list[Caller]:
    made = []
    for _ in range(count):
        _, caller = await asyncio.get_running_loop().create_connection(lambda: Caller(free, seen), "127.0.0.1", port)
        made.append(caller)
    return made


async def capacity(port: int, tokens: dict[str, str], seconds: float) -> float:
    """Results a second, each connection calling as soon as it is answered."""
    seen, left = Seen(), requests(port, tokens)
    free = Busy(left)
    began = time.perf_counter()
    made = await callers(port, AT_ONCE, seen, free)
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    free.over = True
    for each in made:
        each.transport.close()
    return seen.answers / took


async def offered(
    port: int, tokens: dict[str, str], *, rate: float, seconds: float, admin: str, pid: int
) -> tuple[Seen, float, list[int]]:
    """So many calls a second; what came back, how long the freeze took, and the server's memory as it went."""
    seen, left = Seen(), requests(port, tokens)
    memory: list[int] = []
    free: deque[Caller] = deque()
    await callers(port, CONNECTIONS, seen, free)
    gc.collect()
    began, sent, asked = time.perf_counter(), 0, None
    while (passed := time.perf_counter() - began) < seconds:
        due = int(passed * rate) - sent
        sent += due
        for _ in range(min(due, len(free))):
            free.popleft().call(*next(left))
            due -= 1
        seen.left_out += due
        if asked is None and passed > seconds / 2:
            asked = asyncio.create_task(asyncio.to_thread(freeze, port, admin))
            asked.add_done_callback(lambda _: setattr(seen, "frozen_at", time.perf_counter()))
        if len(memory) < passed:
            memory.append(resident(pid))
            seen.rate.append(seen.answers)
        await asyncio.sleep(_PAUSE)
    assert asked is not None
    return seen, await asked, memory


def freeze(port: int, admin: str) -> float:
    """Seconds until a freeze of one agent is answered."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {admin}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/freezes", json.dumps({"kind": "agent", "name": FROZEN}), headers)
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    answer.read()
    took = time.perf_counter() - began
    connection.close()
    return took


def resident(pid: int) -> int:
    """KiB of the process in memory."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0])


def standing(found: Running) -> tuple[str, int]:
    """The admin token, and the server's process."""
    told = json.loads((found.home / ".local/share/remit/instance.json").read_text(encoding="utf-8"))
    return Path(told["admin_token_file"]).read_text(encoding="utf-8").strip(), told["pid"]


async def measure(found: Running, *, seconds: float, admin: str, pid: int) -> list[dict[str, Any]]:
    port = int(found.remit.rpartition(":")[2])
    async with aiohttp.ClientSession() as session:
        tokens = {
            agent: await plain_token(session, found.remit, keyfile.load(found.key(agent)), agent) for agent in AGENTS
        }
    await capacity(port, tokens, seconds / 20)
    most = await capacity(port, tokens, seconds / 8)
    seen, frozen, memory = await offered(port, tokens, rate=TIMES * most, seconds=seconds, admin=admin, pid=pid)
    assert seen.late == 0, f"{seen.late} results for a frozen agent"
    each_second = [later - before for before, later in pairwise(seen.rate)]
    print("results, each second:", *each_second, "\nmemory, MiB:", *(each // 1024 for each in memory), file=sys.stderr)
    p99 = statistics.quantiles(seen.refused, n=100)[98] if len(seen.refused) > 1 else 0.0
    effect = max(0.0, seen.first_denied - seen.frozen_at)
    grown = 100 * (memory[-1] - memory[len(memory) // 2]) / memory[len(memory) // 2]
    return [
        row("goodput at 5x, of capacity", [100 * seen.answers / seconds / most], "%", floor=_FLOOR, aim=_AIM),
        row("  until a refusal is there, p99", [1000 * p99], "ms", floor=20.0, aim=10.0, less_is_better=True),
        row(
            "  until a refusal is there, median",
            [1000 * statistics.median(seen.refused or [0.0])],
            "ms",
            less_is_better=True,
        ),
        row("  until a freeze is answered", [1000 * frozen], "ms", less_is_better=True),
        row("  from then to the first denial", [1000 * effect], "ms", less_is_better=True),
        row("  memory, at the end against the middle", [grown], "%", floor=10.0, aim=1.0, less_is_better=True),
        row("  memory at the end", [memory[-1] / 1024], "MiB", digits=0),
        row("  capacity", [most], "/s", digits=0),
        row("  sent", [(seen.answers + seen.denied + len(seen.refused)) / seconds], "/s", digits=0),
        row("  refused", [len(seen.refused) / seconds], "/s", digits=0),
        row("  no connection free", [seen.left_out / seconds], "/s", digits=0),
    ]


def main() -> int:
    parser = options(__doc__, rounds=1)
    parser.add_argument("--seconds", type=float, default=120.0, help="of overload")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home, estate(home, agents=dict.fromkeys(AGENTS, "none")) as found:
        admin, pid = standing(found)
        rows = uvloop.run(measure(found, seconds=chosen.seconds, admin=admin, pid=pid))
    return finish("overload", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
