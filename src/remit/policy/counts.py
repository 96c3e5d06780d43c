"""What counters hold, as the database has them: all that every node has counted, for who asks without calling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, select, tuple_

from remit.kernel.clock import Instant
from remit.storage.schema import counters

_AT_ONCE: Final = 1000  # a statement takes no more than some ten thousand values


def held(connection: Connection, wanted: Sequence[tuple[str, Instant]]) -> dict[tuple[str, int], int]:
    """What each counter holds, by its key and window; without those of which nothing was ever used."""
    found: dict[tuple[str, int], int] = {}
    for first in range(0, len(wanted), _AT_ONCE):
        some = wanted[first : first + _AT_ONCE]
        query = select(counters).where(tuple_(counters.c.key, counters.c.window).in_(some))
        found.update({(row.key, row.window): row.used for row in connection.execute(query)})
    return found
