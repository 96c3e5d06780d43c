"""What people reach through the agents that they answer for, and who gained (pure).

A person may do through an agent what they may not do themselves: who owns an agent, or stands in for its
owner, can change what it does. Reach through an agent of another owner that theirs acts for is not in it:
one agent cannot act for another yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from remit.certification.posture.growth import Tally
from remit.certification.posture.row import Row


@dataclass(frozen=True, slots=True)
class Through:
    """Sums over a person's agents."""

    agents: int = 0
    direct: int = 0  # weight
    latent: int = 0

    @property
    def weight(self) -> int:
        """All that they reach without asking anybody."""
        return self.direct + self.latent

    def plus(self, sums: Tally) -> Through:
        """With one more agent."""
        return Through(self.agents + 1, self.direct + sums.direct_weight, self.latent + sums.latent_weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What one person reaches now, and reached then."""

    person: str
    owns: Through = Through()
    stands_in: Through = Through()
    owned: Through = Through()  # then
    stood_in: Through = Through()

    @property
    def weight(self) -> int:
        """Now."""
        return self.owns.weight + self.stands_in.weight

    @property
    def gained(self) -> int:
        """Since then; below 0 if it became less."""
        return self.weight - self.owned.weight - self.stood_in.weight


def people(now: Iterable[Row], then: Iterable[Row]) -> list[Person]:
    """Everybody who answers, or answered, for an agent; who gained most comes first.

    Args:
        now: The agents' rows of today.
        then: Their rows of an earlier day; who answered for an agent is what the row of that day says.
    """
    found: dict[str, Person] = {}
    for rows, owning, standing_in in ((now, "owns", "stands_in"), (then, "owned", "stood_in")):
        for row in rows:
            for person, is_owner in _answering(row):
                known, kind = found.get(person) or Person(person=person), owning if is_owner else standing_in
                found[person] = replace(known, **{kind: getattr(known, kind).plus(row.sums)})
    return sorted(found.values(), key=lambda each: (-each.gained, -each.weight, each.person))


def _answering(row: Row) -> list[tuple[str, bool]]:
    """(person, whether they own it)."""
    return [(row.owner, True), *((person, False) for person in row.stand_ins if person != row.owner)]
