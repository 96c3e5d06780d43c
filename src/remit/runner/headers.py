"""Which headers pass the relay (pure). All of them do, but those of one connection and those that carry who one is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

Headers = Iterable[tuple[bytes, bytes]]

# RFC 9110 section 7.6.1: of one connection only.
_HOP: Final = frozenset(
    {
        b"connection",
        b"expect",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# The command says nothing about who it is: the relay does. A web page's origin was judged here.
_REQUEST: Final = _HOP | {b"authorization", b"content-length", b"cookie", b"dpop", b"forwarded", b"host", b"origin"}
# Nothing that would start an OAuth flow in the command, or that is meant for the key's holder.
_RESPONSE: Final = _HOP | {b"dpop-nonce", b"set-cookie", b"www-authenticate"}


def request(given: Headers, *, host: str, authorization: str, proof: str, body: bytes | None) -> Headers:
    """The headers of the request to the gateway.

    Args:
        given: The command's, names in lower case.
        host: The gateway's.
        authorization: With the run's token.
        proof: Made for this request.
        body: What is sent; None for a request without a body.
    """
    given = list(given)
    passed = [each for each in _passed(given, _REQUEST) if not each[0].startswith(b"x-forwarded-")]
    own = [
        (b"host", host.encode("ascii")),
        (b"authorization", authorization.encode("ascii")),
        (b"dpop", proof.encode("ascii")),
    ]
    length = [] if body is None else [(b"content-length", b"%d" % len(body))]
    return [*own, *passed, *length]


def response(given: Headers) -> list[tuple[bytes, bytes]]:
    """The headers of the answer to the command."""
    return _passed(list(given), _RESPONSE)


def _passed(given: list[tuple[bytes, bytes]], dropped: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    named = {word.strip().lower() for name, value in given if name == b"connection" for word in value.split(b",")}
    return [(name, value) for name, value in given if name not in dropped and name not in named]
