"""Break-glass: people open boundaries for emergencies, close them, and look at what others opened.

Every opening pages: the agent's owner gets a notice, security an incident. It is a fact that
decisions read, so it holds and ends at once. `tick` asks for the reviews, and says when one is overdue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from remit.access import opening as rules
from remit.access.model import Boundary
from remit.access.opening import Opening, OpeningState
from remit.access.openings_sql import SqlOpenings, text
from remit.access.sql import load
from remit.agents.model import AgentState
from remit.agents.signals import Signal
from remit.agents.sql import SqlAgents
from remit.certification.ports import Asker
from remit.kernel.canonical import canonical
from remit.kernel.clock import Clock, Micros, rfc3339
from remit.kernel.errors import Conflict, NotFound
from remit.kernel.names import AgentName, BoundaryName, new_id
from remit.people import document
from remit.people.change import Actor, Changed, record
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.storage.ports import Reader, Transaction, Writer

TOPIC: Final = "openings"
KIND: Final = "breakglass_review"
_REMIT: Final = Actor(by="remit")
_STEP: Final = 100  # openings in one tick
_REASON = document.text(most=1000)
_TICKET = document.text(most=200)
_Note = document.text(most=1000)


class Questions(Asker, Protocol):
    """Asks people, and takes a question back (bound to the reviews room)."""

    def settle(self, tx: Transaction, *, kind: str, agent: str, about: str) -> None:
        """What was asked about is over by itself."""
        ...


class Pager(Protocol):
    """Tells who is on duty, outside (bound to `requests/telling`)."""

    def page(self, tx: Transaction, what: str, said: Mapping[str, Any]) -> None:
        """Tell it, once this change is durable."""
        ...


class _NoPager:
    def page(self, tx: Transaction, what: str, said: Mapping[str, Any]) -> None:
        """Nobody is told outside."""


class Signals(Protocol):
    """Says what was noticed about an agent (bound to `agents/service`)."""

    def signal_within(
        self, tx: Transaction, name: str, signal: object, *, about: str = "", on: bool = True, by: Actor
    ) -> object:
        """Set or end a signal within a change; what is so already stays so."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """State changes of openings; implements remit.reviews.ports.Openings. Worker threads only.

    Args:
        questions: Who asks people; a function, because what asks needs this service too.
        uses: How many calls were allowed by an opening, as far as the log can tell quickly.
        pager: Who tells people outside of an emergency.
    """

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    signals: Signals
    questions: Callable[[], Questions]
    uses: Callable[[str], int | None] = lambda _opening: None
    pager: Pager = _NoPager()  # noqa: RUF009 - it has no state

    def listing(self, agent: str | None = None, *, most: int = 100) -> list[Opening]:
        """The newest openings of one agent, or of all, newest first."""
        return self.reader.read(lambda connection: SqlOpenings(connection).newest(agent, most=most))

    def find(self, name: str) -> Opening:
        """One opening. Raises NotFound."""
        return _known(self.reader.read(lambda connection: SqlOpenings(connection).find(name)))

    # by people -------------------------------------------------------------------------------

    def open(self, agent: str, boundary: str, *, lasts: Micros, reason: str, ticket: str, by: Actor) -> Opening:
        """Open a boundary for emergencies. That `by` is the agent's owner, a backup or security was checked before.

        Args:
            agent: Whose boundary.
            boundary: Its name.
            lasts: For how long; 60 minutes at the most.
            reason: Why, one line.
            ticket: Where the emergency is worked on.
            by: Who opens it and answers for it.

        Raises:
            Malformed, Forbidden, Conflict: As `access.opening.end_of`; no reason or ticket; the agent is not active.
            NotFound: The agent has no boundary of that name in force.
        """
        why, where = _REASON(reason), _TICKET(ticket)

        def apply(tx: Transaction) -> Opening:
            rows, now = SqlOpenings(tx.connection), self.clock.now()
            found = _boundary(tx, agent, boundary)
            known = rows.concerning(found.boundary, found.agent, by=by.person)
            ends = rules.end_of(found, lasts, by=by.person, openings=known, now=now)
            opening = Opening(
                opening=new_id("opn"), agent=found.agent, boundary=found.boundary, by=by.person, opened=now, ends=ends,
                reason=why, ticket=where,
            )  # fmt: skip
            self._put(tx, None, opening, "open", by=by)
            self._page(tx, opening, "breakglass_opened")
            return opening

        return self.writer.change(apply)

    def close(self, name: str, *, by: Actor) -> Opening:
        """End an opening before its time. From then on nothing is decided by it, and what runs by it is cut.

        Raises:
            NotFound, Conflict: No such opening; it has ended.
        """

        def apply(tx: Transaction) -> Opening:
            before = _known(SqlOpenings(tx.connection).find(name))
            after = rules.closed(before, by=by.person, now=self.clock.now())
            return self._put(tx, before, after, "close", by=by)

        return self.writer.change(apply)

    def review(self, name: str, *, accepted: bool, note: str, by: Actor) -> Opening:
        """Say, as somebody else than who opened it, whether it was right. A question about it is settled.

        Raises:
            Malformed, NotFound: A note that is too long; no such opening.
            Forbidden, Conflict: Who opened it; it is open still, or was accepted already.
        """
        said = _Note(note) if note else ""

        def apply(tx: Transaction) -> Opening:
            after = self._seen(tx, _known(SqlOpenings(tx.connection).find(name)), accepted, said, by)
            self.questions().settle(tx, kind=KIND, agent=after.agent, about=after.opening)
            return after

        return self.writer.change(apply)

    def reviewed(self, tx: Transaction, opening: str, *, accepted: bool, by: Actor) -> None:
        """The question about it was answered; or its term is over, which is no review (`remit.reviews.ports`).

        Raises:
            NotFound, Forbidden, Conflict: As `review`.
        """
        if by.person == _REMIT.person:
            return
        before = _known(SqlOpenings(tx.connection).find(opening))
        # Again is harmless, and what somebody accepted meanwhile stays accepted.
        if before.state is not OpeningState.REVIEWED and before.reviewed_by != by.person:
            self._seen(tx, before, accepted, "", by)

    # time passes -----------------------------------------------------------------------------

    def tick(self) -> int:
        """Ask for the reviews of what has ended, and say which are overdue; how many there were. One indexed query."""
        now = self.clock.now()
        due = self.reader.read(lambda connection: SqlOpenings(connection).due(now, _STEP))
        return sum(self.writer.change(partial(self._next, before=each, uses=self.uses(each.opening))) for each in due)

    def _next(self, tx: Transaction, before: Opening, uses: int | None) -> int:
        known = _known(SqlOpenings(tx.connection).find(before.opening))
        after = rules.moved(known, now=self.clock.now())
        if after.state is known.state:
            return 0  # somebody was faster
        overdue = after.state is OpeningState.OVERDUE
        self._put(tx, known, after, "overdue" if overdue else "end", by=_REMIT)
        if overdue:
            self._signal(tx, after, on=True)
            self._page(tx, after, "breakglass_unreviewed")
        else:
            self.questions().ask(
                tx, kind=KIND, agent=after.agent, about=after.opening, why="opened", facts=_facts(after, uses)
            )
        return 1

    # each change ------------------------------------------------------------------------------

    def _seen(self, tx: Transaction, before: Opening, accepted: bool, note: str, by: Actor) -> Opening:  # noqa: FBT001 - what was said
        after = rules.seen(before, by=by.person, accepted=accepted, note=note, now=self.clock.now())
        self._signal(tx, after, on=False)
        return self._put(tx, before, after, "accept" if accepted else "reject", by=by)

    def _signal(self, tx: Transaction, opening: Opening, *, on: bool) -> None:
        self.signals.signal_within(
            tx, opening.agent, Signal.BREAKGLASS_UNREVIEWED, about=opening.opening, on=on, by=_REMIT
        )

    def _put(self, tx: Transaction, before: Opening | None, after: Opening, change: str, *, by: Actor) -> Opening:
        SqlOpenings(tx.connection).put(after)
        tx.touch(TOPIC)
        more = {name: value for name, value in _said(after).items() if name != "opening"}
        changed = Changed(
            what="opening", name=after.opening, change=change, before=None if before is None else text(before),
            after=text(after), more={**more, "review": after.state.value, "note": after.note},
        )  # fmt: skip
        record(tx, self.records, changed, by=by)
        return after

    def _page(self, tx: Transaction, opening: Opening, what: str) -> None:
        """Tell the owner, and security, who sees incidents."""
        said = {"what": what, **_said(opening)}
        tx.record(self.records.entry("incident", said))
        told = said | {"at": rfc3339(self.clock.now())}
        SqlNotices(tx.connection).put(opening.agent, canonical(told).decode("utf-8"))
        self.pager.page(tx, what, {**_said(opening), "review_due": rfc3339(opening.review_due)})


def _said(opening: Opening) -> dict[str, Any]:
    return {
        "opening": opening.opening,
        "agent": opening.agent,
        "boundary": opening.boundary,
        "opened_by": opening.by,
        "until": rfc3339(opening.ends),
        "reason": opening.reason,
        "ticket": opening.ticket,
    }


def _facts(opening: Opening, uses: int | None) -> dict[str, Any]:
    """What a person is shown who is asked about it. Who opened it is who asked for it, and may not answer."""
    shown = {**_said(opening), "requested_by": opening.by, "opened": rfc3339(opening.opened)}
    return shown if uses is None else {**shown, "uses": uses}


def _known(opening: Opening | None) -> Opening:
    if opening is None:
        raise NotFound("there is no such opening", try_="remit breakglass list")
    return opening


def _boundary(tx: Transaction, agent: str, name: str) -> Boundary:
    found = load(tx.connection, BoundaryName(name))
    if found is None or found.agent != agent:
        raise NotFound(f"{agent} has no boundary {name} in force"[:200], try_="remit boundary list")
    holder = SqlAgents(tx.connection).find(AgentName(agent))
    if holder is None or holder.state is not AgentState.ACTIVE:
        raise Conflict(f"{agent} is not active: nothing that is opened for it would let it work")
    return found
