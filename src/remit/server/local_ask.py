"""What a process says on the local socket (pure): one request for a token."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remit.kernel.errors import Malformed
from remit.people import document
from remit.people.document import Fields, SpecInvalid
from remit.tokens.model import Form

_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")
_MAX_PROOF: Final = 4096
_MAX_ARGUMENT: Final = 4096
_MAX_ARGUMENTS: Final = 256
_MAX_SERVERS: Final = 16
_KNOWN: Final = {"agent", "purpose", "servers", "proof", "digest", "argv", "proxy"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request for a token, as a local process makes it."""

    agent: str
    purpose: str | None
    servers: tuple[str, ...]
    proof: str
    digest: str | None
    argv: tuple[str, ...]
    proxy: bool = False  # whether it will go through the forward proxy

    def form(self, issuer: str) -> Form:
        """The same request in the token endpoint's words."""
        form: dict[str, tuple[str, ...]] = {"grant_type": ("client_credentials",), "client_id": (self.agent,)}
        if self.purpose is not None:
            form["scope"] = (f"purpose:{self.purpose}",)
        if self.servers:
            form["resource"] = tuple(f"{issuer}/mcp/{server}" for server in self.servers)
            if self.proxy:
                form["resource"] += (f"{issuer}/proxy",)
        return form


def read(value: object) -> Ask:
    """The request in one line.

    Raises:
        Malformed: It is none.
    """
    try:
        return _ask(value)
    except SpecInvalid as error:
        raise Malformed(error.public) from error


def _ask(value: object) -> Ask:
    fields = Fields(value, known=_KNOWN)
    server = document.items(document.name("a server"), least=0, most=_MAX_SERVERS)
    found = Ask(
        agent=fields.take("agent", document.name("an agent")),
        purpose=fields.maybe("purpose", document.name("a purpose"), None),
        servers=fields.maybe("servers", server, ()),
        proof=fields.take("proof", _text(_MAX_PROOF)),
        digest=fields.maybe("digest", _digest, None),
        proxy=fields.maybe("proxy", _yes_or_no, missing=False),
        argv=fields.maybe("argv", document.items(_text(_MAX_ARGUMENT), least=0, most=_MAX_ARGUMENTS), ()),
    )
    fields.finish()
    return found


def _text(most: int) -> Callable[[object], str]:
    """Any text: what a program is called with may be anything."""

    def take(value: object) -> str:
        if not isinstance(value, str) or len(value) > most:
            raise Malformed(f"text of at most {most} characters is expected")
        return value

    return take


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise Malformed("true or false is expected")
    return value


def _digest(value: object) -> str:
    if not isinstance(value, str) or not _DIGEST.match(value):
        raise Malformed("a SHA-256 digest in hex is expected")
    return value
