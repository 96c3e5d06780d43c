"""What each approval added to an agent's boundaries, and the most that approvals may add in a year (pure).

An approval adds the weight of every action that it lets in or loosens; a later end and a pattern that
matches nothing yet are reported and add nothing. What an agent was given at first, in one moment, is what
it begins with and no widening. Narrowing earns nothing back, and what was revoked and is approved again
counts in full: else a limit could be gone round by letting go first. Weights are those of today's tiers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from remit.access.draft import Version
from remit.access.expand import Expansion, FindServer
from remit.access.model import BoundaryState, Rule
from remit.access.weight import weight
from remit.access.widen import rule_widens, widenings
from remit.agents.model import Agent
from remit.catalog.methods import target
from remit.catalog.model import Tier
from remit.kernel.clock import Instant, rfc3339
from remit.kernel.errors import Conflict
from remit.kernel.names import ActionName, split_action

TierOf = Callable[[ActionName], Tier]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One version that came into force."""

    version: Version
    reasons: tuple[str, ...]  # why it widens what was in force; empty: it does not
    before: int  # weight of what the boundary allowed until then
    after: int
    points: int  # what it added; at least `after - before`, unless it is what the agent begins with

    @property
    def year(self) -> int:
        """The UTC year of the approval."""
        return year_of(self.version.approved_at or Instant(0))


def year_of(at: Instant) -> int:
    """The UTC year that an instant is in."""
    return int(rfc3339(at)[:4])


def approvals(versions: Iterable[Version], tier: TierOf) -> list[Approval]:
    """Every version of one agent's boundaries that came into force, in order of boundary and version.

    Args:
        versions: All that there ever were of this agent, in any order.
        tier: The risk tier of an action.
    """
    came = sorted(
        (each for each in versions if each.approved_at is not None),
        key=lambda each: (each.draft.boundary, each.version),
    )
    begins = min((each.approved_at or 0 for each in came), default=0)
    return [_approval(before, each, tier, first=each.approved_at == begins) for before, each in _steps(came)]


def _steps(came: Iterable[Version]) -> Iterator[tuple[Version | None, Version]]:
    """Each version with the one that it took over from; None if nothing was in force then."""
    last: Version | None = None
    for each in came:
        same = last is not None and last.draft.boundary == each.draft.boundary
        yield (last if same and last is not None and last.state is not BoundaryState.REVOKED else None), each
        last = each


def _approval(before: Version | None, after: Version, tier: TierOf, *, first: bool) -> Approval:
    reasons = () if first and before is None else widens(before, after)
    return Approval(
        version=after,
        reasons=reasons,
        before=0 if before is None else _sum(before.rules or {}, tier),
        after=_sum(after.rules or {}, tier),
        points=0 if first and before is None else points(before, after, tier),
    )


def widens(before: Version | None, after: Version) -> tuple[str, ...]:
    """Why `after` widens `before`, one line a reason: the word of `widen`, and each action that is let in."""
    if before is None:
        return tuple(f"{action} is added" for action in after.rules or {})
    rules = after.rules or {}
    found = widenings(before, after.draft, Expansion(rules=rules, problems=(), waiting=(), unreviewed=()))
    added = [f"{action} is added" for action in rules if action not in (before.rules or {})]
    return tuple(dict.fromkeys([*found, *added]))


def points(before: Version | None, after: Version, tier: TierOf) -> int:
    """The weight of the actions that `after` lets in or loosens. For another agent or purpose that is all of them."""
    old: Mapping[ActionName, Rule] = {}
    if before is not None and (before.draft.agent, before.draft.purpose) == (after.draft.agent, after.draft.purpose):
        old = before.rules or {}
    rules = (after.rules or {}).items()
    return sum(
        weight(tier(action)) for action, rule in rules if action not in old or any(rule_widens(old[action], rule))
    )


def spent(versions: Iterable[Version], tier: TierOf, *, year: int) -> int:
    """The points that approvals added to one agent's boundaries in a UTC year."""
    return sum(each.points for each in approvals(versions, tier) if each.year == year)


def check_limit(
    agent: Agent, earlier: Iterable[Version], writes: Iterable[Version], tier: TierOf, *, now: Instant
) -> None:
    """Refuse an approval that adds more than is left of the agent's `max_widening` for this year.

    Args:
        agent: Whose boundary; without a limit everything may be approved.
        earlier: Every version of its boundaries as they are.
        writes: What the approval would write.
        tier: The risk tier of an action.
        now: When it is approved.

    Raises:
        Conflict: It adds more than is left.
    """
    if agent.max_widening is None:
        return
    year, known = year_of(now), {_name(each): each for each in earlier}
    before = spent(known.values(), tier, year=year)
    known.update((_name(each), each) for each in writes if each.draft.agent == agent.agent)
    adds = spent(known.values(), tier, year=year) - before
    left = max(0, agent.max_widening - before)
    if adds > left:
        raise Conflict(
            f"this adds {adds} to what {agent.agent} may do, and {left} of {agent.max_widening} are left in {year}",
            try_=f"approve less; or an operator raises max_widening of {agent.agent}, and remit apply DIR",
        )


def tiers(find: FindServer) -> TierOf:
    """The tiers of a catalog; what it does not know is high."""

    def tier(action: ActionName) -> Tier:
        server = find(split_action(action)[0])
        known = None if server is None else target(server, action)
        return Tier.HIGH if known is None else known.tier

    return tier


def _name(version: Version) -> tuple[str, int]:
    return version.draft.boundary, version.version


def _sum(rules: Iterable[ActionName], tier: TierOf) -> int:
    return sum(weight(tier(action)) for action in rules)
