"""Keeps the signals about upstream secrets in line with how these are: exposed, or overdue for a rotation.

An agent never holds such a secret. What it does at a server whose secret is exposed is suspended until there is
another; nothing else of it is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from remit.agents.signals import Signal, secret_at
from remit.catalog.model import Server
from remit.certification.noticing.toxic import MACHINE
from remit.certification.ports import Signaller
from remit.kernel.clock import Clock
from remit.kernel.names import split_action
from remit.policy.view import View
from remit.storage.ports import Transaction, Writer
from remit.vault.posture import overdue
from remit.vault.service import Vault

_KINDS: Final = (Signal.CREDENTIAL_EXPOSED, Signal.CREDENTIAL_POSTURE)
_OURS: Final = "remit: secret "
_BATCH: Final = 500  # signals of one change
One = tuple[str, Signal, str]
"""An agent, a kind, and what it is about."""


@dataclass(slots=True, kw_only=True)
class Credentials:
    """Worker threads only.

    Args:
        vault: The secrets as this node has them.
        view: The newest view.
        servers: Every registered server.
        writer: Makes it durable.
        clock: Says what is overdue.
        signaller: Raises and ends signals.
    """

    vault: Vault
    view: Callable[[], View]
    servers: Callable[[], Iterable[Server]]
    writer: Writer
    clock: Clock
    signaller: Signaller
    _seen: tuple[int, frozenset[tuple[Signal, str, str]]] = field(default=(-1, frozenset()))

    def check(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Raise what is so and end what is over; how many signals moved. Quick while nothing changed."""
        view, marks = self.view(), self._marks()
        if (view.epoch, marks) == self._seen:
            return 0
        wanted, before = _wanted(view, marks), _before(view)
        moved = [(each, True) for each in sorted(wanted - before)] + [(each, False) for each in sorted(before - wanted)]
        for at in range(0, len(moved), _BATCH):
            if stop():
                return at
            self.writer.change(self._put(moved[at : at + _BATCH]))
        if not moved:
            self._seen = (view.epoch, marks)
        return len(moved)

    def _marks(self) -> frozenset[tuple[Signal, str, str]]:
        """What is so of secrets that servers get: the signal, the secret, the server."""
        now, found = self.clock.now(), set[tuple[Signal, str, str]]()
        for server in self.servers():
            known = None if server.credential is None else self.vault.find(server.credential.secret)
            version = None if known is None else known.held.get(known.active)
            if known is None or version is None:
                continue
            if version.exposed is not None:
                found.add((Signal.CREDENTIAL_EXPOSED, known.secret, server.server))
            if overdue(known, now=now):
                found.add((Signal.CREDENTIAL_POSTURE, known.secret, server.server))
        return frozenset(found)

    def _put(self, moved: list[tuple[One, bool]]) -> Callable[[Transaction], None]:
        def apply(tx: Transaction) -> None:
            for (agent, kind, about), on in moved:
                self.signaller.signal_within(tx, agent, kind, about=about, on=on, by=MACHINE, own=True)

        return apply


def _wanted(view: View, marks: frozenset[tuple[Signal, str, str]]) -> set[One]:
    if not marks:
        return set()
    found = set[One]()
    for name, record in view.agents.items():
        servers = {split_action(action)[0] for action in record.reach.actions}
        found |= {(name, kind, secret_at(secret, at)) for kind, secret, at in marks if at in servers}
    return found


def _before(view: View) -> set[One]:
    return {
        (name, each.signal, each.about)
        for name, record in view.agents.items()
        for each in record.risk.noticed
        if each.signal in _KINDS and each.about.startswith(_OURS)
    }
