"""100,000 recorded verdicts derived again from what is stored, and what a changed byte does to them.

The use of 100,000 entitlements is written down in shuffled order, some of it told twice, and their lapses are
recorded as the sweep records them. Every one is derived again from the database's days of use, boundaries and tiers,
first in one process and then in two, from read-only connections of their own, and must come out byte for byte. Then
one byte of use, one rule of one boundary and one number of the rules are changed, one after the other: exactly the
verdicts that they concern must differ, and name that cause. The same use goes through an estate (plain SQL, and
DuckDB) in two further orders, whose verdicts must stand alike.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, insert, update

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import folder
from benchmarks.report import finish, options, row

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.codec import rules_text
from remit.access.model import Boundary, BoundaryState, Rule
from remit.access.parameters import SHIPPED, Parameters
from remit.audit.source_offline import open_offline
from remit.catalog.model import Tier
from remit.certification.estate.duck import DuckEstate
from remit.certification.estate.judging import Bench, Terms
from remit.certification.estate.model import Event, Start
from remit.certification.estate.plain import PlainEstate
from remit.certification.estate.ports import Estate
from remit.certification.estate.verdicts import full, judging
from remit.certification.replaying.kept import Kept
from remit.certification.replaying.reading import digest
from remit.certification.replaying.rederive import rederive
from remit.certification.transition import Transition, transition
from remit.certification.usage.days import DayKey, UseDay, usage_of
from remit.certification.usage.sql import SqlUseDays
from remit.certification.usage.windows import windows
from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import DAY, HOUR, Instant, Micros, rfc3339
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName
from remit.policy.entitlement import Holder, Setting
from remit.storage.database import open_database
from remit.storage.governance_schema import use_days
from remit.storage.schema import boundaries, servers, tools

FIRST, DAYS = 20_000, 600
NOW = Instant((FIRST + DAYS) * DAY)
EACH = 100  # entitlements of an agent
TIERS = (Tier.LOW, Tier.MEDIUM, Tier.HIGH, Tier.CRITICAL)
HOLDER = Holder(version="1", state="active", owner_active=True, risk=0)
RULES = {
    ActionName(f"s/t-{at}"): Rule(action=ActionName(f"s/t-{at}"), ttl=Micros(10 * DAY) if at % 5 == 0 else None)
    for at in range(EACH)
}
SOME = 500  # verdicts that a process derives again in one go
FLOOR, AIM = 1000.0, 5000.0  # verdicts a second, in one process
Outcome = tuple[str, str]


def key(eid: int) -> ActivationKey:
    agent, at = divmod(eid, EACH)
    return ActivationKey(AgentName(f"agent-{agent}"), PurposeName("work"), ActionName(f"s/t-{at}"), "s")


def uses(eid: int) -> list[int]:
    """When it was used: on two to nine days of the first hundred."""
    return [
        (FIRST + day) * DAY + (eid * 7 + day) % 24 * HOUR + eid for day in range(eid % 3, 100, 12 + eid % 30)
    ]  # fmt: skip


def days(eid: int) -> list[UseDay]:
    return [UseDay(DayKey(*key(eid), at // DAY, "remit"), 1, 0, 0, at, at) for at in uses(eid)]


def boundary(agent: int) -> Boundary:
    return Boundary(
        boundary=BoundaryName(f"b-{agent}"), version=1, agent=AgentName(f"agent-{agent}"), purpose=PurposeName("work"),
        rules=RULES, not_after=Instant(NOW + DAY), state=BoundaryState.ACTIVE, approved_by=OwnerName("dana"),
        approved_at=Instant((FIRST - 1) * DAY),
    )  # fmt: skip


def fill(connection: Connection, many: int) -> None:
    """What a server has stored: boundaries, tiers, and use that came in no order."""
    text = rules_text(RULES)
    held = [boundary(agent) for agent in range(-(-many // EACH))]
    connection.execute(insert(boundaries), [
        {"boundary": each.boundary, "version": 1, "agent": each.agent, "purpose": "work", "state": "active",
         "source": "{}", "rules": text, "not_after": each.not_after, "approved_by": "dana",
         "approved_at": each.approved_at} for each in held
    ])  # fmt: skip
    connection.execute(insert(servers).values(server="s", body="{}", set_pin=""))
    connection.execute(insert(tools), [
        {"server": "s", "tool": f"t-{at}", "tier": TIERS[at % len(TIERS)].value, "pin": "", "definition": "{}",
         "state": "approved"} for at in range(EACH)
    ])  # fmt: skip
    rows = [each for eid in range(many) for each in days(eid)]
    random.Random(3).shuffle(rows)
    for at in range(0, len(rows), 20_000):
        SqlUseDays(connection).add(rows[at : at + 20_000])


def recorded(eid: int) -> bytes:
    """The entry of its lapse, as a sweep writes it."""
    mine, start, at = days(eid), Usage(Instant(FIRST * DAY), Micros(FIRST * DAY)), eid % EACH
    held, tier = boundary(eid // EACH), TIERS[at % len(TIERS)]
    activation = Activation(
        key=key(eid), boundary=held.boundary, boundary_version=1, agent_version="1", state=ActivationState.ACTIVE,
        since=start.last, started=start.last, by="", serial=1, usage=usage_of(start, mine, Micros),
    )  # fmt: skip
    setting = Setting(tier=tier, boundary=held, rule=RULES[activation.key.action], holder=HOLDER, covered=NOW, now=NOW)
    taken = transition(activation, setting)
    assert isinstance(taken, Transition)
    read = {**taken.verdict["read"], "days_sha256": digest(mine, NOW), "upto": {}}
    head = {"v": 1, "kind": "verdict", "id": f"ver_{eid}", "time": rfc3339(NOW), "epoch": 1}
    return canonical({**head, **taken.verdict, "read": read})


def derived(where: Path, entries: list[bytes], parameters: Parameters = SHIPPED) -> tuple[list[Outcome], bytes]:
    """What a process comes to with a connection of its own, and a digest of every byte it derived."""
    source, found, everything = open_offline(where), list[Outcome](), sha256()
    kept = Kept(source.rows)
    for entry in entries:
        again = rederive(parse(entry), kept, parameters)
        found.append((again.outcome, again.cause))
        everything.update(again.derived)
    source.close()
    return found, everything.digest()


def replayed(
    where: Path, entries: list[bytes], processes: int = 1, parameters: Parameters = SHIPPED
) -> tuple[list[Outcome], str, float]:
    """All of them: outcomes in order, a digest of all derived bytes, seconds."""
    parts = [entries[at : at + SOME] for at in range(0, len(entries), SOME)]
    began, more = time.perf_counter(), ([where] * len(parts), parts, [parameters] * len(parts))
    if processes == 1:
        found = list(map(derived, *more))
    else:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
            found = list(pool.map(derived, *more))
    seconds = time.perf_counter() - began
    return (
        [each for part, _ in found for each in part],
        sha256(b"".join(each for _, each in found)).hexdigest(),
        seconds,
    )


def odd(outcomes: list[Outcome]) -> dict[int, str]:
    return {eid: cause for eid, (outcome, cause) in enumerate(outcomes) if outcome != "same"}


def tampered(where: Path, entries: list[bytes], change: Callable[[Connection], object]) -> dict[int, str]:
    """What differs after a change that is taken back."""
    copy = where.with_name("tampered.db")
    copy.write_bytes(where.read_bytes())
    engine = create_engine(f"sqlite:///{copy}")
    with engine.begin() as connection:
        change(connection)
    engine.dispose()
    found = odd(replayed(copy, entries)[0])
    copy.unlink()
    return found


def unlike(where: Path, entries: list[bytes]) -> int:
    """How many differ that should not, do not and should, or name another cause: 0."""
    hit = len(entries) // 2
    one = update(use_days).where(
        use_days.c.agent == key(hit).agent, use_days.c.action == key(hit).action, use_days.c.day == uses(hit)[0] // DAY
    )
    agent, at = divmod(hit, EACH)
    action = ActionName(f"s/t-{at}")
    other = rules_text({**RULES, action: replace(RULES[action], cadence=Micros(3 * DAY))})
    rule = update(boundaries).where(boundaries.c.boundary == f"b-{agent}").values(rules=other)
    byte = tampered(where, entries, lambda connection: connection.execute(one.values(uses=2)))
    policy = tampered(where, entries, lambda connection: connection.execute(rule))
    numbers = odd(replayed(where, entries, parameters=Parameters(high=SHIPPED.high + 1))[0])
    wrong = Counter[str]()
    wrong["usage"] = len(byte.items() ^ {hit: "usage"}.items())
    wrong["policy"] = len(policy.items() ^ {hit: "policy"}.items())
    wrong["parameters"] = len(numbers.items() ^ dict.fromkeys(range(len(entries)), "parameters").items())
    return wrong.total()


def estates(home: Path, many: int) -> int:
    """How many different roots two adapters come to, in orders of their own and with one and two processes: 1."""
    told = [Event(0, at * many + eid, eid, when) for eid in range(many) for at, when in enumerate(uses(eid))]
    terms = tuple(Terms(tier=TIERS[at % len(TIERS)], holder=HOLDER, version="1", shorter=RULES[
        ActionName(f"s/t-{at}")].ttl) for at in range(EACH))  # fmt: skip
    bench, roots = Bench(now=NOW, windows=windows([(0, NOW)]), terms=terms), set[str]()
    with PlainEstate.in_memory() as plain:
        for seed, processes, estate in ((1, 1, plain), (2, 2, DuckEstate.open(home, memory="1GB"))):
            roots.add(_root(estate, _shuffled(told, seed), bench, processes, many))
    return len(roots)


def _shuffled(told: list[Event], seed: int) -> Iterator[list[Event]]:
    order = random.Random(seed)
    again = [*told, *order.sample(told, len(told) // 20)]
    order.shuffle(again)
    return (again[at : at + 100_000] for at in range(0, len(again), 100_000))


def _root(estate: Estate, parts: Iterator[list[Event]], bench: Bench, processes: int, many: int) -> str:
    estate.start(Start(eid, eid % EACH, FIRST * DAY, FIRST * DAY) for eid in range(many))
    for part in parts:
        estate.load(part)
        estate.roll_up()
    with judging(bench, processes) as judge:
        return full(estate, judge=judge).root()


def measure(home: Path, *, many: int) -> list[dict[str, Any]]:
    """Fill once, derive again, change a byte."""
    where = home / "remit.db"
    database = open_database(where)
    database.writer.change(lambda tx: fill(tx.connection, many))
    database.close()
    entries = [recorded(eid) for eid in range(many)]
    one, alone, seconds = replayed(where, entries)
    two, both, faster = replayed(where, entries, processes=2)
    less: dict[str, Any] = {"less_is_better": True, "digits": 0}
    unequal, none = len(odd(one)) + len(odd(two)) + (alone != both), less | {"floor": 0, "aim": 0}
    return [
        row(f"{many:,} verdicts derived again, in one process", [many / seconds], "/s", floor=FLOOR, aim=AIM, digits=0),
        row("  in two processes", [many / faster], "/s", digits=0),
        row("  not byte for byte the same", [unequal], "", **none),
        row("  wrong about one byte of use, one rule or one number", [unlike(where, entries)], "", **none),
        row("  entry of a verdict", list(map(len, entries)), "B", floor=1536, aim=1280, **less),
        row("  roots of two adapters, in two orders", [estates(home, many)], "", floor=1,
            aim=1, **less),
    ]  # fmt: skip


def main() -> int:
    parser = options(__doc__, rounds=1)
    parser.add_argument("--verdicts", type=int, default=100_000)
    parser.add_argument("--small", action="store_true", help="a hundredth of it, to see that it runs")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home:
        rows = measure(home, many=chosen.verdicts // (100 if chosen.small else 1))
    return finish("replay_scale", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
