"""A client certificate for outgoing TLS: read from a secret's PEM, which never lies in a file that has a name."""

from __future__ import annotations

import os
import ssl
from typing import Final

from remit.kernel.errors import Malformed

BEGINS: Final = b"-----BEGIN "
MAX_PEM: Final = 32 * 1024


def check_pem(octets: bytes) -> None:
    """Refuse what is not a certificate with its key, both in PEM and in one text.

    Raises:
        Malformed: It is too long, has no certificate or no key, or the two do not belong together.
    """
    from cryptography import x509  # noqa: PLC0415 - nobody but who sets such a secret needs it
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as above

    if len(octets) > MAX_PEM:
        raise Malformed(f"a certificate with its key has at most {MAX_PEM} bytes")
    try:
        leaf = x509.load_pem_x509_certificates(octets)[0]
        key = load_pem_private_key(octets[octets.index(_key_begins(octets)) :], password=None)
    except (ValueError, TypeError, IndexError) as error:
        raise Malformed(
            "a client certificate is its PEM, its chain and its key (not encrypted), in one text"
        ) from error
    if leaf.public_key() != key.public_key():
        raise Malformed("the certificate is of another key")


def context(pem: bytes) -> ssl.SSLContext:
    """What a connection is made with that shows this certificate.

    OpenSSL reads from a file only; this one is in memory, has no name, and is gone when it was read.

    Raises:
        ValueError: It is no certificate with its key.
    """
    made = ssl.create_default_context()
    held = os.memfd_create("remit", os.MFD_CLOEXEC)
    try:
        os.write(held, pem)
        made.load_cert_chain(f"/proc/self/fd/{held}")
    except ssl.SSLError as error:
        raise ValueError("the client certificate does not load") from error
    finally:
        os.close(held)
    return made


def _key_begins(octets: bytes) -> bytes:
    """The line that a private key begins with."""
    for kind in (b"PRIVATE KEY", b"EC PRIVATE KEY", b"RSA PRIVATE KEY"):
        if (line := BEGINS + kind + b"-----") in octets:
            return line
    raise ValueError("no private key")
