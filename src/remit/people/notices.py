"""Notices: what the owner of an agent is told, kept until they have seen it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from remit.kernel.clock import Instant
from remit.kernel.names import new_id
from remit.storage.schema import notices


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that happened to an agent's access."""

    notice: str
    agent: str
    said: dict[str, Any]
    seen: Instant | None


class SqlNotices:
    """Notices, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, agent: str, body: str) -> None:
        """Tell the owner of `agent`; `body` is canonical JSON."""
        self._connection.execute(insert(notices).values(notice=new_id("ntc"), agent=agent, body=body))

    def newest(self, agents: Collection[str] | None, *, most: int, unseen: bool) -> list[Notice]:
        """The newest notices about `agents` (None: all), newest first; with `unseen`, only those nobody has seen."""
        query = select(notices).order_by(notices.c.notice.desc()).limit(most)
        if agents is not None:
            query = query.where(notices.c.agent.in_(sorted(agents)))
        if unseen:
            query = query.where(notices.c.seen.is_(None))
        return [_notice(row) for row in self._connection.execute(query)]

    def see(self, agents: Collection[str], *, now: Instant) -> int:
        """Mark all notices about `agents` as seen; how many were new."""
        query = update(notices).where(notices.c.agent.in_(sorted(agents)), notices.c.seen.is_(None))
        return self._connection.execute(query.values(seen=now)).rowcount


def _notice(row: Any) -> Notice:  # noqa: ANN401 - a row of the table
    return Notice(notice=row.notice, agent=row.agent, said=msgspec.json.decode(row.body), seen=row.seen)
