"""Policy sets, and what was counted of one that is observed, in the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import Instant
from remit.policy.flips import Count, Kind, Tally, merged
from remit.policy.policy_set import PolicySet, SetState
from remit.storage.policy_schema import policy_flips, policy_sets


class SqlPolicySets:
    """Policy sets, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[PolicySet]:
        """Every set, newest first."""
        query = select(policy_sets).order_by(policy_sets.c.number.desc())
        return [_set(row) for row in self._connection.execute(query)]

    def find(self, version: str) -> PolicySet | None:
        """One set, or None."""
        query = select(policy_sets).where(policy_sets.c.version == version)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _set(row)

    def in_state(self, state: SetState) -> PolicySet | None:
        """The set in a state that one set has at most (enforced, observe)."""
        query = select(policy_sets).where(policy_sets.c.state == state.value).order_by(policy_sets.c.number.desc())
        row = self._connection.execute(query).first()
        return None if row is None else _set(row)

    def put(self, value: PolicySet) -> None:
        """Insert or replace."""
        values = {"state": value.state.value, "since": value.since}
        done = self._connection.execute(
            update(policy_sets).where(policy_sets.c.version == value.version).values(values)
        )
        if done.rowcount == 0:
            files = canonical(dict(value.files)).decode("utf-8")
            whole = {
                "version": value.version, "number": value.number, "digest": value.digest, "files": files,
                "by": value.by, "created": value.created,
            }  # fmt: skip
            self._connection.execute(insert(policy_sets).values(**whole, **values))

    def remove(self, version: str) -> None:
        """Delete a set, and what was counted of it."""
        self._connection.execute(delete(policy_flips).where(policy_flips.c.version == version))
        self._connection.execute(delete(policy_sets).where(policy_sets.c.version == version))


class SqlFlips:
    """What was counted, on one connection. Each node has rows of its own, so that nodes wait for none."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, version: str, base: str, node: str, tally: Tally) -> None:
        """Add a node's counts since it added last."""
        known = self._read(version, base, node)
        for (kind, policy), count in merged([known, tally]).items():
            at = {"version": version, "base": base, "node": node, "kind": kind.value, "policy": policy}
            values = {"times": count.count, "examples": canonical(list(count.examples)).decode("utf-8")}
            if (kind, policy) in known:
                here = [policy_flips.c[name] == value for name, value in at.items()]
                self._connection.execute(update(policy_flips).where(*here).values(values))
            else:
                self._connection.execute(insert(policy_flips).values(**at, **values))

    def of(self, version: str, base: str) -> Tally:
        """What all nodes counted of a set while `base` was in force."""
        return self._read(version, base, None)

    def _read(self, version: str, base: str, node: str | None) -> Tally:
        query = select(policy_flips).where(policy_flips.c.version == version, policy_flips.c.base == base)
        if node is not None:
            query = query.where(policy_flips.c.node == node)
        return merged(_tally(row) for row in self._connection.execute(query))


def observed(connection: Connection) -> PolicySet | None:
    """The set that is observed, or None."""
    return SqlPolicySets(connection).in_state(SetState.OBSERVE)


def _tally(row: Row[Any]) -> Tally:
    examples: Iterable[Any] = parse(row.examples)
    return {(Kind(row.kind), row.policy): Count(row.times, list(examples))}


def _set(row: Row[Any]) -> PolicySet:
    return PolicySet(
        number=row.number,
        digest=row.digest,
        files=parse(row.files),
        state=SetState(row.state),
        by=row.by,
        created=Instant(row.created),
        since=Instant(row.since),
    )
