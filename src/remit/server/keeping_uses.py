"""Writes down who used which secret, and looks into what came back: beside the calls, never in their way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.server.exposing import Exposing
from remit.storage.ports import Transaction, Writer
from remit.vault.service import Vault
from remit.vault.uses import SqlUses

_EVERY: Final = 30.0  # seconds between two times of writing
_LOOK: Final = 0.2  # seconds until what came back is looked into: until then calls may use it still
_log = logger("remit.vault")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingUses:
    """Runs on the event loop; what blocks goes to a thread."""

    vault: Vault
    exposing: Exposing
    writer: Writer

    async def run(self) -> None:
        """Until cancelled. What was counted after the last time is written with the process's last heartbeat."""
        loop = asyncio.get_running_loop()
        due = loop.time() + _EVERY
        while True:
            await asyncio.sleep(_LOOK)
            try:
                if self.exposing.waits:
                    await asyncio.to_thread(self.exposing.look)
                if loop.time() >= due:
                    due = loop.time() + _EVERY
                    await asyncio.to_thread(self.write)
            except RemitError as error:
                _log.warning("use of secrets is not written", error=error.public, detail=error.detail)
            except Exception:  # noqa: BLE001 - the next time may do it
                _log.exception("use of secrets is not written")

    def write(self) -> None:
        """Write what was counted, if anything was. Blocks."""
        taken = self.vault.uses.take()
        if not taken:
            return
        try:
            self.writer.change(lambda tx: SqlUses(tx.connection).add(taken))
        except BaseException:
            self.vault.uses.back(taken)
            raise

    def write_within(self, tx: Transaction) -> None:
        """The same within a change: what cannot be committed is lost from the count, and stands in the log."""
        if taken := self.vault.uses.take():
            SqlUses(tx.connection).add(taken)
