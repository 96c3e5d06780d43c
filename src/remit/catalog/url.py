"""A server's URL, as an operator writes it. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from remit.kernel.errors import Malformed

_PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(r"[\x21-\x7e]{1,2048}\Z")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.?\Z")
_ADDRESS = re.compile(r"[0-9a-f:.]+\Z")
_REFUSED = set('\\"<>^`{|}')


def check_url(value: object) -> str:
    """The URL, if two parsers can only read it one way: http or https, a host, no userinfo, no fragment.

    Userinfo makes `http://payments@evil.test` look like another host, and a backslash ends
    the host for some parsers only.

    Raises:
        Malformed: It is not such a URL.
    """
    if not isinstance(value, str) or not _PLAIN.match(value) or _REFUSED & set(value):
        raise Malformed("an http or https URL of plain ASCII is expected")
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in _PORTS:
        raise Malformed("the URL must begin with http:// or https://")
    if "@" in rest.partition("/")[0]:
        raise Malformed("the URL must not carry a user or password; use credential")
    if "#" in value:
        raise Malformed("the URL must not have a fragment")
    endpoint(value)
    return value


def endpoint(url: str) -> tuple[str, int]:
    """The exact host (lower case, no brackets) and port that a URL leads to.

    Raises:
        Malformed: It has none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Malformed("the URL has no valid host and port") from error
    pattern = _ADDRESS if ":" in host else _HOST
    if not pattern.match(host) or port == 0 or parts.netloc.endswith(":"):
        raise Malformed("the URL has no valid host and port")
    return host, port if port is not None else _PORTS[parts.scheme]
