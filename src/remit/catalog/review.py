"""What waits for a person at a server, shown so that nothing stays hidden; and the person's yes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from remit.catalog import changes
from remit.catalog.disguise import visible
from remit.catalog.model import PinState, Server, Tool
from remit.catalog.observe import HELD, approved_set, seen_pin
from remit.catalog.pin import pinned
from remit.kernel.errors import Conflict

_ABSENT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One tool that waits: `seen_pin` is what a yes would pin ("" removes a tool that is gone, or cannot be said)."""

    tool: str
    state: PinState
    tier: str
    seen_pin: str
    held: tuple[str, ...]  # why a person must look closely
    approvable: bool
    parts: Mapping[str, tuple[Any, Any]]  # RFC 6901 path -> (approved, seen), hidden characters written out
    changes: tuple[str, ...] = ()  # the same in words, where it was approved before
    renamed_from: str | None = None  # the tool that it was before
    shadows: tuple[str, ...] = ()  # tools of other servers with its name, or one that looks like it


def waiting(server: Server, others: Collection[Server] = ()) -> list[Waiting]:
    """Every tool that is not as it was approved. `others`: the servers whose tools it may be taken for."""
    return [_waiting(server, tool, others) for tool in server.tools.values() if tool.state is not PinState.APPROVED]


def accept(server: Server, pins: Mapping[str, str] | None = None) -> Server:
    """The server with what was seen approved: re-pinned, or removed where it is gone.

    Args:
        server: As it stands.
        pins: What the person looked at, tool to `seen_pin`; None for all that waits. A tool that changed
            since they looked is a conflict, not a yes. What can never be approved stays as it is.

    Raises:
        Conflict: A tool is not what the person saw.
    """
    rows = {row.tool: row for row in waiting(server)}
    shown = {shown_name(tool): tool.pin for tool in server.tools.values()}
    for name, looked in (pins or {}).items():
        now = rows[name].seen_pin if name in rows else shown.get(name)
        if now != looked:
            raise Conflict(
                f"the tool {name} changed since it was reviewed", try_=f"remit server review {server.server}"
            )
    tools: dict[Any, Tool] = {}
    for name, tool in server.tools.items():
        row = rows.get(shown_name(tool))
        if row is None or not row.approvable or (pins is not None and row.tool not in pins):
            tools[name] = tool
        elif tool.state is not PinState.GONE:
            definition = pinned(tool.seen or tool.definition)
            tools[name] = replace(tool, pin=row.seen_pin, definition=definition, seen=None, state=PinState.APPROVED)
    return replace(server, tools=tools, set_pin=approved_set(tools.values()))


def shown_name(tool: Tool) -> str:
    """The name of a tool as a person sees it in a review: hidden characters written out."""
    return str(visible(tool.name))


def _waiting(server: Server, tool: Tool, others: Collection[Server]) -> Waiting:
    gone = tool.state is PinState.GONE
    current = {} if gone else dict(tool.seen or tool.definition)
    approved = pinned(tool.definition) if tool.pin else {}
    renamed = changes.renamed_from(server, tool)
    pin = "" if gone else seen_pin(current)
    return Waiting(
        tool=shown_name(tool),
        state=tool.state,
        tier=tool.tier.value,
        seen_pin=pin,
        held=tuple(current.get(HELD, ())),
        approvable=gone or pin != "",
        parts={path: (visible(old), visible(new)) for path, old, new in _differences("", approved, pinned(current))},
        changes=tuple(changes.told(approved, pinned(current))) if tool.state is PinState.CHANGED else (),
        renamed_from=None if renamed is None else str(visible(renamed)),
        shadows=tuple(changes.shadowed(server, tool, others)) if not gone else (),
    )


def _differences(path: str, old: object, new: object) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(set(old) | set(new)):
            step = str(key).replace("~", "~0").replace("/", "~1")
            yield from _differences(f"{path}/{step}", old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif old != new:
        yield path, None if old is _ABSENT else old, None if new is _ABSENT else new
