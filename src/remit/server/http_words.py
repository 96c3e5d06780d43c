"""`/v1/first-words`: what one person said and a second one has not yet, so that it does not pass unseen.

Whoever said it may take it back: what is no longer meant must not wait for the second one's word.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import Clock, rfc3339
from remit.kernel.errors import NotFound
from remit.people.change import record
from remit.people.ports import Records
from remit.server.door import Ask, Door, actor
from remit.server.first_words import FirstWords, taken_back
from remit.server.operators import Authority
from remit.server.two_people import LIFETIME, Word
from remit.storage.ports import Reader, Transaction, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """First words over HTTP.

    Args:
        writer: Commits.
        reader: Reads what stands.
        records: Makes entries.
        authority: Says who may take back what another one said.
        clock: Says which words still count.
    """

    writer: Writer
    reader: Reader
    records: Records
    authority: Authority
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/first-words", action="read", handle=self.standing,
                summary="What waits for a second person: kind, the first one, until when",
            ),
            Door(
                method="DELETE", path="/v1/first-words/{kind}", action="takeBackWord", handle=self.take_back,
                owners=self._person, summary="Take back what one said and a second person has not yet",
            ),
        ]  # fmt: skip

    def standing(self, _ask: Ask) -> dict[str, Any]:
        """What was said within the hour and not seconded."""
        now = self.clock.now()
        found = self.reader.read(lambda connection: FirstWords(connection).standing(now))
        return {"words": [_body(kind, word) for kind, word in found]}

    def take_back(self, ask: Ask) -> dict[str, Any]:
        """Forget the word of a kind that stands.

        Raises:
            NotFound: None of this kind waits.
            Forbidden: Another person said it.
        """
        kind = ask.path["kind"]

        def apply(tx: Transaction) -> dict[str, Any]:
            words = FirstWords(tx.connection)
            word = self._standing(words, kind)
            # Between the door and here another one's word may have taken its place: that one is theirs.
            self.authority.require(ask.operator, "takeBackWord", owners={word.person})
            record(tx, self.records, taken_back(kind, word), by=actor(ask))
            words.forget(kind)
            return {"taken_back": _body(kind, word)}

        return self.writer.change(apply)

    def _person(self, ask: Ask) -> Collection[str]:
        """Whose word it is. Everybody may read which words stand, so "there is none" tells nobody anything."""
        return {self.reader.read(lambda connection: self._standing(FirstWords(connection), ask.path["kind"])).person}

    def _standing(self, words: FirstWords, kind: str) -> Word:
        found = dict(words.standing(self.clock.now()))
        if kind not in found:
            raise NotFound("no first word of this kind waits", try_="remit operator waiting")
        return found[kind]


def _body(kind: str, word: Word) -> dict[str, Any]:
    return {
        "kind": kind, "person": word.person, "about": word.about, "at": rfc3339(word.at),
        "until": rfc3339(word.at + LIFETIME),
    }  # fmt: skip
