"""Make a history of an estate for `remit certify simulate`, and the truth about it that the engine never sees.

Writes into a directory, the same bytes for the same arguments: `history.jsonl` (docs/usage-format.md), `labels.jsonl`
(why each entitlement is there) and `thief.jsonl` (the `seq` of each line that a stolen identity caused).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.history.days import DAY, HOUR, date, day_of, moment
from benchmarks.history.plan import Agent, Entitlement, plan
from benchmarks.history.thieves import Theft, signal, signals, thefts, tries
from benchmarks.history.work import Line, call, new_run, work

SOURCE = "estate"
_MORNING = 7 * 3600  # the second of a day in which people register and approve
_UPGRADED = 0.1  # share of the agents of which a next version is registered
_FALSE_ALARMS = 0.04  # share of the agents that a detector once takes for stolen
_BOUNDARY_ENDED = 0.02  # share of the unused that a person takes back by hand


def lines(rng: random.Random, agents: list[Agent], stolen: list[Theft], days: int) -> Iterator[Line]:
    """Everything that happened, in no order; what a thief caused carries its name under `thief`."""
    names = {theft.agent.name for theft in stolen}
    yield from _people(rng, agents, days)
    for agent in agents:
        yield from _registered(rng, agent, days)
        yield from work(rng, agent, days)
        yield from _confused(rng, agent, days)
        if agent.name not in names and rng.random() < _FALSE_ALARMS:
            yield from _false_alarm(rng, agent, days)
        if agent.toxic is not None:
            yield from _flagged(rng, agent, agent.toxic, days)
    for theft in stolen:
        yield from ({**line, "thief": theft.thief} for line in tries(rng, theft))
        yield from signals(rng, theft)
    for day in range(days):
        yield {"kind": "coverage", "at": moment(day + 1), "from": moment(day), "to": moment(day + 1)}


def _people(rng: random.Random, agents: list[Agent], days: int) -> Iterator[Line]:
    """Owners come first; a few leave, and another has taken over their agents a minute before."""
    owners = sorted({agent.owner for agent in agents})
    for owner in owners:
        yield {"kind": "owner", "at": moment(0, _MORNING - 600), "owner": owner, "status": "active"}
    leaving = rng.sample(owners, max(1, len(owners) // 8))
    for gone in leaving:
        heir = rng.choice([owner for owner in owners if owner not in leaving])
        day = rng.randrange(days // 3, days - 10)
        for agent in agents:
            if agent.owner == gone:
                agent.owners = [(agent.joined, gone), (day, heir)] if agent.joined < day else [(agent.joined, heir)]
        yield {"kind": "owner", "at": moment(day, 9 * 3600 + 60), "owner": gone, "status": "left"}


def _versions(rng: random.Random, agent: Agent, days: int) -> Iterator[Line]:
    """The agent is registered; it may get another owner, and a person may register its next version."""
    owners = agent.owners or [(agent.joined, agent.owner)]
    changes = [(day, _MORNING if at == 0 else 9 * 3600, owner, "1.0") for at, (day, owner) in enumerate(owners)]
    last = owners[-1]
    end = days if agent.retired is None else agent.retired
    if rng.random() < _UPGRADED and last[0] + 10 < end:
        changes.append((rng.randrange(last[0] + 10, end), 16 * 3600, last[1], "1.1"))
    for day, second, owner, version in changes:
        at = moment(day, second)
        yield {"kind": "agent", "at": at, "agent": agent.name, "owner": owner, "version": version}


def _registered(rng: random.Random, agent: Agent, days: int) -> Iterator[Line]:
    """The agent, what a person approved for it, and what a person took back."""
    yield from _versions(rng, agent, days)
    for each in agent.granted:
        if each.label == "unused" and rng.random() < _BOUNDARY_ENDED:
            each.ended = each.granted + rng.randint(10, 60) * DAY
        if agent.retired is not None:
            each.ended = moment(agent.retired, 17 * 3600)
        key = {"agent": each.agent, "purpose": each.purpose, "action": each.action}
        yield {"kind": "entitlement", "at": each.granted, **key, "tier": each.tier, **each.more}
        if each.ended is not None and each.ended < moment(days):
            yield {"kind": "ended", "at": each.ended, **key}


def _confused(rng: random.Random, agent: Agent, days: int) -> Iterator[Line]:
    """Now and then an agent asks for what does not exist, and is refused."""
    for _ in range(rng.randint(0, 3)):
        at = moment(rng.randrange(agent.joined + 1, agent.retired or days), rng.randrange(8 * 3600, 17 * 3600))
        yield call("denial", at, agent.name, agent.granted[0].purpose, "wiki/rename_page", new_run(rng))


def _false_alarm(rng: random.Random, agent: Agent, days: int) -> Iterator[Line]:
    """A detector is mistaken, for hours."""
    at = moment(rng.randrange(agent.joined + 2, days - 2), rng.randrange(86_400))
    yield signal(at, agent.name, "anomaly", on=True)
    yield signal(at + rng.randint(2, 20) * HOUR, agent.name, "anomaly", on=False)


def _flagged(rng: random.Random, agent: Agent, pair: tuple[str, str], days: int) -> Iterator[Line]:
    """A pair is flagged after days; of half of them a person then ends the one that is not needed."""
    about, on = "+".join(pair), moment(agent.joined + rng.randint(3, 20), 11 * 3600)
    yield signal(on, agent.name, "toxic_combination", on=True, about=about)
    over = on + rng.randint(7, 25) * DAY
    if rng.random() < 0.5 and over < moment(days):
        spare = next(each for each in agent.granted if each.action == pair[1])
        key = {"agent": agent.name, "purpose": spare.purpose, "action": spare.action}
        if spare.ended is None:
            yield {"kind": "ended", "at": over, **key}
        yield signal(over + HOUR, agent.name, "toxic_combination", on=False, about=about)


def numbered(told: Iterable[Line]) -> list[Line]:
    """In the order of time, no two lines at one moment, each with its source and its `seq` from 1."""
    last, found = 0, []
    for seq, line in enumerate(sorted(told, key=lambda line: line["at"]), 1):
        last = max(last + 1, int(line["at"]))
        found.append({"source": SOURCE, "seq": seq, **line, "at": last})
    return found


def truth(agents: list[Agent], told: list[Line]) -> Iterator[dict[str, Any]]:
    """Why each entitlement is there. What no task came to use is unused, whatever it was meant for."""
    last = {_key(line): line["at"] for line in told if line["kind"] == "use" and "thief" not in line}
    for agent in agents:
        for each in agent.granted:
            key = {"agent": each.agent, "purpose": each.purpose, "action": each.action}
            yield key | _label(agent, each, last.get(tuple(key.values())))


def _label(agent: Agent, each: Entitlement, used: int | None) -> dict[str, str]:
    if used is None and each.label != "toxic":
        return {"label": "unused"}
    gone = agent.retired is not None and each.label not in ("critical_rare", "toxic")
    if used is not None and (each.label == "fading" or gone):
        return {"label": "fading", "last_day": date(day_of(used)).isoformat()}
    return {"label": each.label}


def _key(line: Line) -> tuple[str, ...]:
    return line["agent"], line["purpose"], line["action"]


def generate(out: Path, *, agents: int, days: int, seed: int, stolen: int) -> dict[str, Any]:
    """Write the three files; the answer says how much there is of what. `stolen` agents for each of two thieves."""
    rng = random.Random(seed)
    estate = plan(rng, agents=agents, days=days)
    for agent in rng.sample([each for each in estate if each.joined + 30 < days], max(1, agents // 50)):
        agent.retired = rng.randrange(max(agent.joined + 20, days // 2), days - 5)
        agent.granted = [each for each in agent.granted if each.granted < moment(agent.retired)]
    thieves = thefts(rng, estate, each=stolen, days=days)
    told = numbered(lines(rng, estate, thieves, days))
    labels = list(truth(estate, told))
    thief = [{"seq": each["seq"], "thief": each["thief"], "agent": each["agent"]} for each in told if "thief" in each]
    for line in told:
        line.pop("thief", None)
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in (("history", told), ("labels", labels), ("thief", thief)):
        text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        (out / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return {
        "agents": agents, "days": days, "seed": seed, "first_day": date(0).isoformat(), "lines": len(told),
        "kinds": dict(sorted(Counter(str(line["kind"]) for line in told).items())),
        "labels": dict(sorted(Counter(row["label"] for row in labels).items())), "thief": len(thief),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="12 agents, one stolen for each thief: for tests")
    parser.add_argument("--out", type=Path, required=True, help="the directory to write")
    chosen = parser.parse_args()
    if chosen.days < 60 or chosen.agents < 12:
        parser.error("a history needs 60 days and 12 agents at least")
    agents, stolen = (12, 1) if chosen.small else (chosen.agents, max(1, chosen.agents // 66))
    print(json.dumps(generate(chosen.out, agents=agents, days=chosen.days, seed=chosen.seed, stolen=stolen)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
