"""What takes two people about keys and records: the first one's word is noted, the second one's does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import Forbidden
from remit.people.change import Changed, record
from remit.people.ports import Records
from remit.server.door import Ask, actor
from remit.server.first_words import KEYS, FirstWords, advice, word_counts
from remit.server.two_people import Word, seconded
from remit.storage.ports import Transaction, Writer

Carry = Callable[[Transaction, Instant, Mapping[str, str]], list[dict[str, Any]]]
"""Makes the change in its transaction, with what its entries say of the two; what it changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconding:
    """Two people change it, each within one change of the database.

    Args:
        writer: Commits.
        records: Makes entries.
        clock: Says when.
        kind: Of first words that it keeps: a newer one takes the place of an older one.
        what: Entries of the first word are about one of these.
        told: The answer says under this name what was changed.
    """

    writer: Writer
    records: Records
    clock: Clock
    kind: str = KEYS
    what: str = "key"
    told: str = "keys"

    def by_two(self, ask: Ask, about: str, carry: Carry) -> dict[str, Any]:
        """Note the first person's word; at the second person's, do it.

        Args:
            ask: Who says so.
            about: What is said, in words: what is done and to what come first.
            carry: Does it.

        Raises:
            Forbidden: The person's token is so new that its word does not count yet.
        """
        person = ask.operator.person

        def apply(tx: Transaction) -> dict[str, Any]:
            now, words = self.clock.now(), FirstWords(tx.connection)
            if not word_counts(ask.operator, now=now):
                raise Forbidden(f"the word of this token of {person} does not count yet", try_=advice(ask.operator))
            first = words.find(self.kind)
            if not seconded(first, person=person, about=about, now=now):
                words.put(self.kind, Word(person=person, about=about, at=now))
                asked = Changed(what=self.what, name=about.split(" ")[1], change="asked", before=None, after=None,
                                more={"about": about})  # fmt: skip
                record(tx, self.records, asked, by=actor(ask))
                return {"waits": True, "first": person, self.told: []}
            words.forget(self.kind)
            done = carry(tx, now, {"about": about, "first": first.person if first else ""})
            return {"waits": False, self.told: done}

        return self.writer.change(apply)
