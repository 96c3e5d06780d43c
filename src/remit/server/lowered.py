"""Tools whose risk tier an operator lowers, or of whose data less is said: more passes by itself from then on, and the
owners are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from remit.access.draft import Version
from remit.access.model import BoundaryState
from remit.catalog.labels import Labels, labels_of
from remit.catalog.model import Server, Tier
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant, rfc3339
from remit.kernel.names import AgentName, ServerName, tool_action

_RANK: Final = {Tier.LOW: 0, Tier.MEDIUM: 1, Tier.HIGH: 2, Tier.CRITICAL: 3}


def lowered(before: Server | None, after: Server) -> dict[str, str]:
    """Of the tools that were known before, those whose tier is lower now: by name, `critical to low`.

    And those that lost a label: `no longer carries_out`.
    """
    if before is None:
        return {}
    lost = {name: _lost(before, after, name) for name in after.tools if name in before.tools}
    pairs = [(name, before.tools[name].tier, tool.tier) for name, tool in after.tools.items() if name in before.tools]
    fell = {name: f"{old.value} to {new.value}" for name, old, new in pairs if _RANK[new] < _RANK[old]}
    told = {name: "; ".join(each for each in (fell.get(name), lost[name]) if each) for name, *_ in pairs}
    return {name: text for name, text in told.items() if text}


def _lost(before: Server, after: Server, name: str) -> str:
    """What was said of a tool's data and is not any more."""
    old, new = (labels_of(name, each.labels) or Labels() for each in (before, after))
    gone = [f"returns {each}" for each in old.returns if each not in new.returns]
    gone += ["carries_out"] if old.carries_out and not new.carries_out else []
    return f"no longer {', '.join(gone)}" if gone else ""


def incident(server: str, found: Mapping[str, str]) -> dict[str, Any]:
    """What the log says of it."""
    return {"what": "tier_lowered", "server": server, "tools": dict(found)}


def notices(
    server: str, found: Mapping[str, str], boundaries: Iterable[Version], *, now: Instant
) -> Iterator[tuple[AgentName, str]]:
    """What the owners of the agents are told whose boundaries in force name such a tool: agent, canonical JSON."""
    for version in boundaries:
        if version.state is not BoundaryState.ACTIVE:
            continue
        draft, rules = version.draft, version.rules or {}
        for tool, change in found.items():
            if (action := tool_action(ServerName(server), tool)) in rules:
                said = {"what": "tier_lowered", "action": action, "purpose": draft.purpose,
                        "boundary": draft.boundary, "change": change, "at": rfc3339(now)}  # fmt: skip
                yield draft.agent, canonical(said).decode("utf-8")
