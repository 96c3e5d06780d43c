"""Requests to a provider as a document writes them: filled with what is known, answers read by pointers. Pure.

    {method: POST, url: "https://api.test/keys/{id}", headers: {X-Key: "{value}"}, body: {name: "{rotation}"}}

A place is filled in one pass, so that a value with braces in it fills no further place; in a URL it is percent-encoded,
in JSON it is part of a string, in a header it must be a line. The host of a URL is fixed: a place there would let a
provider's answer say where the next credential is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from remit.kernel.canonical import encode
from remit.kernel.errors import Malformed
from remit.vault.rotator import Refused

_PLACE: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_KEYS: Final = frozenset({"method", "url", "headers", "body", "form", "status"})
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}\Z")  # RFC 9110 section 5.6.2
_FRAMING: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})


class Missing(Refused):
    """A place that nothing is known for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One as it is written. `status`: the answers that mean yes; empty: every 2xx. `json`: None for no body."""

    method: str
    url: str
    headers: Mapping[str, str]
    json: Any = None
    form: Mapping[str, str] | None = None
    status: tuple[int, ...] = ()

    def places(self) -> frozenset[str]:
        """What it must be filled with."""
        return frozenset(_PLACE.findall("\n".join(_texts([self.url, self.headers, self.json, self.form]))))


@dataclass(frozen=True, slots=True)
class Filled:
    """One as it is sent. Do not log it: a value may stand in any part of it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def request(said: object, *, what: str, known: Collection[str]) -> Request:
    """Read one; `known` are the places that it may have.

    Raises:
        Malformed: It is none.
    """
    if not isinstance(said, Mapping):
        raise Malformed(f"{what} is a request: {{method, url}}")
    if unknown := sorted(set(map(str, said)) - _KEYS):
        raise Malformed(f"{what} has no {unknown[0]}"[:120], try_=f"known are {', '.join(sorted(_KEYS))}")
    method, url, headers = said.get("method", "GET"), said.get("url"), said.get("headers", {})
    if method not in _METHODS:
        raise Malformed(f"{what}: method is one of {', '.join(sorted(_METHODS))}")
    _check_url(url, what=what)
    _check_headers(headers, what=what)
    form = said.get("form")
    if form is not None and not (isinstance(form, Mapping) and all(isinstance(each, str) for each in form.values())):
        raise Malformed(f"{what}: form is a table of texts")
    if form is not None and "body" in said:
        raise Malformed(f"{what} has a body or a form")
    status = _statuses(said.get("status", ()), what=what)
    found = Request(method=method, url=str(url), headers=dict(headers), json=said.get("body"), form=form, status=status)
    if unknown := sorted(found.places() - set(known)):
        raise Malformed(f"{what}: nothing is known for {{{unknown[0]}}}"[:120], try_=f"known are {', '.join(known)}")
    return found


def filled(it: Request, values: Mapping[str, str], *, more: Mapping[str, str] | None = None) -> Filled:
    """It with its places filled, and `more` headers that it has not itself.

    Raises:
        Missing: A place stays empty.
        Refused: A value fits no header, or would lead a URL elsewhere.
    """
    headers = {name: _line(_fill(text, values)) for name, text in it.headers.items()}
    own = {name.lower() for name in headers}
    body = b""
    if it.form is not None:
        body = urlencode({name: _fill(text, values) for name, text in it.form.items()}).encode()
        headers |= {} if "content-type" in own else {"Content-Type": "application/x-www-form-urlencoded"}
    elif it.json is not None:
        body = encode(_leaves(it.json, lambda text: _fill(text, values)))
        headers |= {} if "content-type" in own else {"Content-Type": "application/json"}
    headers |= {} if "accept" in own else {"Accept": "application/json"}
    headers |= {name: _line(text) for name, text in (more or {}).items() if name.lower() not in own}
    return Filled(it.method, _in_url(_fill(it.url, values, lambda text: quote(text, safe=""))), headers, body)


def pointed(value: Any, pointer: str) -> Any:  # noqa: ANN401 - whatever stands there
    """What a JSON pointer (RFC 6901) finds; None if nothing stands there."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def pointer(said: object, *, what: str) -> str:
    """A JSON pointer as it is written.

    Raises:
        Malformed: It is none.
    """
    if not isinstance(said, str) or (said and not said.startswith("/")):
        raise Malformed(f"{what} is a JSON pointer, such as /data/key")
    return said


def fill(text: str, values: Mapping[str, str]) -> str:
    """A text with its places filled. Raises Missing."""
    return _fill(text, values)


def _fill(text: str, values: Mapping[str, str], as_: Callable[[str], str] = str) -> str:
    def known(found: re.Match[str]) -> str:
        value = values.get(found[1])
        if value is None:
            raise Missing(f"nothing is known for {{{found[1]}}}")
        return as_(value)

    return _PLACE.sub(known, text)


def _in_url(url: str) -> str:
    """A URL that stays where it was written: `.` and `..` need no escape, and are ways up (RFC 3986 section 5.2.4)."""
    path = re.split(r"[?#]", url, maxsplit=1)[0]  # `urlsplit` would keep what it read, with the values in it
    if {".", ".."} & set(path.split("/")):
        raise Refused("what the credential is known by fits no URL")
    return url


def _line(text: str) -> str:
    """A text that ends no header (request splitting, RFC 9110 section 5.5)."""
    if not (text.isascii() and text.isprintable()):
        raise Refused("the credential fits no header")
    return text


def _leaves(value: Any, make: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return make(value)
    if isinstance(value, Mapping):
        return {name: _leaves(each, make) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_leaves(each, make) for each in value]
    return value


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, (list, tuple)) else []


def _statuses(said: object, *, what: str) -> tuple[int, ...]:
    listed = said if isinstance(said, (list, tuple)) else [said]
    found = tuple(each for each in listed if isinstance(each, int) and 200 <= each <= 499)  # noqa: PLR2004 - answers that say something
    if len(found) != len(listed):
        raise Malformed(f"{what}: status is an answer from 200 to 499, or a list of them")
    return found


def _check_url(url: object, *, what: str) -> None:
    parts = urlsplit(url) if isinstance(url, str) and url.isascii() and url.isprintable() and " " not in url else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise Malformed(f"{what}: url is an absolute http or https URL without a user in it")
    if "{" in parts.netloc:
        raise Malformed(f"{what}: a url's host is fixed")


def _check_headers(headers: object, *, what: str) -> None:
    if not isinstance(headers, Mapping):
        raise Malformed(f"{what}: headers are a table")
    for name, text in headers.items():
        if not isinstance(name, str) or not _HEADER.match(name) or name.lower() in _FRAMING:
            raise Malformed(f"{what}: no header that a document may set: {name}"[:120])
        if not isinstance(text, str) or not (text.isascii() and text.isprintable()):
            raise Malformed(f"{what}: a header is a line of printable ASCII")
