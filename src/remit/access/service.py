"""Purposes come and close; boundaries are proposed, approved and revoked."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from sqlalchemy import Connection

from remit.access.added import check_limit, tiers
from remit.access.admission import boundary_problems
from remit.access.codec import draft_text, purpose_text, rules_text
from remit.access.draft import Draft, History, Version
from remit.access.expand import FindServer, expand
from remit.access.model import Boundary, BoundaryState, Purpose, PurposeState
from remit.access.propose import Step, after, approve, preview, propose
from remit.access.sql import SqlBoundaries, SqlPurposes
from remit.agents.sql import SqlAgents
from remit.catalog.sql import SqlServers
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import Conflict, Forbidden, NotFound
from remit.kernel.names import BoundaryName, OwnerName, PurposeName
from remit.people.change import Actor, Changed, digest, record
from remit.people.document import SpecInvalid
from remit.people.ports import Records
from remit.people.sql import SqlOwners
from remit.people.succession import answers_for
from remit.storage.ports import Reader, Transaction, Writer

_WAITING = (BoundaryState.PROPOSED, BoundaryState.WAITING_FOR_CATALOG)


class AccessService:
    """State changes of purposes and boundaries."""

    def __init__(self, *, writer: Writer, reader: Reader, records: Records, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._records = records
        self._clock = clock

    # purposes -------------------------------------------------------------------------------

    def purposes(self) -> list[Purpose]:
        """Every purpose in any state, by name."""
        return self._reader.read(lambda connection: SqlPurposes(connection).all())

    def put_purpose(self, tx: Transaction, purpose: Purpose, *, by: Actor) -> None:
        """Register or narrow a purpose, within a change; that it only narrows was checked by the caller."""
        before = SqlPurposes(tx.connection).find(purpose.purpose)
        if purpose != before:
            self._store_purpose(tx, before, purpose, "create" if before is None else "narrow", by=by)

    def close_purpose(self, tx: Transaction, name: PurposeName, *, by: Actor) -> None:
        """Close a purpose for ever, within a change."""
        before = SqlPurposes(tx.connection).find(name)
        if before is None:
            raise NotFound(f"there is no purpose {name}")
        if before.state is not PurposeState.CLOSED:
            self._store_purpose(tx, before, replace(before, state=PurposeState.CLOSED), "close", by=by)

    def _store_purpose(
        self, tx: Transaction, before: Purpose | None, purpose: Purpose, change: str, *, by: Actor
    ) -> None:
        SqlPurposes(tx.connection).put(purpose)
        tx.touch(f"purpose:{purpose.purpose}")
        changed = Changed(
            what="purpose",
            name=purpose.purpose,
            change=change,
            before=None if before is None else purpose_text(before) + before.state,
            after=purpose_text(purpose) + purpose.state,
        )
        record(tx, self._records, changed, by=by)

    # boundaries -----------------------------------------------------------------------------

    def boundaries(self, *, agent: str = "", waiting: bool = False, most: int | None = None) -> list[Boundary]:
        """The versions that are in force or wait (or wait alone), by name; one that waits with what it would come to.

        Of one agent, or of all: of ten thousand agents that is work for seconds.
        """

        def query(connection: Connection) -> list[Boundary]:
            find = _finder(connection)
            found = SqlBoundaries(connection).open(agent=agent, waiting=waiting, most=most)
            return [_shown(each, find) for each in found]

        return self._reader.read(query)

    def ends(self, by: Instant) -> dict[BoundaryName, Instant]:
        """The boundaries in force that end by then, with when, by name."""
        return self._reader.read(lambda connection: SqlBoundaries(connection).ends(by))

    def versions(self, name: str) -> list[Boundary]:
        """Every version of one boundary, newest first.

        Raises:
            NotFound: There never was one of that name.
        """

        def query(connection: Connection) -> list[Boundary]:
            find = _finder(connection)
            return [_shown(each, find) for each in SqlBoundaries(connection).versions(BoundaryName(name))]

        found = self._reader.read(query)
        if not found:
            raise NotFound(f"there is no boundary {name}")
        return found

    def waiting(self, name: str) -> tuple[Boundary, tuple[str, ...]] | None:
        """What an approval would put in force, and why that widens what is in force; None if it would change nothing.

        Raises:
            NotFound: There never was one of that name.
        """

        def query(connection: Connection) -> tuple[Boundary, tuple[str, ...]] | None:
            history = SqlBoundaries(connection).history(BoundaryName(name))
            if history.last == 0:
                raise NotFound(f"there is no boundary {name}")
            return preview(history, _finder(connection))

        return self._reader.read(query)

    def propose(self, draft: Draft, *, by: Actor) -> Step:
        """Bring one boundary in line with its document.

        Raises:
            SpecInvalid: It does not fit its agent, its purpose or the catalog.
        """
        return self._writer.change(lambda tx: self.propose_within(tx, draft, by=by))

    def propose_within(self, tx: Transaction, draft: Draft, *, by: Actor) -> Step:
        """The same, within a change."""
        agent = SqlAgents(tx.connection).find(draft.agent)
        purpose = SqlPurposes(tx.connection).find(draft.purpose)
        if problems := list(boundary_problems(draft, agent, purpose)):
            raise SpecInvalid(problems)
        history = SqlBoundaries(tx.connection).history(draft.boundary)
        step = propose(draft, history, _finder(tx.connection), now=self._clock.now())
        self.take(tx, step, history, by=by)
        return step

    def approve(self, name: str, *, by: Actor, version: int | None = None) -> Boundary:
        """Approve what waits of a boundary, as its agent's owner or backup; nobody else may, the admin token least.

        Args:
            name: Of the boundary.
            by: Who approves.
            version: What the person looked at: nothing else is approved.

        Raises:
            NotFound, Forbidden: There is no such boundary; not the agent's owner or an active backup.
            Conflict: Another version waits, there are no pins yet, a tool waits for review, it no longer fits, or
                it adds more than is left of the agent's `max_widening` this year.
        """

        def apply(tx: Transaction) -> Boundary:
            history = SqlBoundaries(tx.connection).history(BoundaryName(name))
            candidate = history.waiting or history.active
            if candidate is None:
                raise NotFound(f"there is no boundary {name} to approve")
            approver = _approver(tx.connection, candidate.draft, by)
            if version is not None and version != candidate.version:
                raise Conflict(
                    f"version {version} of {name} no longer waits: it is version {candidate.version} now",
                    try_=f"look at it again: remit boundary show {name}",
                )
            _still_fits(tx.connection, candidate.draft)
            step = approve(history, _finder(tx.connection), by=approver, now=self._clock.now())
            self.take(tx, step, history, by=by)
            return step.now.boundary()

        return self._writer.change(apply)

    def decline(self, name: str, version: int, *, by: Actor) -> Version:
        """Say no to what waits of a boundary, as whoever may approve it. What is in force stays.

        Applying the same document again proposes it again, as a version of its own.

        Raises:
            NotFound, Forbidden: As `approve`.
            Conflict: That version does not wait.
        """

        def apply(tx: Transaction) -> Version:
            history = SqlBoundaries(tx.connection).history(BoundaryName(name))
            candidate = history.waiting or history.active
            if candidate is None:
                raise NotFound(f"there is no boundary {name} to decline")
            _approver(tx.connection, candidate.draft, by)
            if history.waiting is None or history.waiting.version != version:
                raise Conflict(f"version {version} of {name} does not wait", try_=f"remit boundary show {name}")
            ended = replace(history.waiting, state=BoundaryState.REVOKED)
            self.take(tx, Step(change="decline", writes=(ended,), now=ended), history, by=by)
            return ended

        return self._writer.change(apply)

    def revoke(self, name: str, *, by: Actor) -> None:
        """End a boundary at once: the version in force and the one that waits.

        Raises:
            NotFound: Nothing of that name is in force or waits.
        """
        self._writer.change(lambda tx: self.revoke_within(tx, BoundaryName(name), by=by))

    def revoke_within(self, tx: Transaction, name: BoundaryName, *, by: Actor) -> None:
        """The same, within a change."""
        history = SqlBoundaries(tx.connection).history(name)
        ended = [
            replace(each, state=BoundaryState.REVOKED) for each in (history.active, history.waiting) if each is not None
        ]
        if not ended:
            raise NotFound(f"there is no boundary {name}")
        self.take(tx, Step(change="revoke", writes=tuple(ended), now=ended[0]), history, by=by)

    def take(self, tx: Transaction, step: Step, history: History, *, by: Actor) -> None:
        """Write a step, within a change; what it says was decided by the rules on `history`.

        Raises:
            Conflict: An approval that adds more than is left of its agent's `max_widening` this year. Here,
                because whoever approves, by whatever door, comes through here.
        """
        if not step.writes:
            return
        rows = SqlBoundaries(tx.connection)
        if step.change == "approve":
            self._check_limit(tx.connection, step)
        # What ends is written first: at no moment are two versions in force.
        for version in sorted(step.writes, key=lambda each: each.state is BoundaryState.ACTIVE):
            rows.put(version)
        agents = {each.draft.agent for each in (history.active, history.waiting, *step.writes) if each is not None}
        tx.touch(*(f"agent:{agent}" for agent in sorted(agents)))
        changed = Changed(
            what="boundary",
            name=step.now.draft.boundary,
            change=step.change,
            before=_body(history.active),
            after=_body(after(history, step).active),
            more={
                "version": step.now.version,
                "state": step.now.state.value,
                "agent": step.now.draft.agent,
                "document": digest(draft_text(step.now.draft)),
                "widens": list(step.reasons),
            },
        )
        record(tx, self._records, changed, by=by)

    def _check_limit(self, connection: Connection, step: Step) -> None:
        agent = SqlAgents(connection).find(step.now.draft.agent)
        if agent is not None:
            earlier = SqlBoundaries(connection).of_agent(agent.agent)
            check_limit(agent, earlier, step.writes, tiers(_finder(connection)), now=self._clock.now())


def _shown(version: Version, find: FindServer) -> Boundary:
    """A version for people: one that waits says whether it still waits for the catalog, and what it would come to."""
    if version.state not in _WAITING:
        return version.boundary()
    expansion = expand(version.draft, find)
    state = BoundaryState.WAITING_FOR_CATALOG if expansion.waiting else BoundaryState.PROPOSED
    return replace(version, state=state).boundary(expansion.rules)


def _approver(connection: Connection, draft: Draft, by: Actor) -> OwnerName:
    """The person who approves.

    Raises:
        Forbidden: Not the agent's owner or an active backup.
    """
    agent = SqlAgents(connection).find(draft.agent)
    owners = SqlOwners(connection)
    owner = None if agent is None else owners.find(agent.owner)
    if not answers_for(by.person, owner, owners.find):
        raise Forbidden(
            f"{by.person} may not approve {draft.boundary}: only the owner of {draft.agent} or a backup may",
            try_=f"ask {agent.owner}" if agent is not None else "",
        )
    return OwnerName(by.person)


def _still_fits(connection: Connection, draft: Draft) -> None:
    agent = SqlAgents(connection).find(draft.agent)
    purpose = SqlPurposes(connection).find(draft.purpose)
    if problems := list(boundary_problems(draft, agent, purpose)):
        raise Conflict(f"{draft.boundary} no longer fits: {problems[0].message}", try_="remit apply DIR")


def _finder(connection: Connection) -> FindServer:
    return cache(SqlServers(connection).find)


def _body(version: Version | None) -> str | None:
    return None if version is None else draft_text(version.draft) + rules_text(version.rules or {})
