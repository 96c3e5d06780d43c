"""Which actions are used together, in the database: what runs used, and the groups as last found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, and_, delete, insert, or_, select

from remit.access.activation import ActivationKey
from remit.certification.together import groups_of, others_of
from remit.kernel.names import ActionName, AgentName, PurposeName, split_action
from remit.storage import upsert
from remit.storage.governance_schema import run_uses, together

_SOME: Final = 200  # servers named in one statement


class RunUse(NamedTuple):
    """An action that a run used; `day` is the UTC day, since 1970, of its first use."""

    agent: str
    purpose: str
    run: str
    action: str
    day: int


class SqlTogether:
    """Runs' actions and groups, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def used(self, rows: Iterable[RunUse]) -> None:
        """Keep what runs used; seen twice is harmless."""
        values = [row._asdict() for row in sorted(set(rows))]
        if values:
            self._connection.execute(upsert.insert(run_uses, self._connection).on_conflict_do_nothing(), values)

    def forget(self, *, before: int) -> None:
        """Let go of runs that began before a UTC day: habits change."""
        self._connection.execute(delete(run_uses).where(run_uses.c.day < before))

    def find(self, agent: str) -> bool:
        """Work out an agent's groups anew; whether they changed."""
        runs: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        query = select(run_uses).where(run_uses.c.agent == agent)
        for row in self._connection.execute(query):
            runs[row.purpose][row.run].add(row.action)
        found = {
            (purpose, action): group for purpose, seen in runs.items() for action, group in groups_of(seen).items()
        }
        query = select(together).where(together.c.agent == agent)
        known = {(row.purpose, row.action): row.group for row in self._connection.execute(query)}
        if found == known:
            return False
        self._connection.execute(delete(together).where(together.c.agent == agent))
        rows = [
            {"agent": agent, "purpose": purpose, "action": action, "group": group}
            for (purpose, action), group in sorted(found.items())
        ]
        if rows:
            self._connection.execute(insert(together), rows)
        return True

    def of_agent(self, agent: str) -> Mapping[ActivationKey, tuple[ActivationKey, ...]]:
        """For each entitlement in a group, the others of the group."""
        groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for row in self._connection.execute(select(together).where(together.c.agent == agent)):
            groups[row.purpose].append((row.action, row.group))
        return {
            _key(agent, purpose, action): tuple(_key(agent, purpose, each) for each in others)
            for purpose, found in groups.items()
            for action, others in others_of(found).items()
        }

    def beside(self, keys: Iterable[ActivationKey]) -> dict[ActivationKey, tuple[ActivationKey, ...]]:
        """For each of `keys` that is in a group, the others of the group."""
        wanted: dict[str, set[ActivationKey]] = defaultdict(set)
        for key in keys:
            wanted[key.agent].add(key)
        found: dict[ActivationKey, tuple[ActivationKey, ...]] = {}
        for agent in sorted(self.grouped(sorted(wanted))):
            groups = self.of_agent(agent)
            found |= {key: groups[key] for key in sorted(wanted[agent]) if key in groups}
        return found

    def beside_servers(self, servers: Iterable[str]) -> list[ActivationKey]:
        """Of all groups in which something is of one of `servers`, what is of others."""
        mine, found = frozenset(servers), set[ActivationKey]()
        one, other = together.alias(), together.alias()
        same = and_(*(one.c[name] == other.c[name] for name in ("agent", "purpose", "group")))
        ordered = sorted(mine)
        for at in range(0, len(ordered), _SOME):
            named = [one.c.action.like(f"{server}{mark}%") for server in ordered[at : at + _SOME] for mark in "/:"]
            query = select(other.c.agent, other.c.purpose, other.c.action).join(one, same).where(or_(*named))
            found |= {_key(*row) for row in self._connection.execute(query.distinct())}
        return sorted(key for key in found if key.scope not in mine)

    def grouped(self, agents: Sequence[str]) -> set[str]:
        """Those of `agents` that have groups."""
        query = select(together.c.agent).where(together.c.agent.in_(agents)).distinct()
        return set(self._connection.execute(query).scalars()) if agents else set()

    def agents(self) -> list[str]:
        """Agents whose runs are known."""
        return sorted(self._connection.execute(select(run_uses.c.agent).distinct()).scalars())


def _key(agent: str, purpose: str, action: str) -> ActivationKey:
    return ActivationKey(AgentName(agent), PurposeName(purpose), ActionName(action), split_action(action)[0])
