"""A server's document. `command:` servers and `kind: http` are refused, not ignored."""

from __future__ import annotations

import re

from remit.catalog.model import Injection, Mode, Server, Tier
from remit.catalog.url import check_url
from remit.kernel.errors import Malformed
from remit.kernel.names import SecretName, ServerName
from remit.people import document
from remit.people.document import Fields, Problem, SpecInvalid

_KEYS = {"server", "kind", "url", "credential", "tools", "review", "mode"}
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")  # RFC 9110 section 5.6.2
_MAX_FORMAT = 256
_MAX_PATTERN = 256
_MAX_TIERS = 1000
# Headers that frame the message or that the gateway itself sets: a secret there would break or be overwritten.
_OWN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "dpop",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def server(spec: object) -> Server:
    """The server that a document describes, with no tools yet.

    Raises:
        SpecInvalid: The document has problems.
    """
    fields = Fields(spec, known=_KEYS, later={"command"})
    name = fields.take("server", document.name("a server"))
    fields.maybe("kind", document.choice("mcp", later={"http"}), "mcp")
    mode = fields.maybe("mode", document.choice(*Mode), Mode.ENFORCE)
    url = fields.take("url", check_url) if not fields.has("command") else ""
    credential = fields.maybe("credential", _credential, None)
    tiers = fields.maybe("tools", _tiers, ())
    review = fields.maybe("review", document.choice("pin-on-first-use", "quarantine"), "pin-on-first-use")
    fields.finish()
    return Server(
        server=ServerName(name),
        url=url,
        credential=credential,
        tiers=tiers,
        review=review,
        tools={},
        set_pin="",
        mode=Mode(mode),
    )


def _credential(value: object) -> Injection:
    fields = Fields(value, known={"secret", "inject"})
    secret = fields.take("secret", document.name("a secret"))
    inject = fields.maybe("inject", _inject, ("Authorization", "Bearer {}"))
    fields.finish()
    header, form = inject
    return Injection(secret=SecretName(secret), header=header, format=form)


def _inject(value: object) -> tuple[str, str]:
    fields = Fields(value, known={"header", "format"})
    header = fields.take("header", _header)
    form = fields.maybe("format", _format, "{}")
    fields.finish()
    return header, form


def _header(value: object) -> str:
    if not isinstance(value, str) or not _HEADER.match(value):
        raise Malformed("the name of an HTTP header is expected")
    if value.lower() in _OWN_HEADERS or value.lower().startswith("mcp-"):
        raise Malformed(f"the header {value} is set by the gateway itself")
    return value


def _format(value: object) -> str:
    """A header's value around the secret: plain ASCII, so that no line break can start another header."""
    if not isinstance(value, str) or len(value) > _MAX_FORMAT or not (value.isascii() and value.isprintable()):
        raise Malformed("the format is plain ASCII text")
    if value.count("{}") != 1 or value.count("{") != 1 or value.count("}") != 1:
        raise Malformed("the format holds {} once, in the secret's place")
    return value


def _tiers(value: object) -> tuple[tuple[str, Tier], ...]:
    if not isinstance(value, dict) or len(value) > _MAX_TIERS:
        raise Malformed("an object of tool patterns is expected")
    problems: list[Problem] = []
    found: list[tuple[str, Tier]] = []
    for pattern, said in value.items():
        fields = Fields(said, known={"tier"}, path=str(pattern)[:80], problems=problems)
        if not 0 < len(pattern) <= _MAX_PATTERN:
            problems.append(Problem(str(pattern)[:80], "a tool's name or pattern is expected"))
        tier = fields.take("tier", document.choice(*Tier))
        if not problems:
            found.append((pattern, Tier(tier)))
    if problems:
        raise SpecInvalid(problems)
    return tuple(found)
