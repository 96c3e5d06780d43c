"""Runs that go on, inside a group commit: locked as they are read, and written. Plain SQLAlchemy, once for a batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, bindparam, select, tuple_, update

from remit.storage.effects import Going
from remit.storage.model import Renew
from remit.storage.schema import instances, runs

_READ = (
    select(runs.c.run, runs.c.ends, runs.c.token_expires)
    .where(runs.c.run.in_(bindparam("names", expanding=True)))
    .order_by(runs.c.run)
    .with_for_update(skip_locked=True)
)
_GO_ON = update(runs).where(runs.c.run == bindparam("name")).values(token_expires=bindparam("expires"))
_HELD = (
    select(instances.c.agent, instances.c.instance)
    .where(tuple_(instances.c.agent, instances.c.instance).in_(bindparam("names", expanding=True)))
    .order_by(instances.c.agent, instances.c.instance)
    .with_for_update(skip_locked=True)
)
_SEEN = (
    update(instances)
    .where(instances.c.agent == bindparam("of"), instances.c.instance == bindparam("name"))
    .values(credential=bindparam("by"), last_seen=bindparam("at"))
)


def going(connection: Connection, names: Collection[str]) -> dict[str, Going]:
    """The ends of the runs `names`, locked until the commit; without those that another node is changing just now.

    Nothing here waits for another node, so no two wait for each other; what is left out is renewed by a change.
    """
    found = connection.execute(_READ, {"names": sorted(names)})
    return {row.run: Going(row.ends, row.token_expires) for row in found}


def write(connection: Connection, renewed: Mapping[str, tuple[Renew, Going]]) -> None:
    """Write runs that `going` has locked, and that their instances were seen, unless another node just writes that."""
    ordered = sorted(renewed.items())
    connection.execute(_GO_ON, [{"name": run, "expires": now.token_expires} for run, (_, now) in ordered])
    seen = {(each.agent, each.instance): each for _, (each, _) in ordered}
    held = {tuple(row) for row in connection.execute(_HELD, {"names": sorted(seen)})}
    rows = [
        {"of": key[0], "name": key[1], "by": each.credential, "at": each.seen}
        for key, each in sorted(seen.items())
        if key in held
    ]
    if rows:
        connection.execute(_SEEN, rows)
