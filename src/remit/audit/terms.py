"""What an entry of the log is found by, and the index of one stretch of it. Pure.

The log is cut into stretches of 1024 positions. For each stretch and each term that occurs in it, the index holds the
places of the entries that have the term, as a set of bits. A question is an intersection of such sets; whatever it
finds is compared with the entry's own header afterwards, so a wrong index may hide an entry, and never invent one.
`audit verify` does not read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

import msgspec

from remit.kernel.clock import Instant, parse_date_end
from remit.kernel.errors import Malformed

STRETCH: Final = 1024  # positions
BYTES: Final = STRETCH // 8
_FEW: Final = BYTES // 2  # so many places and more are written as bits
_MEMBERS: Final = (
    "kind", "agent", "action", "server", "purpose", "run", "code", "outcome", "boundary", "what", "change", "name",
    "verdict", "reason", "secret", "target_name",
)  # fmt: skip
_PEOPLE: Final = ("by", "as", "person", "owner", "approver")
FIELDS: Final = (*_MEMBERS, "answer", "person")
"""What can be asked for. `answer` is a decision's own (allow, deny, would_deny); `person` whoever an entry names."""
_RARE: Final = frozenset({"run", "name", "secret", "boundary", "target_name"})  # one value stands in few stretches
_ANSWERS: Final = frozenset({"allow", "deny", "would_deny"})
_REFUSED: Final = "refused"
"""An agent together with its answer, where that is not allow: one that works all day may never be refused."""
_WORD: Final = re.compile(r"[^\W_]+")
_MOST_WORDS: Final = 64  # of one text: a name of 10 kB is found by its beginning
_LONGEST: Final = 64
_EVER: Final = Instant(1 << 62)
_decode = msgspec.json.Decoder().decode
_WORDED: Final = frozenset({"agent", "action", "person", "name", "code", "reason"})  # what words are looked for in


def said(header: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, value) of everything that an entry can be asked for."""
    for name in _MEMBERS:
        value = header.get(name)
        if type(value) is str and value:
            yield name, value
    answer = header.get("decision")
    if type(answer) is str and answer in _ANSWERS:
        yield "answer", answer
        if answer != "allow" and type(agent := header.get("agent")) is str:
            yield _refused(agent, answer)
    for name in _PEOPLE:
        value = header.get(name)
        if type(value) is str and value:
            yield "person", value
    used = header.get("credential")  # of an outcome: what its call was made with
    if type(used) is dict and type(secret := used.get("secret")) is str:
        yield "secret", secret


def _refused(agent: str, answer: str) -> tuple[str, str]:
    return _REFUSED, f"{answer} {agent}"


def words(text: str) -> list[str]:
    """The words of a text as they are compared: letters and digits, without case."""
    return [each.group()[:_LONGEST] for each in islice(_WORD.finditer(text.casefold()), _MOST_WORDS)]


@lru_cache(maxsize=1 << 14)  # a fleet says the same names over and over
def _terms(name: str, value: str) -> tuple[int, ...]:
    """All terms of a value: itself, and its words."""
    return term(name, value), *(term("word", word) for word in (words(value) if name in _WORDED else ()))


def term(name: str, value: str) -> int:
    """The number of a term: 64 bits of its hash, signed. Two that fall together cost a look, and nothing else."""
    digest = blake2b(f"{name}\0{value}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """A question. `since` and `until` are inclusive; `fields` has names of `FIELDS`; `text` is cut into words."""

    fields: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    since: Instant | None = None
    until: Instant | None = None

    def terms(self) -> list[int]:
        """The terms that an entry has if it is an answer; first those of which there may be none for long."""
        fields = dict(self.fields)
        found = []
        if "agent" in fields and fields.get("answer", "allow") != "allow":
            found.append(term(*_refused(fields.pop("agent"), fields.pop("answer"))))
        order = sorted(fields, key=lambda name: (name not in _RARE, name != "kind"))
        found += [term(name, fields[name]) for name in order]
        return found + [term("word", word) for word in dict.fromkeys(words(self.text))]

    def takes(self, header: Mapping[str, Any]) -> bool:
        """Whether an entry is an answer, by its own words."""
        has = set(said(header))
        if not all(pair in has for pair in self.fields.items()):
            return False
        if self.text:
            own = {word for name, value in has if name in _WORDED for word in words(value)}
            if not own.issuperset(words(self.text)):
                return False
        if self.since is None and self.until is None:
            return True
        at = parse_date_end(str(header.get("time")))
        return (self.since is None or at >= self.since) and (self.until is None or at <= self.until)


@dataclass(frozen=True, slots=True)
class Indexed:
    """One stretch: the places of each term (bit N: the entry N positions behind its first), and its times."""

    places: Mapping[int, int]
    earliest: Instant
    latest: Instant


def indexed(headers: Sequence[bytes]) -> Indexed:
    """The index of one stretch. What cannot be read has no terms: `audit verify` says what is wrong with it."""
    values: dict[tuple[str, str], list[int]] = {}
    times: list[str] = []
    for slot, raw in enumerate(headers):
        try:
            header = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if not isinstance(header, dict):
            continue
        for pair in said(header):
            values.setdefault(pair, []).append(slot)
        if type(at := header.get("time")) is str:
            times.append(at)
    places: dict[int, int] = {}
    for (name, value), found in values.items():
        bits = 0
        for slot in found:
            bits |= 1 << slot
        own = _terms(name, value) if len(value) <= _LONGEST else _terms.__wrapped__(name, value)
        for each in own:
            places[each] = places.get(each, 0) | bits
    try:  # RFC 3339 in UTC and of one length: texts compare as times do
        return Indexed(places, parse_date_end(min(times)), parse_date_end(max(times)))
    except (ValueError, Malformed):
        return Indexed(places, Instant(0), _EVER)


def packed(bits: int) -> bytes:
    """A set of places as it is stored: two bytes for each of a few, else one bit for each that there could be."""
    if bits.bit_count() >= _FEW:
        return bits.to_bytes(BYTES, "little")
    return b"".join(slot.to_bytes(2, "little") for slot in slots(bits))


def unpacked(stored: bytes) -> int:
    """The set of places that `packed` made."""
    if len(stored) == BYTES:
        return int.from_bytes(stored, "little")
    bits = 0
    for at in range(0, len(stored) - 1, 2):
        bits |= 1 << (int.from_bytes(stored[at : at + 2], "little") % STRETCH)
    return bits


def slots(bits: int) -> Iterator[int]:
    """The places of a set, downwards."""
    while bits:
        slot = bits.bit_length() - 1
        yield slot
        bits ^= 1 << slot
