"""Where the console shows what a command named or listed: the last line of what it says to a person.

What a command's own words are enough for stands in `LINKS`; where it takes the server's answer, the command says `see`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import wraps
from string import Formatter
from typing import Any, Final
from urllib.parse import urlencode

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from remit.cli.links import section
from remit.cli.locate import find
from remit.cli.output import talk
from remit.cli.wire import segment
from remit.kernel.errors import RemitError

LINKS: Final[Mapping[str, str]] = {
    "can": "agents/{agent}#s-access",
    "mandate": "agents/{agent}#s-access",
    "rightsize": "agents/{agent}",
    "doctor": "settings#s-checks",
    "coverage": "servers#s-coverage",
    "unfreeze": "#s-freezes",
    "agent list": "agents",
    "agent show": "agents/{name}",
    "agent delegations": "agents/{name}#s-delegations",
    "agent limits": "agents/{name}#s-limits",
    "agent suspend": "agents/{name}",
    "agent resume": "agents/{name}",
    "agent retire": "agents/{name}",
    "agent erase": "agents/{name}",
    "agent risk": "agents/{name}#s-signals",
    "agent signal": "agents/{name}#s-signals",
    "activation list": "agents/{agent}#s-access or agents",
    "activation start": "agents/{agent}#s-access",
    "activation suspend": "agents/{agent}#s-access",
    "certify list": "log?kind=verdict&agent={agent} or log?kind=verdict",
    "certify replay": "log/{verdict} or log?kind=verdict",
    "certify run": "log?kind=verdict",
    "boundary list": "policies#s-boundaries",
    "boundary show": "policies/{name}",
    "boundary decline": "policies/{name}",
    "boundary approve": "policies/{name}",
    "breakglass open": "policies/{boundary}",
    "approval list": "requests?q={agent} or requests",
    "approval show": "requests/{request}",
    "approval approve": "requests/{request}",
    "approval deny": "requests/{request}",
    "approval cancel": "requests/{request}",
    "server list": "servers",
    "server show": "servers/{name}",
    "server review": "servers/{name}",
    "server refresh": "servers/{name}",
    "secret set": "credentials/{name}",
    "secret list": "credentials",
    "secret remove": "credentials",
    "secret connect": "credentials/{name}#s-people",
    "secret disconnect": "credentials/{name}#s-people",
    "secret exposed": "credentials/{name}",
    "secret exposure": "credentials/{name}",
    "secret posture": "credentials",
    "secret leases": "credentials/{name}#s-leases or credentials#s-leases",
    "secret show": "credentials/{name}",
    "secret versions": "credentials/{name}#s-versions",
    "secret history": "credentials/{name}",
    "secret rotate": "credentials/{name}#s-rotations",
    "secret rotations": "credentials/{name}#s-rotations or credentials#s-rotations",
    "secret end": "credentials/{name}#s-versions",
    "audit verify": "log/checkpoints",
    "audit checkpoint": "log/checkpoints",
    "audit export": "log",
    "audit tail": "log",
    "operator token": "settings#s-tokens",
    "operator list": "settings#s-tokens",
    "operator revoke": "settings#s-tokens",
    "operator waiting": "requests#s-words",
    "operator take-back": "requests#s-words",
    "pep add": "settings#s-peps",
    "pep list": "settings#s-peps",
    "pep remove": "settings#s-peps",
    "policy list": "policies#s-policies",
    "policy show": "policies/in-force/{policy}",
    "policy history": "policies#s-sets",
    "consent list": "consents",
    "consent withdraw": "consents",
    "key list": "settings#s-keys",
    "key rotate": "settings#s-keys",
    "key retire": "settings#s-keys",
    "posture show": "agents/{agent}#s-days or #posture",
    "posture plot": "agents/{agent}#p-creep or #p-creep",
    "posture secrets": "credentials",
    "review list": "reviews",
    "review show": "reviews/{question}",
    "review keep": "reviews/{question}",
    "review narrow": "reviews/{question}",
    "review end": "reviews/{question}",
    "review ask": "reviews/{question}",
    "review trust": "reviews/{question}",
    "review distrust": "reviews/{question}",
    "review quality": "reviews#s-quality",
    "trust add": "servers#s-trusts",
    "trust list": "servers#s-trusts",
    "trust show": "servers#s-trusts",
    "trust remove": "servers#s-trusts",
    "usage import": "servers#s-sources",
    "usage register": "servers#s-sources",
    "usage sources": "servers#s-sources",
    "usage unregister": "servers#s-sources",
    "usage coverage": "servers#s-sources",
}
"""By command: a page below `/console` with the command's own parameters in it. Of several, the first that is whole."""

# Options with which stdout is read by a program, or with which no server was asked.
_QUIET: Final = frozenset({"json", "as_csv", "data", "export"})


def page(*names: str, query: Mapping[str, str] | None = None, fragment: str = "") -> str:
    """The address of a page of the console.

    Args:
        names: Its section, then the names of what it shows, each as one segment.
        query: What it is asked for.
        fragment: Which part of it.

    Raises:
        RemitError: No instance is known.
    """
    path = "/".join((f"{find(os.environ).url}/console", *map(segment, names)))
    asked = f"?{urlencode(query)}" if query else ""
    return f"{path}{asked}{'#' if fragment else ''}{fragment}"


def see(*names: str, query: Mapping[str, str] | None = None, fragment: str = "") -> None:
    """Say on stderr where that page is; nothing where no instance is known: what was done, was done."""
    try:
        address = page(*names, query=query, fragment=fragment)
    except RemitError:
        return
    talk(f"  see      {address}")


def addresses() -> Callable[[str, object], str | None]:
    """Says where the page is of what stands in a column of a table; None if it has none, or no instance is known."""
    try:
        base = page()
    except RemitError:
        return lambda _column, _value: None
    return lambda column, value: f"{base}/{of}/{segment(str(value))}" if (of := section(column, value)) else None


def link(app: typer.Typer, links: Mapping[str, str] = LINKS, *, noun: str = "") -> None:
    """Let each command of `app` that has a link say, once it has returned, where its page is."""
    for each in app.registered_commands:
        name = command_name(each)
        if each.callback is not None and (found := links.get(f"{noun} {name}".strip())):
            each.callback = _linked(each.callback, found)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            link(group.typer_instance, links, noun=str(group.name))


def command_name(command: CommandInfo) -> str:
    """What a person types for it."""
    return command.name or get_command_name(command.callback.__name__ if command.callback else "")


def _linked(command: Callable[..., Any], links: str) -> Callable[..., Any]:
    @wraps(command)
    def saying(**given: Any) -> Any:  # noqa: ANN401 - whatever the command takes and returns
        code = command(**given)
        if not any(given.get(name) for name in _QUIET):
            names, query, fragment = filled(links, given)
            see(*names, query=query, fragment=fragment)
        return code

    return saying


def filled(links: str, given: Mapping[str, object]) -> tuple[list[str], dict[str, str], str]:
    """Names, query and fragment of the first of `links` whose parameters were all given (pure)."""
    several = links.split(" or ")
    whole = next(each for each in several if each == several[-1] or all(given.get(name) for name in parameters(each)))
    path, _, fragment = whole.partition("#")
    path, _, query = path.partition("?")
    names = [part.format_map(given) for part in path.split("/") if part]
    asked = (pair.partition("=") for pair in query.split("&") if pair)
    return names, {name: value.format_map(given) for name, _, value in asked}, fragment


def parameters(links: str) -> list[str]:
    """The parameters that are named in it (pure)."""
    return [name for _, name, _, _ in Formatter().parse(links) if name]
