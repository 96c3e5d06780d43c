"""Entries of the log as pages list them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = ("code", "verdict", "change", "outcome", "reason", "what")


def line(header: Mapping[str, Any], index: int | None) -> dict[str, Any]:
    """One entry of the log as the page lists it: no arguments, no payload."""
    kind = header["kind"]
    allowed = header.get("decision") == "allow"
    word = next((header[name] for name in _WORDS if header.get(name)), kind)
    return {
        "id": header["id"],
        "index": index,
        "time": header["time"],
        "kind": kind,
        "agent": header.get("agent", ""),
        "action": header.get("action") or header.get("server") or header.get("name") or "",
        "word": "allowed" if kind == "decision" and allowed else _word(header, str(word)),
        "good": kind != "decision" or allowed,
    }


def _word(header: Mapping[str, Any], word: str) -> str:
    return f"let through, would be {word}" if header.get("decision") == "would_deny" else word
