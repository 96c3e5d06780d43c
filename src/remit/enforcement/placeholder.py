"""A worthless key for a client that insists on one (pure): where a credential goes, it makes room for the credential.

It is good for one instance of one agent at one server, and only where the credential stands by its document; anywhere
else it is a text like another. One that was made for somebody else is refused: a key that was handed on.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

from remit.attestation.model import Caller
from remit.catalog.injection import Basic, Credential, Injection, OauthClient, OauthUser, Query
from remit.enforcement import http_target
from remit.kernel.errors import Malformed

BEGINS: Final = "remit-placeholder-"
LABEL: Final = "placeholder"
_SHOWN = re.compile(re.escape(BEGINS) + r"[A-Za-z0-9-]*")


class Foreign(Malformed):
    """A placeholder that was not made for who shows it, or not for this server."""


class Placeholders:
    """Makes placeholders, and recognises its own.

    Args:
        key: 32 bytes that only this deployment has.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, *, agent: str, instance: str, server: str) -> str:
        """The placeholder of an agent's instance at a server: letters, digits and `-`."""
        said = f"{agent}\n{instance}\n{server}".encode()
        return BEGINS + server + "-" + hmac.digest(self._key, said, sha256).hex()[:32]

    def taken(
        self, credential: Credential | None, caller: Caller, server: str, headers: Sequence[tuple[bytes, bytes]],
        query: bytes,
    ) -> bytes:  # fmt: skip
        """The query without its placeholder; see that no foreign one stands in the credential's place.

        A header needs nothing taken out: the credential replaces it.

        Raises:
            Foreign: One does.
        """

        def check(text: str) -> None:
            for found in _SHOWN.findall(text):
                own = self.make(agent=caller.agent, instance=caller.instance, server=server)
                if not hmac.compare_digest(found, own):
                    raise Foreign("that placeholder was made for another agent, run or server")

        for shown in _in_header(credential, headers):
            check(shown)
        if not isinstance(credential, Query) or BEGINS.encode() not in query:
            return query
        kept = []
        for pair in query.split(b"&"):
            name, _, value = pair.partition(b"=")
            if _same(name, credential.name) and (text := _text(value)).startswith(BEGINS):
                check(text)
            else:
                kept.append(pair)
        return b"&".join(kept)


def _in_header(credential: Credential | None, headers: Sequence[tuple[bytes, bytes]]) -> Iterator[str]:
    match credential:
        case Injection():
            place = credential.header.lower().encode("ascii")
        case Basic() | OauthClient() | OauthUser():
            place = b"authorization"
        case _:
            return
    for name, value in headers:
        if name.lower() == place:
            text = value.decode("latin-1")
            yield text
            if text[:6].lower() == "basic ":
                yield _of_basic(text[6:])


def _of_basic(text: str) -> str:
    try:
        return b64decode(text, validate=True).decode("utf-8", "replace")
    except ValueError:
        return ""


def _same(name: bytes, wanted: str) -> bool:
    return _text(name) == wanted


def _text(octets: bytes) -> str:
    try:
        pairs = http_target.query(b"x=" + octets)
    except Malformed:
        return ""
    return pairs[0][1] if len(pairs) == 1 else ""
