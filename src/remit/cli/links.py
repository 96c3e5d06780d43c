"""Which page of the console shows what a cell of a table names. Pure."""

from __future__ import annotations

from typing import Final

_SECTIONS: Final = {
    "agent": "agents", "boundary": "policies", "server": "servers", "secret": "credentials", "question": "reviews",
    "request": "requests", "run": "runs", "decision": "log", "id": "log",
}  # fmt: skip


def section(column: str, value: object) -> str | None:
    """The part of the console that has a page for `value`, named in that column; None if none has."""
    return _SECTIONS.get(column) if isinstance(value, str) and value else None
