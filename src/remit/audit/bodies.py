"""What the digests of the state stand for, kept by digest: the log says which one stood when, this what it was.

A body is never changed and never taken on trust: whoever reads one hashes it. So what somebody writes here behind the
server's back can be missed, but not be believed.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from remit.audit.objects import READ, digest_of
from remit.audit.standing import Rows
from remit.kernel.errors import IntegrityFailed

Named = tuple[str, str]  # what, name
_KEEP: Final = "INSERT INTO bodies (digest, body) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"
_READ: Final = "SELECT body FROM bodies WHERE digest = ?"
_MISSING: Final = (
    "SELECT s.what, s.name FROM states AS s LEFT JOIN bodies AS b ON b.digest = s.digest"
    " WHERE b.digest IS NULL AND s.digest <> ''"
)
_MOST: Final = 1 << 28  # a body that was made a decompression bomb must not take its reader down


def keep(connection: Connection, bodies: Mapping[str, bytes]) -> None:
    """Keep these bodies, each under its digest; those that are kept already cost a look."""
    rows = [(digest, zlib.compress(body)) for digest, body in bodies.items() if body]
    if rows:
        connection.exec_driver_sql(marked(connection, _KEEP), rows)


def missing(rows: Rows) -> list[Named]:
    """The objects whose present body is not kept: they are from before bodies were."""
    return sorted((str(what), str(name)) for what, name in rows(_MISSING, ()) if what in READ)


def body_of(rows: Rows, digest: str) -> bytes:
    """The body with this digest; nothing for what has no rows.

    Raises:
        IntegrityFailed: It is not there, or what is there is another one.
    """
    if not digest:
        return b""
    found: Collection[Sequence[Any]] = list(rows(_READ, (digest,)))
    body = _opened(next(iter(found))[0]) if found else b""
    if digest_of(body) != digest:
        how = "is not what its digest says" if found else "is missing"
        raise IntegrityFailed("the state as it was cannot be made again", detail=f"the body {digest} {how}")
    return body


def _opened(stored: object) -> bytes:
    raw = bytes(stored) if isinstance(stored, (bytes, memoryview)) else b""
    try:
        return zlib.decompressobj().decompress(raw, _MOST)
    except zlib.error:
        return b""


def marked(connection: Connection, query: str) -> str:
    """A query with `?`, as the driver of this connection marks its values."""
    return query.replace("?", "%s") if connection.dialect.name == "postgresql" else query
