"""By whom each version of a secret is used: counted in memory, written to `secret_uses` now and then.

What a call was made with is remembered from the moment it leaves until its outcome says it; the log has it from there.
Figures that were not written yet when a process is killed are lost, and the log's are not: what is listed after an
exposure (`vault/traced.py`) comes from the log.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, case, insert, select, update

from remit.kernel.clock import Instant
from remit.storage.credential_schema import secret_uses

_NOT_SENT = "not_sent"
_MOST_OPEN = 100_000  # calls under way; of older ones it is said that they may have used it


class Use(NamedTuple):
    """How often an agent used a version of a secret, from when to when."""

    first: Instant
    last: Instant
    calls: int

    def with_(self, other: Use) -> Use:
        """Both together."""
        return Use(min(self.first, other.first), max(self.last, other.last), self.calls + other.calls)


class Key(NamedTuple):
    """Whose use of what."""

    secret: str
    version: int
    agent: str


class Uses:
    """Counts. Any thread; nothing here waits for a disk."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Key, ...]] = {}  # by the decision
        self._counted: dict[Key, Use] = {}
        self._lock = threading.Lock()

    def made(self, decision: str, agent: str, secret: str, version: int) -> None:
        """A call is about to leave with that version; one that is sent again may leave with another.

        Version 0 is what was made for one instance: its lease says whose it was, and nobody else used it.
        """
        if not version:
            return
        key, before = Key(secret, version, agent), self._open.get(decision, ())
        if key not in before:
            self._open[decision] = (*before, key)
            if len(self._open) > _MOST_OPEN:  # also what is said to a server after the outcome, of a call that was cut
                self._open.pop(next(iter(self._open)), None)

    def ended(self, decision: str, outcome: str, *, now: Instant) -> Mapping[str, object]:
        """What the outcome's entry says of it: `credential: {secret, version}`; nothing of what was not sent.

        `also` are further versions that it left with.
        """
        keys = self._open.pop(decision, ())
        if not keys or outcome == _NOT_SENT:
            return {}
        with self._lock:
            for key in keys:
                self._counted[key] = self._with(key, Use(now, now, 1))
        *others, last = keys
        said = {"secret": last.secret, "version": last.version}
        return {"credential": {**said, **({"also": [each.version for each in others]} if others else {})}}

    def take(self) -> Mapping[Key, Use]:
        """What was counted since the last time, for writing. What could not be written is given `back`."""
        with self._lock:
            taken, self._counted = self._counted, {}
        return taken

    def back(self, taken: Mapping[Key, Use]) -> None:
        """It was not written."""
        with self._lock:
            for key, use in taken.items():
                self._counted[key] = self._with(key, use)

    def _with(self, key: Key, use: Use) -> Use:
        known = self._counted.get(key)
        return use if known is None else known.with_(use)


class SqlUses:
    """The table `secret_uses` on one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, uses: Mapping[Key, Use]) -> None:
        """Add to what stands there; other nodes add theirs."""
        table = secret_uses
        for key, use in sorted(uses.items()):
            row = (table.c.secret == key.secret) & (table.c.version == key.version) & (table.c.agent == key.agent)
            added = update(table).where(row).values(
                first=case((table.c.first < use.first, table.c.first), else_=use.first),
                last=case((table.c.last > use.last, table.c.last), else_=use.last),
                calls=table.c.calls + use.calls,
            )  # fmt: skip
            if not self._connection.execute(added).rowcount:
                self._connection.execute(insert(table).values(**key._asdict(), **use._asdict()))

    def all(self) -> dict[Key, Use]:
        """Everything that was written."""
        rows = self._connection.execute(select(secret_uses))
        return {
            Key(row.secret, row.version, row.agent): Use(Instant(row.first), Instant(row.last), row.calls)
            for row in rows
        }


def together(uses: Iterable[Use]) -> Use | None:
    """All of them as one; None of none."""
    found: Use | None = None
    for each in uses:
        found = each if found is None else found.with_(each)
    return found
