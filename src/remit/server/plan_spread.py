"""Which secrets `apply` would let go further than before, which takes two people. Pure.

Whoever may point a secret at a host of their own has it. So a place that nobody agreed to before waits, and until the
second person agrees the document before stays in force, whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant
from remit.server.two_people import Word, seconded
from remit.vault.document import SecretDocument
from remit.vault.document_json import text


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The secrets that one apply would let go further. `first` is the word that it seconds; None while it waits."""

    about: str
    secrets: tuple[str, ...]
    first: Word | None = None

    @property
    def waits(self) -> bool:
        """Whether another person must say so too."""
        return self.first is None


def spread(
    wider: Mapping[str, SecretDocument | None], *, person: str, counts: bool, first: Word | None, now: Instant
) -> Spread:
    """What the two must agree on: these secrets, as their documents are from then on (None: without one)."""
    said = sorted([name, "" if each is None else text(each)] for name, each in wider.items())
    about = hashlib.sha256(canonical(said)).hexdigest()
    agreed = counts and seconded(first, person=person, about=about, now=now)
    return Spread(about=about, secrets=tuple(sorted(wider)), first=first if agreed else None)


def note(person: str, *, counts: bool) -> str:
    """What people are told meanwhile."""
    if not counts:
        return (
            f"waits for a second person, and the word of {person}'s token does not count until an hour after it was"
            " issued; until then its document stays as it was"
        )
    return (
        f"waits for a second person: another than {person} must apply the same within an hour;"
        " until then its document stays as it was"
    )
