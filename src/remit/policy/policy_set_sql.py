"""Policy sets, and what was counted of one that is observed, in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import Instant
from remit.policy.flips import Count, Kind, Tally, merged
from remit.policy.policy_set import PolicySet, SetState
from remit.storage.policy_schema import policy_flips, policy_sets

_SHOWN: Final = [column for column in policy_sets.c if column.name != "body"]


class SqlPolicySets:
    """Policy sets, on one connection. What they hold is read alone: it may be megabytes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[PolicySet]:
        """Every set, newest first."""
        query = select(*_SHOWN).order_by(policy_sets.c.number.desc())
        return [_set(row) for row in self._connection.execute(query)]

    def find(self, version: str) -> PolicySet | None:
        """One set, or None."""
        row = self._connection.execute(select(*_SHOWN).where(policy_sets.c.version == version)).one_or_none()
        return None if row is None else _set(row)

    def with_digest(self, digest: str) -> PolicySet | None:
        """The newest set of these files, or None."""
        return self._first(policy_sets.c.digest == digest)

    def in_state(self, state: SetState) -> PolicySet | None:
        """The set in a state that one set has at most (enforced, observe)."""
        return self._first(policy_sets.c.state == state.value)

    def files(self, version: str) -> dict[str, str]:
        """The files of a set, by name; none of a set that there is not."""
        query = select(policy_sets.c.body).where(policy_sets.c.version == version)
        body = self._connection.execute(query).scalar_one_or_none()
        return {} if body is None else dict(parse(body))

    def put(self, value: PolicySet, files: Mapping[str, str] | None = None) -> None:
        """Write a new set with its files; without them, the state of one that is there."""
        moved = {"state": value.state.value, "since": value.since}
        if files is None:
            self._connection.execute(update(policy_sets).where(policy_sets.c.version == value.version).values(moved))
            return
        whole = {
            "version": value.version, "number": value.number, "digest": value.digest, "files": value.files,
            "body": canonical(dict(files)).decode("utf-8"), "by": value.by, "created": value.created,
        }  # fmt: skip
        self._connection.execute(insert(policy_sets).values(**whole, **moved))

    def remove(self, version: str) -> None:
        """Delete a set, and what was counted of it."""
        self._connection.execute(delete(policy_flips).where(policy_flips.c.version == version))
        self._connection.execute(delete(policy_sets).where(policy_sets.c.version == version))

    def _first(self, where: ColumnElement[bool]) -> PolicySet | None:
        row = self._connection.execute(select(*_SHOWN).where(where).order_by(policy_sets.c.number.desc())).first()
        return None if row is None else _set(row)


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


def files_of(connection: Connection, version: str) -> dict[str, str]:
    """The files of a set."""
    return SqlPolicySets(connection).files(version)


def _tally(row: Row[Any]) -> Tally:
    examples: Iterable[Any] = parse(row.examples)
    return {(Kind(row.kind), row.policy): Count(row.times, list(examples))}


def _set(row: Row[Any]) -> PolicySet:
    return PolicySet(
        number=row.number,
        digest=row.digest,
        files=row.files,
        state=SetState(row.state),
        by=row.by,
        created=Instant(row.created),
        since=Instant(row.since),
    )
