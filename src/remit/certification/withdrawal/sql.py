"""Withdrawals in the database, and what of an agent's there ever was to withdraw."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, delete, insert, select, update

from remit.access.activation_sql import SqlActivations
from remit.access.codec import rules_from
from remit.certification.withdrawal.withdraw import Entitlement, Withdrawal, comes_back
from remit.kernel.clock import Instant
from remit.kernel.names import split_action
from remit.storage.governance_schema import withdrawals
from remit.storage.schema import boundaries

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Withdrawal).decode
_OPEN, _LAPSING, _ENDED = "open", "lapsing", "ended"  # lapsing: open too, and not urgent
_LOOK = 10  # begun ones of one agent that are looked at for one to join


class Stored(NamedTuple):
    """A withdrawal, and the text it was read from: whoever writes it finds out whether somebody else did."""

    withdrawal: Withdrawal
    body: str


class SqlWithdrawals:
    """Withdrawals, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, withdrawal: Withdrawal) -> None:
        """Insert one."""
        row = {"withdrawal": withdrawal.id, "agent": withdrawal.agent, **_values(withdrawal)}
        self._connection.execute(insert(withdrawals).values(row))

    def find(self, name: str) -> Stored | None:
        """One by its id; None if there is none, or it was forgotten."""
        return next(iter(self._stored(select(withdrawals).where(withdrawals.c.withdrawal == name))), None)

    def begun(self, agent: str, cause: str, *, now: Instant) -> Withdrawal | None:
        """The newest of an agent for one cause that may wait for its first step, held as by `hold`."""
        query = (
            select(withdrawals.c.body)
            .where(withdrawals.c.due <= now, withdrawals.c.agent == agent, withdrawals.c.state != _ENDED)
            .order_by(withdrawals.c.withdrawal.desc())
            .limit(_LOOK)
            .with_for_update()
        )
        for body in self._connection.execute(query).scalars():
            found = _decode(body)
            if found.cause == cause:
                return found
        return None

    def due(self, now: Instant, most: int) -> list[Stored]:
        """Up to `most` open ones with something to do by `now`, the longest due first.

        What only lapsed, and may be very much at once, comes after all that ended for a better reason.
        """
        found: list[Stored] = []
        for state in (_OPEN, _LAPSING):
            query = select(withdrawals).where(withdrawals.c.due <= now, withdrawals.c.state == state)
            query = query.order_by(withdrawals.c.due, withdrawals.c.withdrawal)
            found += self._stored(query.limit(most - len(found))) if len(found) < most else []
        return found

    def listing(self, *, agent: str | None, unfinished: bool, most: int) -> list[Withdrawal]:
        """The newest first."""
        query = select(withdrawals).order_by(withdrawals.c.withdrawal.desc()).limit(most)
        if agent is not None:
            query = query.where(withdrawals.c.agent == agent)
        if unfinished:
            query = query.where(withdrawals.c.state != _ENDED)
        return [each.withdrawal for each in self._stored(query)]

    def hold(self, stored: Stored) -> bool:
        """Whether it still is as it was read; until the end of this transaction nobody else writes it then."""
        mine = (withdrawals.c.withdrawal == stored.withdrawal.id, withdrawals.c.body == stored.body)
        query = select(withdrawals.c.withdrawal).where(*mine).with_for_update()
        return self._connection.execute(query).first() is not None

    def write(self, withdrawal: Withdrawal) -> None:
        """Replace one that is held."""
        of = withdrawals.c.withdrawal == withdrawal.id
        self._connection.execute(update(withdrawals).where(of).values(_values(withdrawal)))

    def lease(self, stored: Stored, until: Instant) -> None:
        """Keep one that is held from being due again before `until`, without a change of it."""
        of = withdrawals.c.withdrawal == stored.withdrawal.id
        self._connection.execute(update(withdrawals).where(of).values(due=until))

    def forget(self, now: Instant, most: int) -> int:
        """Delete up to `most` that ended long ago; how many."""
        old = select(withdrawals.c.withdrawal).where(withdrawals.c.due <= now, withdrawals.c.state == _ENDED)
        names = list(self._connection.execute(old.limit(most)).scalars())
        if names:
            self._connection.execute(delete(withdrawals).where(withdrawals.c.withdrawal.in_(names)))
        return len(names)

    def _stored(self, query: Select[Any]) -> list[Stored]:
        return [Stored(_decode(row.body), row.body) for row in self._connection.execute(query)]


def _values(withdrawal: Withdrawal) -> dict[str, Any]:
    state = (_LAPSING if comes_back(withdrawal.cause) else _OPEN) if withdrawal.open else _ENDED
    return {"state": state, "due": withdrawal.due, "body": _encode(withdrawal).decode("utf-8")}


def known(connection: Connection, agent: str) -> set[Entitlement]:
    """Everything of an agent's that ever was in force, and all that a boundary of its, in any version, ever named."""
    found = {Entitlement(each.purpose, each.action, each.scope) for each in SqlActivations(connection).keys_of(agent)}
    query = select(boundaries.c.purpose, boundaries.c.rules).where(boundaries.c.agent == agent)
    for purpose, rules in connection.execute(query.where(boundaries.c.rules.is_not(None))):
        found |= {Entitlement(purpose, action, split_action(action)[0]) for action in rules_from(rules)}
    return found
