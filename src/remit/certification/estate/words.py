"""What the log last said of every entitlement, which the database must not contradict (pure, but for the reading).

Every transition is recorded with the row that it leaves, in one transaction. So a row that stands otherwise was
changed by somebody else; and what ended by itself is not told from what somebody ended by what the row says alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Final, NamedTuple, TypeVar

import msgspec

from remit.access.judge import CRITICAL, PASSING
from remit.audit.standing import Rows
from remit.audit.stored import read_bundle
from remit.kernel.clock import EPOCH, Instant, parse_date_end
from remit.kernel.errors import IntegrityFailed, Malformed
from remit.kernel.names import split_action

_T = TypeVar("_T")
Key = tuple[str, str, str, str]  # agent, purpose, action, scope
_BUNDLES: Final = "SELECT count, headers FROM bundles ORDER BY bundle"
_TRY: Final = "remit audit verify"
_VERDICT, _ACCEPTED = b'"kind":"verdict"', b'"what":"entitlement_accepted"'
_ASKED: Final = frozenset({"suspended", "needs_human"})
_BY_HAND: Final = {("start", "active"): "", ("suspend", "suspended"): "suspended", ("lapse", "lapsed"): "let_lapse"}
_BY_ITSELF: Final = frozenset({"start", "reactivate"})


class Word(NamedTuple):
    """A state and its reason. None: the entry does not say which reason is kept."""

    state: str
    why: str | None
    at: Instant


class _Facts(msgspec.Struct):
    state: str = ""
    why: str | None = None
    under: str = ""
    under_why: str = ""


class _Statement(msgspec.Struct):
    facts: _Facts | None = None
    under: tuple[str, str] | None = None


class _Entry(msgspec.Struct):
    """Of an entry's header, what is asked here."""

    kind: str
    time: str = ""
    what: str = ""
    agent: str = ""
    purpose: str = ""
    action: str = ""
    verdict: str = ""
    to: str = ""
    reason: str | None = None
    statement: _Statement = msgspec.field(default_factory=_Statement)


class _Timed(msgspec.Struct):
    """Of any entry's header."""

    time: str = ""


_entry, _timed = msgspec.json.Decoder(_Entry).decode, msgspec.json.Decoder(_Timed).decode


@dataclass(slots=True)
class Words:
    """What was read."""

    of: dict[int, Word] = field(default_factory=dict)  # by entitlement, of those that have a row
    strays: dict[Key, Word] = field(default_factory=dict)  # of which there is no row
    newest: Instant = EPOCH  # when the last entry was made


def words(rows: Rows, eids: Mapping[Key, int], told: Callable[[int], None] = lambda _many: None) -> Words:
    """Read the whole log. `told` hears how many entries are read.

    Raises:
        IntegrityFailed: Some of it cannot be read.
    """
    found, last, read = Words(), b"", 0
    for count, stored in rows(_BUNDLES, ()):
        headers, problem = read_bundle(bytes(stored) if isinstance(stored, memoryview) else stored, count)
        if problem:
            raise IntegrityFailed("an entry of the log is damaged", detail=problem, try_=_TRY)
        for raw in headers:
            if _VERDICT in raw or _ACCEPTED in raw:
                _take(found, eids, _read(raw, _entry))
        last, read = headers[-1], read + len(headers)
        told(read)
    found.newest = _time(_read(last, _timed)) if last else EPOCH
    return found


def _read(raw: bytes, decode: Callable[[bytes], _T]) -> _T:
    try:
        return decode(raw)
    except msgspec.DecodeError as error:
        raise IntegrityFailed("an entry of the log is damaged", detail=str(error), try_=_TRY) from error


def _time(said: _Entry | _Timed) -> Instant:
    try:
        return parse_date_end(said.time)
    except Malformed as error:
        raise IntegrityFailed("an entry of the log is damaged", detail=error.public, try_=_TRY) from error


def _take(found: Words, eids: Mapping[Key, int], said: _Entry) -> None:
    key = (said.agent, said.purpose, said.action, str(split_action(said.action)[0]))
    eid = eids.get(key)
    if said.kind == "verdict":
        word = Word(intern(said.to), _why(said), _time(said))
        if eid is None:
            found.strays[key] = word
        else:
            found.of[eid] = word
    elif said.what == "entitlement_accepted":  # from here on it stands as a person found it
        found.strays.pop(key, None)
        if eid is not None:
            found.of.pop(eid, None)


def _why(said: _Entry) -> str | None:
    """The reason that a transition left in the row (`access/become.py`, `certification/hands.py`)."""
    facts = said.statement.facts
    if said.reason is None:
        return "" if said.verdict in _BY_ITSELF else _BY_HAND.get((said.verdict, said.to))
    if facts is None or facts.why is None:
        return None
    if facts.under == said.to and said.statement.under is None:
        return intern(facts.under_why)  # it is again what it was
    if facts.state != said.to:
        return intern(said.reason)
    gives_way = (facts.why in PASSING and facts.state in _ASKED) or said.reason == CRITICAL
    return intern(said.reason if gives_way else facts.why)
