"""What a server lists, against what was approved. Pure; nothing a server says widens anything.

As pinned: approved. Another definition: changed, with what was seen. Missing: gone. New: pending,
but for the first import under `pin-on-first-use`, which approves what has nothing to hide. Back to
the pin: approved again, without a person, because that is what the person approved.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from remit.catalog import disguise
from remit.catalog.model import Kind, PinState, Server, Tool
from remit.catalog.operation import CONNECT, fault
from remit.catalog.pin import pin, pinned, set_pin
from remit.catalog.tier import contradicts, tier_of
from remit.kernel.errors import Malformed, TooLarge
from remit.kernel.names import ToolName, well_formed_tool

HELD = "held"  # beside the definition's own fields: why a person must look; no part of any pin
TWICE, UNNAMEABLE, UNPINNABLE = "listed twice", "its name cannot be written in a boundary", "cannot be pinned"
NEVER = frozenset({TWICE, UNNAMEABLE, UNPINNABLE})  # a person's yes would not say to what
_MAX_TOOLS = 10_000
_LONGEST_KEY = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know about a server."""

    what: str  # tool_definition_changed, tool_new, tool_gone, tool_restored, tool_held, tier_contradicted
    tool: str


@dataclass(frozen=True, slots=True)
class Observation:
    """The server as it stands after a listing, and what is new about it."""

    server: Server
    findings: tuple[Finding, ...]


def observe(server: Server, definitions: Sequence[Any], *, whole: bool = True) -> Observation:
    """Compare a listing with the pins.

    Args:
        server: The server as it stands.
        definitions: What it lists.
        whole: Whether that is all it has. A server may list more to a client that can do more; then a tool that is
            not in this list stays as it is, and is not gone.

    Raises:
        TooLarge: More tools than any server has.
    """
    if len(definitions) > _MAX_TOOLS:
        raise TooLarge(f"the server {server.server} lists more than {_MAX_TOOLS} tools")
    first = server.set_pin == "" and bool(definitions)
    listed = _listed(server, definitions)
    absent = {name: tool for name, tool in server.tools.items() if name not in listed}
    tools = {name: _gone(tool) for name, tool in absent.items() if tool.pin} if whole else absent
    for name, seen in listed.items():
        tools[name] = _seen(server, name, seen, trust=first and server.review == "pin-on-first-use")
    after = replace(server, tools=dict(sorted(tools.items())))
    if first:
        after = replace(after, set_pin=approved_set(after.tools.values()))
    return Observation(after, tuple(_findings(server, after)))


def approved_set(tools: Iterable[Tool]) -> str:
    """The pin over the set of approved definitions."""
    return set_pin({tool.name: tool.pin for tool in tools if tool.pin})


def retier(server: Server) -> Server:
    """The same server with every tool's tier read from its tiers anew."""
    tools = {name: replace(tool, tier=tier_of(name, server.tiers)) for name, tool in server.tools.items()}
    return replace(server, tools=tools)


def seen_pin(definition: Mapping[str, Any]) -> str:
    """The pin that approving `definition` would set; "" where nothing could be approved."""
    return "" if NEVER & set(definition.get(HELD, ())) else pin(definition)


def _listed(server: Server, definitions: Sequence[Any]) -> dict[ToolName, dict[str, Any]]:
    """Each listed tool by its name (or what can be stored of it), with why it is held, if it is."""
    by_name: dict[ToolName, list[dict[str, Any]]] = defaultdict(list)
    for definition in definitions:
        if isinstance(definition, Mapping):
            by_name[_key(definition.get("name"), server.kind)].append(pinned(definition))
    shadows = _shadows(server, by_name)
    listed = {}
    for name, found in by_name.items():
        held = [TWICE] if len(found) > 1 else []
        held += _held(name, found[0], server.kind) + (["its name looks like another tool's"] if name in shadows else [])
        listed[name] = found[0] | ({HELD: held} if held else {})
    return listed


def _key(name: object, kind: Kind) -> ToolName:
    """The name as it can be stored: one that cannot be named in a boundary is written as escapes."""
    if isinstance(name, str) and _nameable(name, kind):
        return ToolName(name)
    text = (name if isinstance(name, str) else repr(name)).encode("unicode_escape").decode("ascii")
    if len(text) > _LONGEST_KEY:
        text = text[:_LONGEST_KEY] + "~" + hashlib.sha256(text.encode()).hexdigest()[:16]
    return ToolName(text or "(no name)")


def _nameable(name: object, kind: Kind) -> bool:
    return not fault(name) or name == CONNECT if kind is Kind.HTTP else well_formed_tool(name)


def _held(name: ToolName, definition: Mapping[str, Any], kind: Kind) -> list[str]:
    said = definition.get("name")
    reasons = []
    if not _nameable(said, kind) or "*" in name:  # a name that is itself a pattern
        reasons.append(UNNAMEABLE)
    if not isinstance(definition.get("inputSchema"), Mapping):
        reasons.append("has no input schema")
    if isinstance(said, str) and disguise.looks_like_ascii(said):
        reasons.append("its name is drawn like a plain one and is not")
    if any(disguise.hides(text) for text in disguise.texts(definition)):
        reasons.append("it holds invisible characters")
    try:
        pin(definition)
    except Malformed:
        reasons.append(UNPINNABLE)
    return reasons


def _shadows(server: Server, names: Iterable[ToolName]) -> set[ToolName]:
    """The names that look like another's, approved ones excepted: those were there first."""
    approved = {name for name, tool in server.tools.items() if tool.pin}
    alike: dict[str, set[ToolName]] = defaultdict(set)
    for name in approved | set(names):
        alike[disguise.skeleton(name)].add(name)
    return {name for group in alike.values() if len(group) > 1 for name in group - approved}


def _gone(tool: Tool) -> Tool:
    return replace(tool, state=PinState.GONE, seen=None)


def _seen(server: Server, name: ToolName, seen: dict[str, Any], *, trust: bool) -> Tool:
    tier = tier_of(name, server.tiers)
    known = server.tools.get(name)
    held = seen.get(HELD, [])
    if known is not None and known.pin:
        if not NEVER & set(held) and pin(seen) == known.pin:
            return replace(known, tier=tier, state=PinState.APPROVED, seen=None)
        return replace(known, tier=tier, state=PinState.CHANGED, seen=seen)
    if trust and not held:
        return Tool(name=name, tier=tier, pin=pin(seen), definition=seen, seen=None, state=PinState.APPROVED)
    return Tool(name=name, tier=tier, pin="", definition=seen, seen=None, state=PinState.PENDING)


def _findings(before: Server, after: Server) -> Iterable[Finding]:
    first = before.set_pin == ""
    for name, tool in after.tools.items():
        known = before.tools.get(name)
        if known == tool:
            continue
        current = tool.seen or tool.definition
        if tool.state is PinState.CHANGED:
            yield Finding("tool_definition_changed", name)
        elif tool.state is PinState.GONE and known is not None and known.state is not PinState.GONE:
            yield Finding("tool_gone", name)
        elif tool.state is PinState.APPROVED and known is not None and known.state is not PinState.APPROVED:
            yield Finding("tool_restored", name)
        elif tool.state is PinState.PENDING and known is None and not first:
            yield Finding("tool_new", name)
        if current.get(HELD):
            yield Finding("tool_held", name)
        if contradicts(tool.tier, current) and (known is None or known.tier != tool.tier or known.seen != tool.seen):
            yield Finding("tier_contradicted", name)
