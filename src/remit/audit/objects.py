"""What the state consists of: objects that people change, each with the rows that hold it. Pure.

Every `change` entry names one object (`what`, `name`). Its rows are hashed whole, every column
of every row, so that nothing which a decision reads can differ and the hash stay the same:

    digest = SHA-256("remit/state/v1" LF JSON of [what, name, rows]), rows = [[table, {column: value}], ...] sorted

A column that is NULL is left out, so a nullable column that comes later changes no digest. An
object without rows has the digest "".

What is hashed is kept of objects that decisions read (`READ`): so a decision can be made again on the state as it was,
and the signed log says whether that is the state that was. Not of what the organisation declares of its own types: no
agent's call is decided on it, and there are people in it.

Not here: counters and activations, which decisions write themselves, sessions (instances, runs)
and what is sealed by itself (keys).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

READ = frozenset({"owner", "agent", "risk", "purpose", "boundary", "server", "policy", "opening", "freeze"})
_VERSION = b"remit/state/v1"
GONE = ""  # the digest of what has no rows
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
Row = tuple[str, dict[str, Any]]  # table, the columns that are not NULL


@dataclass(frozen=True)
class Part:
    """One table's rows of an object: those whose `key` is its name."""

    table: str
    key: str
    columns: tuple[str, ...]
    flag: str = ""  # the column that is a boolean

    @cached_property
    def every(self) -> str:
        """The query for all objects, rows of one object in a row: its name first, then the columns by name."""
        return f"{self._select} ORDER BY {_quoted(self.key)}"

    @cached_property
    def one(self) -> str:
        """The query for one object."""
        return f"{self._select} WHERE {_quoted(self.key)} = ?"

    @property
    def _select(self) -> str:
        columns = ", ".join(map(_quoted, (self.key, *sorted(self.columns))))
        return f"SELECT {columns} FROM {_quoted(self.table)}"  # noqa: S608 - names from this module

    def encoded(self, row: Sequence[Any]) -> bytes:
        """One row of these queries, as it is hashed."""
        said = dict(zip(self._sorted, row[1:], strict=True))
        if self.flag:
            said[self.flag] = int(said[self.flag])  # SQLite has no booleans: they are the numbers that it stores
        if None in row:
            said = {name: value for name, value in said.items() if value is not None}
        return _encode([self.table, said])

    @cached_property
    def _sorted(self) -> tuple[str, ...]:
        return tuple(sorted(self.columns))


def _quoted(name: str) -> str:
    return f'"{name}"'


def _part(table: str, key: str, columns: str, flag: str = "") -> Part:
    return Part(table, key, (key, *columns.split()), flag)


OBJECTS: Mapping[str, tuple[Part, ...]] = {
    "owner": (_part("owners", "owner", "body active", flag="active"),),
    "agent": (_part("agents", "agent", "owner state body"), _part("suspensions", "agent", "by since")),
    "risk": (
        _part("risks", "agent", "risk since calm"),
        _part("signals", "agent", "signal about since by"),
    ),
    "purpose": (_part("purposes", "purpose", "state body"),),
    "boundary": (
        _part(
            "boundaries",
            "boundary",
            "version agent purpose state source rules not_after approved_by approved_at kind",
        ),
    ),
    "server": (
        _part("servers", "server", "body set_pin"),
        _part("tools", "server", "tool tier pin definition seen state"),
    ),
    "combination": (_part("combinations", "combination", "body"),),
    "policy": (_part("policies", "file", "text"),),
    "declaration": (_part("declarations", "file", "part text"),),
    "policy_set": (_part("policy_sets", "version", "number digest files body state by created since"),),
    "secret": (
        _part("secrets", "secret", "version sealed changed body setter"),
        _part("secret_versions", "secret", "version state sealed key attributes made since exposed exposure"),
    ),
    "rotation": (_part("rotations", "rotation", "secret body started ended open"),),
    "lease": (_part("leases", "lease", "secret agent instance state body ended"),),
    "connection": (
        _part("connections", "connection", "secret person state client scope version sealed connected changed"),
    ),
    "opening": (_part("openings", "opening", "agent boundary by opened ends due body"),),
    "freeze": (_part("freezes", "id", "kind name reason by since ended ended_by"),),
    "operator_token": (_part("operators", "person", "token_hash role created expires"),),
    "pep": (_part("peps", "pep", "token_hash created"),),
    "system": (_part("systems", "system", "body"),),
    "access_request": (
        _part("access_requests", "request", "agent state binding asker idem approval until due gone body sealed"),
    ),
}


def digest(what: str, name: str, rows: Iterable[bytes]) -> str:
    """The digest of an object with these encoded rows; "" without any."""
    return digest_of(body(what, name, rows))


def body(what: str, name: str, rows: Iterable[bytes]) -> bytes:
    """What is hashed of an object with these encoded rows; nothing without any."""
    found = sorted(rows)
    return b"\n".join((_VERSION, _encode([what, name]), *found)) if found else b""


def digest_of(body: bytes) -> str:
    """The digest of such a body."""
    return sha256(body).hexdigest() if body else GONE


def rows_in(body: bytes) -> tuple[str, str, list[Row]]:
    """(what, name, rows) of a body. No encoded row holds a line feed.

    Raises:
        ValueError, TypeError: It is none.
    """
    version, named, *rows = body.split(b"\n")
    if version != _VERSION:
        raise ValueError("a body of another version")
    what, name = _decode(named)
    return what, name, [(table, columns) for table, columns in map(_decode, rows)]


def grouped(part: Part, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, list[bytes]]]:
    """(name, encoded rows) of each object in what `part.every` found."""
    for name, found in groupby(rows, itemgetter(0)):
        yield str(name), [part.encoded(row) for row in found]
