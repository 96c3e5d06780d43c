"""A server's document."""

from __future__ import annotations

from remit.catalog import command, injection_spec, operation_spec, proxied_spec
from remit.catalog.injection import Credential, Injection, Variable
from remit.catalog.labels import RETURNS, Labels
from remit.catalog.model import Kind, Mode, Proxied, Server, Tier
from remit.catalog.url import check_url
from remit.kernel.errors import Malformed
from remit.kernel.names import ServerName
from remit.people import document
from remit.people.document import Fields, Problem, SpecInvalid

_KEYS = {"server", "kind", "url", "credential", "review", "mode"}
_OF_KIND = {
    Kind.MCP: {"tools", "command", "env"},
    Kind.HTTP: {"operations", "openapi", *proxied_spec.KEYS},
}
_GROUPS = ("server", "tier")  # Cedar's groups begin so: an operation of such a server would read as one
_MAX_PATTERN = 256
_MAX_TIERS = 1000


def server(spec: object) -> Server:
    """The server that a document describes, with no tools yet.

    Raises:
        SpecInvalid: The document has problems.
    """
    kind = Kind.HTTP if isinstance(spec, dict) and spec.get("kind") == Kind.HTTP else Kind.MCP
    fields = Fields(spec, known=_KEYS | _OF_KIND[kind])
    name = fields.take("server", document.name("a server"))
    fields.maybe("kind", document.choice(*Kind), Kind.MCP)
    mode = fields.maybe("mode", document.choice(*Mode), Mode.ENFORCE)
    words = fields.maybe("command", command.words, ())
    env = fields.maybe("env", command.environment, ())
    url = fields.take("url", check_url) if not fields.has("command") else ""
    credential = fields.maybe("credential", injection_spec.credential, None)
    said = "operations" if kind is Kind.HTTP else "tools"
    more = operation_spec.KEYS if kind is Kind.HTTP else frozenset()
    tiers, labels = fields.maybe(said, lambda value: _tools(value, more), ((), ())) or ((), ())
    review = fields.maybe("review", document.choice("pin-on-first-use", "quarantine"), "pin-on-first-use")
    through = proxied_spec.read(fields, url=url, credential=credential)
    if through.mode is Proxied.TUNNEL:
        declared: operation_spec.Declared | None = proxied_spec.TUNNELLED
    else:
        declared = _declared(fields) if kind is Kind.HTTP else None
    _fitting(fields, kind, name, url, credential)
    fields.finish()
    return Server(
        server=ServerName(name), url=url, credential=credential, tiers=tiers, review=review, tools={}, set_pin="",
        labels=labels, mode=Mode(mode), kind=kind, declared=declared, command=words, env=env,
        proxy=through.mode, ca=through.ca, placeholder=through.placeholder,
    )  # fmt: skip


def _declared(fields: Fields) -> operation_spec.Declared | None:
    if not (fields.has("operations") or fields.has("openapi")):
        fields.problem("operations", "is missing, and so is openapi: there is nothing to call")
        return None
    try:
        return operation_spec.declared(fields.raw("operations"), fields.raw("openapi"))
    except SpecInvalid as error:
        fields.problems += error.problems
    return None


def _fitting(fields: Fields, kind: Kind, name: str, url: str, credential: Credential | None) -> None:
    """What is only taken of the one kind or the other."""
    if kind is Kind.MCP:
        _fitting_mcp(fields, credential)
        return
    if isinstance(credential, Variable):
        fields.problem("credential.inject", "only a command has variables")
    if name in _GROUPS:
        fields.problem("server", f"{name} is the name of a group of actions")
    if isinstance(url, str) and {"?", ";", "%"} & set(url.partition("://")[2]):
        fields.problem("url", "an API's base URL has no query, and nothing escaped in its path")


def _fitting_mcp(fields: Fields, credential: Credential | None) -> None:
    """A server has a URL or a command, and its secret enters as the one it has can take it."""
    started = fields.has("command")
    if started and fields.has("url"):
        fields.problem("url", "a server has a URL or a command")
    if fields.has("env") and not started:
        fields.problem("env", "only a command has an environment")
    if credential is not None and not isinstance(credential, Variable if started else Injection):
        taken = "a command takes {env: NAME}" if started else "an MCP server's credential goes into a header"
        fields.problem("credential.inject", taken)


def _tools(value: object, more: frozenset[str]) -> tuple[tuple[tuple[str, Tier], ...], tuple[tuple[str, Labels], ...]]:
    """By pattern: the tier, of which the first counts; and the labels, of which all do."""
    if not isinstance(value, dict) or len(value) > _MAX_TIERS:
        raise Malformed("an object of tool patterns is expected")
    problems: list[Problem] = []
    tiers: list[tuple[str, Tier]] = []
    labels: list[tuple[str, Labels]] = []
    for pattern, said in value.items():
        at = str(pattern)[:80]
        fields = Fields(said, known={"tier", "returns", "carries_out", *more}, path=at, problems=problems)
        if not 0 < len(pattern) <= _MAX_PATTERN:
            problems.append(Problem(at, "a tool's name or pattern is expected"))
        if said == {} and not more:
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
