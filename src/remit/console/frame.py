"""Templates and what they all share: the navigation, who is signed in, times and words as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from remit.console.navigation import SECTIONS
from remit.console.paths import PATH
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant, rfc3339

_STEPS: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))
GLYPHS: Final[Mapping[str, str]] = {
    "good": "✓",
    "bad": "✗",
    "warn": "!",
    "wait": "…",
    "calm": "·",
}  # never colour alone
_MOODS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("active", "allow", "allowed", "live", "ok", "approved", "closed", "complete", "done"), "good"),
    **dict.fromkeys(("frozen", "deny", "denied", "refused", "exposed", "revoked", "suspended", "failed"), "bad"),
    **dict.fromkeys(("at_risk", "expiring", "needs_human", "needs_usage", "overdue", "unreachable"), "warn"),
    **dict.fromkeys(("proposed", "pending", "waiting", "draining", "open", "observe", "quarantined"), "wait"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is around a page. `theme`: light, dark or empty (as the system has it). `notes`: said once, then gone."""

    person: str
    csrf: str
    nonce: str
    now: Instant
    slug: str
    title: str
    theme: str = ""
    dev: bool = False
    notes: tuple[str, ...] = ()


def render(template: str, frame: Frame, **values: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """A whole page; every value is escaped."""
    page: str = templates().get_template(template).render(frame=frame, sections=SECTIONS, root=PATH, **values)
    return page


def signed_out(*, used: bool = False, again: str = "") -> str:
    """What somebody sees without a session. `again` is where a client sent them who asks for their consent."""
    page: str = templates().get_template("signed_out.html").render(used=used, again=again)
    return page


@cache
def templates() -> Environment:
    """The pages' templates: every value is escaped, and none may be missing."""
    made = Environment(
        loader=PackageLoader("remit.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "ago": ago,
        "segment": segment,
        "mood": mood,
        "filled": filled,
        "micros": micros,
        "rfc3339": rfc3339,
    }
    made.globals |= {"glyph": GLYPHS.get, "address": address}
    return made


def micros(said: object) -> int | None:
    """A time of the API (RFC 3339) in microseconds; None if it is none."""
    if isinstance(said, int):
        return said
    try:
        return int(datetime.fromisoformat(str(said)).astimezone(UTC).timestamp() * SECOND)
    except ValueError:
        return None


def ago(said: object, now: Instant) -> str:
    """How long before or after `now` a time is, in its largest unit: `3 min ago`, `in 2 d`."""
    at = micros(said)
    if at is None:
        return ""
    apart = abs(now - at)
    if apart < SECOND:
        return "now"
    size, unit = next(step for step in _STEPS if apart >= step[0])
    return f"{apart // size} {unit} ago" if at <= now else f"in {apart // size} {unit}"


def segment(text: object) -> str:
    """Text as one segment of a path."""
    return quote(str(text), safe="")


def mood(word: object) -> str:
    """How a state is meant: good, bad, warn, wait or calm."""
    return _MOODS.get(str(word), "calm")


def filled(link: str, row: Mapping[str, Any]) -> str:
    """A link with its `{name}` members of a row, each as one segment."""
    for name, value in row.items():
        link = link.replace("{" + name + "}", segment(value))
    return link


def address(query: Mapping[str, str], **changed: object) -> str:
    """The query of this page with some of it changed; what is None or empty is left out."""
    kept = {**query, **{name: "" if value is None else str(value) for name, value in changed.items()}}
    return "?" + urlencode({name: value for name, value in kept.items() if value})
