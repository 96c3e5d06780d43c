"""The calls that used a version of a secret, or may have, read from the log.

An outcome says what its call was made with (`credential`). One that does not, of a server that gets the secret, is of
a call that may have used it: nobody lived to say so, or it was recorded by an older Remit. So is a call without an
outcome yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from remit.audit.recovery import MARK
from remit.audit.sql import Bundle, SqlLog
from remit.audit.stored import read_bundle
from remit.kernel.clock import MINUTE, Instant, parse_date_end
from remit.kernel.names import made_at
from remit.storage.ports import Reader

_STEP: Final = 64  # bundles read at once
_FAR: Final = 4096  # bundles back in which a call may be under way, where no mark says
_ENTRIES: Final = 250_000  # of one page
_SLACK: Final = MINUTE  # entries of one bundle are not in the order of their times
_OUTCOME, _DECISION = b'"kind":"outcome"', b'"kind":"decision"'
_NOT_SENT: Final = "not_sent"
OPEN: Final = "open"


class _Credential(msgspec.Struct):
    secret: str = ""
    version: int = 0
    also: tuple[int, ...] = ()


class _Header(msgspec.Struct):
    id: str
    kind: str
    action: str = ""
    agent: str = ""
    purpose: str = ""
    decision: str = ""
    outcome: str = ""
    forwarded: bool = False
    credential: _Credential | None = None


_decode = msgspec.json.Decoder(_Header).decode


class Called(msgspec.Struct, frozen=True):
    """A call. `certain`: its outcome says that it was made with that version."""

    decision: str
    at: Instant
    agent: str
    purpose: str
    action: str
    outcome: str  # `open` if there is none yet
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What is looked for. `servers`: those that get the secret. From `made` to `until` calls could use the version."""

    secret: str
    version: int
    servers: Collection[str]
    made: Instant
    until: Instant | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls, in the order of their outcomes; `more`: the bundle to go on behind, None at the end."""

    calls: Sequence[Called]
    more: int | None


class CredentialUses:
    """Reads the log. Any thread but the event loop's."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def page(self, sought: Sought, *, after: int | None, most: int) -> Page:
        """At least `most` calls behind bundle `after` (None: from the version's beginning), or all there are."""
        first = self._before(sought.made - _SLACK) if after is None else after
        looks = _Looks(sought)
        found: list[Called] = []
        entries = 0
        for bundle in self._upwards(first):
            found += looks.outcomes(_headers(bundle))
            entries += bundle.count
            if len(found) >= most or entries >= _ENTRIES:
                return Page(found, bundle.bundle)
        return Page([*found, *self._open(looks)], None)

    def _open(self, looks: _Looks) -> list[Called]:
        """Calls without an outcome: none of these is in a bundle before the mark that recovery begins at."""
        found: dict[str, Called] = {}
        for bundle in self._upwards(self._reader.read(_mark) - 1):
            headers = _headers(bundle)
            for each in looks.decisions(headers):
                found[each.decision] = each
            for header in headers if found else ():
                if _OUTCOME in header:
                    found.pop(_decode(header).decision, None)
        return list(found.values())

    def _before(self, moment: int) -> int:
        """A bundle behind which everything since then stands."""
        low, high = 0, self._reader.read(lambda connection: SqlLog(connection).newest_bundle())
        while low < high:
            middle = (low + high) // 2
            rows = self._reader.read(lambda connection, at=middle: SqlLog(connection).after(at, 1))  # type: ignore[misc] # bound now
            headers = _headers(rows[0]) if rows else []
            if headers and parse_date_end(msgspec.json.decode(headers[0])["time"]) < moment:
                low = max(middle + 1, rows[0].bundle)
            else:
                high = middle
        return low

    def _upwards(self, number: int) -> Iterator[Bundle]:
        while True:
            rows = self._reader.read(lambda connection, at=number: SqlLog(connection).after(at, _STEP))  # type: ignore[misc] # bound now
            yield from rows
            if len(rows) < _STEP:
                return
            number = rows[-1].bundle


class _Looks:
    """Which headers are of calls that are looked for. Most are ruled out by their bytes."""

    def __init__(self, sought: Sought) -> None:
        self._sought = sought
        name = msgspec.json.encode(sought.secret)
        self._used = b'"secret":' + name
        self._at = [b'"action":"' + each.encode() + sign for each in sought.servers for sign in (b"/", b":")]

    def outcomes(self, headers: Sequence[bytes]) -> Iterator[Called]:
        """The calls whose outcome is here."""
        for raw in headers:
            if _OUTCOME not in raw:
                continue
            if self._used in raw:
                it = _decode(raw)
                said = it.credential
                if said is not None and said.secret == self._sought.secret and self._is(said):
                    yield _called(it.decision, it, it.outcome, certain=True)
            elif b'"credential":' not in raw and any(each in raw for each in self._at):
                it = _decode(raw)
                if it.outcome != _NOT_SENT and self._within(it.decision):
                    yield _called(it.decision, it, it.outcome, certain=False)

    def decisions(self, headers: Sequence[bytes]) -> Iterator[Called]:
        """The calls that were let through here."""
        for raw in headers:
            if _DECISION in raw and any(each in raw for each in self._at):
                it = _decode(raw)
                if it.forwarded and self._within(it.id):
                    yield _called(it.id, it, OPEN, certain=False)

    def _is(self, said: _Credential) -> bool:
        return said.version == self._sought.version or self._sought.version in said.also

    def _within(self, decision: str) -> bool:
        at = made_at(decision)
        if at is None:
            return True
        return self._sought.made - _SLACK <= at and (self._sought.until is None or at <= self._sought.until + _SLACK)


def _called(decision: str, it: _Header, outcome: str, *, certain: bool) -> Called:
    return Called(decision, made_at(decision) or Instant(0), it.agent, it.purpose, it.action, outcome, certain)


def _headers(bundle: Bundle) -> list[bytes]:
    return read_bundle(bundle.headers, bundle.count)[0]


def _mark(connection: object) -> int:
    log = SqlLog(connection)  # type: ignore[arg-type] # the reader's own connection
    newest = log.newest_bundle()
    mark = log.mark(MARK)
    return min(mark, newest) if 0 < mark <= newest else max(newest - _FAR, 1)
