"""A history as it is played: lines of docs/usage-format.md, in the order in which things happened (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from remit.agents.signals import Signal
from remit.catalog.model import Tier
from remit.certification.usage.line import instant_of
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.errors import Malformed
from remit.kernel.names import split_action

# What is known at one moment is known before what is done at it.
_ORDER: Final = ("owner", "agent", "entitlement", "ended", "signal", "coverage", "use", "error", "denial")
_NEEDED: Final = {
    "owner": ("owner", "status"),
    "agent": ("agent", "owner"),
    "entitlement": ("agent", "purpose", "action", "tier"),
    "ended": ("agent", "purpose", "action"),
    "signal": ("agent", "signal"),
    "coverage": ("from", "to"),
    "use": ("agent", "action"),
    "error": ("agent", "action"),
    "denial": ("agent", "action"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at: Instant
    kind: str
    source: str
    id: int | str
    said: dict[str, Any]


@dataclass(slots=True)
class History:
    """The lines in order, and what was wrong with the others."""

    lines: list[Line] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)  # the number of the line, and why
    twice: int = 0

    @property
    def starts(self) -> Instant:
        """When the first thing happened."""
        return self.lines[0].at

    @property
    def ends(self) -> Instant:
        """When the last thing happened."""
        return self.lines[-1].at


def history(objects: Iterable[tuple[int, Any]]) -> History:
    """The history that numbered JSON objects tell. The same in any order, and if some stand there twice."""
    found, seen = History(), set[tuple[str, int | str]]()
    for number, said in objects:
        try:
            line = _line(said)
        except Malformed as error:
            found.refused.append((number, error.public))
            continue
        if (line.source, line.id) in seen:
            found.twice += 1
            continue
        seen.add((line.source, line.id))
        found.lines.append(line)
    found.lines.sort(key=lambda line: (line.at, _ORDER.index(line.kind), line.source, str(type(line.id)), line.id))
    return found


def _line(said: Any) -> Line:  # noqa: ANN401 - any JSON
    if not isinstance(said, dict):
        raise Malformed("a line is a JSON object")
    kind = said.get("kind")
    if kind not in _NEEDED:
        raise Malformed(f"a history has no lines of kind {str(kind)[:40]}")
    for name in _NEEDED[kind]:
        if name not in said:
            raise Malformed(f"a line of kind {kind} needs {name}")
    number = said.get("seq", said.get("id"))
    if not isinstance(number, int | str) or isinstance(number, bool):
        raise Malformed("a line needs seq or id")
    at = instant_of(said.get("at"))
    _checked(kind, said)
    return Line(at, kind, str(said.get("source", "")), number, said)


def _checked(kind: str, said: dict[str, Any]) -> None:
    if "action" in said:
        split_action(str(said["action"]))
    if kind == "entitlement" and said["tier"] not in set(Tier):
        raise Malformed(f"tier is one of {', '.join(Tier)}")
    if kind == "signal" and said["signal"] not in set(Signal):
        raise Malformed(f"signal is one of {', '.join(Signal)}")
    if kind == "coverage":
        said["from"], said["to"] = instant_of(said["from"]), instant_of(said["to"])
    if kind == "entitlement" and "not_after" in said:
        said["not_after"] = instant_of(said["not_after"])


def micros_of(days: object) -> Micros | None:
    """A number of days of a line as microseconds.

    Raises:
        Malformed: It is none.
    """
    if days is None:
        return None
    if not isinstance(days, int) or isinstance(days, bool) or not 0 < days <= 3660:  # noqa: PLR2004 - ten years
        raise Malformed("a number of days is whole and at most 3660")
    return Micros(days * DAY)
