"""A value that may be known elsewhere: its version is marked, no call uses it, and it is changed.

Once for each version: what says so first stands in the log, and what says it again changes nothing.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from remit.kernel.clock import Clock
from remit.kernel.errors import Malformed, NotFound, RemitError, StorageUnavailable
from remit.kernel.names import SecretName
from remit.logs import logger
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.storage.ports import Transaction, Writer
from remit.vault.document import Cause
from remit.vault.model import HELD, Version, VersionState
from remit.vault.service import Vault
from remit.vault.sql import SqlSecrets

MACHINE: Final = Actor(by="remit")
CAME_BACK: Final = "a server sent it back"
SENT: Final = "an agent sent it"
SAID: Final = "somebody said so, with the value in the reason, which is not kept"
MOST_REASON: Final = 300
_WAITING: Final = 100  # what came back and was not looked at yet; the same one comes again
_log = logger("remit.vault")

Rotates = Callable[[Transaction, SecretName, Cause, Actor], object]
"""Asks for a rotation of a secret that has a rotator, because it was exposed; within the change."""


def by_hand(_tx: Transaction, _name: SecretName, _cause: Cause, _by: Actor) -> None:
    """Nothing changes it but people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """What was marked. `news`: nobody had said so of this version before. `used`: calls would use it."""

    version: Version
    news: bool
    used: bool
    rotates: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposing:
    """Marks versions. Worker threads, but for `came_back`, which any thread may call.

    Args:
        vault: Where they are.
        writer: Makes it durable.
        records: Makes entries.
        clock: Says when.
        rotate: Asks for a rotation.
        after: Told once it is durable: what agents do with the secret is looked at.
    """

    vault: Vault
    writer: Writer
    records: Records
    clock: Clock
    rotate: Rotates = by_hand
    after: Callable[[], object] = lambda: None
    _came: queue.Queue[tuple[str, bytes, str]] = field(default_factory=lambda: queue.Queue(_WAITING))

    def expose(self, name: str, version: int | None, *, reason: str, by: Actor) -> Exposed:
        """Say that a version, or the one that calls use, is known elsewhere.

        Raises:
            NotFound: There is no such version.
            Malformed: The reason is no line of 1 to 300 printable characters.
        """
        found = self.writer.change(lambda tx: self.expose_within(tx, name, version, reason=reason, by=by))
        self.after()
        return found

    def expose_within(self, tx: Transaction, name: str, version: int | None, *, reason: str, by: Actor) -> Exposed:
        """The same, within a change."""
        if not 0 < len(reason) <= MOST_REASON or not reason.isprintable():
            raise Malformed(f"a reason is a line of 1 to {MOST_REASON} printable characters")
        if self.vault.stands_in(name, reason):  # the line of a ticket, pasted: it would stand in the log for ever
            reason = SAID
        rows = SqlSecrets(tx.connection)
        active = rows.active(name)
        if active is None:
            raise NotFound("there is no such secret", detail=name, try_="remit secret list")
        before = self.vault.versions.find(tx, name, active or rows.newest(name) if version is None else version)
        used, document = before.version == active, _document(self.vault, name)
        rotates = document is not None and Cause.EXPOSURE in document.on
        if before.exposed is not None:
            return Exposed(version=before, news=False, used=used, rotates=rotates)
        after = self.vault.versions.expose(tx, before, reason, now=self.clock.now())
        said: dict[str, Any] = {"version": after.version, "reason": reason}
        changed = Changed(what="secret", name=name, change="exposed", before=None, after=None, more=said)
        record(tx, self.records, changed, by=by)
        if rotates and (used or after.state is VersionState.DRAINING):  # what drains works still: it drains no longer
            self.rotate(tx, SecretName(name), Cause.EXPOSURE, by)
        return Exposed(version=after, news=True, used=used, rotates=rotates)

    def secret_in(self, about: str) -> str:
        """The secret that a signal is about which says `secret NAME`; empty if it is about none that has a value."""
        word, _, name = about.partition(" ")
        known = self.vault.find(name) if word == "secret" else None
        return name if known is not None and known.active else ""

    def came_back(self, name: str, form: bytes, why: str = CAME_BACK) -> None:
        """Something gave a secret away: the one of that name, or some. It is looked into by `look`, not here."""
        try:
            self._came.put_nowait((name, form, why))
        except queue.Full:
            _log.warning("more came back than could be looked into", secret=name)

    def was_sent(self, name: str, form: bytes) -> None:
        """An agent sent it, from wherever it has it."""
        self.came_back(name, form, SENT)

    @property
    def waits(self) -> bool:
        """Whether there is something to look into."""
        return not self._came.empty()

    def look(self) -> int:
        """Mark what was given away since the last time; how many versions were news. A token that was made of a secret
        is no version of it, and no reason to change the secret: it goes by itself.

        Raises:
            StorageUnavailable: The rest is looked into the next time.
        """
        found = 0
        try:
            while not self._came.empty():
                name, form, why = self._came.get_nowait()
                try:
                    found += self._looked(name, form, why)
                except StorageUnavailable:
                    self.came_back(name, form, why)  # it does not come again by itself
                    raise
        finally:
            if found:
                self.after()
        return found

    def _looked(self, name: str, form: bytes, why: str) -> int:
        news = [each for each in self.vault.given_away(name, form) if each.exposed is None and each.state in HELD]
        return sum(self._marked(each, why) for each in news)

    def _marked(self, it: Version, why: str) -> int:
        def apply(tx: Transaction) -> Exposed:
            return self.expose_within(tx, it.secret, it.version, reason=why, by=MACHINE)

        try:
            return int(self.writer.change(apply).news)
        except StorageUnavailable:
            raise
        except RemitError as error:
            _log.error("an exposed secret could not be marked", secret=it.secret, error=error.public)
            return 0


def _document(vault: Vault, name: str) -> Any:  # noqa: ANN401 - how it is rotated, or None
    known = vault.find(name)
    return None if known is None or known.document is None else known.document.rotate
