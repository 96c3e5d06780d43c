"""How the table `states` is sealed against whoever holds the database and not the keys. Pure.

    states   what, name, digest, entry, seal     one row per object that ever had a `change` entry
    total    how many rows, a sum over them, and the newest `change` entry; sealed as one value in `meta`

HMAC-SHA-512 over a row gives 64 bytes: the first half is the row's `seal`, the second half never
leaves memory and is what the row adds to the sum (modulo 2^256). A row cannot be made without the
key (its seal), nor be put back from an older time, taken out or doubled (the sum would not be
right). Because nobody without the key ever sees a summand or the sum, there is nothing to solve
for: see docs/adr, "The state is sealed row by row".
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from remit.kernel.canonical import canonical, parse
from remit.kernel.errors import IntegrityFailed, Malformed
from remit.keys.seal import seal, unseal

META = "states"  # where the total stands in `meta`
LABELS = ("audit/states", "audit/states/total")  # what the two keys are derived for
_PLACE = ("meta", META, 1)
_HALF = 32
_MODULUS = 1 << (8 * _HALF)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class StateKeys:
    """The key of the rows' seals, and that of the total."""

    rows: bytes
    total: bytes


class Kept(NamedTuple):
    """What a row of `states` says of its object: its digest when the entry was recorded."""

    digest: str
    entry: str
    seal: bytes


def tag(keys: StateKeys, what: str, name: str, digest: str, entry: str) -> tuple[bytes, int]:
    """(seal, summand) of a row."""
    made = hmac.digest(keys.rows, _encode([what, name, digest, entry]), "sha512")
    return made[:_HALF], int.from_bytes(made[_HALF:], "big")


@dataclass(slots=True)
class Total:
    """The sum over all rows. `newest` is the highest id of any `change` entry."""

    count: int = 0
    sum: int = 0
    newest: str = ""

    def add(self, summand: int) -> None:
        """Count a row in."""
        self.count += 1
        self.sum = (self.sum + summand) % _MODULUS

    def remove(self, summand: int) -> None:
        """Count a row out."""
        self.count -= 1
        self.sum = (self.sum - summand) % _MODULUS

    def text(self, keys: StateKeys) -> str:
        """Sealed, for `meta`."""
        said = canonical([self.count, f"{self.sum:x}", self.newest])
        return base64.b64encode(seal(keys.total, said, aad=_PLACE)).decode("ascii")


def read_total(text: str, keys: StateKeys) -> Total:
    """What `Total.text` wrote.

    Raises:
        IntegrityFailed: It was not sealed by these keys.
    """
    try:
        count, total, newest = parse(unseal(keys.total, base64.b64decode(text, validate=True), aad=_PLACE))
    except (binascii.Error, Malformed, ValueError, TypeError) as error:
        raise IntegrityFailed("the sealed total of the state is damaged", detail=repr(error)) from error
    return Total(count, int(total, 16), newest)
