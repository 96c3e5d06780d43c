"""The servers and tools that tests of policies are run against, as files and tests speak of them (pure).

There is no catalog without a server. A tool takes what a test file says, else what boundaries compare and tests send; a
pattern that none of them matches stands for one made-up tool, so a boundary reads as it would where there are some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from remit.access.draft import Clause, Draft
from remit.catalog.model import Kind, Server
from remit.catalog.observe import observe
from remit.catalog.pattern import matches
from remit.kernel.names import ServerName, split_action
from remit.policy.case import MAYBE, Case, Suite, inferred, input_schema

_ANY: Final = "any"  # in the place of `*`
_TEXT: Final = MAYBE + "string"


def servers(known: Sequence[Server], drafts: Sequence[Draft], suites: Sequence[Suite]) -> dict[ServerName, Server]:
    """Every server that is spoken of, with its tools: as tests say they are, else as they are used here.

    Args:
        known: Servers of the directory, whose tools nobody has asked for.
        drafts: Boundaries of the directory.
        suites: The tests, and what they say that tools take.
    """
    clauses = [clause for draft in drafts for clause in draft.allow]
    # A method is the same everywhere: no tool need be there for it.
    tools: dict[str, list[dict[str, Any]]] = {split_action(each.pattern)[0]: [] for each in clauses if each.of_methods}
    for action, said in sorted(_types([each for each in clauses if not each.of_methods], suites).items()):
        server, name, _ = split_action(action)
        tools.setdefault(server, []).append({"name": name, "inputSchema": input_schema(said)})
    registered = {server.server: server for server in known}
    found = {
        name: registered.get(ServerName(name)) or _made_up(name, tools.get(name, [])) for name in {*tools, *registered}
    }
    return {ServerName(name): observe(server, tools.get(name, [])).server for name, server in sorted(found.items())}


def _types(clauses: Sequence[Clause], suites: Sequence[Suite]) -> dict[str, dict[str, Any]]:
    """What each tool takes, by action."""
    types: dict[str, dict[str, Any]] = {}
    for clause in clauses:
        if clause.exact:
            types.setdefault(clause.pattern, {}).update(_bounded(clause))
        for action, more in _steps(clause):
            types[action] = dict(more) | types.get(action, {})  # what bounds say of a type is more than a guess
    for suite in suites:
        for case in suite.cases:
            if isinstance(case, Case) and split_action(case.action)[2]:
                types.setdefault(case.action, {}).update(inferred(case.arguments))
    told = {action: dict(said) for suite in suites for action, said in suite.tools.items()}
    for clause in clauses:
        if not clause.exact:
            met = [each for each in (*types, *told) if matches(clause.pattern, each)]
            for action in met or [clause.pattern.replace("*", _ANY)]:
                types[action] = _bounded(clause) | types.get(action, {})
    return types | told


def _steps(clause: Clause) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The actions that a clause asks to have been done, or not, before; with what is compared."""
    if clause.conditions is None:
        return
    for step in clause.conditions.requires_before:
        yield step.action, {theirs: _TEXT for _, theirs in step.same}
        if clause.exact:
            yield clause.pattern, {mine: _TEXT for mine, _ in step.same}
    for action in clause.conditions.forbidden_after:
        yield action, {}


def _bounded(clause: Clause) -> dict[str, str]:
    """What a clause says of the types of the arguments that it bounds."""
    found = {
        bound.argument: "number" if bound.max is not None or bound.min is not None else "string"
        for bound in clause.when
        if bound.in_ is None or all(isinstance(each, str) for each in bound.in_)
    }
    if clause.budget is not None:
        found[clause.budget.argument] = "number"
    found |= {name: "number" for name, _ in clause.approval_above}
    return {name: MAYBE + kind for name, kind in found.items()}


def _made_up(name: str, tools: Sequence[Mapping[str, Any]]) -> Server:
    kind = Kind.HTTP if any(" " in str(each["name"]) for each in tools) else Kind.MCP
    return Server(
        server=ServerName(name), url="http://made-up.invalid/mcp", credential=None, tiers=(),
        review="pin-on-first-use", tools={}, set_pin="", kind=kind,
    )  # fmt: skip
