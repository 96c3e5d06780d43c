"""Which uses that another system saw stand behind a decision of Remit, and which do not (pure).

A server that Remit reaches for its agents is used by nobody else: what its own log has and Remit's has not was done
with a credential that went round it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from remit.kernel.clock import MINUTE, Instant

TOLERANCE: Final = 5 * MINUTE  # how far the clocks of a source and of Remit may be apart


class Use(NamedTuple):
    """One call that a source saw. `id` is the source's own."""

    agent: str
    action: str
    at: Instant
    id: str


class Passed(NamedTuple):
    """One call that Remit let through and forwarded."""

    agent: str
    action: str
    at: Instant


class Shadow(NamedTuple):
    """Uses of one action by one agent for which there is no decision."""

    agent: str
    action: str
    uses: int
    first: Instant
    last: Instant


def unmatched(uses: Iterable[Use], passed: Iterable[Passed], *, tolerance: int = TOLERANCE) -> list[Use]:
    """The uses that are left once as many as can be are given a decision of their own, in order.

    A decision lets one call through, so it accounts for one use: of the same agent and action, at most `tolerance`
    (microseconds) away. In order of time, giving each use the earliest decision that is not too old leaves the fewest.
    """
    decisions: defaultdict[tuple[str, str], list[Instant]] = defaultdict(list)
    for each in passed:
        decisions[each.agent, each.action].append(each.at)
    for times in decisions.values():
        times.sort()
    taken: defaultdict[tuple[str, str], int] = defaultdict(int)
    left: list[Use] = []
    for use in sorted(uses, key=lambda each: (each.at, each.agent, each.action, each.id)):
        of = (use.agent, use.action)
        times, at = decisions.get(of, []), taken[of]
        while at < len(times) and times[at] < use.at - tolerance:
            at += 1
        if at < len(times) and times[at] <= use.at + tolerance:
            at += 1
        else:
            left.append(use)
        taken[of] = at
    return left


def shadows(left: Iterable[Use]) -> list[Shadow]:
    """What is left, by agent and action, in order."""
    found: defaultdict[tuple[str, str], list[Instant]] = defaultdict(list)
    for use in left:
        found[use.agent, use.action].append(use.at)
    return [Shadow(*of, len(times), min(times), max(times)) for of, times in sorted(found.items())]


class Brokered(NamedTuple):
    """What became of the calls of one server in which its secret was used."""

    server: str
    secret: str
    uses: int
    decisions: int
    unmatched: int
    outcomes: Mapping[str, int]


def brokered(
    outcomes: Sequence[tuple[str, str, str]], decided: Iterable[str], secrets: Mapping[str, str]
) -> list[Brokered]:
    """By server with a secret: every use, and whether the decision that it names is there.

    Args:
        outcomes: Server, decision and outcome of each call that ended; one that was not sent used nothing.
        decided: The decisions that were recorded and let a call through.
        secrets: The secret of each server that has one.
    """
    known = frozenset(decided)
    found: dict[str, list[tuple[str, str]]] = {server: [] for server in secrets}
    for server, decision, outcome in outcomes:
        if server in found:
            found[server].append((decision, outcome))
    rows = []
    for server, calls in sorted(found.items()):
        counts: defaultdict[str, int] = defaultdict(int)
        for _, outcome in calls:
            counts[outcome] += 1
        used = [decision for decision, outcome in calls if outcome != "not_sent"]
        matched = sum(decision in known for decision in used)
        rows.append(
            Brokered(
                server, secrets[server], len(used), len(known.intersection(used)), len(used) - matched,
                dict(sorted(counts.items())),
            )
        )  # fmt: skip
    return rows
