"""What the facts were at an epoch: made again from the bodies that the log's changes name by digest.

The rows of every object are put, change after change, into tables in memory, and the facts are read from them by the
very code that a server reads its own with. So a view as of then is the view that was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from remit.audit.objects import OBJECTS, READ, rows_in
from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed
from remit.policy.facts import Facts
from remit.policy.ports import Engine, FactSource
from remit.policy.view import View
from remit.storage.every_table import metadata

_ALWAYS = Instant(2**62)  # the database of the past is always in reach
_KEPT = 256  # views; a decision is made on one that is seconds old at most, so few are asked for out of order
_SHARED = {"policy": "policies", "opening": "openings", "freeze": "freezes"}  # read anew as a whole


class Change(NamedTuple):
    """From which epoch on an object had these rows."""

    holds_from: int
    at: int  # position in the log
    what: str
    name: str
    digest: str


def change_in(at: int, header: Mapping[str, Any]) -> Change | None:
    """The change of something that decisions read, in the header of a `change` entry; None if it is of another."""
    what, name, digest = (header.get(part) for part in ("what", "name", "state"))
    if what not in READ or not isinstance(name, str) or not isinstance(digest, str):
        return None
    return Change(int(header.get("holds_from", header["epoch"])), at, str(what), name, digest)


class Past:
    """Views as of epochs. One thread.

    Args:
        changes: Every change in the log.
        body: What a digest stands for (`audit/bodies.py: body_of`).
        source: Reads facts from tables, as a server does.
        engine: The Cedar engine.
        mac: The recorder's keyed hash, which approvals are bound to.
    """

    def __init__(
        self,
        changes: Iterable[Change],
        *,
        body: Callable[[str], bytes],
        source: FactSource,
        engine: Engine,
        mac: Callable[[bytes], str],
    ) -> None:
        self._changes = sorted(changes)
        self._body = body
        self._source = source
        self._engine = engine
        self._mac = mac
        self._begin()

    def _begin(self) -> None:
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        metadata.create_all(engine)
        self._connection = engine.connect()
        self._facts = Facts(source=self._source, engine=self._engine, contact=lambda: _ALWAYS, mac=self._mac)
        self._done = 0
        self._epochs: list[int] = []
        self._views: list[View] = []
        self._files: dict[int, Mapping[str, str]] = {}  # by the organisation's serial

    def files(self, view: View) -> Mapping[str, str]:
        """The policy files of a view that was made here."""
        return self._files[view.organisation.serial]

    def view(self, epoch: int) -> View:
        """The facts as they were at `epoch`.

        Raises:
            IntegrityFailed: What stood then is not kept, or is not what the log says it was.
        """
        if self._epochs and epoch < self._epochs[0]:
            self._begin()  # it is out of memory
        first = not self._epochs
        while self._done < len(self._changes) and self._changes[self._done].holds_from <= epoch:
            self._advance(self._changes[self._done].holds_from if not first else epoch, load=first)
            first = False
        if first:
            self._advance(epoch, load=True)
        return self._views[bisect_right(self._epochs, epoch) - 1]

    def newest(self) -> View:
        """The facts after the last change."""
        return self.view(max((change.holds_from for change in self._changes), default=0))

    def _advance(self, epoch: int, *, load: bool) -> None:
        """Take every change up to `epoch`; with `load`, read all facts then, else those that changed."""
        topics: dict[str, None] = {}
        newest: dict[tuple[str, str], str] = {}
        while self._done < len(self._changes) and self._changes[self._done].holds_from <= epoch:
            change = self._changes[self._done]
            newest[change.what, change.name] = change.digest
            self._done += 1
        for (what, name), digest in newest.items():
            topics.update(dict.fromkeys(self._put(what, name, digest)))
        if load:
            self._facts.load(self._connection, epoch=epoch)
        else:
            self._facts.apply(epoch, tuple(topics), self._connection)
        self._epochs.append(epoch)
        view = self._facts.view()
        self._views.append(view)
        if view.organisation.serial not in self._files:
            self._files[view.organisation.serial] = dict(self._source.policies(self._connection))
        if len(self._views) > _KEPT:
            del self._epochs[0], self._views[0]
            standing = {each.organisation.serial for each in self._views}
            self._files = {serial: files for serial, files in self._files.items() if serial in standing}

    def _put(self, what: str, name: str, digest: str) -> list[str]:
        """Bring the rows of one object into place; the topics that a server would have heard."""
        found = self._rows(what, name, digest)
        topics = self._agents(name) if what == "boundary" else []
        for part in reversed(OBJECTS[what]):
            table = metadata.tables[part.table]
            self._connection.execute(table.delete().where(table.c[part.key] == name))
        for table_name, columns in found:
            self._connection.execute(metadata.tables[table_name].insert().values(columns))
        if what == "boundary":
            return [*topics, *self._agents(name)]
        kind = "agent" if what == "risk" else what
        return [_SHARED.get(kind, f"{kind}:{name}")]

    def _agents(self, boundary: str) -> list[str]:
        table = metadata.tables["boundaries"]
        found = self._connection.execute(table.select().where(table.c.boundary == boundary))
        return [f"agent:{row.agent}" for row in found]

    def _rows(self, what: str, name: str, digest: str) -> Sequence[tuple[str, dict[str, Any]]]:
        body = self._body(digest)
        if not body:
            return []
        try:
            said, named, rows = rows_in(body)
        except (ValueError, TypeError) as error:
            raise IntegrityFailed("the state as it was cannot be made again", detail=repr(error)) from error
        if (said, named) != (what, name):
            raise IntegrityFailed("the state as it was cannot be made again", detail=f"{digest} is of another object")
        return rows
