"""base64url without padding, one spelling for one value (RFC 7515 appendix C, RFC 4648 section 3.5)."""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import urlsafe_b64encode

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*\Z")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_PADDING = (b"", b"", b"==", b"=")  # by how many characters are over four
# What a last character may be when 4 or 2 of its bits are no part of the value: those bits are zero.
_LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}


def encode(octets: bytes) -> str:
    """`octets` in base64url without padding."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The octets of `text`.

    Raises:
        ValueError: Another alphabet, padding, or bits behind the value: two texts for one
            value would be two tokens for one signature.
    """
    if not _ALPHABET.match(text):
        raise ValueError("not base64url")
    return decode_checked(text)


def decode_checked(text: str) -> bytes:
    """The same, for `text` that is known to be of the alphabet."""
    rest = len(text) & 3
    if rest and (rest == 1 or text[-1] not in _LAST[rest]):
        raise ValueError("not base64url in its one spelling")
    return binascii.a2b_base64(text.encode("ascii").translate(_TO_STANDARD) + _PADDING[rest])


def digest(octets: bytes) -> str:
    """SHA-256 of `octets` in base64url."""
    return encode(hashlib.sha256(octets).digest())
