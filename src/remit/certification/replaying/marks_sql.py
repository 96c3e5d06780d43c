"""How far the record of use had come when verdicts were made from it: what a replay reads up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from remit.access.activation import ActivationKey
from remit.certification.replaying.reading import digest
from remit.certification.together_sql import SqlTogether
from remit.certification.usage.sql import SqlUsage, SqlUseDays
from remit.kernel.clock import Instant


def marks(connection: Connection, keys: Sequence[ActivationKey], at: Instant) -> dict[ActivationKey, dict[str, Any]]:
    """For each entitlement: the digest of its days of use, and of its sources the newest batch. Within a change.

    Its sources are those that tell of its server, or of that of what is used together with it, or told of it once.
    """
    if not keys:
        return {}
    sources, days = SqlUsage(connection).sources(), SqlUseDays(connection).days_of(keys)
    # One that was taken off tells no more, and what it told of these is read still.
    told = {key: {row.key.source for row in rows} for key, rows in days.items()}
    beside = SqlTogether(connection).beside(keys)
    servers = {key: {key.scope, *(each.scope for each in beside.get(key, ()))} for key in keys}
    return {
        key: {
            "days_sha256": digest(days.get(key, ()), at),
            "upto": {
                each.source: each.batch
                for each in sources
                if not servers[key].isdisjoint(each.servers) or each.source in told.get(key, ())
            },
        }
        for key in keys
    }
