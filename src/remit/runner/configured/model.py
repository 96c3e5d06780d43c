"""Where a client keeps its servers, and one server as it stands there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Any


class Format(StrEnum):
    """How a file is written."""

    JSON = "json"  # with comments and trailing commas, where the client takes them
    TOML = "toml"
    YAML = "yaml"  # read only


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One file of one client.

    `key` is the member that holds the servers by name; `each` is one whose members each hold a `key` (projects).
    """

    client: str
    scope: str  # user or project
    path: Path
    key: str
    format: Format = Format.JSON
    each: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One configured server. `secrets` names what most likely holds a secret; no value is kept."""

    place: Place
    name: str
    command: tuple[str, ...] = field(default=(), repr=False)  # may hold secrets: shown by `shown` only
    url: str = field(default="", repr=False)
    secrets: tuple[str, ...] = ()
    enabled: bool = True


def is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether `remit mcp install` wrote this entry, or somebody wrote the same by hand."""
    command, words = entry.get("command"), entry.get("args")
    if not isinstance(command, str) or not isinstance(words, list):
        return False
    return PurePath(command).name == "remit" and words[:2] == ["mcp", "stdio"]
