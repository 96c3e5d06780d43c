"""One group commit: effects, changes, bundle, COMMIT. Nothing here knows threads or futures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from remit.kernel.errors import RemitError
from remit.storage import activate, approve, bundle, renew
from remit.storage.effects import NOTHING_FAILED, Going, RowKey, Settled, Wanted, settle, wanted
from remit.storage.feed import Touched
from remit.storage.journal import Journal
from remit.storage.model import Committed, Entry, Work

Change = Callable[[Any], Any]
Complete = Callable[[Connection, Sequence[Entry], int | None], Sequence[Entry]]
CHANGE_SECONDS = 30.0  # how long one change of state may run before its batch is given up
STAGE_SECONDS = 1.0  # the same for a stage that only the database can hold up


@dataclass(slots=True)
class Result:
    """What one commit did: an answer per work and per change, and what the feed must hear."""

    answers: list[Committed | Exception]
    expiring: int = 0  # rows that will have to be swept one day
    changed: list[tuple[Any, BaseException | None]] = field(default_factory=list)
    touched: list[Touched] = field(default_factory=list)


def bound_statements(connection: Connection, allow: Callable[[float], None]) -> None:
    """Give each statement of a change the time that only the database can take, and what is between them more.

    Else calls would wait `CHANGE_SECONDS` for a database that hangs while a change runs.
    """

    def before(*arguments: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        executemany = arguments[-1]
        allow(CHANGE_SECONDS if executemany else STAGE_SECONDS)

    def after(*_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        allow(CHANGE_SECONDS)

    event.listen(connection, "before_cursor_execute", before)
    event.listen(connection, "after_cursor_execute", after)


class ChangeTransaction:
    """Implements remit.storage.ports.Transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.entries: list[Entry] = []
        self.topics: dict[str, None] = {}  # a set that keeps its order

    @property
    def connection(self) -> Connection:
        """The Core connection inside the transaction."""
        return self._connection

    def record(self, entry: Entry) -> None:
        """Append an entry that commits with this change."""
        self.entries.append(entry)

    def touch(self, *topics: str) -> None:
        """Say what changed; the epoch goes up by one when the change commits."""
        self.topics.update(dict.fromkeys(topics))


def nothing() -> None:
    """Nothing is to be done before changes."""


def as_it_is(_connection: Connection, entries: Sequence[Entry], _epoch: int | None) -> Sequence[Entry]:
    """Entries need no completing."""
    return entries


def commit(  # noqa: PLR0913 - one transaction, and what takes part in it
    journal: Journal,
    works: Sequence[Work],
    changes: Sequence[Change],
    *,
    allow: Callable[[float], None],
    complete: Complete = as_it_is,
    seal: activate.Seal = activate.as_it_is,
    catch_up: Callable[[], None] = nothing,
    now: int = 0,
) -> Result:
    """Commit `works` and `changes` in one transaction, durable when this returns.

    `complete` sees the entries of each change, within it, and the epoch that it raised, and may write what belongs to
    them. `seal` makes of an
    activation's body what is stored. `catch_up` is called once no other node can change state until this commit: so
    a change is judged on a view that lacks nothing. `now` is when it is, for the feed.

    `allow(seconds)` is told before each stage how long it may take. Works come first: they were
    decided without these changes, and no caller has been answered yet, so either order is true.

    Raises:
        Exception: The driver's. The transaction is rolled back and nothing happened.
    """
    allow(STAGE_SECONDS)
    journal.begin(changes=bool(changes))
    try:
        due = _due(journal, works)
        wants = wanted(due)
        settled = _settle(journal, due, wants, seal, changes=bool(changes))
        answers = settled.answers if due is works else _in_place(works, due, settled.answers)
        result = Result(answers, len(wants.proofs) + len(wants.reserved))
        if changes:
            allow(CHANGE_SECONDS)
            journal.turn()
            catch_up()
        for change in changes:
            allow(CHANGE_SECONDS)
            _apply(journal, change, result, settled.entries, complete, now)
        allow(STAGE_SECONDS)
        _store(journal, settled.entries)
        journal.commit()
    except BaseException:
        journal.rollback()
        raise
    return result


def _due(journal: Journal, works: Sequence[Work]) -> Sequence[Work]:
    """The works to be done: all, but for those that depend on what is recorded and need not be done."""
    asked = [name for work in works for name in (work.unless, work.given) if name is not None]
    if not asked:
        return works
    known = journal.recorded(asked)
    return [work for work in works if work.unless not in known and (work.given is None or work.given in known)]


def _in_place(
    works: Sequence[Work], due: Sequence[Work], answers: Sequence[Committed | Exception]
) -> list[Committed | Exception]:
    """An answer for every work; to what was not done, that nothing failed."""
    found = {id(work): answer for work, answer in zip(due, answers, strict=True)}
    return [found.get(id(work), NOTHING_FAILED) for work in works]


def _settle(journal: Journal, works: Sequence[Work], wants: Wanted, seal: activate.Seal, *, changes: bool) -> Settled:
    fresh = journal.consume(wants.proofs) if wants.proofs else set()
    counting = wants.reserved or wants.released
    used = journal.used(wants) if counting else {}
    rows: dict[RowKey, int] = {}
    runs: dict[str, Going] = {}
    approvals: dict[str, tuple[str, int]] = {}
    if wants.activations or wants.runs or wants.approvals:
        if changes:
            journal.turn()  # changes lock such rows too, and have the turn then: one order for all nodes
        journal.hold()
        rows = activate.serials(journal.connection, wants.activations)
        runs = renew.going(journal.connection, wants.runs) if wants.runs else {}
        approvals = approve.standing(journal.connection, wants.approvals) if wants.approvals else {}
    settled = settle(works, fresh=fresh, used=used, serials=rows, runs=runs, approvals=approvals)
    if settled.counters:
        journal.keep(settled.counters, wants)
    if settled.activations:
        activate.write(journal.connection, settled.activations.values(), settled.notices, seal)
    if settled.renewed:
        renew.write(journal.connection, settled.renewed)
    if settled.approved:
        approve.write(journal.connection, settled.approved)
    return settled


def _apply(
    journal: Journal, change: Change, result: Result, entries: list[Entry], complete: Complete, now: int
) -> None:
    """Run one change under its savepoint; what it raises goes to its caller and undoes only this change."""
    journal.savepoint()
    transaction = ChangeTransaction(journal.connection)
    try:
        value = change(transaction)
        epoch = journal.raise_epoch(tuple(transaction.topics), now) if transaction.topics else None
        recorded = complete(journal.connection, transaction.entries, epoch)
        journal.release()
    except BaseException as error:
        if _database_failed(error, journal.failures):
            raise
        journal.undo()
        result.changed.append((None, error))  # it belongs to the caller, in whose thread it is raised
        return
    if epoch is not None:
        result.touched.append((epoch, tuple(transaction.topics)))
    result.changed.append((value, None))
    entries += recorded


def _database_failed(error: BaseException, failures: tuple[type[Exception], ...]) -> bool:
    """Whether it was the database that failed under a change (disk full, connection lost), however wrapped."""
    cause = error.__cause__ if isinstance(error, RemitError) else error
    if isinstance(cause, DBAPIError):
        return cause.connection_invalidated or isinstance(cause.orig, failures)
    return isinstance(cause, failures)


def _store(journal: Journal, entries: Sequence[Entry]) -> None:
    if not entries:
        return
    payloads = [entry.payload or b"" for entry in entries]
    journal.store(
        [entry.id for entry in entries],
        bundle.compress(bundle.pack([entry.header for entry in entries])),
        bundle.pack(payloads) if any(payloads) else None,
    )
