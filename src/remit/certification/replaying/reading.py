"""What a verdict read of the record of use, and what the record says of the same moment later (pure).

A verdict's entry holds the use that it was made from, so that somebody else can derive that again from the days of
use. A day that was not over is only compared by its last use: what was used later on it cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import Any, Final

from remit.access.activation import MOST_GAPS, Usage
from remit.certification.usage.days import UseDay
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant, Micros

_WRONG: Final = HOUR  # for how far a wall clock may have been wrong, and set right
LATE: Final = 5 * MINUTE  # what another node saw is written down within this time


def said_of(usage: Usage) -> dict[str, Any]:
    """Use, as it stands in a verdict's entry."""
    return {"last": usage.last, "covered": usage.covered, "days": usage.days, "gaps": list(usage.gaps)}


def usage_from(said: Mapping[str, Any]) -> Usage:
    """What `said_of` wrote."""
    return Usage(Instant(said["last"]), Micros(said["covered"]), said["days"], tuple(said["gaps"]))


def digest(rows: Iterable[UseDay], at: int) -> str:
    """Hex SHA-256 over every row of the days that were over at a moment, whatever order they come in."""
    over = (at - LATE) // DAY
    said = [
        [row.key.day, row.key.source, row.uses, row.denied, row.errors, row.first, row.last]
        for row in sorted(rows)
        if row.key.day < over
    ]
    return sha256(canonical(said)).hexdigest()


def newest_days(usage: Usage) -> list[int]:
    """The newest days of use that a usage tells of, the newest first: at most one more than it has gaps."""
    if not usage.days:
        return []
    return list(accumulate(reversed(usage.gaps), lambda day, gap: day - gap, initial=usage.last // DAY))


def rules_digest(text: str) -> str:
    """Hex SHA-256 of the stored rules of one version of a boundary: what a verdict says that it was judged by."""
    return sha256(text.encode("utf-8")).hexdigest()


def too_fast(run: int, passed: int) -> bool:
    """Whether the coverage clock cannot have run for so long while so much time passed: it never outruns the other."""
    return run > max(0, passed) + _WRONG


def older(usage: Usage, days: Collection[int], since: int) -> bool:
    """Whether some of the use is from before its days were written down, which began on the day `since`.

    So of a newer day a row must be there, and of an older one it may be missing. A use that is older than the newest
    gaps is not known by its day: where there are more than there are rows, it is taken to be from before too.
    """
    told = newest_days(usage)
    missing = any(day <= since and day not in days for day in told)
    return missing or (len(usage.gaps) == MOST_GAPS and usage.days > len(days))


def as_of(rows: Sequence[UseDay], at: int, recorded: Usage) -> Usage:
    """The use that `rows` tell of up to a moment.

    Of the day of that moment the last use cannot be told apart from later ones, so there the recorded one stands if
    it lies within what the row says. The same holds of what another node may have written down later.
    """
    for until in (at, at - LATE):
        if (found := _until(rows, until, recorded)) == recorded:
            return found
    return _until(rows, at, recorded)


def _until(rows: Sequence[UseDay], at: int, recorded: Usage) -> Usage:
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for row in rows:
        if row.uses and row.first <= at:
            first[row.key.day] = min(row.first, first.get(row.key.day, row.first))
            last[row.key.day] = max(min(row.last, at), last.get(row.key.day, row.first))
    if not last:
        return Usage(recorded.last, recorded.covered) if not recorded.days else Usage(Instant(0), recorded.covered)
    days = sorted(last)
    newest = days[-1]
    gaps = tuple(right - left for left, right in pairwise(days[-MOST_GAPS - 1 :]))
    within = (at - LATE) // DAY <= newest and first[newest] <= recorded.last <= last[newest]
    return Usage(Instant(recorded.last if within else last[newest]), recorded.covered, len(days), gaps)
