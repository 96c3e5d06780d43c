"""What one entry looks like: a canonical public header, and a payload that can be erased.

    header   {"v":1,"kind":...,"id":...,"time":...,"epoch":..., fields..., "payload_commit":..., "payload_key":...}
    payload  JSON, sealed together with a 32-byte salt; the header holds SHA-256(salt || payload)

The salt keeps small payloads from being guessed from their commitment. Erasing the data key
named by `payload_key` erases the payload; the header, and with it the log, still verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import msgspec

from remit.audit.stored import VERSION
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant, rfc3339
from remit.storage.model import Entry

SALT = 32
# Each kind with the prefix of its ids.
KINDS = {
    "decision": "dec",
    "outcome": "out",
    "search": "sea",  # an enforcement point asked who may, or on what
    "verdict": "ver",
    "change": "chg",
    "token": "tok",
    "refused": "ref",
    "unavailable": "una",
    "heartbeat": "hbt",
    "start": "sta",
    "stop": "sto",
    "incident": "inc",
    "sweep": "swp",
    "shed": "shd",  # how much was refused for load since the last of these
    "withdrawal": "wds",  # one step of one; the withdrawal's own id is wdr_...
}
_OWN = frozenset({"v", "kind", "id", "time", "epoch", "payload_commit", "payload_key"})
_PLAIN = frozenset({str, bool, type(None)})
_BIG = 2**53
_sorted = msgspec.json.Encoder(order="sorted")
_payload = msgspec.json.Encoder(order="sorted", decimal_format="number")

Seal = Callable[[bytes, str], bytes]
"""Seals a salted payload for the entry with this id."""


def payload_bytes(payload: Mapping[str, Any]) -> bytes:
    """The payload's bytes: sorted JSON that keeps every number's literal.

    Not RFC 8785, because it holds what agents sent: an exact decimal or a huge integer must
    not keep a decision from being recorded, and a replay needs the digits that were judged.
    """
    return _payload.encode(payload)


def header_bytes(header: dict[str, Any]) -> bytes:
    """The canonical bytes of a header; flat ones of known-safe values skip the general check."""
    if "".join(header).isascii():
        for value in header.values():
            kind = type(value)
            if kind not in _PLAIN and not (kind is int and -_BIG < value < _BIG):
                return canonical(header)
        return _sorted.encode(header)
    return canonical(header)


def entry(  # noqa: PLR0913 - an entry has these parts
    kind: str,
    fields: Mapping[str, Any],
    *,
    id: str,  # noqa: A002 - the header's own word
    now: Instant,
    epoch: int,
    payload: Mapping[str, Any] | None = None,
    payload_key: str | None = None,
    seal: Seal | None = None,
    salt: bytes = b"",
) -> Entry:
    """One entry for the log.

    Args:
        kind: One of `KINDS`.
        fields: What happened; JSON values for the public header.
        id: The entry's id; a decision's is the decision's.
        now: When it happened.
        epoch: The state it was judged against.
        payload: What only holders of the data key may read; needs the next three.
        payload_key: The owner of the data key.
        seal: Seals under that key.
        salt: 32 random bytes, used once.

    Raises:
        ValueError: An unknown kind, a field with a name the header uses itself, a payload without its key or salt.
        Malformed: A value that has no canonical form.
    """
    if kind not in KINDS or not _OWN.isdisjoint(fields):
        raise ValueError(f"not an entry: {kind} with {sorted(fields)}")
    header = {"v": VERSION, "kind": kind, "id": id, "time": rfc3339(now), "epoch": epoch, **fields}
    if payload is None:
        return Entry(id, header_bytes(header))
    if seal is None or payload_key is None or len(salt) != SALT:
        raise ValueError("a payload needs its key and a salt of 32 bytes")
    plaintext = salt + payload_bytes(payload)
    header["payload_commit"] = sha256(plaintext).hexdigest()
    header["payload_key"] = payload_key
    return Entry(id, header_bytes(header), seal(plaintext, id))
