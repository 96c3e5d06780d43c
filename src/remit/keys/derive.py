"""Keys derived from another, each for one use."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from remit.keys.seal import KEY_BYTES
from remit.keys.secret import Secret

WRAP = "wrap"


def derive(root: Secret, label: str) -> bytes:
    """A 32-byte key for the use that `label` names (HKDF-SHA256, RFC 5869)."""
    info = b"remit/v1/" + label.encode("utf-8")
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(root.reveal())
