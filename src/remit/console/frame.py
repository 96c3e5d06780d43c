"""Templates and what they all share: the navigation, who is signed in, times and words as people read them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from shlex import quote as as_word
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from remit.console.navigation import SECTIONS
from remit.console.paths import PATH
from remit.console.steps import step_named
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, rfc3339, spoken

_STEPS: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})  # categories of characters
GLYPHS: Final[Mapping[str, str]] = {
    "good": "✓",
    "bad": "✗",
    "warn": "!",
    "wait": "…",
    "calm": "·",
}  # never colour alone
_MOODS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "active",
            "allow",
            "allowed",
            "live",
            "ok",
            "approved",
            "closed",
            "complete",
            "done",
            "enforced",
            "confirmed",
            "contained",
        ),
        "good",
    ),
    **dict.fromkeys(
        ("frozen", "deny", "denied", "refused", "exposed", "revoked", "suspended", "failed", "fail"), "bad"
    ),
    **dict.fromkeys(
        ("at_risk", "expiring", "needs_human", "needs_usage", "overdue", "unreachable", "warn", "changed", "gone"),
        "warn",
    ),
    **dict.fromkeys(
        ("proposed", "pending", "waiting", "draining", "open", "observe", "quarantined", "waiting_for_catalog"), "wait"
    ),
}


class Now(int):
    """When a page is made (microseconds since 1970, UTC), and how its person wants times told.

    `utc`: each as it is, to the second; else as how long before or after now it is.
    """

    utc: bool

    def __new__(cls, at: int, *, utc: bool = False) -> Self:
        """A moment, and a wish."""
        made = super().__new__(cls, at)
        made.utc = utc
        return made


_PLACE: Final = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is around a page. `theme`: light, dark or empty (as the system has it). `notes`: said once, then gone."""

    person: str
    csrf: str
    nonce: str
    now: Now
    slug: str
    title: str
    theme: str = ""
    dev: bool = False
    notes: tuple[str, ...] = ()
    stopped: str = ""  # the freeze of everything that is in force
    once: str = ""  # a word of this very page, by which a form that is sent twice is known


def render(template: str, frame: Frame, **values: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """A whole page; every value is escaped."""
    page: str = templates().get_template(template).render(frame=frame, sections=SECTIONS, root=PATH, **values)
    return page


def signed_out(
    *, used: bool = False, again: str = "", provider: str = "", then: str = "", lost: bool = False, out: str = ""
) -> str:
    """What somebody sees without a session.

    Args:
        used: They followed a link that does not work any more.
        again: Where a client sent them who asks for their consent.
        provider: What the provider is called where they may sign in.
        then: The page that they wanted.
        lost: They sent a form, which did nothing.
        out: Where the provider, too, ends what it knows of them.
    """
    page: str = (
        templates()
        .get_template("signed_out.html")
        .render(used=used, again=again, provider=provider, then=then, lost=lost, out=out)
    )
    return page


def kept_form(form: Mapping[str, str], to: str, *, provider: str = "") -> str:
    """What somebody wrote and sent when they were not signed in any more; nothing was done with it."""
    page: str = templates().get_template("kept.html").render(fields=kept_fields(form), to=to, provider=provider)
    return page


def kept_fields(form: Mapping[str, str]) -> dict[str, str]:
    """What somebody wrote, without what made the form this session's."""
    return {name: value for name, value in form.items() if name not in {"csrf", "once"}}


@cache
def templates() -> Environment:
    """The pages' templates: every value is escaped, and none may be missing."""
    made = Environment(
        loader=PackageLoader("remit.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "ago": ago,
        "step_named": step_named,
        "segment": segment,
        "mood": mood,
        "filled": filled,
        "micros": micros,
        "rfc3339": rfc3339,
        "spoken": spoken,
        "as_json": as_json,
        "as_word": as_word,
    }
    made.globals |= {"glyph": GLYPHS.get, "address": address}
    return made


def as_json(value: object, indent: int | None = None) -> str:
    """A value as the log and commands write it; what has no look of its own, or turns the text around, as its number.

    For people: the data of a script is `tojson`, which writes `<` and `'` as numbers, too.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, sort_keys=True)
    unseen = {each for each in set(text) - {"\n"} if unicodedata.category(each) in _UNSEEN}
    return text.translate({ord(each): _numbered(each) for each in unseen})


def _numbered(character: str) -> str:
    return json.dumps(character)[1:-1]  # beyond the first 65536, as two halves, as JSON has it


def micros(said: object) -> int | None:
    """A time of the API (RFC 3339) in microseconds; None if it is none."""
    if isinstance(said, int):
        return said
    try:
        return int(datetime.fromisoformat(str(said)).astimezone(UTC).timestamp() * SECOND)
    except ValueError:
        return None


def ago(said: object, now: int) -> str:
    """How long before or after `now` a time is, in its largest unit: `3 min ago`, `in 2 d`; as `now` has it, the time.

    A time that cannot be read is "".
    """
    at = micros(said)
    if at is None:
        return ""
    if isinstance(now, Now) and now.utc:
        return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
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
    return _PLACE.sub(lambda place: segment(row[place[1]]) if place[1] in row else place[0], link)


def address(query: Mapping[str, str], **changed: object) -> str:
    """The query of this page with some of it changed; what is None or empty is left out."""
    kept = {**query, **{name: "" if value is None else str(value) for name, value in changed.items()}}
    return "?" + urlencode({name: value for name, value in kept.items() if value})
