"""A re-key of the root key, on the record: begun by two people, carried on by the node that leads, crash or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.clock import Clock, Instant, rfc3339
from remit.keys.rekey import Batch, Progress, Rekey, progress
from remit.keys.roots import Held
from remit.keys.roots_sql import StoredRoot
from remit.logs import logger
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.storage.ports import Reader, Transaction, Writer

_log = logger("remit.keys")
_MACHINE: Final = Actor(by="remit")
_BATCHES: Final = 10
"""In one tick. What else is looked at each second waits for some 0.3 s, and a million keys take two minutes."""


def _carry_on() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeying:
    """The one re-key there may be.

    Args:
        rekey: Makes each step.
        writer: Commits.
        reader: What a batch is made of is read beside the writer.
        records: Makes entries.
        clock: Says when.
        batches: At most so many in one tick.
    """

    rekey: Rekey
    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    batches: int = _BATCHES

    def begin(self, tx: Transaction, root: Held, *, now: Instant, by: Actor, more: Mapping[str, str]) -> dict[str, Any]:
        """Store the new root key, with its entry, within a change; what the API tells of it.

        Raises:
            Conflict: As `Rekey.begin`.
        """
        self.rekey.begin(tx, root, now=now)
        self._record(tx, "rekey", root.generation, by=by, more=more)
        return shown(StoredRoot(root.generation, root.wrapped, now, None))

    def tick(self, stop: Callable[[], bool] = _carry_on) -> int:
        """Carry on with a re-key that is under way; how many keys were sealed anew. Asks memory alone if there is none.

        Between two batches, and while one is made, the writer is everybody else's.
        """
        changed = 0
        for _ in range(self.batches if self.rekey.waits() else 0):
            if stop():
                break
            batch = self.reader.read(self.rekey.batch)
            if not batch.keys:
                self._end()
                break
            changed += self._store(batch)
        return changed

    def standing(self) -> Progress:
        """How far it is."""
        return self.reader.read(progress)

    def _store(self, batch: Batch) -> int:
        return self.writer.change(lambda tx: self.rekey.store(tx, batch))

    def _end(self) -> None:
        def apply(tx: Transaction) -> int | None:
            ended = self.rekey.end(tx, now=self.clock.now())
            if ended is not None:
                self._record(tx, "rekeyed", ended, by=_MACHINE, more={})
            return ended

        if (ended := self.writer.change(apply)) is not None:
            _log.info("the root key was replaced", generation=ended)

    def _record(self, tx: Transaction, change: str, generation: int, *, by: Actor, more: Mapping[str, str]) -> None:
        said = {"generation": generation, **more}
        changed = Changed(what="key", name="root", change=change, before=None, after=None, more=said)
        record(tx, self.records, changed, by=by)


def shown(root: StoredRoot) -> dict[str, Any]:
    """A root key as the API tells of it: nothing of the key itself."""
    return {
        "generation": root.generation,
        "state": "retired" if root.wrapped is None else "live",
        "created": rfc3339(root.created),
        "retired": None if root.retired is None else rfc3339(root.retired),
    }
