"""Starting everything again takes two people: the first says so, the second makes it so. Pure.

One stolen or careless token must not undo the stop of last resort. The first word is bound
to the freeze it was said about and does not outlive an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.clock import HOUR, Instant

LIFETIME: Final = HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One person's word that a freeze of everything may end. `token` is whose credential said it."""

    person: str
    freeze: str
    at: Instant

    def body(self) -> dict[str, Any]:
        """As JSON, for the database."""
        return {"person": self.person, "freeze": self.freeze, "at": self.at}


def read(body: Mapping[str, Any] | None) -> Intent | None:
    """What `Intent.body` wrote."""
    if body is None:
        return None
    return Intent(person=body["person"], freeze=body["freeze"], at=Instant(body["at"]))


def seconded(first: Intent | None, *, person: str, freeze: str, now: Instant) -> bool:
    """Whether `person` is the second one to say it about this very freeze, in time."""
    return (
        first is not None
        and first.freeze == freeze
        and first.person != person
        and first.at <= now < first.at + LIFETIME
    )
