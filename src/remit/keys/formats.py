"""The first byte of a wrapped root key: which kind of provider opens it (pure).

Each provider refuses another's with the words of what opens it, so that a start with the wrong one says which is right.
"""

from __future__ import annotations

from typing import Final

KEYFILE_FORMAT: Final = b"\x01"  # a sealed value and nothing before it (`seal`)
PASSPHRASE_FORMAT: Final = b"\x02"
PKCS11_FORMAT: Final = b"\x03"
TRANSIT_FORMAT: Final = b"\x04"
_OPENED_BY: Final = {
    KEYFILE_FORMAT: "a keyfile opens it: --keyfile FILE",
    PASSPHRASE_FORMAT: "a passphrase opens it: --passphrase-file FILE",
    PKCS11_FORMAT: "a PKCS#11 token opens it: --key-provider FILE, with pkcs11 in the file",
    TRANSIT_FORMAT: "a transit key opens it: --key-provider FILE, with transit in the file",
}


def advice(wrapped: bytes, *, mine: bytes, otherwise: str) -> str:
    """What to do about a root key that a provider of format `mine` did not open.

    Args:
        wrapped: What stands in the database.
        mine: The provider's own first byte.
        otherwise: What to do if it is of that format, or of none that is known.
    """
    form = wrapped[:1]
    return otherwise if form == mine else _OPENED_BY.get(form, otherwise)
