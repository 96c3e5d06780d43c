"""Where a secret may go: its document's places, and the one that a call would put it in. Pure.

Whatever two programs could read in two ways is no place that was allowed: a path with `..`, an escaped slash, a
segment with parameters that some servers cut off (`..;`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from remit.catalog.injection import Credential, Injection, OauthClient, OauthUser, Query, Variable, kind_of
from remit.catalog.url import endpoint
from remit.kernel.errors import Malformed
from remit.vault.document import Allowed, SecretDocument
from remit.vault.model import SecretUnavailable

_LAST_PORT: Final = 65535
_SHOWN: Final = 200
_DOTS: Final = frozenset({".", ".."})


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """One place that a secret is about to go to.

    `host`: the exact host and port; empty where it leaves over no network (a command's environment). `place`: as in
    `Allowed`. `path`: the request's, encoded as it goes over the wire; with `below`, what all such paths begin with.
    """

    host: str = ""
    place: str
    path: str = ""
    below: bool = False

    def __str__(self) -> str:
        return f"{self.place} at {self.host}{self.path[:_SHOWN]}" if self.host else self.place


def going(credential: Credential, *, host: str = "", path: str = "", below: bool = False) -> tuple[Going, ...]:
    """The places that one use of a credential puts its secret in.

    Args:
        credential: How it enters a call.
        host: The exact `host:port` of the server that is called.
        path: Of the request to it.
        below: Whether that is what paths of many requests begin with.

    An OAuth client's secret goes to its authorization server, and not to the server that is called.
    """
    match credential:
        case Injection():
            return (Going(host=host, place=f"header:{credential.header}", path=path, below=below),)
        case Query():
            return (Going(host=host, place=f"query:{credential.name}", path=path, below=below),)
        case Variable():
            return (Going(place=f"env:{credential.env}"),)
        case OauthClient():
            return (at_url(credential.token_url, place="oauth_client"),)
        case OauthUser():
            asked = filter(None, (credential.token_url, credential.revoke_url))
            return tuple(at_url(url, place="oauth_user") for url in asked)
        case _:
            return (Going(host=host, place=kind_of(credential), path=path, below=below),)


def at_url(url: str, *, place: str) -> Going:
    """What is sent to a URL. Raises Malformed: it leads nowhere."""
    host, path = whereabouts(url)
    return Going(host=host, place=place, path=path)


@lru_cache(maxsize=4096)
def whereabouts(url: str) -> tuple[str, str]:
    """The exact `host:port` that a URL leads to, and its path. Raises Malformed: it leads nowhere."""
    return _written(*endpoint(url)), urlsplit(url).path or "/"


def permits(allow: Sequence[Allowed], going: Going) -> bool:
    """Whether one of the places that are allowed is this one; none said: any place is."""
    return not allow or any(_within(each, going) for each in allow)


def refused(document: SecretDocument | None, goings: Iterable[Going]) -> Going | None:
    """The first of these places that the document does not allow; None if it allows all."""
    allow = () if document is None else document.allow
    return next((each for each in goings if not permits(allow, each)), None) if allow else None


def check(document: SecretDocument | None, credential: Credential, *, host: str = "", path: str = "") -> None:
    """Refuse a use of a credential that its secret's document does not allow.

    Raises:
        SecretUnavailable: The detail names the secret and the place.
    """
    if document is None or not document.allow:
        return
    if (found := refused(document, going(credential, host=host, path=path))) is not None:
        raise SecretUnavailable(
            "the server's credential may not go there",
            detail=f"{document.secret}: {found}",
            try_=f"remit secret show {document.secret}",
        )


def covers(wide: Allowed, narrow: Allowed) -> bool:
    """Whether every place of `narrow` is one of `wide`."""
    if wide.host and (not narrow.host or not _host_within(wide.host, narrow.host)):
        return False
    if wide.place and _place(wide.place) != _place(narrow.place):
        return False
    return not wide.path or (bool(narrow.path) and _path_within(wide.path, narrow.path))


def host_and_port(text: str) -> tuple[str, int | None]:
    """A host in its one form (lower case, no last dot, an address as it is written shortest) and its port, if any.

    Raises:
        Malformed: It is neither a name nor an address, or the port is none.
    """
    name, port = _apart(text)
    if port is not None and not 0 < port <= _LAST_PORT:
        raise Malformed("a port is a number from 1 to 65535")
    if ":" in name:
        try:
            return ip_address(name).compressed, port
        except ValueError as error:
            raise Malformed("no address", detail=text[:80]) from error
    name = name.lower().removesuffix(".")
    plain = name.isascii() and all(
        each and each.replace("-", "a").replace("_", "a").isalnum() for each in name.split(".")
    )
    if not plain:
        raise Malformed("a host is a name or an address, with or without :PORT", detail=text[:80])
    return name, port


def _apart(text: str) -> tuple[str, int | None]:
    """`[::1]:443`, `::1`, `name:443` and `name`."""
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in name or (rest and not rest.startswith(":")):
            raise Malformed("an IPv6 address stands in brackets before its port", detail=text[:80])
        return name, _port(rest[1:]) if rest else None
    if text.count(":") > 1:
        return text, None
    name, colon, port = text.partition(":")
    return name, _port(port) if colon else None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LAST_PORT))):
        raise Malformed("a port is a number from 1 to 65535")
    return int(text)


def segments(path: str) -> tuple[str, ...] | None:
    """A path's segments, decoded, without a last empty one; None if it can be read in more than one way."""
    if not path.startswith("/"):
        return None
    found = [unquote(each, errors="surrogateescape") for each in path[1:].split("/")]
    if found[-1] == "":
        found.pop()
    for each in found:
        # A server may cut a segment at `;`, decode it once more, or take `\` for `/`.
        if not each or each.partition(";")[0] in _DOTS or {"/", "\\", "%", "\x00"} & set(each):
            return None
    return tuple(found)


def _within(allowed: Allowed, going: Going) -> bool:
    if allowed.host and not (going.host and _host_within(allowed.host, going.host)):
        return False
    if allowed.place and _place(allowed.place) != _place(going.place):
        return False
    if not allowed.path or _path_within(allowed.path, going.path):
        return True
    return going.below and _path_within(going.path, allowed.path)


@lru_cache(maxsize=4096)
def _host_within(wide: str, narrow: str) -> bool:
    """Whether a host is the same, and its port too where one is said."""
    try:
        (name, port), (other, other_port) = host_and_port(wide), host_and_port(narrow)
    except Malformed:
        return False
    return name == other and port in {None, other_port}


def _place(text: str) -> str:
    """Names of headers have no case (RFC 9110 section 5.1); others do."""
    return text.lower() if text[:7].lower() == "header:" else text


def _path_within(wide: str, narrow: str) -> bool:
    """Whether a path begins with another one, by whole segments."""
    above, below = segments(wide), segments(narrow)
    return above is not None and below is not None and below[: len(above)] == above


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
