"""Sealing: AES-256-GCM with a random 96-bit nonce, tied to the place where the bytes stand.

A sealed value moved to another table, row or version does not open: the additional data is
the canonical JSON of `["remit/v1", table, row, version, ...]`.
"""

from __future__ import annotations

import os
from functools import cached_property

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from remit.kernel.canonical import canonical
from remit.kernel.errors import IntegrityFailed

KEY_BYTES = 32
_FORMAT = b"\x01"  # the first byte of every sealed value, so that a later format can be told apart
_NONCE = 12
_SMALL = 1 << 32
_TAG = 16
_encode = msgspec.json.Encoder().encode


class SealingKey(bytes):
    """A key that seals many values, with its cipher set up once: half of what it takes to seal a short one.

    The two live and go together, so that an erased key leaves nothing behind.
    """

    @cached_property
    def cipher(self) -> AESGCM:
        """AES-256-GCM under this key. Any thread."""
        return AESGCM(self)


def bind(*place: str | int) -> bytes:
    """The additional data for a place: table, row, version and whatever else must not change."""
    for part in place:
        if type(part) is not str and not (type(part) is int and 0 <= part < _SMALL):
            return canonical(["remit/v1", *place])
    return _encode(["remit/v1", *place])  # such values have one form, and need no further looking at


def seal(key: bytes, plaintext: bytes, *, aad: tuple[str | int, ...]) -> bytes:
    """Seal `plaintext` under `key` (32 bytes) for the place `aad` = (table, row, version, ...).

    The nonce is random: at most 2^31 messages under one key (NIST SP 800-38D section 8.3).
    """
    return seal_bytes(key, plaintext, bind(*aad))


def unseal(key: bytes, sealed: bytes, *, aad: tuple[str | int, ...]) -> bytes:
    """Open what `seal` made.

    Raises:
        IntegrityFailed: Another key, another place, or damaged bytes.
    """
    return unseal_bytes(key, sealed, bind(*aad))


def seal_bytes(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """The same with additional data that is bytes already."""
    nonce = os.urandom(_NONCE)  # of the system itself: a machine that is copied while it runs gives no nonce twice
    return _FORMAT + nonce + _cipher(key).encrypt(nonce, plaintext, aad)


def unseal_bytes(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Open what `seal_bytes` made.

    Raises:
        IntegrityFailed: Another key, other additional data, or damaged bytes.
    """
    if len(sealed) < 1 + _NONCE + _TAG or sealed[:1] != _FORMAT:
        raise IntegrityFailed("a sealed value is damaged", detail="not a sealed value of a known format")
    try:
        return _cipher(key).decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], aad)
    except InvalidTag as error:
        raise IntegrityFailed("a sealed value does not open", detail=f"place {aad!r}") from error


def _cipher(key: bytes) -> AESGCM:
    return key.cipher if isinstance(key, SealingKey) else AESGCM(key)
