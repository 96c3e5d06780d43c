"""Decisions and changes of a stretch of the log, with payloads opened: what a replay goes through. Pure.

Whether these entries are the ones recorded is for `audit verify` to say; that a payload is the one its entry commits to
is seen here.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from remit.audit.contents import DataKey
from remit.audit.entry import SALT
from remit.audit.source import Stretch
from remit.audit.stored import header, place
from remit.kernel.canonical import parse
from remit.kernel.errors import IntegrityFailed
from remit.keys.seal import unseal

DECISION, CHANGE = b'"kind":"decision"', b'"kind":"change"'


class Opened(NamedTuple):
    """An entry. `payload` is None where it has none."""

    at: int
    header: dict[str, Any]
    payload: dict[str, Any] | Literal["erased"] | None


def headers(stretch: Stretch, mark: bytes) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(position, slot, header) of the entries of one kind.

    Raises:
        IntegrityFailed: A part of the stretch cannot be read: a replay of the rest would pass for one of the whole.
        Malformed: An entry is no header.
    """
    if len(stretch.headers) < stretch.count:
        at = stretch.first + len(stretch.headers)
        raise IntegrityFailed("the log is damaged", detail=f"entry {at}: {stretch.problem or 'entries are missing'}")
    for slot, raw in enumerate(stretch.headers):
        if mark in raw and mark == b'"kind":"%b"' % str((said := header(raw))["kind"]).encode():
            yield stretch.first + slot, slot, said


def decisions(stretch: Stretch, data_key: DataKey) -> Iterator[Opened]:
    """The decisions of a stretch that was read with its payloads.

    Raises:
        IntegrityFailed, Malformed: As `headers`; or a payload is missing, or not the one that was recorded.
    """
    for at, slot, said in headers(stretch, DECISION):
        yield Opened(at, said, _payload(stretch, slot, said, data_key))


def _payload(
    stretch: Stretch, slot: int, said: dict[str, Any], data_key: DataKey
) -> dict[str, Any] | Literal["erased"] | None:
    commit, owner = said.get("payload_commit"), said.get("payload_key")
    if commit is None or not isinstance(owner, str):
        return None
    key, erased = data_key(owner)
    if key is None:
        return "erased"
    sealed = stretch.payloads[slot] if stretch.payloads is not None and slot < len(stretch.payloads) else b""
    try:
        plaintext = unseal(key, sealed, aad=place(said["id"]))
    except IntegrityFailed:
        if erased:  # it was sealed under an earlier key, which is gone
            return "erased"
        raise
    if sha256(plaintext).hexdigest() != commit:
        raise IntegrityFailed("a payload is not the one that was recorded", detail=str(said["id"]))
    opened: dict[str, Any] = parse(plaintext[SALT:])
    return opened
