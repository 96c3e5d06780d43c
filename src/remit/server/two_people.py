"""What takes two people: the first says so, the second makes it so. Pure.

One stolen or careless token must not undo a stop of last resort, nor loosen what holds for
everyone. The first word is bound to the very matter it was said about and does not outlive an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.clock import HOUR, Instant

LIFETIME: Final = HOUR
# Whoever holds the admin token can make a second person's token in a second. That it takes this long to count
# leaves the people who read the log the time to see it.
SEASON: Final = HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One person's yes to a matter: a freeze by its id, a change of policies by its digests."""

    person: str
    about: str
    at: Instant

    def body(self) -> dict[str, Any]:
        """As JSON, for the database."""
        return {"person": self.person, "about": self.about, "at": self.at}


def read(body: Mapping[str, Any] | None) -> Word | None:
    """What `Word.body` wrote."""
    if body is None:
        return None
    return Word(person=body["person"], about=body["about"], at=Instant(body["at"]))


def seconded(first: Word | None, *, person: str, about: str, now: Instant) -> bool:
    """Whether `person` is the second one to say it about this very matter, in time."""
    return (
        first is not None and first.about == about and first.person != person and first.at <= now < first.at + LIFETIME
    )


def counts_from(issued: Instant, *, began: Instant | None = None) -> Instant:
    """From when on the word of a personal token counts.

    Args:
        issued: When the token was made.
        began: When the matter began, if that is known: a token that was there before counts at once.
    """
    return issued if began is not None and issued < began else Instant(issued + SEASON)
