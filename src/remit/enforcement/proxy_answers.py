"""How the forward proxy says no before anything passes (pure): problems, on a connection that then ends."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from remit.enforcement import http_answers
from remit.enforcement.http_answers import Headers
from remit.tokens.check import TokenInvalid

Said = tuple[int, bytes, Headers]
ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
PROXY_AUTHENTICATION: Final = 407
TOO_MANY: Final = 429
_BUSY: Final = 503
_LATE: Final = 408
_CHALLENGE: Final = (
    (b"proxy-authenticate", b'Basic realm="remit", charset="UTF-8"'),
    (b"proxy-authenticate", b'Bearer realm="remit"'),
    (b"proxy-authenticate", b'DPoP realm="remit", algs="ES256 Ed25519"'),
)


def blocked() -> Said:
    """A destination that no server of this agent's is."""
    return http_answers.blocked()


def unauthenticated(error: TokenInvalid, *, nonce: str | None = None) -> Said:
    """A token is missing, or no good."""
    status, body, headers = http_answers.problem(
        PROXY_AUTHENTICATION, "unauthenticated", error.description or "A token is needed",
        error=error.error or "unauthenticated",
    )  # fmt: skip
    more = [(b"dpop-nonce", nonce.encode("ascii"))] if nonce is not None else []
    return status, body, [*headers, *_CHALLENGE, *more]


def malformed(public: str) -> Said:
    """It was not understood."""
    return http_answers.problem(http_answers.MALFORMED, "malformed", public)


def too_many() -> Said:
    """Too many bad tokens from one address."""
    status, body, headers = http_answers.problem(TOO_MANY, "rate_limited", "Too many bad tokens from this address")
    return status, body, [*headers, (b"retry-after", b"10")]


def busy() -> Said:
    """More connections than are served."""
    status, body, headers = http_answers.problem(_BUSY, "overloaded", "Too many connections", retry=True)
    return status, body, [*headers, (b"retry-after", b"1")]


def late() -> Said:
    """The head did not come in time."""
    return http_answers.problem(_LATE, "malformed", "The head of the request did not come in time")


def unreachable(public: str) -> Said:
    """The server is not there."""
    return http_answers.problem(http_answers.GATEWAY, "unexpected", public, retry=True)


def written(said: Said) -> bytes:
    """An answer as it goes over the wire; the connection ends with it."""
    status, body, headers = said
    lines: Iterable[bytes] = (name + b": " + value for name, value in headers)
    head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode("ascii"), *lines]
    head += [b"content-length: %d" % len(body), b"connection: close"]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


# A client that speaks HTTP/2 all the same is told in its own words (RFC 9113 sections 6.5, 6.8, 7): an empty SETTINGS,
# and a GOAWAY that says HTTP_1_1_REQUIRED.
H2_PREFACE: Final = b"PRI * HTTP/2.0\r\n"
_WORDS: Final = b"HTTP/1.1 is spoken here"
H2_GOAWAY: Final = (
    b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    + (8 + len(_WORDS)).to_bytes(3, "big")
    + b"\x07\x00\x00\x00\x00\x00"
    + b"\x00\x00\x00\x00\x00\x00\x00\x0d"
    + _WORDS
)
