"""`client_secret`: a password of the agent's, for clients that know nothing better. Only its slow hash is ever stored.

Who can read the document can read the hash: so the secret is made by `remit agent secret`, with 256 random bits that
no dictionary holds, and hashed so that even a guessable one would cost a tenth of a second and 32 MiB a guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

from remit.agents.binding import READERS
from remit.kernel.errors import Malformed
from remit.keys.base64url import decode, encode
from remit.people.document import Fields

METHOD: Final = "client_secret"
HASH: Final = "scrypt"
SALT_BYTES: Final = 16
# RFC 7914. Memory is 128 * N * r = 32 MiB.
_N, _R, _P, _LENGTH = 1 << 15, 8, 1, 32
_MEMORY: Final = 64 << 20
_WRITTEN: Final = re.compile(r"ln=15,r=8,p=1\$([A-Za-z0-9_-]{22})\$([A-Za-z0-9_-]{43})\Z")


def hashed(secret: str, *, salt: bytes) -> str:
    """The text that stands for `secret` in an agent's document: the parameters, the salt, the hash."""
    return f"ln=15,r=8,p=1${encode(salt)}${encode(_scrypt(secret, salt))}"


def fits(secret: str, written: str) -> bool:
    """Whether `secret` is the one of that hash, compared in constant time. Takes about a tenth of a second."""
    match = _WRITTEN.match(written)
    return match is not None and hmac.compare_digest(_scrypt(secret, decode(match[1])), decode(match[2]))


def client_secret(value: object) -> Mapping[str, Any]:
    """`{scrypt: "ln=15,r=8,p=1$SALT$HASH"}`, as `remit agent secret` says it."""
    fields = Fields(value, known={HASH})
    found = {HASH: fields.take(HASH, _written)}
    fields.finish()
    return found


def _written(value: object) -> str:
    match = _WRITTEN.match(value) if isinstance(value, str) else None
    try:
        if match is not None and len(decode(match[1])) == SALT_BYTES and len(decode(match[2])) == _LENGTH:
            return match[0]
    except ValueError:
        pass  # said below
    raise Malformed("the hash that remit agent secret NAME says is expected, never the secret itself")


def _scrypt(secret: str, salt: bytes) -> bytes:
    octets = secret.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(octets, salt=salt, n=_N, r=_R, p=_P, maxmem=_MEMORY, dklen=_LENGTH)


READERS[METHOD] = client_secret
