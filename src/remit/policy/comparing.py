"""Two sets of policy files compared: what `apply` asks of them, and what `remit policy diff` shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from remit.catalog.model import Server, Tier
from remit.kernel.clock import Instant
from remit.kernel.errors import ConfigInvalid
from remit.kernel.names import ToolName, split_action
from remit.policy import organisation, schema
from remit.policy.declared import widen as declared_widen
from remit.policy.diff import Row, policy_row
from remit.policy.organisation import Organisation, Policy
from remit.policy.ports import Engine, Handle
from remit.policy.rules import Rules
from remit.policy.sample import sample
from remit.policy.schema import input_schema
from remit.policy.slices import Slices
from remit.policy.trial import Trial
from remit.policy.view import AgentRecord, ServerRecord, View, server_record
from remit.policy.widen import Change, changes, named_groups, widenings
from remit.policy.widen_search import Search

_UNREADABLE = "the policies in force cannot be read, and so nothing is allowed now"
_LOOKED_AT = 20_000  # boundaries among which agents are looked for


@dataclass(slots=True)
class Known:
    """What the catalog says of policies. Without a catalog, only the names of actions say something."""

    engine: Engine
    servers: Mapping[str, ServerRecord] | None
    declared: Mapping[str, Any] = field(default_factory=dict)
    _schema: Handle = None
    _valid: dict[str, bool] = field(default_factory=dict)

    def valid(self, policy: Policy) -> bool:
        """Whether a policy validates strictly against the catalog."""
        if self.servers is None:
            return False
        if policy.text not in self._valid:
            if self._schema is None:
                catalog = schema.for_catalog([each.server for each in self.servers.values()])
                self._schema = self.engine.schema({**catalog, **self.declared})
            self._valid[policy.text] = not self.engine.faults(policy.text, self._schema)
        return self._valid[policy.text]

    def groups(self, action: str) -> frozenset[str]:
        """The groups that an action is in for certain."""
        if not (by_name := named_groups(action)):
            return by_name
        server, name, _ = split_action(action)
        record = (self.servers or {}).get(server)
        tool = None if record is None else next((each for said, each in record.tools.items() if said == name), None)
        return by_name | {f"tier:{tool.tier}"} if tool else by_name


def widens(
    before: Rules,
    after: Rules,
    engine: Engine,
    servers: Collection[Server],
    *,
    read: Callable[[Mapping[str, str]], Organisation],
    declared: Mapping[str, Any],
) -> list[str]:
    """Why a second person must agree; empty where it is proved that nothing more is let through.

    Args:
        before: The rules as they are.
        after: As they are to be.
        engine: Validates.
        servers: What is in the catalog.
        read: Reads policy files.
        declared: The schema of what is declared after.

    Raises:
        ConfigInvalid: `after` cannot be read.
    """
    following = read(after.policies)
    try:
        standing = read(before.policies)
    except ConfigInvalid:
        return [_UNREADABLE]
    known = Known(engine, {each.server: server_record(each) for each in servers} or None, declared)
    # No tier counts here, though the catalog knows it: one person lowers it, and what hangs on it lets go.
    found = widenings(standing, following, validated=known.valid)
    return found + declared_widen.widenings(before.declarations, after.declarations, standing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a comparison of policies stands on.

    Args:
        servers: What can be called; None where no catalog is at hand.
        tiers: Then, the tiers of actions as far as they are known.
        view: The world as it is; None where no server is asked.
        prepare: Has an agent's activations read before its calls are tried.
        now: When.
    """

    engine: Engine
    servers: Mapping[str, ServerRecord] | None
    now: Instant
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    view: View | None = None
    prepare: Callable[[str], None] = lambda _agent: None


def rows(before: Mapping[str, str], after: Mapping[str, str], ground: Ground) -> list[Row]:
    """The verdict on each policy that differs.

    Raises:
        ConfigInvalid: One of them cannot be read; names file and line.
    """
    old, new = (organisation.read(files, ground.engine, serial=at) for at, files in ((1, before), (2, after)))
    known = Known(ground.engine, ground.servers)
    found: Sequence[Change] = changes(old, new, validated=known.valid, groups=known.groups)
    search = Search(
        old,
        new,
        Slices(ground.engine),
        ground.servers,
        ground.now,
        ground.tiers,
        lambda actions: _places(ground, actions),
    )
    return [policy_row(change, search) for change in found]


def _places(ground: Ground, actions: Sequence[str]) -> Iterable[tuple[Trial, View]]:
    """Registered agents with a boundary for one of `actions`, each once for an action."""
    view = ground.view
    if view is None:
        return
    looked = 0
    for name, record in sorted(view.agents.items()):
        looked += len(record.boundaries)
        if looked > _LOOKED_AT:
            return
        for trial in _of_agent(view, record, actions, ground.now):
            ground.prepare(name)
            yield trial, view


def _of_agent(view: View, record: AgentRecord, actions: Sequence[str], now: Instant) -> Iterator[Trial]:
    wanted = set(actions)
    for boundary in record.boundaries:
        purpose = view.purposes.get(boundary.purpose)
        for action, rule in boundary.rules.items():
            server, name, _ = split_action(action)
            found = view.servers.get(server)
            tool = None if found is None else found.tools.get(ToolName(name))
            if tool is None or purpose is None:
                continue
            groups = tuple(schema.groups_of(server, tool.tier))
            if wanted and not wanted & {action, *groups}:
                continue
            yield Trial(
                agent=record.agent.agent, owner=record.agent.owner, version=record.agent.version,
                purpose=boundary.purpose, classes=tuple(sorted(purpose.purpose.data_classes)), action=action,
                groups=groups, shape=tool.shape, now=now, arguments=sample(input_schema(tool.tool), rule),
            )  # fmt: skip
