"""Approvals inside a group commit: locked as they are read, and used once. Rare, so plain SQLAlchemy.

The row of the request is locked first, and only then is it read whether it was used: who waited for the
lock sees the use that it waited for. So of two nodes that use one approval at once, one does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, insert, select

from remit.storage.model import ConsumeApproval
from remit.storage.request_schema import access_requests, approval_uses

APPROVED = "approved"  # the state of a request that a person said yes to


def standing(connection: Connection, names: Collection[str]) -> dict[str, tuple[str, int]]:
    """Of the requests `names`, those that are approved and unused: their approval, and until when it may be used.

    Locked until the commit.
    """
    of = access_requests.c
    query = select(of.request, of.approval, of.until).where(of.request.in_(sorted(names)), of.state == APPROVED)
    found = connection.execute(query.order_by(of.request).with_for_update())
    rows = {row.request: (row.approval, row.until) for row in found}
    used = connection.execute(select(approval_uses.c.request).where(approval_uses.c.request.in_(sorted(rows))))
    for row in used:
        del rows[row.request]
    return rows


def write(connection: Connection, used: Iterable[ConsumeApproval]) -> None:
    """Write the uses of approvals that `standing` has locked."""
    rows = [{"request": each.request, "decision": each.decision, "at": each.at} for each in used]
    connection.execute(insert(approval_uses), rows)
