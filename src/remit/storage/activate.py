"""Activations inside a group commit: locked by serial, written, and their owners told. Rare, so plain SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from sqlalchemy import Connection, insert, select, tuple_, update

from remit.kernel.names import new_id
from remit.storage import upsert
from remit.storage.effects import RowKey
from remit.storage.model import Activate
from remit.storage.schema import activations, notices

_NAMES = ("agent", "purpose", "action", "scope")
_KEY = [activations.c[name] for name in _NAMES]
Seal = Callable[[RowKey, int, str], str]
"""Makes of the body of a row with this key and serial what is stored."""
_NOT_YET = {"serial": 0, "body": "", "due": 2**62, "last": 0, "covered": 0, "days": 0, "gaps": ""}


def serials(connection: Connection, keys: Collection[RowKey]) -> dict[RowKey, int]:
    """The serials of `keys`, locked until the commit. A row that is not there cannot be locked, so it is made."""
    if not keys:
        return {}
    ordered = sorted(keys)
    rows = [dict(zip(_NAMES, key, strict=True)) | _NOT_YET for key in ordered]
    connection.execute(upsert.insert(activations, connection).on_conflict_do_nothing(), rows)
    query = select(*_KEY, activations.c.serial).where(tuple_(*_KEY).in_(ordered)).order_by(*_KEY).with_for_update()
    return {(row.agent, row.purpose, row.action, row.scope): row.serial for row in connection.execute(query)}


def as_it_is(_key: RowKey, _serial: int, body: str) -> str:
    """A body needs no sealing."""
    return body


def write(connection: Connection, changed: Iterable[Activate], told: Iterable[Activate], seal: Seal = as_it_is) -> None:
    """Write rows that `serials` has locked, their bodies sealed, and the notices to their owners."""
    for each in changed:
        row = each.row
        values = {
            "serial": row.serial, "body": seal(each.key, row.serial, row.body), "due": row.due,
            "last": row.last, "covered": row.covered, "days": row.days, "gaps": row.gaps,
        }  # fmt: skip
        connection.execute(update(activations).where(tuple_(*_KEY) == tuple_(*each.key)).values(values))
    rows = [{"notice": new_id("ntc"), "agent": each.key[0], "body": each.notice} for each in told]
    if rows:
        connection.execute(insert(notices), rows)
