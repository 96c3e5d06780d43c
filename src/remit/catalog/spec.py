"""A server's document. `kind: http` is refused, not ignored."""

from __future__ import annotations

import re

from remit.catalog import command
from remit.catalog.labels import RETURNS, Labels
from remit.catalog.model import Injection, Mode, Server, Tier
from remit.catalog.url import check_url
from remit.kernel.errors import Malformed
from remit.kernel.names import SecretName, ServerName
from remit.people import document
from remit.people.document import Fields, Problem, SpecInvalid

_KEYS = {"server", "kind", "url", "command", "env", "credential", "tools", "review", "mode"}
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
    fields = Fields(spec, known=_KEYS)
    name = fields.take("server", document.name("a server"))
    fields.maybe("kind", document.choice("mcp", later={"http"}), "mcp")
    mode = fields.maybe("mode", document.choice(*Mode), Mode.ENFORCE)
    words = fields.maybe("command", command.words, ())
    env = fields.maybe("env", command.environment, ())
    url = fields.take("url", check_url) if not fields.has("command") else ""
    credential = fields.maybe("credential", _credential, None)
    _fitting(fields, credential)
    tiers, labels = fields.maybe("tools", _tools, ((), ())) or ((), ())
    review = fields.maybe("review", document.choice("pin-on-first-use", "quarantine"), "pin-on-first-use")
    fields.finish()
    return Server(
        server=ServerName(name), url=url, credential=credential, tiers=tiers, review=review, tools={}, set_pin="",
        labels=labels, mode=Mode(mode), command=words, env=env,
    )  # fmt: skip


def _fitting(fields: Fields, credential: Injection | None) -> None:
    """A server has a URL or a command, and its secret enters as the one it has can take it."""
    started = fields.has("command")
    if started and fields.has("url"):
        fields.problem("url", "a server has a URL or a command")
    if fields.has("env") and not started:
        fields.problem("env", "only a command has an environment")
    if credential is not None and bool(credential.env) is not started:
        fields.problem("credential", "a command takes inject: {env: NAME}, a URL inject: {header: NAME}")


def _credential(value: object) -> Injection:
    fields = Fields(value, known={"secret", "inject"})
    secret = fields.take("secret", document.name("a secret"))
    inject = fields.maybe("inject", _inject, ("Authorization", "", "Bearer {}"))
    fields.finish()
    header, env, form = inject
    return Injection(secret=SecretName(secret), header=header, format=form, env=env)


def _inject(value: object) -> tuple[str, str, str]:
    """Header, variable (one of the two is empty) and format."""
    fields = Fields(value, known={"header", "env", "format"})
    if fields.has("header") and fields.has("env"):
        fields.problem("env", "it enters as a header or as a variable")
    env = fields.maybe("env", command.variable, "")
    header = fields.take("header", _header) if not fields.has("env") else ""
    form = fields.maybe("format", _format, "{}")
    fields.finish()
    return header, env, form


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


def _tools(value: object) -> tuple[tuple[tuple[str, Tier], ...], tuple[tuple[str, Labels], ...]]:
    """By pattern: the tier, of which the first counts; and the labels, of which all do."""
    if not isinstance(value, dict) or len(value) > _MAX_TIERS:
        raise Malformed("an object of tool patterns is expected")
    problems: list[Problem] = []
    tiers: list[tuple[str, Tier]] = []
    labels: list[tuple[str, Labels]] = []
    for pattern, said in value.items():
        at = str(pattern)[:80]
        fields = Fields(said, known={"tier", "returns", "carries_out"}, path=at, problems=problems)
        if not 0 < len(pattern) <= _MAX_PATTERN:
            problems.append(Problem(at, "a tool's name or pattern is expected"))
        if said == {}:
            fields.problem("tier", "is missing, and so is everything else that can be said of a tool")
        tier = fields.maybe("tier", document.choice(*Tier), None)
        returns = fields.maybe("returns", document.distinct(document.items(document.choice(*RETURNS))), ())
        carries_out = fields.maybe("carries_out", _yes_or_no, missing=False)
        if problems:
            continue
        if tier is not None:
            tiers.append((pattern, Tier(tier)))
        if returns or carries_out:
            labels.append((pattern, Labels(returns=tuple(sorted(returns)), carries_out=carries_out)))
    if problems:
        raise SpecInvalid(problems)
    return tuple(tiers), tuple(labels)


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise Malformed("true or false is expected")
    return value
