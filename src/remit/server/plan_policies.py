"""What `apply` would change of the organisation's policies, and whether a second person must say so too. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from remit.catalog.model import Server
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant
from remit.policy.declared.model import Declaration, Part
from remit.policy.futile import Calls
from remit.policy.organisation import Policy, surprising
from remit.policy.rules import Rules, Texts
from remit.policy.schema import for_catalog
from remit.server.documents import Document
from remit.server.two_people import Word, seconded

WAITS = "waits for a second person"


def with_documents(rules: Rules, documents: Iterable[Document]) -> Rules:
    """The rules with what stands in documents put into its place."""
    policies, declarations = dict(rules.policies), dict(rules.declarations)
    for each in documents:
        if each.kind == "policy":
            policies[each.name] = each.value
        else:
            declarations[each.name] = Declaration(Part(each.kind), each.value)
    return Rules(policies, declarations)


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

    def widening(self, before: Texts, after: Texts, reasons: Sequence[str]) -> Widening:
        """The widening, seconded if this is the second person, in time and about the very same files."""
        about = f"{_digest(before)} {_digest(after)}"
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


def surprises(policies: Iterable[Policy], servers: Iterable[Server]) -> dict[str, str]:
    """By file, what is in force all the same and may not be what was meant."""
    calls, found = Calls(for_catalog(servers)), dict[str, str]()
    for each in policies:
        if (why := surprising(each, calls)) is not None:
            said = f"{each.id} (line {each.line}): {why[0]}"
            found[each.file] = f"{found[each.file]}; {said}" if each.file in found else said
    return found


def _digest(texts: Texts) -> str:
    return hashlib.sha256(canonical([[*name, texts[name]] for name in sorted(texts)])).hexdigest()
