"""A widening of the organisation's policies needs two people, by whichever door it comes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from remit.kernel.clock import Instant
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.server.first_words import POLICIES, FirstWords
from remit.server.plan_policies import Widening
from remit.server.two_people import Word
from remit.storage.ports import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondWord:
    """Keeps the first word on a widening, or notes that this was the second."""

    records: Records

    def said(
        self, tx: Transaction, widening: Widening, *, files: Collection[str], counts: bool, by: Actor, now: Instant
    ) -> None:
        """Within the change that makes it true, or lets it wait. A word that does not count is not kept."""
        if widening.waits and not counts:
            return
        words = FirstWords(tx.connection)
        if widening.first is None:
            words.put(POLICIES, Word(person=by.person, about=widening.about, at=now))
        else:
            words.forget(POLICIES)
        more = {"files": sorted(files), "widens": list(widening.reasons), "digests": widening.about}
        first = {} if widening.first is None else {"first": widening.first.person}
        change = "widening_asked" if widening.waits else "widening_seconded"
        said = Changed(what="policies", name="policies", change=change, before=None, after=None, more=more | first)
        record(tx, self.records, said, by=by)
