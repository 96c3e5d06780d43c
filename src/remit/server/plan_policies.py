"""What `apply` would change of the organisation's policies, and whether a second person must say so too. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from remit.kernel.clock import Instant
from remit.policy.organisation import digest
from remit.server.two_people import Word, seconded

WAITS = "waits for a second person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """A change of policies that lets through what those in force do not.

    `about` are the digests of the policies before and after: what the two people must agree on.
    `first` is the word that this apply seconds; None while it waits.
    """

    about: str
    reasons: tuple[str, ...]
    first: Word | None = None

    @property
    def waits(self) -> bool:
        """Whether another person must say so too."""
        return self.first is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """Who applies, whether their word counts, what was said before, and when this is."""

    person: str
    counts: bool
    first: Word | None
    now: Instant

    def widening(self, before: Mapping[str, str], after: Mapping[str, str], reasons: Sequence[str]) -> Widening:
        """The widening, seconded if this is the second person, in time and about the very same files."""
        about = f"{digest(before)} {digest(after)}"
        agreed = self.counts and seconded(self.first, person=self.person, about=about, now=self.now)
        return Widening(about=about, reasons=tuple(reasons), first=self.first if agreed else None)

    def note(self, widening: Widening) -> str:
        """What people are told of policies that wait."""
        why = "; ".join(widening.reasons)
        if not self.counts:
            return (
                f"{WAITS}, and the word of {self.person}'s token does not count until an hour after it was issued;"
                f" nothing of the policies changed yet: {why}"
            )
        return (
            f"{WAITS}: another than {self.person} must apply the same policies within an hour;"
            f" nothing of the policies changed yet: {why}"
        )


def changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> Collection[str]:
    """The files that differ."""
    return {file for file in before.keys() | after.keys() if before.get(file) != after.get(file)}
