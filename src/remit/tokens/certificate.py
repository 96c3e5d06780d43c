"""A client's certificate: how a trusted proxy hands it on, and what a token calls it (pure).

RFC 9440: the proxy that ended the TLS connection writes the certificate into `Client-Cert`, and what it was signed
by into `Client-Cert-Chain`, each as a byte sequence of RFC 8941: base64 between two colons.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from remit.keys.base64url import digest

SHOWN: Final = "remit.certificate"
"""Where a request's scope (ASGI) keeps what its connection showed."""
_MOST: Final = 16 * 1024  # characters of one certificate; common ones have about 2,000
_CHAIN: Final = 4  # certificates between the client's and the CA
_BYTES: Final = re.compile(r":([A-Za-z0-9+/]+={0,2}):\Z")


class Shown(NamedTuple):
    """What the client's end of a connection showed, in DER."""

    certificate: bytes
    chain: tuple[bytes, ...] = ()


def shown(certificates: Sequence[str], chains: Sequence[str]) -> Shown | None:
    """What the values of `Client-Cert` and `Client-Cert-Chain` say; None unless it is exactly one certificate.

    Two values would be a proxy that adds its own beside what the client wrote: then neither is believed.
    """
    if len(certificates) != 1 or len(chains) > 1:
        return None
    leaf = _octets(certificates[0])
    above = [_octets(each.strip()) for each in chains[0].split(",")] if chains else []
    if leaf is None or len(above) > _CHAIN or None in above:
        return None
    return Shown(leaf, tuple(each for each in above if each is not None))


def of_connection(scope: Mapping[str, Any]) -> Shown | None:
    """What the connection of a request showed; whoever ended the TLS connection put it there, and nobody else can."""
    found = scope.get(SHOWN)
    return found if isinstance(found, Shown) else None


def thumbprint(certificate: bytes) -> str:
    """`x5t#S256` of a DER certificate (RFC 8705 section 3.1, RFC 7515 section 4.1.8)."""
    return digest(certificate)


def _octets(value: str) -> bytes | None:
    match = _BYTES.match(value.strip()) if len(value) <= _MOST else None
    if match is None:
        return None
    try:
        return base64.b64decode(match[1], validate=True)
    except binascii.Error:
        return None
