"""Which tokens were revoked before they expired: durable in rows, and in memory for the check on every call."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Row, select

from remit.kernel.clock import Clock, Instant
from remit.storage.schema import revoked_tokens
from remit.storage.upsert import insert

_TOPIC = "token:"


def topic(token: str) -> str:
    """What the feed says of a revocation."""
    return _TOPIC + token


def revoke(connection: Connection, token: str, *, agent: str, expires: Instant) -> bool:
    """Keep that a token was revoked; False if it was before."""
    row = {"key": token, "agent": agent, "expires": expires}
    inserted = insert(revoked_tokens, connection).values(row).on_conflict_do_nothing().returning(revoked_tokens.c.key)
    return connection.execute(inserted).first() is not None


class Revoked:
    """The ids of revoked tokens that have not expired. Readers see one reference, swapped on change."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, int] = {}

    def has(self, token: str) -> bool:
        """Whether the token of that id was revoked."""
        return token in self._until

    def reload(self, connection: Connection) -> None:
        """Read all of them."""
        self._until = self._live(connection.execute(select(revoked_tokens)))

    def follow(self, _epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """What to subscribe to the feed: new ones are read, expired ones forgotten."""
        told = [each.removeprefix(_TOPIC) for each in topics if each.startswith(_TOPIC)]
        if told:
            found = connection.execute(select(revoked_tokens).where(revoked_tokens.c.key.in_(told)))
            now = self._clock.now()
            kept = {token: until for token, until in self._until.items() if until > now}
            self._until = kept | self._live(found)

    def _live(self, rows: Iterable[Row[tuple[str, str, int]]]) -> dict[str, int]:
        now = self._clock.now()
        return {row.key: row.expires for row in rows if row.expires > now}
