"""Whether sealed payloads are the ones that entries commit to. Needs the data keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from remit.audit.stored import header, place
from remit.kernel.errors import IntegrityFailed, Malformed
from remit.keys.seal import unseal

DataKey = Callable[[str], tuple[bytes | None, bool]]
"""An owner's data key (None: there is none), and whether one of theirs was ever erased."""


@dataclass(slots=True)
class Contents:
    """How many payloads were the ones committed to, how many cannot be read for good, and which are wrong."""

    opened: int = 0
    erased: int = 0
    wrong: list[tuple[int, str]] = field(default_factory=list)  # index of the entry, what

    def add(self, other: Contents) -> None:
        """Count another part in."""
        self.opened += other.opened
        self.erased += other.erased
        self.wrong += other.wrong


def contents(first: int, headers: Sequence[bytes], sealed: Sequence[bytes], data_key: DataKey) -> Contents:
    """Open what is sealed of these entries, which stand from position `first` on."""
    found = Contents()
    for slot, raw in enumerate(headers):
        try:
            entry = header(raw)
        except Malformed:
            continue  # the entry itself is wrong, which another step says
        part = sealed[slot] if slot < len(sealed) else b""
        if part or "payload_commit" in entry:
            _one(found, first + slot, entry, part, data_key)
    return found


def _one(found: Contents, index: int, entry: Mapping[str, Any], part: bytes, data_key: DataKey) -> None:
    commit, owner = entry.get("payload_commit"), entry.get("payload_key")
    if commit is None or not isinstance(owner, str):
        found.wrong.append((index, f"entry {index} has a payload that it does not commit to"))
        return
    if not part:
        found.wrong.append((index, f"entry {index} has no payload any more"))
        return
    try:
        key, erased = data_key(owner)
        plaintext = None if key is None else unseal(key, part, aad=place(str(entry["id"])))
    except IntegrityFailed:
        plaintext, erased = None, data_key_erased(data_key, owner)
    if plaintext is not None and sha256(plaintext).hexdigest() == commit:
        found.opened += 1
    elif plaintext is None and erased:
        found.erased += 1
    else:
        found.wrong.append((index, f"entry {index} has a payload that is not the one it commits to"))


def data_key_erased(data_key: DataKey, owner: str) -> bool:
    """Whether what does not open may have been sealed under a key that was erased since."""
    try:
        return data_key(owner)[1]
    except IntegrityFailed:
        return False
