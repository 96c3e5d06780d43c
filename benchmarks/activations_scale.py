"""10,000 agents with 100 activations each: the memory they take once every agent has made a call.

The database is filled with rows as calls leave them: started once, used on up to 21 days since, in force. A bare
process loads the facts as a server does, reads the activations of every agent as its first call does, then makes
one call for each, and keeps what a server keeps of it: at the end all 1,000,000 are held. (Whether agents are read
and called in turns or one after the other makes no difference; so the two can be told apart.) `remit up` is started
on the same database, a real process, to its ready line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import scale
from benchmarks.estate import environment, folder
from benchmarks.report import finish, options, row
from benchmarks.scale import PURPOSES, resident

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_row import row_of
from remit.access.activation_seal import UNSEALED
from remit.access.model import Rule
from remit.catalog.model import Tier
from remit.certification.usage import coverage
from remit.certification.usage.coverage import CoverageClock
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, Instant, Micros, SystemClock
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.decide import decide
from remit.policy.entitlement import Holder, Setting, due_at, facts_of, key_of
from remit.policy.facts import Facts
from remit.server import garbage
from remit.server.stored import StoredFacts
from remit.storage.database import open_database
from remit.storage.model import ActivationRow, Reserve
from remit.storage.ports import Transaction
from remit.storage.schema import activations, meta

FLOOR, AIM = 1500.0, 600.0  # MB, resident
READS = tuple(f"get_item_{number}" for number in range(9))
TOOLS = ("transfer", *READS)
EACH = PURPOSES * len(TOOLS)  # activations of one agent
HISTORIES = 21  # days of use, from 1: a row keeps up to 20 gaps between them
_STEP = 500  # agents filled in one change
_VERSION = "1.4"
_COVERED = Micros(365 * DAY)  # the coverage clock's reading
_MILLI = 1000


def history(days: int, now: Instant) -> Usage:
    """What is left of `days` days of use, one to seven days apart, the last one now."""
    gaps = [(days + at) % 7 + 1 for at in range(days - 1)]
    used = Instant(now - sum(gaps) * DAY)
    usage = Usage(used, Micros(0))
    for gap in (0, *gaps):
        used = Instant(used + gap * DAY)
        usage = usage.after(used, Micros(_COVERED - (now - used)))
    return usage


def fill(tx: Transaction, *, agents: range, now: Instant) -> None:
    """The activations of `agents`, each last used in the minutes before `now`."""
    names, columns = ActivationKey._fields, ActivationRow.__slots__
    settings = Setting(
        tier=Tier.LOW, boundary=None, rule=Rule(action=ActionName("server/tool")),
        holder=Holder(version=_VERSION, state="active", owner_active=True, risk=0), covered=_COVERED, now=now,
    )  # fmt: skip
    usages = [history(days, now) for days in range(1, HISTORIES + 1)]
    rows = []
    for number in agents:
        for at in range(EACH):
            activation = _activation(number, at, usages[(number + at) % HISTORIES], now)
            stored = row_of(activation, due=due_at(facts_of(activation, settings), settings))
            rows.append(
                dict(zip(names, activation.key, strict=True)) | {name: getattr(stored, name) for name in columns}
            )
    tx.connection.execute(insert(activations), rows)


def _activation(number: int, at: int, usage: Usage, now: Instant) -> Activation:
    purpose, tool = divmod(at, len(TOOLS))
    server, ago = f"server-{purpose}", (number * EACH + at) * _MILLI  # no two of one moment
    started = Instant(now - 200 * DAY - ago)
    return Activation(
        key=ActivationKey(
            AgentName(f"agent-{number}"), PurposeName(f"purpose-{purpose}"), ActionName(f"{server}/{TOOLS[tool]}"),
            server,
        ),
        boundary=BoundaryName(f"agent-{number}-{purpose}"), boundary_version=1, agent_version=_VERSION,
        state=ActivationState.ACTIVE, since=started, started=started, by="", serial=1,
        usage=replace(usage, last=Instant(usage.last - ago), covered=Micros(usage.covered - ago)),
    )  # fmt: skip


def keep_time(tx: Transaction, *, now: Instant) -> None:
    """The coverage clock, as the last beat left it: it has run all the time."""
    value = canonical({"covered": _COVERED, "at": now}).decode()
    tx.connection.execute(insert(meta).values(key=coverage.KEY, value=value))


def load(path: Path, *, count: int) -> dict[str, float]:
    """What one process sees when it loads the facts and every agent makes a call."""
    before, clock, covered = resident(), SystemClock(), CoverageClock()
    database = open_database(path)
    database.reader.read(lambda connection: covered.open(connection, clock.now()))
    facts = Facts(
        source=StoredFacts(UNSEALED),
        engine=CompiledEngine(CedarEngine()),
        contact=clock.now,
        reader=database.reader,
        covered=covered.covered,
    )
    database.reader.read(lambda connection: facts.load(connection, epoch=database.epoch))
    garbage.settle()
    loaded, view, began = resident(), facts.view(), time.perf_counter()
    for number in range(count):
        facts.prepare(f"agent-{number}")
    held, reading = resident(), time.perf_counter() - began
    for number in range(count):
        call, now = scale.call(number, clock.now()), clock.now()
        proposal = decide(call, view, now=now)
        assert proposal.answer.allowed, proposal.answer
        assert not proposal.starts, "an entitlement was not in force"
        # What the server keeps once the decision is committed, and once it came to something.
        reserved = [effect for effect in proposal.effects if isinstance(effect, Reserve)]
        facts.note(reserved, [reserve.amount for reserve in reserved])
        view.activations.used(key_of(call), now)
    called = resident()
    assert sum(len(view.activations.of(f"agent-{number}")) for number in range(count)) == count * EACH
    database.close()
    return {
        "before": before, "loaded": loaded, "held": held, "called": called,
        "each": (held - loaded) * 1e6 / (count * EACH), "reading": reading / count * 1e6,
    }  # fmt: skip


def measure(home: Path, *, rounds: int, count: int) -> list[dict[str, Any]]:
    """Fill once, load a few times."""
    data, environ, now = home / "data", environment(home), SystemClock().now()
    parts = (range(first, min(first + _STEP, count)) for first in range(0, count, _STEP))
    scale.prepare(
        data, environ, partial(scale.fill, count=count, reads=READS), partial(keep_time, now=now),
        *(partial(fill, agents=part, now=now) for part in parts),
    )  # fmt: skip
    command = [sys.executable, __file__, "--load", str(data / "remit.db"), "--agents", str(count)]
    seen = [
        scale.served(data, environ) | json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        for _ in range(rounds)
    ]

    def told(what: str, name: str, unit: str, **limits: Any) -> dict[str, Any]:  # noqa: ANN401 - a row's own
        digits = 2 if unit == "s" else 0
        return row(what, [each[name] for each in seen], unit, less_is_better=True, digits=digits, **limits)

    return [
        told(f"{count * EACH:,} activations, each agent called, resident memory", "called", "MB", floor=FLOOR, aim=AIM),
        told("  before the calls, with every agent's activations read", "held", "MB"),
        told("  before that, with the facts alone", "loaded", "MB"),
        told("  before that", "before", "MB"),
        told("  an activation in memory", "each", "B"),
        told(f"  reading the {EACH} activations of an agent", "reading", "us"),
        told("  remit up to ready", "up", "s"),
        told("  remit up, resident memory when ready", "served", "MB"),
    ]


def main() -> int:
    parser = options(__doc__, rounds=1)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.load:
        print(json.dumps(load(chosen.load, count=chosen.agents)))
        return 0
    with folder(chosen.folder) as home:
        rows = measure(home, rounds=chosen.rounds, count=chosen.agents)
    return finish("activations_scale", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
