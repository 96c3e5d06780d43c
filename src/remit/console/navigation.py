"""The console's sections, in the order in which they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Section:
    """One page that the navigation leads to. `key`: what is typed after `g`."""

    slug: str
    title: str
    key: str


SECTIONS: Final = (
    Section("", "Overview", "o"),
    Section("agents", "Agents", "a"),
    Section("live", "Live decisions", "l"),
    Section("reviews", "Reviews", "r"),
    Section("policies", "Boundaries & policies", "p"),
    Section("requests", "Requests", "q"),
    Section("servers", "Servers & trust", "s"),
    Section("credentials", "Credentials", "c"),
    Section("log", "Log", "e"),
    Section("runs", "Runs", "u"),
    Section("settings", "Settings", "t"),
)
