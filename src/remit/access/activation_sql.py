"""Activations in the database: one row each, the transition apart from the use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select, tuple_, update

from remit.access.activation import Activation, ActivationKey, Usage
from remit.access.activation_row import activation_of, gaps_text, row_of
from remit.kernel.clock import Instant
from remit.storage.activate import serials, write
from remit.storage.model import Activate
from remit.storage.schema import activations

_KEY = tuple_(activations.c.agent, activations.c.purpose, activations.c.action, activations.c.scope)
_STARTED = activations.c.serial > 0  # serial 0: a place that was held and not taken


class SqlActivations:
    """Activations, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_agent(self, agent: str) -> list[Activation]:
        """Every activation of one agent that was ever started."""
        query = select(activations).where(activations.c.agent == agent, _STARTED)
        return [activation_of(row) for row in self._connection.execute(query)]

    def find(self, key: ActivationKey) -> Activation | None:
        """One activation, or None."""
        row = self._connection.execute(select(activations).where(tuple_(*key) == _KEY, _STARTED)).one_or_none()
        return None if row is None else activation_of(row)

    def due(self, now: Instant, most: int) -> list[Activation]:
        """Up to `most` activations whose verdict may have changed by `now`, the longest due first."""
        query = select(activations).where(activations.c.due <= now, _STARTED).order_by(activations.c.due).limit(most)
        return [activation_of(row) for row in self._connection.execute(query)]

    def after(self, key: Sequence[str], most: int) -> list[Activation]:
        """Up to `most` activations with higher keys than `key`, in order: for a full sweep."""
        order = (activations.c.agent, activations.c.purpose, activations.c.action, activations.c.scope)
        query = select(activations).where(tuple_(*key) < _KEY, _STARTED).order_by(*order).limit(most)
        return [activation_of(row) for row in self._connection.execute(query)]

    def put(self, activation: Activation, *, expected: int, due: int) -> bool:
        """Write a transition, if the stored serial still is `expected` (0: there is none); whether it was."""
        if serials(self._connection, [activation.key])[activation.key] != expected:
            return False
        write(self._connection, [Activate(activation.key, expected, row_of(activation, due=due))], [])
        return True

    def use(self, key: ActivationKey, usage: Usage, *, due: int) -> None:
        """Write what was seen of its use."""
        values = {
            "last": usage.last, "covered": usage.covered, "days": usage.days, "gaps": gaps_text(usage), "due": due,
        }  # fmt: skip
        newer = activations.c.last <= usage.last  # another node may have seen a later one
        self._connection.execute(update(activations).where(tuple_(*key) == _KEY, newer).values(values))

    def postpone(self, keys: Iterable[tuple[ActivationKey, int]]) -> None:
        """Say when each is due next."""
        for key, due in keys:
            self._connection.execute(update(activations).where(tuple_(*key) == _KEY).values(due=due))
