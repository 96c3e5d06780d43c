"""A policy set: one version of the organisation's policies, and the states that it goes through. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant


class SetState(StrEnum):
    """Where a set stands.

    draft: kept, and nothing looks at it. observe: live decisions are also decided against it, and it forbids nothing.
    enforced: in force; there is one. retired: it was in force.
    """

    DRAFT = "draft"
    OBSERVE = "observe"
    ENFORCED = "enforced"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """One version; its files are read where they are needed. `by` brought it in; `since` it is in its state."""

    number: int
    digest: str
    files: int  # how many
    state: SetState
    by: str
    created: Instant
    since: Instant

    @property
    def version(self) -> str:
        """The number as the log names it."""
        return str(self.number)

    def body(self) -> str:
        """What the log's digests are over."""
        said = [self.number, self.digest, self.state.value, self.by, self.created, self.since]
        return canonical(said).decode("utf-8")


def before(sets: Iterable[PolicySet]) -> PolicySet | None:
    """What was in force before what is now: of those retired, the one that was it last."""
    retired = (each for each in sets if each.state is SetState.RETIRED)
    return max(retired, key=lambda each: (each.since, each.number), default=None)


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """How `other` differs from `one`: file to added, removed or changed."""
    names = sorted(one.keys() | other.keys())
    words = {
        name: "added" if name not in one else "removed" if name not in other else "changed"
        for name in names
        if one.get(name) != other.get(name)
    }
    return dict(words)
