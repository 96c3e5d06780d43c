"""A policy set that is observed, on this node: told by the feed, compared beside decisions, counted in the database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.policy.flips import Tally
from remit.policy.observing import Candidate, Observing
from remit.policy.policy_set_sql import SqlFlips, files_of, observed
from remit.storage.ports import Transaction, Writer

_EVERY: Final = 0.05  # seconds between two looks at what waits
_KEEP_EVERY: Final = 100  # looks between two times that counts are written down: a crash loses five seconds of them
_TOPIC: Final = "policy_sets"
_log = logger("remit.policy")


@dataclass(slots=True, kw_only=True)
class PolicyWatch:
    """Keeps what is observed in step with the database.

    Args:
        observing: Compares and counts.
        writer: Writes the counts down.
        node: Which of several nodes this is; None where there is one.
    """

    observing: Observing
    writer: Writer
    node: Callable[[], str | None] = lambda: None
    _ending: threading.Event = field(default_factory=threading.Event)
    _turn: threading.Lock = field(default_factory=threading.Lock)  # one thread compares at a time

    def follow(self, _epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """What another set is observed (remit.storage.ports.Feed)."""
        if _TOPIC in topics or "*" in topics:
            self.reload(connection)

    def reload(self, connection: Connection) -> None:
        """Read what is observed."""
        found, known = observed(connection), self.observing.candidate
        if found is None:
            self.observing.take(None)
        elif known is None or known.version != found.version:
            self.observing.take(Candidate(found.version, files_of(connection, found.version)))

    async def run(self) -> None:
        """Compare what was decided and write down what came of it, until cancelled."""
        looks = 0
        try:
            while True:
                await asyncio.sleep(_EVERY)
                looks += 1
                await asyncio.to_thread(self._tried, keep=looks % _KEEP_EVERY == 0)
        finally:
            self._ending.set()
            await asyncio.to_thread(self._tried, keep=True)  # what a clean end has counted is not lost

    def settle(self) -> None:
        """Compare what waits and write down every count, now."""
        with self._turn:
            self.observing.work()
        self.keep()

    def keep(self) -> None:
        """Write down what was counted since the last time."""
        tallies, node = self.observing.taken(), self.node() or ""
        if not tallies:
            return

        def apply(tx: Transaction) -> None:
            for (version, base), tally in tallies.items():
                _add(tx, version, base, node, tally)

        try:
            self.writer.change(apply)
        except BaseException:
            self.observing.again(tallies)
            raise

    def _tried(self, *, keep: bool) -> None:
        try:
            with self._turn:
                self.observing.work(self._ending.is_set)
            if keep:
                self.keep()
        except RemitError as error:
            _log.warning("what a policy set would change was not written down", error=error.public)
        except Exception:  # noqa: BLE001 - a comparison that fails must end neither this loop nor any decision
            _log.exception("decisions could not be compared")


def _add(tx: Transaction, version: str, base: str, node: str, tally: Tally) -> None:
    SqlFlips(tx.connection).add(version, base, node, tally)
