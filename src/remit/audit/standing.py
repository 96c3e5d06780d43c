"""What stands in the database, beside what its table `states` says of it. Pure but for the queries handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from remit.audit.objects import GONE, OBJECTS, body, digest, digest_of, grouped
from remit.audit.seal import META, Kept, StateKeys, Total, read_total, tag
from remit.kernel.errors import IntegrityFailed

Rows = Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]]
"""Runs a query; values stand for `?`."""

_KEPT = "SELECT name, digest, entry, seal FROM states WHERE what = ?"
# By primary key, whatever the collation: between `chg` and `chh` there are only ids of `change` entries.
_NEWEST = "SELECT entry FROM entries WHERE entry > 'chg' AND entry < 'chh' ORDER BY entry DESC LIMIT 1"


class Standing(NamedTuple):  # of which a start makes one for every object
    """One object: the digest of its rows as they are ("" without any), and what is kept of it."""

    what: str
    name: str
    digest: str
    kept: Kept | None


def standings(rows: Rows) -> Iterator[Standing]:
    """Every object that has rows, or of which something is kept."""
    for what in OBJECTS:
        kept = {name: Kept(*said) for name, *said in rows(_KEPT, (what,))}
        for name, found in _held(rows, what):
            yield Standing(what, name, digest(what, name, found), kept.pop(name, None))
        yield from (Standing(what, name, GONE, each) for name, each in kept.items())


def _held(rows: Rows, what: str) -> Iterator[tuple[str, list[bytes]]]:
    """(name, encoded rows) of every object. One table is streamed; several are gathered first, and are small."""
    first, *others = OBJECTS[what]
    if not others:
        yield from grouped(first, rows(first.every, ()))
        return
    found: dict[str, list[bytes]] = {}
    for part in OBJECTS[what]:
        for name, encoded in grouped(part, rows(part.every, ())):
            found.setdefault(name, []).extend(encoded)
    yield from found.items()


def digest_now(rows: Rows, what: str, name: str) -> str:
    """The digest of one object as it is."""
    return digest_of(body_now(rows, what, name))


def body_now(rows: Rows, what: str, name: str) -> bytes:
    """What is hashed of one object as it is."""
    return body(what, name, [part.encoded(row) for part in OBJECTS[what] for row in rows(part.one, (name,))])


@dataclass(frozen=True, slots=True)
class Wrong:
    """An object that is not as it was recorded, and in which way."""

    what: str
    name: str
    how: str

    def __str__(self) -> str:
        return f"{self.what} {self.name} {self.how}"


@dataclass(slots=True)
class Checked:
    """What a check against the seals found. `total` says what is wrong with the total; "" if nothing."""

    objects: int = 0
    wrong: list[Wrong] = field(default_factory=list)
    total: str = ""

    @property
    def problem(self) -> str:
        """All of it in one line; "" if there is nothing."""
        shown = [str(each) for each in self.wrong[:10]]
        more = [f"and {len(self.wrong) - len(shown)} more"] if len(self.wrong) > len(shown) else []
        return "; ".join([*shown, *more, *([self.total] if self.total else [])])


def check(rows: Rows, keys: StateKeys) -> Checked:
    """Every object against its row of `states`, each of these against its seal, and all against the total.

    Reads no entry of the log.
    """
    found, total = Checked(), Total()
    for each in standings(rows):
        found.objects += 1
        how = _wrong(each)
        if each.kept is not None:
            seal, summand = tag(keys, each.what, each.name, each.kept.digest, each.kept.entry)
            total.add(summand)
            if seal != each.kept.seal:
                how = "has a record of its state that was not made here"
        if how:
            found.wrong.append(Wrong(each.what, each.name, how))
    found.total = _total(rows, keys, total)
    return found


def _wrong(each: Standing) -> str:
    if each.kept is None:
        return "stands there, and no entry ever said so"
    if each.digest == each.kept.digest:
        return ""
    return "is missing" if each.digest == GONE else "is not as its last entry left it"


def _total(rows: Rows, keys: StateKeys, total: Total) -> str:
    for (text,) in rows("SELECT value FROM meta WHERE key = ?", (META,)):
        try:
            sealed = read_total(str(text), keys)
        except IntegrityFailed as error:
            return error.public
        (others,) = next(iter(rows("SELECT count(*) FROM states", ())))
        if (sealed.count, sealed.sum) != (total.count, total.sum) or others != total.count:
            return "records of state were put back from an earlier time, added or taken out"
        if (newest := newest_change(rows)) != sealed.newest:
            return f"the state is of another time than the log: its last change is {sealed.newest}, the log's {newest}"
        return ""
    return "the state has no seal"


def newest_change(rows: Rows) -> str:
    """The highest id of a `change` entry that the index knows; "" if there is none."""
    return next((str(entry) for (entry,) in rows(_NEWEST, ())), "")
