"""What one person said and a second has not yet: where each matter stands, and taking one's own word back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from remit.console.desk import Look
from remit.console.frame import segment
from remit.console.pages.model import Act
from remit.console.paths import PATH
from remit.console.tables import Column, Table

_COLUMNS = (
    Column(name="what", title="What", to="to"),
    Column(name="person", title="Said first by"),
    Column(name="about", title="About", kind="code", shown="brief"),
    Column(name="at", title="Said", kind="time"),
    Column(name="until", title="Counts until", kind="time"),
)
_SAID: Final = {
    "unfreeze_all": "Start everything again", "policies": "Let more through by policies", "keys": "Change a key",
    "observe": "Only observe a server", "secrets": "Send a secret to another place",
    "erasures": "Erase what was recorded",
}  # fmt: skip
_PLACES: Final[Mapping[str, Callable[[str], str]]] = {
    "unfreeze_all": lambda about: f"{PATH}/freezes/{segment(about)}",
    "policies": lambda _about: f"{PATH}/policies",
    "keys": lambda _about: f"{PATH}/settings#s-keys",
    "observe": lambda _about: f"{PATH}/servers",
    "secrets": lambda _about: f"{PATH}/credentials",
    "erasures": lambda about: f"{PATH}/agents/{segment(about.removeprefix('erase '))}",
}
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SHOWN: Final = 8  # characters of a digest: enough to see that two are not the same


def table(look: Look) -> Table:
    """Every first word that stands; `mine`: this person said it."""
    person = look.session.operator.person
    rows = [
        {
            **each, "what": _SAID.get(each["kind"], each["kind"]), "to": place(each["kind"], each["about"]),
            "brief": brief(each["about"]), "mine": each["person"] == person,
        }
        for each in look.get("/v1/first-words")["words"]
    ]  # fmt: skip
    return Table(
        name="words", title="Waits for a second person", columns=_COLUMNS, rows=rows,
        empty="What takes two people waits here for an hour, once one of them said so.",
        command="remit operator waiting",
    )  # fmt: skip


def place(kind: str, about: str) -> str:
    """The page where the matter stands; empty for a kind that has none (pure)."""
    where = _PLACES.get(kind)
    return "" if where is None else where(about)


def brief(about: str) -> str:
    """What a word is about, its digests cut so that a person can read them; all else as it is (pure).

    Two digests are what is in force and what would be.
    """
    parts = about.split(" ")
    digests = all(map(_DIGEST.fullmatch, parts))
    return (" → " if digests else " ").join(_DIGEST.sub(lambda found: f"{found[0][:_SHOWN]}…", each) for each in parts)


def take_back(look: Look, form: Mapping[str, str]) -> str:
    """Take back what this person said first."""
    kind = form.get("kind", "")
    look.act("DELETE", f"/v1/first-words/{segment(kind)}")
    return f"Taken back: {_SAID.get(kind, kind)}."


TAKE_BACK: Final = Act(name="take-back", carry=take_back)
