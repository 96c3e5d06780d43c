"""First words that wait for a second person, in the database: one for each kind of matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import Instant, rfc3339
from remit.kernel.errors import Forbidden
from remit.people.change import Changed
from remit.server.operators import Operator, Role
from remit.server.two_people import LIFETIME, Word, counts_from, read
from remit.storage.schema import meta

UNFREEZE_ALL: Final = "unfreeze_all"
POLICIES: Final = "policies"
KEYS: Final = "keys"
OBSERVE: Final = "observe"
SECRETS: Final = "secrets"
ERASURES: Final = "erasures"
_KINDS: Final = (UNFREEZE_ALL, POLICIES, KEYS, OBSERVE, SECRETS, ERASURES)
_KEY: Final = "first_word:"
# What entries of each kind are about: as the entry of the first word says it, so that both are found by one question.
_WHAT: Final[Mapping[str, str]] = {
    UNFREEZE_ALL: "freeze", POLICIES: "policies", KEYS: "key", OBSERVE: "servers", SECRETS: "secrets",
    ERASURES: "agent",
}  # fmt: skip


class FirstWords:
    """First words, on one connection. A newer one takes the place of an older one of its kind."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, kind: str) -> Word | None:
        """The word that was said last, however old; None if none waits."""
        row = self._connection.execute(select(meta.c.value).where(meta.c.key == _KEY + kind)).scalar_one_or_none()
        return read(parse(row)) if row else None

    def standing(self, now: Instant) -> list[tuple[str, Word]]:
        """The kinds about which a word still waits for its second, with it."""
        found = ((kind, self.find(kind)) for kind in _KINDS)
        return [(kind, word) for kind, word in found if word is not None and word.at <= now < word.at + LIFETIME]

    def put(self, kind: str, word: Word) -> None:
        """Keep a word."""
        self.forget(kind)
        value = canonical(word.body()).decode("utf-8")
        self._connection.execute(insert(meta).values(key=_KEY + kind, value=value))

    def forget(self, kind: str) -> None:
        """It was seconded, or is no longer meant."""
        self._connection.execute(delete(meta).where(meta.c.key == _KEY + kind))

    def forget_of(self, person: str, now: Instant) -> list[tuple[str, Word]]:
        """A person's token was revoked: what was said with it is no longer meant. What still waited, with its kind."""
        waited = [(kind, word) for kind, word in self.standing(now) if word.person == person]
        for kind in _KINDS:
            if (word := self.find(kind)) is not None and word.person == person:
                self.forget(kind)
        return waited


def taken_back(kind: str, word: Word) -> Changed:
    """What the log says of a word that is no longer meant (pure)."""
    more = {"about": word.about, "first": word.person}
    name = _name(kind, word)
    return Changed(what=_WHAT[kind], name=name, change="taken_back", before=None, after=None, more=more)


def _name(kind: str, word: Word) -> str:
    """What the entry of the first word was named: a freeze's id, a key, an agent, or as its kind (pure)."""
    if kind == UNFREEZE_ALL:
        return word.about
    return word.about.split(" ")[1] if kind in {KEYS, ERASURES} else _WHAT[kind]


def word_counts(operator: Operator, *, now: Instant, began: Instant | None = None) -> bool:
    """Whether what `operator` says may be one of two words.

    The admin token may say one: the other is another person's, whose token must be older (`two_people.SEASON`).
    """
    if Role.ADMIN in operator.roles:
        return True
    return operator.issued is not None and counts_from(operator.issued, began=began) <= now


def require_word(operator: Operator, *, now: Instant, began: Instant) -> None:
    """Raise unless the operator's word counts.

    Raises:
        Forbidden: The token was made after the matter began, and less than an hour ago.
    """
    if not word_counts(operator, now=now, began=began):
        raise Forbidden(f"the word of this token of {operator.person} does not count yet", try_=advice(operator))


def advice(operator: Operator) -> str:
    """What to do about a word that does not count yet."""
    issued = operator.issued
    until = "" if issued is None else f", which is from {rfc3339(counts_from(issued))}"
    return (
        "of the two words the admin token may say one; the other needs a personal token that was issued"
        f" before this began, or over an hour ago{until}"
    )
