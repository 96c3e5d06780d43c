"""What a decision reads: an unchangeable picture of the facts, swapped whole when they change.

Records are replaced, never edited. What is derived from one (what an agent sees, a compiled
schema) is worked out when it is first asked for and kept with the record.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from remit.access.doubt import Doubt
from remit.access.glob import matches_any
from remit.access.model import Boundary, BoundaryState, Purpose, Rule
from remit.access.needs import closure, turned
from remit.access.opening import Opening
from remit.agents.credentials import credentials
from remit.agents.model import Agent
from remit.agents.risk import QUIET, Risk
from remit.attestation.model import Link
from remit.catalog.labels import Labels, labels_of
from remit.catalog.model import Server, Tier, Tool
from remit.freezes.model import Freeze, FreezeKind
from remit.kernel.clock import SECOND, Instant
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    OwnerName,
    PurposeName,
    ServerName,
    ToolName,
    split_action,
)
from remit.people.model import Owner
from remit.policy.activations import Activations
from remit.policy.approved import Asked, Standing
from remit.policy.arguments import Validator, compiled
from remit.policy.circumstances import Circumstances
from remit.policy.declared.model import NOTHING, Declared
from remit.policy.entitlement import Covered, Holder
from remit.policy.limits import Limit, limits_of
from remit.policy.model import Call
from remit.policy.organisation import Organisation
from remit.policy.schema import input_schema, tool_shape
from remit.policy.sequence import Noted, noted
from remit.policy.shape import Shape
from remit.policy.slices import Recent, Slices
from remit.storage.model import Release, Reserve

STALE_AFTER = 5 * SECOND
_RUNS = 8192
_serials = itertools.count(1)


def _serial() -> int:
    return next(_serials)


@dataclass(frozen=True, slots=True)
class Grant:
    """One rule of one boundary in force."""

    boundary: Boundary
    rule: Rule
    limits: tuple[Limit, ...] = ()
    noted: Noted | None = None  # what rules beside it ask of its action
    conditional: bool = False  # whether any of this has to do with more than limits


def grant_of(boundary: Boundary, rule: Rule, limits: tuple[Limit, ...], noted: Noted | None) -> Grant:
    """A rule with what is worked out of it once."""
    return Grant(boundary, rule, limits, noted, rule.conditions is not None or noted is not None)


@dataclass(frozen=True, slots=True)
class Reach:
    """What an agent's boundaries name: derived once from its record.

    `grants` are those of ordinary boundaries, which certification is about. Those of boundaries for
    emergencies stand apart: they are no entitlements, and are worth something only while one is open.
    """

    actions: frozenset[ActionName]
    servers: Mapping[ServerName, tuple[Boundary, ...]]
    grants: Mapping[tuple[PurposeName, ActionName], tuple[Grant, ...]]
    emergency: Mapping[tuple[PurposeName, ActionName], tuple[Grant, ...]]
    needs: Mapping[PurposeName, Kin]  # what depends on what, where an owner said so


@dataclass(frozen=True, slots=True)
class Kin:
    """Of the actions of one purpose: what each needs, and what needs each; both reach through."""

    needs: Mapping[ActionName, tuple[ActionName, ...]]
    needed_by: Mapping[ActionName, tuple[ActionName, ...]]


@dataclass(slots=True, eq=False)
class AgentRecord:
    """An agent and its boundaries in force, in byte order of their names."""

    agent: Agent
    boundaries: tuple[Boundary, ...] = ()
    risk: Risk = QUIET
    serial: int = field(default_factory=_serial)
    _reach: Reach | None = None
    _credentials: frozenset[str] | None = None

    @property
    def credentials(self) -> frozenset[str]:
        """The credentials it has registered now; worked out on the agent's first call."""
        if self._credentials is None:
            self._credentials = credentials(self.agent)
        return self._credentials

    def holder(self, *, owner_active: bool) -> Holder:
        """What `judge` asks of the agent."""
        agent, risk = self.agent, self.risk
        return Holder(agent.version, agent.state.value, owner_active, risk.value, risk.calm, risk.noticed)

    def has(self, reach: Reach) -> None:
        """Say what it has, where that is not what its own boundaries name (`policy/delegated.py`)."""
        self._reach = reach

    @property
    def reach(self) -> Reach:
        """What its boundaries name; worked out on the agent's first call."""
        if self._reach is None:
            self._reach = _reach(self.boundaries)
        return self._reach


def agent_record(agent: Agent, boundaries: tuple[Boundary, ...], risk: Risk = QUIET) -> AgentRecord:
    """The record of `agent`: only its own active boundaries count."""
    mine = (b for b in boundaries if b.agent == agent.agent and b.state is BoundaryState.ACTIVE)
    return AgentRecord(agent, tuple(sorted(mine, key=lambda b: b.boundary.encode())), risk)


def _reach(boundaries: tuple[Boundary, ...]) -> Reach:
    grants: dict[tuple[PurposeName, ActionName], list[Grant]] = {}
    emergency: dict[tuple[PurposeName, ActionName], list[Grant]] = {}
    servers: dict[ServerName, dict[str, Boundary]] = {}
    asked = asked_of(boundaries)
    for boundary in boundaries:
        of_kind = emergency if boundary.break_glass else grants
        for action, rule in boundary.rules.items():
            key = (boundary.purpose, action)
            grant = grant_of(boundary, rule, limits_of(boundary, rule), asked.get(key))
            of_kind.setdefault(key, []).append(grant)
            servers.setdefault(split_action(action)[0], {})[boundary.boundary] = boundary
    return Reach(
        frozenset(action for _, action in (*grants, *emergency)),
        {server: tuple(named.values()) for server, named in servers.items()},
        {key: tuple(found) for key, found in grants.items()},
        {key: tuple(found) for key, found in emergency.items()},
        _kin(grants),
    )


def asked_of(boundaries: Iterable[Boundary]) -> dict[tuple[PurposeName, ActionName], Noted]:
    """What the rules of one agent ask of one another's actions, purpose by purpose."""
    by_purpose: dict[PurposeName, list[Rule]] = {}
    for boundary in boundaries:
        conditional = [rule for rule in boundary.rules.values() if rule.conditions is not None]
        if conditional:
            by_purpose.setdefault(boundary.purpose, []).extend(conditional)
    return {(purpose, action): found for purpose, rules in by_purpose.items() for action, found in noted(rules).items()}


def _kin(grants: Mapping[tuple[PurposeName, ActionName], Collection[Grant]]) -> dict[PurposeName, Kin]:
    edges: dict[PurposeName, dict[ActionName, set[ActionName]]] = {}
    for (purpose, action), found in grants.items():
        for grant in found:
            if grant.rule.needs:
                edges.setdefault(purpose, {}).setdefault(action, set()).update(grant.rule.needs)
    return {purpose: Kin(closure(said), closure(turned(said))) for purpose, said in edges.items()}


@dataclass(slots=True, eq=False)
class PurposeRecord:
    """A purpose."""

    purpose: Purpose
    serial: int = field(default_factory=_serial)
    _covered: dict[str, bool] = field(default_factory=dict)

    def covers(self, action: str) -> bool:
        """Whether a glob of the purpose matches `action`. Asked only of actions that a boundary names."""
        known = self._covered.get(action)
        if known is None:
            known = self._covered[action] = matches_any(self.purpose.actions, action)
        return known


@dataclass(slots=True, eq=False)
class ToolRecord:
    """A tool, with its approved schema compiled on the first call."""

    tool: Tool
    labels: Labels | None = None  # what the operator said of its data
    serial: int = field(default_factory=_serial)
    _shape: Shape | None = None
    _validator: Validator | None = None
    _unusable: str | None = None

    @property
    def tier(self) -> Tier:
        """The tool's risk."""
        return self.tool.tier

    @property
    def shape(self) -> Shape:
        """What policies can read of its arguments."""
        if self._shape is None:
            self._shape = tool_shape(self.tool)
        return self._shape

    def validator(self) -> Validator:
        """The compiled input schema.

        Raises:
            ValueError: It does not compile. The tool cannot be called.
        """
        if self._unusable is not None:
            raise ValueError(self._unusable)
        if self._validator is None:
            try:
                self._validator = compiled(input_schema(self.tool))
            except ValueError as error:
                self._unusable = str(error)
                raise
        return self._validator


@dataclass(slots=True, eq=False)
class ServerRecord:
    """A server and its tools."""

    server: Server
    tools: Mapping[ToolName, ToolRecord]
    serial: int = field(default_factory=_serial)


def server_record(server: Server, before: ServerRecord | None = None) -> ServerRecord:
    """The record of `server`; tools that did not change keep their record, and what was compiled for them."""
    known = before.tools if before is not None else {}
    tools = {
        name: _tool_record(tool, labels_of(name, server.labels) if server.labels else None, known.get(name))
        for name, tool in server.tools.items()
    }
    return ServerRecord(server, tools)


def _tool_record(tool: Tool, labels: Labels | None, kept: ToolRecord | None) -> ToolRecord:
    return kept if kept is not None and kept.tool == tool and kept.labels == labels else ToolRecord(tool, labels)


class Counters:
    """What this node knows of rates and budgets. It only ever refuses early: the writer decides.

    One window is kept for each key. A release is taken off at once, so that a figure is never
    higher than what the writer holds.
    """

    def __init__(self) -> None:
        self._used: dict[str, tuple[Instant, int]] = {}
        self._runs = Recent(_RUNS)  # what is counted for one run is asked for while that goes on, and there are many

    def used(self, key: str, window: Instant) -> int | None:
        """What is used, or None if this node has not heard of that window."""
        known = self._known(key, window)
        return known[1] if known is not None and known[0] == window else None

    def note(self, reserve: Reserve, used: int) -> None:
        """The writer has committed `reserve`, and the counter now holds `used`."""
        known = self._known(reserve.key, reserve.window)
        if known is None or known[0] < reserve.window:
            self._keep(reserve.key, reserve.window, used)
        elif known[0] == reserve.window:
            self._keep(reserve.key, reserve.window, max(known[1], used))

    def release(self, release: Release) -> None:
        """What was reserved is given back."""
        known = self._known(release.key, release.window)
        if known is not None and known[0] == release.window:
            self._keep(release.key, release.window, max(0, known[1] - release.amount))

    def _known(self, key: str, window: Instant) -> tuple[Instant, int] | None:
        if window:
            return self._used.get(key)
        found: tuple[Instant, int] | None = self._runs.get(key)
        return found

    def _keep(self, key: str, window: Instant, used: int) -> None:
        if window:
            self._used[key] = (window, used)
        else:
            self._runs.put(key, (window, used))


def no_key(_: bytes) -> str:
    """Nothing can be compared without a key; a call that would have to be is not decided."""
    raise ValueError("no key was given for what is compared between calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The facts at one epoch."""

    epoch: int
    contact: Callable[[], Instant]  # when the database last answered, on the clock that `now` comes from
    agents: Mapping[str, AgentRecord]
    owners: Mapping[OwnerName, Owner]
    purposes: Mapping[PurposeName, PurposeRecord]
    servers: Mapping[ServerName, ServerRecord]
    freezes: Mapping[tuple[str, str], Freeze]  # by (kind, name)
    organisation: Organisation
    counters: Counters
    slices: Slices
    declared: Declared = NOTHING  # the organisation's own types
    activations: Activations = field(default_factory=Activations)
    coverage: Mapping[str, Covered] = field(default_factory=dict)  # of servers whose use others tell of
    doubts: Mapping[str, tuple[Doubt, ...]] = field(default_factory=dict)  # by server
    openings: Mapping[tuple[AgentName, BoundaryName], Opening] = field(default_factory=dict)
    approvals: Mapping[Asked, tuple[Standing, ...]] = field(default_factory=dict)  # what people were asked for
    consumed: Mapping[str, str] = field(default_factory=dict)  # request: the decision that used its approval here
    mac: Callable[[bytes], str] = no_key  # a keyed hash, the same on every node; for what is compared between calls
    recorded: Circumstances | None = None  # of the one call that is decided again on this view (`policy/replay.py`)

    def opening(self, boundary: Boundary, now: Instant) -> Opening | None:
        """By what a boundary for emergencies is open now; None if it is not."""
        found = self.openings.get((boundary.agent, boundary.boundary))
        return found if found is not None and found.live(now) else None

    def server(self, name: str) -> Server | None:
        """The registered server of that name."""
        record = self.servers.get(ServerName(name))
        return None if record is None else record.server

    def fresh(self, now: Instant) -> bool:
        """Whether the database was in reach within the staleness bound: else a freeze could be missing here."""
        return now - self.contact() <= STALE_AFTER

    def freeze_on(self, call: Call, agent: Agent) -> Freeze | None:
        """The first freeze that covers `call`, the widest kind first."""
        if not self.freezes:
            return None
        caller, server = call.caller, self.servers.get(call.server)
        injected = None if server is None else server.server.credential
        found = self._freeze(
            (FreezeKind.ALL, "*"),
            (FreezeKind.SERVER, call.server),
            (FreezeKind.TOOL, call.action),
            (FreezeKind.OWNER, agent.owner),
            # An upstream credential: the calls to every server that would get it.
            (FreezeKind.CREDENTIAL, None if injected is None else injected.secret),
            (FreezeKind.CREDENTIAL, caller.credential),
            (FreezeKind.AGENT, caller.agent),
            (FreezeKind.INSTANCE, caller.instance),
            (FreezeKind.INSTANCE, caller.pep_instance or None),
        )
        if found is not None or not caller.links:
            return found
        return next((stop for link in caller.links if (stop := self._freeze_on_link(link)) is not None), None)

    def freeze_of(self, instance: str) -> Freeze | None:
        """The first freeze that stops an enforcement point's questions about no agent."""
        return self._freeze((FreezeKind.ALL, "*"), (FreezeKind.INSTANCE, instance))

    def _freeze_on_link(self, link: Link) -> Freeze | None:
        """The first freeze on an agent for which another acts."""
        record = self.agents.get(link.agent)
        return self._freeze(
            (FreezeKind.OWNER, None if record is None else record.agent.owner),
            (FreezeKind.CREDENTIAL, link.credential),
            (FreezeKind.AGENT, link.agent),
            (FreezeKind.INSTANCE, link.instance),
        )

    def _freeze(self, *on: tuple[FreezeKind, str | None]) -> Freeze | None:
        known = ((kind.value, name) for kind, name in on if name is not None)
        return next((freeze for each in known if (freeze := self.freezes.get(each)) is not None), None)


def usable_grants(
    view: View, agent: AgentRecord, key: tuple[PurposeName, ActionName], *, now: Instant
) -> tuple[Grant, ...]:
    """The rules for an action and purpose: ordinary ones, then those for emergencies that are open now."""
    reach = agent.reach
    found, emergency = reach.grants.get(key, ()), reach.emergency.get(key, ())
    return (*found, *(each for each in emergency if view.opening(each.boundary, now))) if emergency else found
