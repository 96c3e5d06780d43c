"""The access graph of an agent: agent, purposes, boundaries, actions, servers, in layers from left to right. Pure.

Three readings of the same graph: `configured` is all that a person approved, `direct` what is usable now, `used` what
was used while it was in force. An edge says which of them it is in; a node is in whatever its edges are in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

READINGS: Final = ("configured", "direct", "used")
_LAYERS: Final = ("agent", "purpose", "boundary", "action", "server")


def graph(agent: str, activations: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Nodes with their places (x by layer, y evenly in it) and edges, as JSON values."""
    edges: dict[tuple[str, str], set[str]] = {}
    names: dict[str, tuple[str, str]] = {}

    def node(kind: str, name: str) -> str:
        key = f"{kind}:{name}"
        names[key] = (kind, name)
        return key

    def edge(source: str, target: str, readings: Iterable[str]) -> None:
        edges.setdefault((source, target), set()).update(readings)

    for each in activations:
        readings = readings_of(each)
        action = str(each["action"])
        path = [
            node("agent", agent), node("purpose", str(each.get("purpose", ""))),
            node("boundary", str(each.get("boundary") or "none")), node("action", action),
            node("server", re.split("[:/]", action, maxsplit=1)[0]),
        ]  # fmt: skip
        for source, target in pairwise(path):
            edge(source, target, readings)
    return {"nodes": _placed(names), "edges": [_edge(pair, of) for pair, of in sorted(edges.items())]}


def readings_of(activation: Mapping[str, Any]) -> frozenset[str]:
    """Which readings an entitlement is in."""
    found = {"configured"}
    if activation.get("reach") == "direct":
        found.add("direct")
    if activation.get("days_of_use") or activation.get("last_use"):
        found.add("used")
    return frozenset(found)


def _placed(names: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    placed = []
    for layer, kind in enumerate(_LAYERS):
        of = sorted(key for key, (its, _) in names.items() if its == kind)
        for at, key in enumerate(of):
            y = 0.0 if len(of) == 1 else 1 - 2 * at / (len(of) - 1)
            placed.append({"key": key, "kind": kind, "label": names[key][1], "x": 1.6 * layer, "y": y})
    return placed


def _edge(pair: tuple[str, str], readings: Iterable[str]) -> dict[str, Any]:
    return {"source": pair[0], "target": pair[1], "readings": [each for each in READINGS if each in set(readings)]}
