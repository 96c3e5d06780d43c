"""Runs that end before their time, and every live token with them.

A token says its run, so its run's id stands among the revoked ones for as long as any token of it
could live: one row ends all of them, whichever was issued last.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, select, update

from remit.kernel.clock import MINUTE, Instant
from remit.kernel.names import RunId
from remit.storage.schema import runs
from remit.tokens.model import RUN_IDLE, TOKEN_LIFETIME
from remit.tokens.revoked import revoke

_SLACK = MINUTE  # nodes' clocks may differ


def open_purposes(connection: Connection, agent: str, *, opened: Instant, now: Instant) -> list[str]:
    """The purposes for which an agent has runs, opened by then, that may still be open at `now`."""
    query = select(runs.c.purpose).where(*_open(agent, opened, now)).distinct()
    return sorted(connection.execute(query).scalars())


def end_runs(
    connection: Connection, agent: str, purposes: Collection[str], *, opened: Instant, now: Instant
) -> list[tuple[RunId, str]]:
    """End an agent's open runs for these purposes that were opened by then, and their tokens; (run, instance) of each.

    Touch `revoked.topic(run)` of each, so that every node refuses its tokens. Again is harmless.
    """
    here = (*_open(agent, opened, now), runs.c.purpose.in_(sorted(purposes)))
    ended = connection.execute(
        update(runs).where(*here).values(ends=now).returning(runs.c.run, runs.c.instance, runs.c.token_expires)
    ).all()
    for run, _, expires in ended:
        # One that is renewed on another node at this moment may get a token that ends later.
        until = max(expires, now + TOKEN_LIFETIME) + _SLACK
        revoke(connection, run, agent=agent, expires=Instant(until))
    return sorted((RunId(run), str(instance)) for run, instance, _ in ended)


def _open(agent: str, opened: Instant, now: Instant) -> tuple[ColumnElement[bool], ...]:
    return (
        runs.c.agent == agent,
        runs.c.opened <= opened,
        runs.c.ends > now,
        runs.c.token_expires > now - RUN_IDLE,
    )
