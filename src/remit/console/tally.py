"""What a simulation has come to so far, small enough to travel in the page: sums by agent and action, examples. Pure.

The API simulates a part of the log at a time; the page asks for the next with what the parts before came to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

CHANGES: Final = ("widen", "narrow", "otherwise")
_EXAMPLES: Final = 40
_CELLS: Final = 400
_REST: Final = ("(others)", "(others)")
_COUNTS: Final = ("decisions", "reproduced", "uncounted", "differs", "skipped")


@dataclass(slots=True)
class Tally:
    """`cells`: (agent, action) to how many of each of `CHANGES`. `next` is where to go on; None at the end."""

    decisions: int = 0
    reproduced: int = 0
    uncounted: int = 0
    differs: int = 0
    skipped: int = 0
    cells: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    next: int | None = 0
    seen: str = ""  # the digests of what is compared: when they move meanwhile, the sums are of two things

    def take(self, part: Mapping[str, Any]) -> None:
        """Count a part in."""
        self.decisions += part["decisions"]
        self.reproduced += part["reproduced"]
        self.uncounted += part["uncounted"]
        self.differs += len(part["differs"])
        self.skipped += sum(part["not_replayable"].values()) + sum(part["engines"].values())
        for flip in part["flips"]:
            key = (str(flip["agent"]), str(flip["action"]))
            if key not in self.cells and len(self.cells) >= _CELLS:
                key = _REST
            cell = self.cells.setdefault(key, dict.fromkeys(CHANGES, 0))
            cell[flip["change"]] += 1
            if len(self.examples) < _EXAMPLES and cell[flip["change"]] <= 3:  # noqa: PLR2004 - of each kind a few
                self.examples.append(_example(flip))
        self.next = part["next"]

    @property
    def flips(self) -> int:
        """How many decisions would be answered otherwise."""
        return sum(many for cell in self.cells.values() for many in cell.values())

    def text(self) -> str:
        """All of it as one text."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        cells = [[*key, *(cell[change] for change in CHANGES)] for key, cell in sorted(self.cells.items())]
        return json.dumps({**counts, "cells": cells, "examples": self.examples, "next": self.next, "seen": self.seen})


def tally(text: str) -> Tally:
    """What `Tally.text` made; a new one of what is none. It is the reader's own page that it came from."""
    try:
        said = json.loads(text)
        decisions, reproduced, uncounted, differs, skipped = (int(said[name]) for name in _COUNTS)
        found = Tally(decisions, reproduced, uncounted, differs, skipped)
        for agent, action, *many in said["cells"]:
            found.cells[str(agent), str(action)] = dict(zip(CHANGES, map(int, many), strict=True))
        found.examples = [{name: str(value) for name, value in each.items()} for each in said["examples"]][:_EXAMPLES]
        found.next, found.seen = None if said["next"] is None else int(said["next"]), str(said["seen"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return Tally()
    return found


def _example(flip: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: flip[name] for name in ("id", "time", "agent", "action", "change")},
        "was": _answer(flip["was"]),
        "would": _answer(flip["would"]),
    }


def _answer(said: Mapping[str, Any]) -> str:
    if said["decision"] == "allow":
        return f"allow ({said['boundary']})" if said.get("boundary") else "allow"
    return ", ".join(str(said[name]) for name in ("code", "policy") if name in said)
