"""Keeps the table `states` with every change, and checks it at the start.

`complete` is what the writer runs at the end of each change, in its transaction: it finds the
`change` entries, adds the digest that the object's rows have now (`state`) and the epoch from
which on that holds (`holds_from`) to their headers, keeps digest and entry id in `states`, sealed,
and what was hashed in `bodies`. So no service has to think of it.

An object that was not as its last entry left it before the change is not signed over: the
change is refused. Freezing works all the same, for a freeze is a new object.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, delete, insert, select

from remit.audit import bodies
from remit.audit.bodies import Named, marked
from remit.audit.entry import header_bytes
from remit.audit.objects import GONE, OBJECTS, READ, digest_of
from remit.audit.ports import Keys
from remit.audit.seal import LABELS, META, StateKeys, Total, read_total, tag
from remit.audit.sql import SqlLog
from remit.audit.standing import Checked, Rows, body_now, check, digest_now, newest_change, standings
from remit.audit.stored import header, read_bundle
from remit.kernel.errors import IntegrityFailed, Malformed
from remit.logs import logger
from remit.storage.model import Entry
from remit.storage.ports import Reader, Transaction
from remit.storage.schema import meta, states

_PREFIX = "chg_"
_STEP = 64
_ROWS = 50  # that are checked at a time, gently: a millisecond
_REST = 0.003  # seconds
_RESTS = 4000  # at most, 12 s in all: PostgreSQL ends a snapshot that is silent for a minute, and SQLite's log grows
_UPSERT = (
    "INSERT INTO states (what, name, digest, entry, seal) VALUES (?, ?, ?, ?, ?) ON CONFLICT (what, name)"
    " DO UPDATE SET digest = excluded.digest, entry = excluded.entry, seal = excluded.seal"
)
_decode = msgspec.json.Decoder().decode
_log = logger("remit.audit")
Shown = tuple[str, str, str, str | None, str | None]  # what, name, digest now, digest kept, entry kept
_NONE = (None, None)


def rows_of(connection: Connection) -> Rows:
    """Queries with `?` on an open connection. Each must be read to its end."""

    def rows(query: str, values: Sequence[Any]) -> Iterable[Sequence[Any]]:
        # The driver's own rows: a start reads one for every object.
        found = connection.exec_driver_sql(marked(connection, query), tuple(values))
        return cast("Iterable[Sequence[Any]]", found.cursor)

    return rows


def _resting(rows: Rows) -> Rows:
    """The same, taking a quarter of the interpreter's time: pages and calls wait for it at every turn."""
    left = _RESTS

    def resting(query: str, values: Sequence[Any]) -> Iterator[Sequence[Any]]:
        nonlocal left
        for number, row in enumerate(rows(query, values), 1):
            if left and number % _ROWS == 0:
                left -= 1
                time.sleep(_REST)
            yield row

    return resting


class States:
    """The states of one server's database."""

    def __init__(self, keys: Keys, reader: Reader) -> None:
        rows, total = (keys.derive(label) for label in LABELS)
        self._keys = StateKeys(rows=rows, total=total)
        self._reader = reader
        self.accepting = False
        """Whether what strayed is being recorded as it is (`remit up --accept-state`)."""

    # with every change -------------------------------------------------------------------------

    def complete(self, connection: Connection, entries: Sequence[Entry], epoch: int | None) -> Sequence[Entry]:
        """The entries of a change, those about an object with its digest; `states` and `bodies` follow.

        `epoch` is the number that the change raised the epoch to; None if it did not.
        """
        if not any(entry.id.startswith(_PREFIX) for entry in entries):
            return entries
        about = {entry.id: named for entry in entries if (named := _about(entry)) is not None}
        if not self.accepting:
            self._refuse_strays(connection, set(about.values()))
        rows = rows_of(connection)
        found = {named: body_now(rows, *named) for named in set(about.values())}
        digests = {named: digest_of(body) for named, body in found.items()}
        bodies.keep(connection, {digests[named]: body for named, body in found.items() if named[0] in READ})
        newest = {named: entry for entry, named in about.items()}
        total = self._total(connection)
        self._keep(connection, {named: (digests[named], entry) for named, entry in newest.items()}, total)
        if total is not None:
            total.newest = max(total.newest, *(entry.id for entry in entries if entry.id.startswith(_PREFIX)))
            self._write(connection, total)
        return [_with(entry, digests[about[entry.id]], epoch) if entry.id in about else entry for entry in entries]

    def _refuse_strays(self, connection: Connection, named: Collection[Named]) -> None:
        """See that each object was as its last entry left it, before this change.

        Raises:
            IntegrityFailed: One was not: this change would make good what no entry ever said.
        """
        before = self._reader.read(lambda committed: {each: _standing(committed, each) for each in named})
        for each, (digest, kept) in before.items():
            if kept == (now := _kept(connection, each)) and digest != (now[0] if now else GONE):
                raise IntegrityFailed(
                    f"{each[0]} {each[1]} is not as its last entry left it: nothing is recorded over that",
                    try_="remit audit verify",
                )

    def _keep(self, connection: Connection, changed: Mapping[Named, tuple[str, str]], total: Total | None) -> None:
        rows = []
        for named, (digest, entry) in changed.items():
            seal, summand = tag(self._keys, *named, digest, entry)
            rows.append((*named, digest, entry, seal))
            if total is not None:
                # A tampered row is counted out as what it says: the total is wrong from then on, as it must be.
                if (before := _kept(connection, named)) is not None:
                    total.remove(tag(self._keys, *named, *before)[1])
                total.add(summand)
        if rows:
            connection.exec_driver_sql(marked(connection, _UPSERT), rows)

    def _total(self, connection: Connection) -> Total | None:
        """The total; None if it is damaged: a stop must work even then, and the next start will not."""
        text = connection.execute(select(meta.c.value).where(meta.c.key == META)).scalar_one_or_none()
        try:
            return None if text is None else read_total(text, self._keys)
        except IntegrityFailed as error:
            _log.error("the state's seal is broken", error=error.public, detail=error.detail)
            return None

    def _write(self, connection: Connection, total: Total) -> None:
        connection.execute(delete(meta).where(meta.c.key == META))
        connection.execute(insert(meta).values(key=META, value=total.text(self._keys)))

    # at the start ------------------------------------------------------------------------------

    def check(self, connection: Connection, *, gently: bool = False) -> Checked:
        """Every object against its record, without reading the log. `gently`: with rests, in which others work."""
        rows = rows_of(connection)
        return check(_resting(rows) if gently else rows, self._keys)

    def examine(self) -> tuple[Checked, list[Shown]]:
        """The check, and (what, name, digest now, digest kept, entry kept) of each object, in one snapshot."""

        def query(connection: Connection) -> tuple[Checked, list[Shown]]:
            found = [
                (each.what, each.name, each.digest, *((each.kept.digest, each.kept.entry) if each.kept else _NONE))
                for each in standings(rows_of(connection))
            ]
            return self.check(connection), found

        return self._reader.read(query)

    def sealed(self, connection: Connection) -> bool:
        """Whether there is a seal at all."""
        return connection.execute(select(meta.c.key).where(meta.c.key == META)).one_or_none() is not None

    def begin(self, tx: Transaction) -> bool:
        """Seal the state of a database in which there is none yet; whether there is none."""
        rows = rows_of(tx.connection)
        if newest_change(rows) or any(True for _ in standings(rows)):
            return False
        self._write(tx.connection, Total())
        return True

    def unkept(self, connection: Connection) -> list[Named]:
        """The objects that stood before bodies were kept."""
        return bodies.missing(rows_of(connection))

    def backfill(self, tx: Transaction, named: Collection[Named]) -> None:
        """Keep the bodies of these objects as they are."""
        rows = rows_of(tx.connection)
        found = [body_now(rows, *each) for each in named]
        bodies.keep(tx.connection, {digest_of(body): body for body in found})

    def strays(self, connection: Connection) -> dict[Named, tuple[str | None, str]]:
        """What is not as the log says: (digest by the newest entry, digest now) by object. Reads the whole log."""
        said = _newest(connection)
        found: dict[Named, tuple[str | None, str]] = {}
        for each in standings(rows_of(connection)):
            by_log = said.pop((each.what, each.name), None)
            kept = each.kept
            fine = kept is not None and by_log == each.digest == kept.digest
            if not fine or kept is None or kept.seal != self._seal(each.what, each.name, kept.digest, kept.entry):
                found[each.what, each.name] = by_log, each.digest
        return found | {named: (digest, "") for named, digest in said.items()}

    def _seal(self, what: str, name: str, digest: str, entry: str) -> bytes:
        return tag(self._keys, what, name, digest, entry)[0]

    def reseal(self, tx: Transaction) -> None:
        """Make a new total over the records as they are, once every object that strayed has a new entry."""
        connection, total = tx.connection, Total()
        connection.execute(delete(states).where(states.c.what.not_in(list(OBJECTS))))
        for row in connection.execute(select(states.c.what, states.c.name, states.c.digest, states.c.entry)):
            total.add(tag(self._keys, row.what, row.name, row.digest, row.entry)[1])
        total.newest = newest_change(rows_of(connection))
        self._write(connection, total)


def _about(entry: Entry) -> Named | None:
    """The object that a `change` entry is about."""
    said = _decode(entry.header) if entry.id.startswith(_PREFIX) else {}
    what, name = said.get("what"), said.get("name")
    return (what, name) if isinstance(what, str) and what in OBJECTS and isinstance(name, str) else None


def _with(entry: Entry, digest: str, epoch: int | None) -> Entry:
    more = {"state": digest} if epoch is None else {"state": digest, "holds_from": epoch}
    return Entry(entry.id, header_bytes({**_decode(entry.header), **more}), entry.payload)


def _kept(connection: Connection, named: Named) -> tuple[str, str] | None:
    """(digest, entry) that is kept of an object."""
    found = list(rows_of(connection)("SELECT digest, entry FROM states WHERE what = ? AND name = ?", named))
    return (str(found[0][0]), str(found[0][1])) if found else None


def _standing(connection: Connection, named: Named) -> tuple[str, tuple[str, str] | None]:
    return digest_now(rows_of(connection), *named), _kept(connection, named)


def _newest(connection: Connection) -> dict[Named, str | None]:
    """The digest in the newest entry about each object; None where that entry has none."""
    found: dict[Named, str | None] = {}
    for said in _changes(connection):
        if said.get("what") in OBJECTS and isinstance(said.get("name"), str):
            found[said["what"], said["name"]] = said.get("state")
    return found


def _changes(connection: Connection) -> Iterator[Mapping[str, Any]]:
    number = 0
    while rows := SqlLog(connection).after(number, _STEP):
        number = rows[-1].bundle
        for row in rows:
            for raw in read_bundle(row.headers, row.count)[0]:
                if b'"kind":"change"' in raw:
                    try:
                        yield header(raw)
                    except Malformed:
                        continue
