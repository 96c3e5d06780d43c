"""Runs as people look at them: the newest, and one with what works under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from remit.kernel.clock import Instant
from remit.storage.schema import runs
from remit.tokens.model import RUN_IDLE


class Opened(NamedTuple):
    """A run. `over`: when it ends, or ended; `above`: the run of the agent for which it acts, or empty."""

    run: str
    agent: str
    instance: str
    purpose: str
    opened: Instant
    over: Instant
    above: str


class SqlOpened:
    """The table of runs, read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self, most: int, *, agent: str = "", before: str = "") -> list[Opened]:
        """Up to `most` runs, the newest first (ids sort by their times); of one agent, and before one, if named."""
        query = select(runs).order_by(runs.c.run.desc()).limit(most)
        if agent:
            query = query.where(runs.c.agent == agent)
        if before:
            query = query.where(runs.c.run < before)
        return [_opened(row) for row in self._connection.execute(query).mappings()]

    def family(self, run: str, most: int) -> Sequence[Opened]:
        """A run, the one above it, and those under it, level by level; nothing if it is not kept any more."""
        found = self._among(runs.c.run == run, 1)
        if not found:
            return ()
        above = self._among(runs.c.run == found[0].above, 1) if found[0].above else []
        level = found
        while level and len(found) < most:
            level = self._among(runs.c.above.in_([each.run for each in level]), most - len(found))
            level = [each for each in level if each not in found]
            found = [*found, *level]
        return [*above, *found]

    def _among(self, where: ColumnElement[bool], most: int) -> list[Opened]:
        query = select(runs).where(where).order_by(runs.c.run).limit(most)
        return [_opened(row) for row in self._connection.execute(query).mappings()]


def _opened(row: RowMapping) -> Opened:
    over = min(row["ends"], row["token_expires"] + RUN_IDLE)
    return Opened(
        row["run"], row["agent"], row["instance"], row["purpose"], Instant(row["opened"]), Instant(over),
        row["above"] or "",
    )  # fmt: skip
