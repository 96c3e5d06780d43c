"""Keeps the index of the log (`terms`) up with it, a stretch at a time, beside what is recorded and not in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Final

from remit.audit.sql import SqlLog
from remit.audit.stored import read_bundle
from remit.audit.terms import STRETCH, indexed
from remit.audit.terms_sql import SqlTerms
from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.storage.ports import Reader, Transaction, Writer

_EVERY: Final = 1.0  # seconds between two looks
_GAP: Final = 0.02  # seconds between two stretches while it catches up: calls go first
_ROWS: Final = 1024  # terms in one change: the writer has calls to commit between them
_log = logger("remit.audit")


class Indexing:
    """Runs on the event loop; what blocks goes to a thread. Two nodes that do the same stretch do no harm."""

    def __init__(self, writer: Writer, reader: Reader, *, leads: Callable[[], bool] = lambda: True) -> None:
        """Prepare. `leads` says whether it is this node's turn."""
        self._writer = writer
        self._leads = leads
        self._reader = reader

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            pause = _EVERY
            try:
                if self._leads() and await asyncio.to_thread(self.step):
                    pause = _GAP
            except RemitError as error:
                _log.warning("the log's index is not kept up", error=error.public, detail=error.detail)
            except Exception:  # noqa: BLE001 - the next look may do it; without it the log is read through
                _log.exception("the log's index is not kept up")
            await asyncio.sleep(pause)

    def step(self) -> bool:
        """Index the next stretch, if it is whole; whether it was. Blocks.

        Raises:
            StorageUnavailable: The database does not answer.
        """
        stretch, headers = self._reader.read(lambda connection: _next(SqlTerms(connection), SqlLog(connection)))
        if headers is None:
            return False
        found = indexed(headers)
        left = iter(found.places.items())
        while rows := list(islice(left, _ROWS)):
            self._writer.change(_adds(stretch, rows))
        self._writer.change(lambda tx: SqlTerms(tx.connection).close(stretch, found))
        return True


def _next(terms: SqlTerms, log: SqlLog) -> tuple[int, list[bytes] | None]:
    """The number of the next stretch, and what stands in it (nothing where an entry cannot be read), if it is whole."""
    stretch = terms.covered()
    first, end = stretch * STRETCH, (stretch + 1) * STRETCH
    if terms.placed() < end:
        return stretch, None
    headers = [b""] * STRETCH
    for row in log.holding(first, STRETCH):
        if row.first is None or row.first >= end:
            break
        for at, raw in enumerate(read_bundle(row.headers, row.count)[0], row.first):
            if first <= at < end:
                headers[at - first] = raw
    return stretch, headers


def _adds(stretch: int, rows: list[tuple[int, int]]) -> Callable[[Transaction], None]:
    def apply(tx: Transaction) -> None:
        SqlTerms(tx.connection).add(stretch, rows)

    return apply
