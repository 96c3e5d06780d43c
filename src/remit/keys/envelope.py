"""A value sealed under a key of its own, which a key held elsewhere wraps: what a token or a service is asked to do.

    format (1 byte), length (2 bytes, big-endian) and text of where the holder's key is,
    length (2 bytes) and bytes of the wrapped key, sealed value

The holder never sees the value, only a key made for it. And it is not believed: the value is sealed here (AES-256-GCM),
so an answer with any other key, by mistake or on purpose, opens nothing, and is no guess at what the value was.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import Final, NamedTuple

from remit.kernel.errors import IntegrityFailed, KeyfileWrong
from remit.keys.formats import advice
from remit.keys.seal import KEY_BYTES, seal_bytes, unseal_bytes

_LENGTH: Final = 2
_MOST: Final = (1 << 16) - 1


class Holder(NamedTuple):
    """A key that stands elsewhere. Both raise RemitError where it cannot be asked, or refuses."""

    form: bytes  # the first byte of what it wraps
    where: str  # for people who look for it: no secret
    encrypt: Callable[[bytes, bytes], bytes]  # of 32 bytes, with additional data
    decrypt: Callable[[bytes, bytes], bytes]


def wrap(holder: Holder, plaintext: bytes, aad: bytes) -> bytes:
    """Seal `plaintext`, tied to `aad`. What the holder answered is opened again before anything stands on it.

    Raises:
        KeyfileWrong: It does not open again as what it was.
        RemitError: As the holder does.
    """
    key = os.urandom(KEY_BYTES)
    head = holder.form + _sized(holder.where.encode())
    lent = holder.encrypt(key, head + aad)
    if not hmac.compare_digest(holder.decrypt(lent, head + aad), key):
        raise KeyfileWrong("what the key provider wrapped does not open again", detail=holder.where)
    head += _sized(lent)
    return head + seal_bytes(key, plaintext, head + aad)


def unwrap(holder: Holder, wrapped: bytes, aad: bytes) -> bytes:
    """Open what `wrap` made. The holder may call its key by another name now.

    Raises:
        KeyfileWrong: Another holder or key made it, it is damaged, or the holder answered with something else.
        RemitError: As the holder does.
    """
    see_form(holder.form, wrapped)
    where, rest = _taken(holder, wrapped, 1)
    lent, sealed = _taken(holder, wrapped, rest)
    key = holder.decrypt(lent, wrapped[:rest] + aad)
    try:
        if len(key) == KEY_BYTES:
            return unseal_bytes(key, wrapped[sealed:], wrapped[:sealed] + aad)
    except IntegrityFailed:
        pass
    made_by = where.decode("utf-8", "replace")
    raise _wrong(
        holder.form, wrapped, "the key provider's answer does not open this database", detail=f"wrapped by {made_by!r}"
    )


def see_form(form: bytes, wrapped: bytes) -> None:
    """See that `wrapped` is of this format, before its holder is asked.

    Raises:
        KeyfileWrong: Another kind of provider made it; says which.
    """
    if wrapped[:1] != form:
        raise _wrong(form, wrapped, "this kind of key provider does not open this database")


def _sized(part: bytes) -> bytes:
    if len(part) > _MOST:
        raise KeyfileWrong("the key provider's answer is too long")
    return len(part).to_bytes(_LENGTH, "big") + part


def _taken(holder: Holder, wrapped: bytes, at: int) -> tuple[bytes, int]:
    """The part that begins at `at`, and where the next one does."""
    begins = at + _LENGTH
    ends = begins + int.from_bytes(wrapped[at:begins], "big")
    if len(wrapped) < max(begins, ends):
        raise _wrong(holder.form, wrapped, "what the key provider wrapped is damaged")
    return wrapped[begins:ends], ends


def _wrong(form: bytes, wrapped: bytes, public: str, *, detail: str = "") -> KeyfileWrong:
    otherwise = "start with the provider that it was wrapped with last"
    return KeyfileWrong(public, detail=detail, try_=advice(wrapped, mine=form, otherwise=otherwise))
