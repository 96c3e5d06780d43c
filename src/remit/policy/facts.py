"""The facts in memory: loaded once, and reloaded record by record as the feed tells what changed.

One reference is swapped; readers hold the picture they began with. A change is applied here
before its caller is answered, on the writer's thread.
"""

from __future__ import annotations

import dataclasses
import gc
import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from remit.access.activation import Activation, ActivationKey
from remit.access.model import Boundary, BoundaryState, Rule
from remit.agents.risk import QUIET
from remit.freezes.model import Freeze
from remit.kernel.clock import Instant, Micros
from remit.kernel.errors import IntegrityFailed, RemitError
from remit.kernel.names import AgentName, OwnerName, PurposeName, ServerName
from remit.policy import organisation
from remit.policy.activations import Activations
from remit.policy.approved import by_call
from remit.policy.declared.model import Declared
from remit.policy.declared.reader import Reader as DeclarationReader
from remit.policy.marks import unmet
from remit.policy.organisation import Organisation
from remit.policy.organisations import Organisations
from remit.policy.ports import Engine, FactSource
from remit.policy.slices import Slices
from remit.policy.view import (
    Counters,
    PurposeRecord,
    View,
    agent_record,
    no_key,
    server_record,
)
from remit.storage.model import ConsumeApproval, Effect, Marked, Release, Reserve, Unmarked
from remit.storage.ports import Reader

# Topics that no decision reads.
_ELSEWHERE = frozenset({"secret", "lease", "operators", "peps", "token", "combinations", "keys", "policy_sets"})


class Facts:
    """Keeps the newest view.

    Args:
        source: The rooms below, as stored facts.
        engine: The Cedar engine.
        contact: When the database last answered, on the clock that `now` comes from.
        reader: For what is read when it is first asked for: an agent's activations.
        covered: The coverage clock.
        reading: The same, for when a use is seen.
        written: Changes with every time that another node wrote down the use that it saw.
        mac: The recorder's keyed hash, the same on every node: for what is compared between calls, and for what
            approvals are bound to.
    """

    def __init__(  # noqa: PLR0913 - what the view is made of
        self,
        *,
        source: FactSource,
        engine: Engine,
        contact: Callable[[], Instant],
        reader: Reader | None = None,
        covered: Callable[[], Micros] = lambda: Micros(0),
        reading: Callable[[], Micros] | None = None,
        written: Callable[[], object] = lambda: (),
        mac: Callable[[bytes], str] = no_key,
    ) -> None:
        self._source = source
        self._reader = reader
        self._engine = engine
        self.declarations = DeclarationReader(engine)
        self._serials = itertools.count(1)
        self.organisations = Organisations(engine)
        self._written = written
        self._consumed: dict[str, str] = {}  # shared by every view; only of what stands
        self._loaded: dict[str, object] = {}  # agent: what `written` said before its activations were read
        self._view = View(
            epoch=0,
            contact=contact,
            agents={},
            owners={},
            purposes={},
            servers={},
            freezes={},
            organisation=Organisation(),
            counters=Counters(),
            slices=Slices(engine),
            activations=Activations(covered, reading),
            consumed=self._consumed,
            mac=mac,
        )

    def view(self) -> View:
        """The newest view: one attribute read."""
        return self._view

    def prepare(self, agent: str, *, again: bool = False) -> None:
        """Read an agent's activations if they are not here yet; with `again`, read them anew."""

        def read() -> Iterable[Activation]:
            if self._reader is None:
                return ()
            return self._reader.read(lambda connection: list(self._source.activations(connection, agent)))

        def groups() -> Mapping[ActivationKey, tuple[ActivationKey, ...]]:
            if self._reader is None:
                return {}
            return self._reader.read(lambda connection: self._source.together(connection, agent))

        known, again = self._view.activations, again or self.behind(agent)
        said = self._written()
        if again or not known.knows(agent):
            known.group(agent, groups())  # before they are loaded: what is known is judged with what it goes with
        known.load(agent, read, again=again and known.knows(agent))
        self._loaded[agent] = said

    def behind(self, agent: str) -> bool:
        """Whether another node wrote down use since this agent's activations were read here.

        Use raises no epoch, and nobody is told of it: so what looks idle here may be in use elsewhere.
        """
        return self._view.activations.knows(agent) and self._loaded.get(agent, ()) != self._written()

    def unmet(self, effects: Iterable[Effect]) -> frozenset[str]:
        """Of what a proposal takes its run to have done and read, what is otherwise. Reads the database."""
        asked = [effect for effect in effects if isinstance(effect, (Marked, Unmarked))]
        if not asked or self._reader is None:
            return frozenset()
        return self._reader.read(lambda connection: unmet(connection, asked))

    def load(self, connection: Connection, *, epoch: int) -> None:
        """Read everything."""
        with _growing():
            self._load(connection, epoch)

    def _load(self, connection: Connection, epoch: int) -> None:
        source = self._source
        risks = dict(source.risks(connection))
        self._view.activations.forget()
        for agent in self._view.activations.held():  # use that is not written keeps them, and they may be old
            self._activations(connection, agent, {})
        held: dict[str, list[Boundary]] = defaultdict(list)
        shared: dict[Rule, Rule] = {}
        for boundary in source.boundaries(connection):
            if boundary.state is BoundaryState.ACTIVE:
                held[boundary.agent].append(_sharing(boundary, shared))
        self._swap(
            epoch=epoch,
            agents={
                agent.agent: agent_record(agent, tuple(held.pop(agent.agent, ())), risks.get(agent.agent, QUIET))
                for agent in source.agents(connection)
            },
            owners={owner.owner: owner for owner in source.owners(connection)},
            purposes={purpose.purpose: PurposeRecord(purpose) for purpose in source.purposes(connection)},
            servers={server.server: server_record(server) for server in source.servers(connection)},
            freezes=_by_target(source.freezes(connection)),
            coverage=source.coverage(connection),
            doubts=source.doubts(connection),
            openings=source.openings(connection),
            approvals=by_call(source.approvals(connection)),
            organisation=self._organisation(connection),
            declared=self._declared(connection),
        )

    def apply(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """Reload what `topics` name (remit.storage.ports.Feed). A topic that is not known reloads everything."""
        changes: dict[str, Any] = {}
        for topic in dict.fromkeys(topics):
            kind, _, name = topic.partition(":")
            if kind in _ELSEWHERE:
                continue
            reload = _RELOADS.get(kind)
            if reload is None:
                self.load(connection, epoch=epoch)
                return
            reload(self, connection, name, changes)
        self._swap(epoch=epoch, **changes)

    def note(self, reserved: Sequence[Reserve], used: Sequence[int]) -> None:
        """The writer has committed these reservations, and their counters now hold `used`."""
        for reserve, value in zip(reserved, used, strict=True):
            self._view.counters.note(reserve, value)

    def released(self, releases: Iterable[Release]) -> None:
        """Reservations are given back. Must be told: else a refunded budget looks spent here."""
        for release in releases:
            self._view.counters.release(release)

    def consumed(self, effect: ConsumeApproval) -> None:
        """The writer has committed this use. Only refuses early what the writer would refuse."""
        self._consumed[effect.request] = effect.decision

    def _swap(self, **changes: Any) -> None:  # noqa: ANN401 - the view's own fields
        self._view = dataclasses.replace(self._view, **changes)

    def _agent(self, connection: Connection, name: str, changes: dict[str, Any]) -> None:
        agent = self._source.agent(connection, name)
        boundaries = tuple(self._source.boundaries_of(connection, name))
        risk = dict(self._source.risks(connection, name)).get(name, QUIET)
        record = None if agent is None else agent_record(agent, boundaries, risk)
        _put(changes, "agents", self._view.agents, name, record)

    def _owner(self, connection: Connection, name: str, changes: dict[str, Any]) -> None:
        _put(changes, "owners", self._view.owners, name, self._source.owner(connection, name))

    def _purpose(self, connection: Connection, name: str, changes: dict[str, Any]) -> None:
        purpose = self._source.purpose(connection, name)
        record = None if purpose is None else PurposeRecord(purpose)
        _put(changes, "purposes", self._view.purposes, name, record)

    def _server(self, connection: Connection, name: str, changes: dict[str, Any]) -> None:
        server = self._source.server(connection, name)
        before = self._view.servers.get(ServerName(name))
        record = None if server is None else server_record(server, before)
        _put(changes, "servers", self._view.servers, name, record)

    def _activations(self, connection: Connection, name: str, _changes: dict[str, Any]) -> None:
        if self._view.activations.knows(name):
            self._view.activations.group(name, self._source.together(connection, name))
        try:
            self._view.activations.load(name, lambda: self._source.activations(connection, name), again=True)
        except IntegrityFailed:
            # A damaged row must not keep a change from the view, for then nothing at all is decided. This agent's
            # entitlements are loaded anew by its next call, which is refused with what is wrong.
            self._view.activations.let_go(name)

    def _freezes(self, connection: Connection, _name: str, changes: dict[str, Any]) -> None:
        changes["freezes"] = _by_target(self._source.freezes(connection))

    def _usage(self, connection: Connection, _name: str, changes: dict[str, Any]) -> None:
        changes["coverage"] = self._source.coverage(connection)

    def _doubts(self, connection: Connection, _name: str, changes: dict[str, Any]) -> None:
        changes["doubts"] = self._source.doubts(connection)

    def _openings(self, connection: Connection, _name: str, changes: dict[str, Any]) -> None:
        changes["openings"] = self._source.openings(connection)

    def _approvals(self, connection: Connection, _name: str, changes: dict[str, Any]) -> None:
        standing = list(self._source.approvals(connection))
        changes["approvals"] = by_call(standing)
        for request in set(self._consumed) - {each.request for each in standing}:
            self._consumed.pop(request, None)

    def _policies(self, connection: Connection, _name: str, changes: dict[str, Any]) -> None:
        changes["organisation"] = self._organisation(connection)

    def _declarations(self, connection: Connection, _name: str, changes: dict[str, Any]) -> None:
        changes["declared"] = self._declared(connection)

    def _declared(self, connection: Connection) -> Declared:
        files = self._source.declarations(connection)
        try:
            return self.declarations.read(files)
        except RemitError as error:
            return self.declarations.unreadable(files, fault=error.public)

    def _organisation(self, connection: Connection) -> Organisation:
        files, serial = self._source.policies(connection), next(self._serials)
        try:
            return self.organisations.read(files, serial=serial)
        except RemitError as error:
            return organisation.unreadable(files, fault=error.public, serial=serial)


_Reload = Callable[[Facts, Connection, str, dict[str, Any]], None]
_RELOADS: Mapping[str, _Reload] = {
    "agent": Facts._agent,  # noqa: SLF001 - a table of this class's own methods
    "activations": Facts._activations,  # noqa: SLF001 - as below
    "owner": Facts._owner,  # noqa: SLF001 - as above
    "purpose": Facts._purpose,  # noqa: SLF001 - as above
    "server": Facts._server,  # noqa: SLF001 - as above
    "freezes": Facts._freezes,  # noqa: SLF001 - as above
    "usage": Facts._usage,  # noqa: SLF001 - as above
    "doubts": Facts._doubts,  # noqa: SLF001 - as above
    "approvals": Facts._approvals,  # noqa: SLF001 - as below
    "openings": Facts._openings,  # noqa: SLF001 - as above
    "policies": Facts._policies,  # noqa: SLF001 - as above
    "declarations": Facts._declarations,  # noqa: SLF001 - as above
}


def _put(changes: dict[str, Any], part: str, before: Mapping[Any, Any], name: str, record: object) -> None:
    """Replace one record in a copy of a part of the view; None takes it away."""
    records = changes.setdefault(part, dict(before))
    if record is None:
        records.pop(name, None)
    else:
        records[name] = record


def _by_target(freezes: Iterable[Freeze]) -> dict[tuple[str, str], Freeze]:
    return {(freeze.kind.value, freeze.name): freeze for freeze in freezes}


def _sharing(boundary: Boundary, shared: dict[Rule, Rule]) -> Boundary:
    """`boundary` with rules that are the same object wherever they are equal: most boundaries follow a template."""
    rules = (shared.setdefault(rule, rule) for rule in boundary.rules.values())
    return Boundary(
        boundary=boundary.boundary,
        version=boundary.version,
        agent=AgentName(sys.intern(boundary.agent)),
        purpose=PurposeName(sys.intern(boundary.purpose)),
        rules={rule.action: rule for rule in rules},
        not_after=boundary.not_after,
        state=boundary.state,
        approved_by=boundary.approved_by and OwnerName(sys.intern(boundary.approved_by)),
        approved_at=boundary.approved_at,
        break_glass=boundary.break_glass,
    )


@contextmanager
def _growing() -> Iterator[None]:
    """No garbage collection while everything is read: the heap only grows, and each pass would walk all of it."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
