"""What is still to be told outside: kept until it was taken, tried again ever later, given up after a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from remit.kernel.canonical import canonical
from remit.kernel.clock import EPOCH, HOUR, SECOND, Instant
from remit.kernel.names import new_id
from remit.storage.request_schema import deliveries

MOST_TRIES: Final = 30  # the last one about a day after the first
_FIRST: Final = 5 * SECOND
_LONGEST: Final = HOUR
WEBHOOK: Final = "webhook"
MAIL: Final = "mail"
CALLBACK: Final = "callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing to tell one receiver. At least once: a receiver tells by `delivery` what it has."""

    delivery: str  # `dlv_`
    way: str
    target: str  # a URL, or an address
    body: dict[str, Any]
    tries: int = 0
    due: Instant = EPOCH


def wait_after(tries: int) -> int:
    """Microseconds until it is tried again, after so many tries: 5 s, 10 s, 20 s, ... an hour."""
    return int(min(_FIRST * 2 ** min(tries - 1, 20), _LONGEST))


class SqlDeliveries:
    """Deliveries, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, way: str, target: str, body: dict[str, Any], *, due: Instant) -> None:
        """One more."""
        values = {"delivery": new_id("dlv"), "way": way, "target": target, "tries": 0, "due": due}
        self._connection.execute(insert(deliveries).values(**values, body=canonical(body).decode("utf-8")))

    def due(self, now: Instant, most: int) -> list[Delivery]:
        """Those to be tried now, the longest due first; but whom agents named may be slow, and hold up nobody else."""
        order = (deliveries.c.way == CALLBACK, deliveries.c.due)
        query = select(deliveries).where(deliveries.c.due <= now).order_by(*order).limit(most)
        return [_delivery(row) for row in self._connection.execute(query)]

    def again(self, delivery: Delivery, *, now: Instant) -> bool:
        """It was not taken; whether it is tried again."""
        tries = delivery.tries + 1
        if tries >= MOST_TRIES:
            self.done(delivery)
            return False
        values = {"tries": tries, "due": now + wait_after(tries)}
        of_it = deliveries.c.delivery == delivery.delivery
        self._connection.execute(update(deliveries).where(of_it).values(values))
        return True

    def done(self, delivery: Delivery) -> None:
        """It was taken, or is given up."""
        self._connection.execute(delete(deliveries).where(deliveries.c.delivery == delivery.delivery))


def _delivery(row: Any) -> Delivery:  # noqa: ANN401 - a row of the table
    return Delivery(
        delivery=row.delivery, way=row.way, target=row.target, tries=row.tries, due=row.due,
        body=msgspec.json.decode(row.body),
    )  # fmt: skip
