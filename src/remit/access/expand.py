"""From patterns to a fixed set of pinned tools: what a person approves is what stands there then. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from remit.access.draft import Clause, Draft
from remit.access.fit import comparable, misfits
from remit.access.model import Rule
from remit.access.needs import circle
from remit.catalog.methods import METHODS
from remit.catalog.model import Kind, PinState, Server, Tool
from remit.catalog.pattern import matches
from remit.kernel.names import ActionName, ServerName, ToolName, method_action, split_action, tool_action
from remit.people.document import Problem

FindServer = Callable[[ServerName], Server | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """What a draft comes to against the catalog as it is.

    `waiting` are servers without a single pin; `unreviewed` are named tools that no person
    has approved: either way the draft cannot be approved yet.
    """

    rules: Mapping[ActionName, Rule]
    problems: tuple[Problem, ...]
    waiting: tuple[ServerName, ...]
    unreviewed: tuple[ActionName, ...]


def expand(draft: Draft, find: FindServer, *, keep: Collection[ActionName] = ()) -> Expansion:
    """Expand a draft. An exact action wins over a pattern; two patterns for one tool are a problem,
    because which bounds hold would depend on the order.

    Args:
        draft: What was written.
        find: The catalog.
        keep: Actions that stay although their server does not list them now: those in force.
    """
    rules: dict[ActionName, Rule] = {}
    problems: list[Problem] = []
    unreviewed: list[ActionName] = []
    taken = {clause.pattern: at for at, clause in enumerate(draft.allow) if clause.exact}
    catalog = {name: find(name) for name in sorted({split_action(clause.pattern)[0] for clause in draft.allow})}
    for at, clause in enumerate(draft.allow):
        name = split_action(clause.pattern)[0]
        server = catalog[name]
        if server is None:
            problems.append(Problem(f"allow.{at}.action", f"there is no server {name}"))
            continue
        found = [(action, tool) for action, tool in _named(clause, server) if _listed(tool, action, keep)]
        if (server.tools or clause.of_methods) and not found:
            problems.append(Problem(f"allow.{at}.action", f"the server {name} has no {_what(clause, server)}"))
        for action, tool in found:
            other = taken.setdefault(action, at)
            if other == at:
                problems += _misfits(at, clause, action, tool)
                if tool.pin:
                    rules[action] = clause.rule(action)
                elif clause.exact:
                    unreviewed.append(action)
            elif not draft.allow[other].exact:
                problems.append(Problem(f"allow.{at}.action", f"{action} is matched by allow.{other} as well"))
    beside = {name: find(name) for name in sorted(_earlier(draft) - catalog.keys())}
    known = {**catalog, **beside}.items()
    # What only methods are granted on needs no tool to be pinned.
    bare = catalog.keys() - {split_action(clause.pattern)[0] for clause in draft.allow if not clause.of_methods}
    waiting = tuple(name for name, server in known if server is not None and not (_pinned(server) or name in bare))
    if not (problems or waiting):
        problems += [*_needs(draft, rules, unreviewed), *_steps(draft, find)]
    return Expansion(
        rules=dict(sorted(rules.items())),
        problems=tuple(problems),
        waiting=waiting,
        unreviewed=tuple(unreviewed),
    )


def _needs(draft: Draft, rules: Mapping[ActionName, Rule], unreviewed: Collection[ActionName]) -> Iterator[Problem]:
    """What is needed stands in the same boundary, and nothing needs itself: else nothing would ever go first."""
    for at, clause in enumerate(draft.allow):
        missing = [each for each in clause.needs if each not in rules and each not in unreviewed]
        for each in missing:
            yield Problem(f"allow.{at}.needs", f"{each} is not allowed by this boundary, so nothing can need it")
    found = circle({action: rule.needs for action, rule in rules.items()})
    if found is not None:
        yield Problem("allow", f"{found} needs itself, by itself or through what it needs")


def _steps(draft: Draft, find: FindServer) -> Iterator[Problem]:
    """An earlier step is a tool that there is, with the arguments that are compared: else nothing would ever follow."""
    for at, clause in enumerate(draft.allow):
        if clause.conditions is None:
            continue
        for which, step in enumerate(clause.conditions.requires_before):
            field = f"allow.{at}.sequence.requires_before.{which}"
            tool = _tool(step.action, find)
            if tool is None:
                yield Problem(f"{field}.action", f"there is no {step.action}, so nothing can come after it")
                continue
            schema = tool.definition.get("inputSchema")
            shape = schema if isinstance(schema, Mapping) else {}
            for mine, theirs in step.same:
                yield from comparable(theirs, shape, field=f"{field}.same.{mine}", action=step.action)
        for which, action in enumerate(clause.conditions.forbidden_after):
            if _tool(action, find) is None:
                yield Problem(f"allow.{at}.sequence.forbidden_after.{which}", f"there is no {action}")


def _what(clause: Clause, server: Server) -> str:
    """What there is none of."""
    if server.kind is Kind.HTTP:
        return f"operation for {clause.pattern}: all that read are {server.server}:GET /*"
    return f"{'method' if clause.of_methods else 'tool'} for {clause.pattern}"


def _earlier(draft: Draft) -> set[ServerName]:
    """The servers of what a clause asks to have been done, or not, before."""
    asked = [clause.conditions for clause in draft.allow if clause.conditions is not None]
    steps = [step.action for each in asked for step in each.requires_before]
    return {split_action(action)[0] for action in (*steps, *(name for each in asked for name in each.forbidden_after))}


def _tool(action: ActionName, find: FindServer) -> Tool | None:
    name, tool, _ = split_action(action)
    server = find(name)
    return None if server is None else server.tools.get(ToolName(tool))


def _named(clause: Clause, server: Server) -> Iterator[tuple[ActionName, Tool]]:
    if clause.of_methods and server.kind is Kind.HTTP:
        return  # MCP's methods are none of an API's
    action_of = method_action if clause.of_methods else tool_action
    for name, tool in (METHODS if clause.of_methods else server.tools).items():
        action = action_of(server.server, name)
        if action == clause.pattern if clause.exact else matches(clause.pattern, action):
            yield action, tool


def _listed(tool: Tool, action: ActionName, keep: Collection[ActionName]) -> bool:
    return tool.state is not PinState.GONE or action in keep


def _pinned(server: Server) -> bool:
    return any(tool.pin for tool in server.tools.values())


def _misfits(at: int, clause: Clause, action: ActionName, tool: Tool) -> list[Problem]:
    if not (tool.pin or clause.exact):
        return []  # a new match waits; it is looked at when a person approves again
    schema = tool.definition.get("inputSchema")
    return list(misfits(clause, schema if isinstance(schema, Mapping) else {}, field=f"allow.{at}", action=action))
