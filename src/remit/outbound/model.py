"""Where an outgoing call goes, and the two ways it can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import lru_cache
from typing import NamedTuple

from yarl import URL

from remit.kernel.errors import RemitError

_MAX_URL = 4096


class Endpoint(NamedTuple):
    """A host and port, as written in a URL after its normal form: lower case, IDNA, no default port left out."""

    host: str
    port: int


class Patience(NamedTuple):
    """How long one request waits, in seconds; None: for as long as it takes."""

    dial: float = 5  # for a name, and again for a connection
    silence: float | None = 60  # of a server that says nothing, before its answer or within it


class Streamed(NamedTuple):
    """A body that is sent as it comes. `length`: its bytes, where they are known; else it goes in chunks."""

    chunks: AsyncIterator[bytes]
    length: int | None


class OutboundError(RemitError):
    """A call that got no answer.

    `sent` is False only if certainly no byte of the request was handed to a connection.
    """

    def __init__(self, public: str, *, sent: bool, detail: str = "") -> None:
        super().__init__(public, detail=detail)
        self.sent = sent


class OutboundRefused(OutboundError):
    """A destination that Remit does not talk to. Nothing was sent."""

    code = "config_invalid"

    def __init__(self, public: str, *, detail: str = "") -> None:
        super().__init__(public, sent=False, detail=detail)


class OutboundFailed(OutboundError):
    """The other side could not be reached, closed, or was silent."""


def endpoint(url: str) -> Endpoint:
    """The host and port a URL names: what stands in `allow` for an operator's URL.

    Raises:
        OutboundRefused: Not an absolute http or https URL, or one with a user or password in it.
    """
    return target(url)[1]


@lru_cache(maxsize=1024)
def target(url: str) -> tuple[URL, Endpoint]:
    """The parsed URL and its endpoint; cached, because the same few are called all the time.

    Raises:
        OutboundRefused: As for `endpoint`.
    """
    if len(url) > _MAX_URL:
        raise OutboundRefused("the URL is too long")
    try:
        parsed = URL(url)
        host, port = parsed.raw_host, parsed.port
    except (ValueError, UnicodeError) as error:
        raise OutboundRefused("not a URL", detail=url[:200]) from error
    if parsed.scheme not in {"http", "https"} or not host or not port:
        raise OutboundRefused("only http and https URLs are called", detail=url[:200])
    if parsed.user is not None or parsed.password is not None:
        # Credentials stand in the vault; a URL is written to logs.
        raise OutboundRefused("a URL must not hold a user or password", detail=host)
    return parsed, Endpoint(host.lower(), port)
