"""How many requests may wait for Remit itself at once, from how long the last ones had to (pure).

Additive increase, multiplicative decrease, as TCP does since RFC 5681, with the time in the queue as its signal, as in
CoDel (RFC 8289): a machine that answers sooner lets more wait, and nobody has to know how fast a machine is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from remit.kernel.clock import Micros

WINDOW: Final = Micros(100_000)  # after which the limit is looked at again
_GROWS: Final = 10  # by one part in so many, each window
_SHRINKS: Final = (4, 5)  # to four parts of five


class Bounds(NamedTuple):
    """Between what a lane's limit moves. `target` is how long one may wait, on the average of a window."""

    least: int  # a group commit needs some that wait together
    most: int  # a burst of so many is taken, if the one before it is over
    target: Micros


def adjusted(limit: int, *, count: int, waited: int, bounds: Bounds) -> int:
    """The limit of the next window.

    Args:
        limit: Of the window that is over.
        count: Requests whose waiting ended in it.
        waited: Microseconds that they waited, added up.
        bounds: Of the lane.
    """
    if waited > count * bounds.target:
        part, whole = _SHRINKS
        return max(bounds.least, limit * part // whole)
    return min(bounds.most, limit + max(1, limit // _GROWS))


def share(limit: int, callers: int) -> int:
    """How many of `limit` one caller may hold: twice what each would get, and never more than half.

    A half is left to others at every moment, also to those who have not come yet.

    Args:
        limit: Of the lane.
        callers: Who hold any now, with the one who asks.
    """
    return max(1, min(limit // 2, 2 * limit // max(1, callers)))
