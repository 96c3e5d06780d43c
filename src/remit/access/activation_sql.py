"""Activations in the database: one row each, the transition (sealed) apart from the use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, bindparam, case, func, or_, select, true, tuple_, update

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_row import activation_of, gaps_text, row_of, suspended
from remit.access.activation_seal import MEMBER, UNSEALED, Unsealed
from remit.access.judge import NEEDED
from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.logs import logger
from remit.storage.activate import serials, write
from remit.storage.model import Activate, ActivationRow
from remit.storage.schema import activations

_NAMES = ("agent", "purpose", "action", "scope")
_COLUMNS = [activations.c[name] for name in _NAMES]
_KEY = tuple_(*_COLUMNS)
_STARTED = activations.c.serial > 0  # serial 0: a place that was held and not taken
_FORGED_PLACE = and_(activations.c.serial <= 0, activations.c.body != "")  # what is only held says nothing
# What an idle clock that goes on again may end (`judge`, rule 5 before 6 and 7).
_UNKNOWN = (ActivationState.NEEDS_USAGE, ActivationState.NEEDS_HUMAN)
_SOME = 500  # keys in one query: four variables each
_VALUES = ActivationRow.__slots__
_RESEALED = (
    update(activations)
    .where(*(activations.c[name] == bindparam(f"of_{name}") for name in _NAMES))
    .values({name: bindparam(f"new_{name}") for name in _VALUES})
)
_EMPTY = {"serial": 0, "body": "", "due": 2**62}
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, msgspec.DecodeError)
_log = logger("remit.access")


class Resealed(NamedTuple):
    """An activation that was not as it was recorded, and what was made of it."""

    key: ActivationKey
    how: str  # sealed: as it is; suspended: it could not be read; emptied: it was never started


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

    def count(self) -> int:
        """How many there are that were ever started."""
        return self._connection.execute(select(func.count()).select_from(activations).where(_STARTED)).scalar_one()

    def counts(self, agents: Sequence[str]) -> dict[str, int]:
        """The same, of each of `agents`."""
        query = select(activations.c.agent, func.count().label("many")).where(activations.c.agent.in_(agents), _STARTED)
        return {row.agent: row.many for row in self._connection.execute(query.group_by(activations.c.agent))}

    def waiting(self, scope: str, agent: str = "", beside: Sequence[ActivationKey] = ()) -> int:
        """How many may lapse once the record of a scope (of one agent there) is believed, as last recorded: at most.

        Those of which nobody can tell whether they are used, and those that need a person, which may be unused too;
        there, and among what is used together with something there (`beside`). And what something else needs.
        """
        so = or_(*(activations.c.body.like(f'%"state":"{each.value}"%') for each in _UNKNOWN))
        mine = activations.c.agent == agent if agent else true()
        needed = activations.c.body.like(f'%"why":"{NEEDED}"%')  # kept while something needs it, which may lapse then
        any_of = or_(and_(activations.c.scope == scope, so), needed)
        query = select(func.count()).select_from(activations).where(_STARTED, any_of, mine)
        found: int = self._connection.execute(query).scalar_one()
        elsewhere = [key for key in beside if key.scope != scope]
        for at in range(0, len(elsewhere), _SOME):
            some = _KEY.in_(elsewhere[at : at + _SOME])
            there = select(func.count()).select_from(activations).where(_STARTED, some, so, mine)
            found += self._connection.execute(there).scalar_one()
        return found

    def put(self, activation: Activation, *, expected: int, due: int) -> bool:
        """Write a transition, if the stored serial still is `expected` (0: there is none); whether it was."""
        if serials(self._connection, [activation.key])[activation.key] != expected:
            return False
        write(self._connection, [Activate(activation.key, expected, row_of(activation, due=due))], [], self._seal.close)
        return True

    def use(self, key: ActivationKey, usage: Usage, *, due: int) -> None:
        """Write what was seen of its use."""
        covered = case((activations.c.covered > usage.covered, activations.c.covered), else_=usage.covered)
        values = {
            "last": usage.last, "covered": covered, "days": usage.days, "gaps": gaps_text(usage), "due": due,
        }  # fmt: skip
        newer = activations.c.last <= usage.last  # another node may have seen a later one
        self._connection.execute(update(activations).where(tuple_(*key) == _KEY, newer).values(values))

    def postpone(self, keys: Iterable[tuple[ActivationKey, int]]) -> None:
        """Say when each is due next."""
        self._write("due", keys)

    def due_now(self, scopes: Sequence[str], now: Instant) -> None:
        """Have everything of these scopes that can still change by itself judged now."""
        can = (_STARTED, activations.c.scope.in_(scopes), activations.c.due < _EMPTY["due"], activations.c.due > now)
        self._connection.execute(update(activations).where(*can).values(due=now))

    def unsealed(self) -> ActivationKey | None:
        """One that carries no seal at all, if there is any: from before there were seals, or made by somebody else.

        A place that is only held has none and says nothing; if it says something, that is somebody else's.
        """
        bare = and_(_STARTED, activations.c.body.not_like(f"%{MEMBER}%"))
        query = select(*_COLUMNS).where(or_(bare, _FORGED_PLACE)).limit(1)
        return next(iter(_keys(self._connection.execute(query))), None)

    def reseal(self, at: Sequence[str], most: int) -> tuple[list[ActivationKey], list[Resealed]]:
        """Seal up to `most` rows behind `at` as they are: (their keys, those that were not as they were recorded)."""
        query = select(activations).where(tuple_(*at) < _KEY, or_(_STARTED, _FORGED_PLACE))
        rows, strays = self._connection.execute(query.order_by(*_COLUMNS).limit(most)).all(), list[Resealed]()
        written: list[dict[str, Any]] = []
        for row in rows:
            try:
                self._opened(row)
            except IntegrityFailed:
                (key,) = _keys([row])
                how, values = self._resealed(key, row)
                strays.append(Resealed(key, how))
                written.append({f"of_{name}": part for name, part in zip(_NAMES, key, strict=True)} | values)
        if written:
            self._connection.execute(_RESEALED, written)
        return _keys(rows), strays

    def _resealed(self, key: ActivationKey, row: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - a row of the table
        """One row as it is, with a seal. What cannot be read grants nothing, and only a person starts it again."""
        if isinstance(row.serial, int) and row.serial <= 0:
            return "emptied", {f"new_{name}": _EMPTY.get(name, getattr(row, name)) for name in _VALUES}
        try:
            found, how = activation_of(row), "sealed"
        except _UNREADABLE:
            found, how = suspended(row), "suspended"
        stored = row_of(found, due=0)  # judged at once
        body = self._seal.close(key, stored.serial, stored.body)
        return how, {f"new_{name}": value for name, value in (asdict(stored) | {"body": body}).items()}

    def _write(self, column: str, rows: Iterable[tuple[ActivationKey, Any]]) -> None:
        values = [{f"of_{name}": part for name, part in zip(_NAMES, key, strict=True)} | {"new": new}
                  for key, new in rows]  # fmt: skip
        if values:
            of = [activations.c[name] == bindparam(f"of_{name}") for name in _NAMES]
            self._connection.execute(update(activations).where(*of).values({column: bindparam("new")}), values)

    def _opened(self, row: Any) -> Activation:  # noqa: ANN401 - a row of the table
        try:
            self._seal.check((row.agent, row.purpose, row.action, row.scope), row.serial, row.body)
            return activation_of(row)
        except _UNREADABLE as error:
            raise IntegrityFailed(
                f"the entitlement of {row.agent} to {row.action} cannot be read",
                detail=repr(error),
                try_="remit audit verify, then remit up --accept-state, which suspends what cannot be read",
            ) from error


def _keys(rows: Iterable[Any]) -> list[ActivationKey]:
    return [
        ActivationKey(AgentName(row.agent), PurposeName(row.purpose), ActionName(row.action), row.scope) for row in rows
    ]
