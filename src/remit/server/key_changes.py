"""Signing keys are changed on the record: by people, and by time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remit.kernel.canonical import canonical
from remit.kernel.clock import Clock, rfc3339
from remit.keys.rotating import Jwk, Rotating, Turn
from remit.keys.rotation import KeyRecord, KeyState
from remit.logs import logger
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.storage.ports import Transaction, Writer

_log = logger("remit.keys")
_MACHINE: Final = Actor(by="remit")
_WORDS: Final = {
    KeyState.PENDING: "publish",
    KeyState.ACTIVE: "activate",
    KeyState.VERIFY_ONLY: "demote",
    KeyState.RETIRED: "retire",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanges:
    """Changes of signing keys, each with its entries.

    Args:
        families: Makes them, by the use of the keys.
        writer: Commits them.
        records: Makes their entries.
        clock: Says when.
    """

    families: Mapping[str, Rotating]
    writer: Writer
    records: Records
    clock: Clock
    _kept: dict[str, Jwk | None] = field(default_factory=dict, init=False)  # for a change that failed

    def tick(self, _stop: Callable[[], bool] = lambda: False) -> int:
        """Do what time has brought about; how many keys that changed. Asks memory alone while nothing is due."""
        return sum(self._advance(rotating) for rotating in self.families.values())

    def _advance(self, rotating: Rotating) -> int:
        if not rotating.waits(now=self.clock.now()):
            self._kept.pop(rotating.use, None)
            return 0
        jwk = self._prepared(rotating)

        def apply(tx: Transaction) -> list[Turn]:
            turns = rotating.advance(tx, now=self.clock.now(), jwk=jwk)
            self.recorded(tx, turns, by=_MACHINE)
            return turns

        turns = self.writer.change(apply)
        self._kept.pop(rotating.use, None)
        for turn in turns:
            _log.info("signing key", key=turn.after.kid, use=rotating.use, state=turn.after.state.value)
        return len(turns)

    def _prepared(self, rotating: Rotating) -> Jwk | None:
        """The key that begins a rotation, made before the change; while changes fail one is made, not one a second."""
        if rotating.use not in self._kept and rotating.begins(now=self.clock.now()):
            self._kept[rotating.use] = rotating.prepared()
        return self._kept.get(rotating.use)

    def recorded(
        self, tx: Transaction, turns: Iterable[Turn], *, by: Actor, more: dict[str, Any] | None = None
    ) -> None:
        """One entry for each key that changed, with `more` in all of them."""
        for turn in turns:
            after = turn.after
            changed = Changed(
                what="key",
                name=after.kid,
                change=_WORDS[after.state],
                before=None if turn.before is None else _body(turn.before),
                after=_body(after),
                more={"use": after.use, "algorithm": after.algorithm, "distrusted": after.distrusted, **(more or {})},
            )
            record(tx, self.records, changed, by=by)


def shown(key: KeyRecord) -> dict[str, Any]:
    """A key as the API tells of it."""
    return {
        "kid": key.kid,
        "use": key.use,
        "algorithm": key.algorithm,
        "state": key.state.value,
        "created": rfc3339(key.created),
        "since": rfc3339(key.since),
        "distrusted": key.distrusted,
    }


def _body(key: KeyRecord) -> str:
    return canonical(shown(key)).decode("utf-8")
