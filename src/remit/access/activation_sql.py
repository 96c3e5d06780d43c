"""Activations in the database: one row each, the transition (sealed) apart from the use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, select, tuple_, update

from remit.access.activation import Activation, ActivationKey, Usage
from remit.access.activation_row import activation_of, gaps_text, row_of
from remit.access.activation_seal import MEMBER, UNSEALED, Unsealed
from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.storage.activate import serials, write
from remit.storage.model import Activate
from remit.storage.schema import activations

_NAMES = ("agent", "purpose", "action", "scope")
_COLUMNS = [activations.c[name] for name in _NAMES]
_KEY = tuple_(*_COLUMNS)
_STARTED = activations.c.serial > 0  # serial 0: a place that was held and not taken
_log = structlog.get_logger("remit.access")


class SqlActivations:
    """Activations, on one connection."""

    def __init__(self, connection: Connection, seal: Unsealed = UNSEALED) -> None:
        self._connection = connection
        self._seal = seal

    def of_agent(self, agent: str) -> list[Activation]:
        """Every activation of one agent that was ever started.

        Raises:
            IntegrityFailed: One of them was not written here.
        """
        query = select(activations).where(activations.c.agent == agent, _STARTED)
        return [self._opened(row) for row in self._connection.execute(query)]

    def find(self, key: ActivationKey) -> Activation | None:
        """One activation, or None.

        Raises:
            IntegrityFailed: It was not written here.
        """
        row = self._connection.execute(select(activations).where(tuple_(*key) == _KEY, _STARTED)).one_or_none()
        return None if row is None else self._opened(row)

    def some(self, keys: Sequence[ActivationKey]) -> Iterator[tuple[Activation, int]]:
        """Those of `keys` that there are, and when each is due. What was not written here is logged and left out."""
        if not keys:
            return
        for row in self._connection.execute(select(activations).where(_KEY.in_(keys), _STARTED)):
            try:
                yield self._opened(row), row.due
            except IntegrityFailed as error:
                _log.error("not judged", error=error.public)

    def keys_of(self, agent: str) -> list[ActivationKey]:
        """The keys of one agent's activations."""
        return _keys(self._connection.execute(select(*_COLUMNS).where(activations.c.agent == agent, _STARTED)))

    def due(self, now: Instant, most: int) -> list[ActivationKey]:
        """Up to `most` activations whose verdict may have changed by `now`, the longest due first."""
        query = select(*_COLUMNS).where(activations.c.due <= now, _STARTED).order_by(activations.c.due).limit(most)
        return _keys(self._connection.execute(query))

    def after(self, key: Sequence[str], most: int) -> list[ActivationKey]:
        """Up to `most` activations with higher keys than `key`, in order: for a full sweep."""
        query = select(*_COLUMNS).where(tuple_(*key) < _KEY, _STARTED).order_by(*_COLUMNS).limit(most)
        return _keys(self._connection.execute(query))

    def put(self, activation: Activation, *, expected: int, due: int) -> bool:
        """Write a transition, if the stored serial still is `expected` (0: there is none); whether it was."""
        if serials(self._connection, [activation.key])[activation.key] != expected:
            return False
        write(self._connection, [Activate(activation.key, expected, row_of(activation, due=due))], [], self._seal.close)
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
        self._write("due", keys)

    def unsealed(self) -> ActivationKey | None:
        """One that carries no seal at all, if there is any: from before there were seals, or made by somebody else."""
        query = select(*_COLUMNS).where(_STARTED, activations.c.body.not_like(f"%{MEMBER}%")).limit(1)
        return next(iter(_keys(self._connection.execute(query))), None)

    def reseal(self, at: Sequence[str], most: int) -> tuple[list[ActivationKey], int]:
        """Seal up to `most` rows behind `at` as they are: (their keys, how many were not sealed as they are)."""
        query = select(activations).where(tuple_(*at) < _KEY, _STARTED).order_by(*_COLUMNS).limit(most)
        rows, bodies = self._connection.execute(query).all(), []
        for row in rows:
            try:
                self._opened(row)
            except IntegrityFailed:
                found = activation_of(row)
                bodies.append((found.key, self._seal.close(found.key, row.serial, row_of(found, due=row.due).body)))
        self._write("body", bodies)
        return _keys(rows), len(bodies)

    def _write(self, column: str, rows: Iterable[tuple[ActivationKey, Any]]) -> None:
        values = [{f"of_{name}": part for name, part in zip(_NAMES, key, strict=True)} | {"new": new}
                  for key, new in rows]  # fmt: skip
        if values:
            of = [activations.c[name] == bindparam(f"of_{name}") for name in _NAMES]
            self._connection.execute(update(activations).where(*of).values({column: bindparam("new")}), values)

    def _opened(self, row: Any) -> Activation:  # noqa: ANN401 - a row of the table
        self._seal.check((row.agent, row.purpose, row.action, row.scope), row.serial, row.body)
        return activation_of(row)


def _keys(rows: Iterable[Any]) -> list[ActivationKey]:
    return [
        ActivationKey(AgentName(row.agent), PurposeName(row.purpose), ActionName(row.action), row.scope) for row in rows
    ]
