"""`/v1/first-words`: what one person said and a second one has not yet, so that it does not pass unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import Clock, rfc3339
from remit.server.door import Ask, Door
from remit.server.first_words import FirstWords
from remit.server.two_people import LIFETIME
from remit.storage.ports import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """First words over HTTP."""

    reader: Reader
    clock: Clock

    def doors(self) -> list[Door]:
        """The door of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/first-words", action="read", handle=self.standing,
                summary="What waits for a second person: kind, the first one, until when",
            )
        ]  # fmt: skip

    def standing(self, _ask: Ask) -> dict[str, Any]:
        """What was said within the hour and not seconded."""
        now = self.clock.now()
        found = self.reader.read(lambda connection: FirstWords(connection).standing(now))
        return {
            "words": [
                {"kind": kind, "person": word.person, "about": word.about, "at": rfc3339(word.at),
                 "until": rfc3339(word.at + LIFETIME)}
                for kind, word in found
            ]
        }  # fmt: skip
