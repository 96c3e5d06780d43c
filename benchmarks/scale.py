"""10,000 agents with 10 boundaries each: how long a start takes, and the memory it takes.

The database is filled first. Each round starts `remit up` on it, a real process, to its ready line, and reads the
memory it holds then. What of it the facts are is told apart by a bare process that loads only them, and then makes
one call for every tenth agent, so that what is compiled on a first call is counted too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.decisions import FAR
from benchmarks.estate import environment, folder, ready, running, up
from benchmarks.report import finish, options, row

from remit.access.activation_seal import UNSEALED
from remit.access.codec import draft_text, rules_text
from remit.access.draft import Clause, Draft
from remit.access.model import Bound, BoundaryState, Budget, Purpose, PurposeState, Rate, Rule
from remit.access.sql import SqlPurposes
from remit.agents import sql as agents_sql
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.attestation.model import Caller
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.catalog.sql import SqlServers
from remit.kernel.clock import HOUR, SECOND, Instant, Micros, SystemClock
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    DecisionId,
    InstanceId,
    OwnerName,
    PurposeName,
    RunId,
    ServerName,
    ToolName,
)
from remit.keys.jwk import thumbprint
from remit.people.model import Owner
from remit.people.sql import SqlOwners
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.decide import decide
from remit.policy.facts import Facts
from remit.policy.model import Call
from remit.server.stored import StoredFacts
from remit.storage.database import open_database
from remit.storage.ports import Transaction
from remit.storage.schema import agents, boundaries

START_FLOOR, START_AIM = 10.0, 3.0  # seconds
MEMORY_FLOOR, MEMORY_AIM = 1000.0, 300.0  # MB, resident
SERVERS = 10
PURPOSES = 10
READS = ("list_items", "get_item")  # a server's tools besides its `transfer`
_SCHEMA = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "amount": {"type": "number"}, "currency": {"type": "string"}},
    "required": ["to", "amount", "currency"],
}


def fill(tx: Transaction, *, count: int, reads: Sequence[str] = READS, each: int = PURPOSES) -> None:
    """`count` agents, each with a boundary for `each` of the purposes, of a rule for each tool of its server."""
    owners, purposes, servers = SqlOwners(tx.connection), SqlPurposes(tx.connection), SqlServers(tx.connection)
    for number in range(100):
        owners.put(Owner(owner=OwnerName(f"owner-{number}"), name="N", email="n@example.test"))
    for number in range(PURPOSES):
        purposes.put(
            Purpose(
                purpose=PurposeName(f"purpose-{number}"),
                statement="Work",
                actions=(f"server-{number}/*",),
                data_classes=(),
                not_after=FAR,
                state=PurposeState.ACTIVE,
            )
        )
    for number in range(SERVERS):
        tools = {ToolName(name): _tool(name) for name in ("transfer", *reads)}
        servers.put(
            Server(
                server=ServerName(f"server-{number}"),
                url="http://127.0.0.1:9101/mcp",
                credential=None,
                tiers=(),
                review="pin-on-first-use",
                tools=tools,
                set_pin="",
            )
        )
    for first in range(0, count, 500):
        names = range(first, min(first + 500, count))
        tx.connection.execute(insert(agents), [_agent_row(number) for number in names])
        tx.connection.execute(
            insert(boundaries),
            [_boundary_row(number, purpose, reads) for number in names for purpose in range(each)],
        )


def _tool(name: str) -> Tool:
    return Tool(
        name=ToolName(name), tier=Tier.LOW, pin="00" * 32, definition={"name": name, "inputSchema": _SCHEMA},
        seen=None, state=PinState.APPROVED,
    )  # fmt: skip


def _jwk(number: int) -> dict[str, str]:
    """A key like any other, and the same each time."""
    found = ec.derive_private_key(number + 1, ec.SECP256R1()).public_key().public_numbers()
    x, y = (urlsafe_b64encode(each.to_bytes(32)).rstrip(b"=").decode() for each in (found.x, found.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": f"{number:043d}"}


def _agent_row(number: int) -> dict[str, Any]:
    agent = Agent(
        agent=AgentName(f"agent-{number}"), owner=OwnerName(f"owner-{number % 100}"), version="1.4",
        purposes=tuple(PurposeName(f"purpose-{each}") for each in range(PURPOSES)), max_instances=20,
        sender_constraint=SenderConstraint.DPOP, not_after=FAR, max_run=Micros(8 * HOUR), keys=(_jwk(number),),
        state=AgentState.ACTIVE,
    )  # fmt: skip
    return {
        "agent": agent.agent, "owner": agent.owner, "state": agent.state.value, "body": agents_sql.body(agent)
    }  # fmt: skip


def _boundary_row(number: int, purpose: int, reads: Sequence[str]) -> dict[str, Any]:
    server = f"server-{purpose}"
    # Every agent has bounds of its own: nothing here can be shared that a real estate would not share.
    transfer = Rule(
        action=ActionName(f"{server}/transfer"),
        when=(
            Bound(argument="amount", max=Decimal(number + 1).scaleb(-2)),
            Bound(argument="currency", in_=("EUR", "USD")),
            Bound(argument="to", prefix=f"DE{number}"),
        ),
        rate=Rate(count=30, per="min"),
        budget=Budget(argument="amount", max=Decimal(number + 1), per="day"),
    )
    others = (Rule(action=ActionName(f"{server}/{name}")) for name in reads)
    rules = {rule.action: rule for rule in (transfer, *others)}
    draft = Draft(
        boundary=BoundaryName(f"agent-{number}-{purpose}"), agent=AgentName(f"agent-{number}"),
        purpose=PurposeName(f"purpose-{purpose}"), not_after=FAR,
        allow=tuple(Clause(pattern=each.action, when=each.when, rate=each.rate, budget=each.budget)
                    for each in rules.values()),
    )  # fmt: skip
    return {
        "boundary": f"agent-{number}-{purpose}", "version": 1, "agent": f"agent-{number}",
        "purpose": f"purpose-{purpose}", "state": BoundaryState.ACTIVE.value, "source": draft_text(draft),
        "rules": rules_text(rules), "not_after": FAR, "approved_by": "owner-1",
        "approved_at": SystemClock().now(),
    }  # fmt: skip


def load(path: Path, *, count: int) -> dict[str, float]:
    """What one process sees when it loads the facts."""
    before = resident()
    clock = SystemClock()
    database = open_database(path)
    facts = Facts(
        source=StoredFacts(UNSEALED), engine=CompiledEngine(CedarEngine()), contact=clock.now, reader=database.reader
    )
    began = time.perf_counter()
    database.reader.read(lambda connection: facts.load(connection, epoch=database.epoch))
    seconds = time.perf_counter() - began
    loaded = resident()
    view, now = facts.view(), clock.now()
    assert len(view.agents) == count
    calling = time.perf_counter()
    for number in range(0, count, 10):
        facts.prepare(f"agent-{number}")
        assert decide(call(number, now), view, now=now).answer.allowed
    first = (time.perf_counter() - calling) / (count / 10)
    database.close()
    return {"seconds": seconds, "before": before, "loaded": loaded, "called": resident(), "first": first * 1e6}


def call(number: int, now: Instant) -> Call:
    """A transfer by one of the agents, which its boundary allows."""
    caller = Caller(
        agent=AgentName(f"agent-{number}"), instance=InstanceId("i"), credential=thumbprint(_jwk(number)),
        purpose=PurposeName("purpose-3"),
        run=RunId("r"),
        token="t",  # noqa: S106 - a token's id
        expires=Instant(now + SECOND), bound=True, run_ends=Instant(now + SECOND),
    )  # fmt: skip
    return Call(
        id=DecisionId("d"), caller=caller, server=ServerName("server-3"), action=ActionName("server-3/transfer"),
        tool=ToolName("transfer"),
        arguments={"to": f"DE{number}", "amount": Decimal("0.01"), "currency": "EUR"},
    )  # fmt: skip


def resident(process: int | str = "self") -> float:
    """MB of memory that a process holds now."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def served(data: Path, environ: dict[str, str], *more: str) -> dict[str, float]:
    """What a start of the whole server takes."""
    began = time.perf_counter()
    with running(up("--data", str(data), "--refresh", "1h", *more), environ) as process:
        ready(process)
        return {"up": time.perf_counter() - began, "served": resident(process.pid)}


def prepare(data: Path, environ: dict[str, str], *fills: Callable[[Transaction], None]) -> None:
    """Make a data directory that is filled, one change after the other, and in use: with its keys, the state sealed."""
    data.mkdir()
    database = open_database(data / "remit.db")
    for each in fills:
        database.writer.change(each)
    database.close()
    served(data, environ, "--accept-state")


def measure(home: Path, *, rounds: int, count: int) -> list[dict[str, Any]]:
    """Fill once, start a few times."""
    data, environ = home / "data", environment(home)
    prepare(data, environ, lambda tx: fill(tx, count=count))
    command = [sys.executable, __file__, "--load", str(data / "remit.db"), "--agents", str(count)]
    seen = [
        served(data, environ) | json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        for _ in range(rounds)
    ]

    def column(name: str) -> list[float]:
        return [each[name] for each in seen]

    less: dict[str, Any] = {"less_is_better": True}
    started: dict[str, Any] = less | {"floor": START_FLOOR, "aim": START_AIM}
    held: dict[str, Any] = less | {"floor": MEMORY_FLOOR, "aim": MEMORY_AIM}
    return [
        row(f"{count:,} agents x 10 boundaries, remit up to ready", column("up"), "s", **started),
        row(f"{count:,} agents x 10 boundaries, resident memory", column("served"), "MB", digits=0, **held),
        row("  the facts alone: load", column("seconds"), "s", **less),
        row("  the facts alone: resident before", column("before"), "MB", digits=0, **less),
        row("  the facts alone: resident after", column("loaded"), "MB", digits=0, **less),
        row(f"{count:,} agents, a tenth called, resident memory", column("called"), "MB", digits=0, **held),
        row("  an agent's first call", column("first"), "us", digits=0, **less),
    ]


def main() -> int:
    parser = options(__doc__, rounds=3)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.load:
        print(json.dumps(load(chosen.load, count=chosen.agents)))
        return 0
    with folder(chosen.folder) as home:
        rows = measure(home, rounds=chosen.rounds, count=chosen.agents)
    return finish("scale", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
