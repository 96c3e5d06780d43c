"""The figures of an agent's privilege (pure; integers only). What each means stands in docs/posture.md.

Sums are kept, not ratios: the figures of many agents are those of the sums of all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from remit.access.activation import Activation, ActivationState
from remit.access.judge import usable
from remit.access.weight import weight
from remit.certification.posture.hazard import MILLION, Hazard
from remit.certification.posture.privilege import Reach, Standing
from remit.kernel.clock import DAY, HOUR, Instant

WINDOW: Final = 90 * DAY  # what was not used for this long is unused
_WITHDRAWN: Final = frozenset({ActivationState.LAPSED, ActivationState.SUSPENDED, ActivationState.REVOKED})
_LOW, _MEDIUM = 3_400, 6_700  # hundredths of the index: 0 to 33, 34 to 66, 67 to 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Sums over the entitlements of one agent, or of several. Weights are points."""

    granted: int = 0  # that a boundary in force names
    granted_weight: int = 0
    used: int = 0  # within 90 days, or the record of them is not complete
    used_weight: int = 0
    creep: int = 0  # weight x (1,000,000 - p), p in millionths: used again within 90 days
    direct: int = 0
    direct_weight: int = 0
    latent: int = 0
    latent_weight: int = 0
    person: int = 0
    person_weight: int = 0
    standing: int = 0  # weight x thousandths of the last 24 hours in which it was in force
    withdrawn: Mapping[int, int] = field(default_factory=dict)  # hours from the last use -> withdrawals in 90 days
    lapsed: int = 0  # on the UTC day before, and not back by its end
    returned: int = 0  # came back on the UTC day before after a lapse
    instances: int = 0  # that count against `max_instances`
    max_instances: int = 0

    def __add__(self, other: Tally) -> Tally:
        sums = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "withdrawn"}
        added = {name: value + getattr(other, name) for name, value in sums.items()}
        return Tally(**added, withdrawn=Counter(self.withdrawn) + Counter(other.withdrawn))


def tally(standings: Iterable[Standing], activations: Iterable[Activation], *, table: Hazard, now: Instant) -> Tally:
    """The sums of one agent.

    Args:
        standings: Every entitlement that its boundaries name.
        activations: Every one that was ever started, for what was withdrawn; those of ended boundaries too.
        table: How likely a further use is.
        now: When.
    """
    sums: Counter[str] = Counter()
    for each in standings:
        if each.reach is not Reach.NONE:
            sums.update(_of(each, table, now))
    hours: Counter[int] = Counter()
    yesterday = now // DAY - 1
    for known in activations:
        sums["returned"] += known.cycles.count(yesterday)
        sums["lapsed"] += known.state is ActivationState.LAPSED and known.since // DAY == yesterday
        if known.state in _WITHDRAWN and now - WINDOW < known.since <= now:
            hours[max(0, known.since - known.usage.last) // HOUR] += 1
    return Tally(**sums, withdrawn=dict(hours))


def _of(standing: Standing, table: Hazard, now: Instant) -> dict[str, int]:
    points, used = weight(standing.tier), used_lately(standing)
    known = standing.activation
    days = 0 if known is None else known.usage.days
    kind = standing.reach.value
    return {
        "granted": 1,
        "granted_weight": points,
        "used": int(used),
        "used_weight": points * used,
        "creep": points * (MILLION - table.again(idle=standing.idle // DAY, uses=days)),
        kind: 1,
        f"{kind}_weight": points,
        "standing": points * (1000 * in_force(standing, now) // DAY),
    }


def used_lately(standing: Standing) -> bool:
    """Whether it was used within 90 days. What was used once counts as used while the record is not complete:
    non-use is never assumed.
    """
    known = standing.activation
    return known is not None and known.usage.days > 0 and standing.idle < WINDOW


def in_force(standing: Standing, now: Instant) -> int:
    """For how many microseconds of the last 24 hours it was usable."""
    known = standing.activation
    if known is None:
        return 0
    ended = known.since if not usable(known.state, standing.tier) else now
    return max(0, min(ended, now) - max(known.started, now - DAY))


def figures(sums: Tally) -> dict[str, Any]:
    """What is shown: the sums that mean something by themselves, and the ratios made of them."""
    index = creep_index(sums)
    hours = sums.withdrawn
    return {
        "granted": sums.granted,
        "granted_weight": sums.granted_weight,
        "used": sums.used,
        "unused": sums.granted - sums.used,
        "over_privilege_millionths": over_privilege(sums),
        "creep_index_hundredths": index,
        "creep": "low" if index < _LOW else "medium" if index < _MEDIUM else "high",
        "standing_thousandths": sums.standing,
        "direct": {"count": sums.direct, "weight": sums.direct_weight},
        "latent": {"count": sums.latent, "weight": sums.latent_weight},
        "person": {"count": sums.person, "weight": sums.person_weight},
        "withdrawn": sum(hours.values()),
        "withdrawn_after_hours": {"median": ranked(hours, 50), "p95": ranked(hours, 95)},
        "day_before": {"lapsed": sums.lapsed, "returned": sums.returned},
        "instances": {"live": sums.instances, "most": sums.max_instances},
    }


def over_privilege(sums: Tally) -> int:
    """The share of the granted weight that was not used in 90 days, in millionths; 0 where nothing is granted."""
    return (sums.granted_weight - sums.used_weight) * MILLION // sums.granted_weight if sums.granted_weight else 0


def creep_index(sums: Tally) -> int:
    """The Machine Creep Index in hundredths, 0 to 10,000: 100 x sum w (1 - p) / sum w; 0 where nothing is granted."""
    return sums.creep // (sums.granted_weight * 100) if sums.granted_weight else 0


def ranked(counts: Mapping[int, int], percent: int) -> int | None:
    """The percentile by nearest rank of values that are counted; None of none."""
    rank = -(-percent * sum(counts.values()) // 100)
    for value in sorted(counts):
        rank -= counts[value]
        if rank <= 0:
            return value
    return None
