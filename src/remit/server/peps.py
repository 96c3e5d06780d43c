"""Registered enforcement points and their tokens. A token is shown once; only its hash is stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from remit.enforcement.model import Point
from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict, NotFound, Unauthenticated
from remit.kernel.names import check_name
from remit.keys.base64url import encode
from remit.server.operator_tokens import token_hash
from remit.storage.ports import Transaction
from remit.storage.schema import peps

_PREFIX = "rmp_"
TOPIC = "peps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An enforcement point that was registered."""

    point: Point
    created: Instant


def add(transaction: Transaction, name: str, *, now: Instant) -> str:
    """Register an enforcement point; its token, which cannot be read again.

    Raises:
        Malformed: It may not be called that.
        Conflict: There is one of that name.
    """
    check_name(name, what="an enforcement point")
    connection = transaction.connection
    if connection.execute(select(peps.c.pep).where(peps.c.pep == name)).first() is not None:
        raise Conflict("there is an enforcement point of that name", try_=f"remit pep remove {name}")
    token = _PREFIX + secrets.token_urlsafe(32)
    connection.execute(insert(peps).values(pep=name, token_hash=token_hash(token), created=now))
    transaction.touch(TOPIC)
    return token


def remove(transaction: Transaction, name: str) -> None:
    """End an enforcement point: its token works no more.

    Raises:
        NotFound: There is none of that name.
    """
    gone = transaction.connection.execute(delete(peps).where(peps.c.pep == name).returning(peps.c.pep))
    if gone.first() is None:
        raise NotFound("there is no enforcement point of that name", try_="remit pep list")
    transaction.touch(TOPIC)


class Gatekeeper:
    """Tells from a request's `Authorization` which enforcement point it is. Memory only; reloaded on change."""

    def __init__(self) -> None:
        self._known: Mapping[str, Known] = {}

    def reload(self, connection: Connection) -> None:
        """Read all again; swapping the reference is the only change that readers see."""
        rows = connection.execute(select(peps)).mappings()
        self._known = {
            row["token_hash"]: Known(
                point=Point(row["pep"], _instance(row["token_hash"])), created=Instant(row["created"])
            )
            for row in rows
        }

    def follow(self, _epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """What to subscribe to the feed."""
        if TOPIC in topics:
            self.reload(connection)

    def point(self, authorization: str | None) -> Point:
        """The enforcement point that makes a request.

        Raises:
            Unauthenticated: No token, or none that works.
        """
        return self.known(self.shown(authorization))

    def shown(self, authorization: str | None) -> str:
        """The hash of the token that a request shows.

        Raises:
            Unauthenticated: It shows none.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("the token of an enforcement point is needed", try_="remit pep add NAME")
        return token_hash(token.strip())

    def known(self, shown: str) -> Point:
        """The enforcement point whose token has that hash.

        Raises:
            Unauthenticated: There is none, or not any more.
        """
        known = self._known.get(shown)
        if known is None:
            raise Unauthenticated("this token is not known here", try_="remit pep add NAME")
        return known.point

    def listing(self) -> list[Known]:
        """Every one, without the tokens."""
        return sorted(self._known.values(), key=lambda known: known.point.name)


def _instance(stored: str) -> str:
    """What the token's bearer is called as an instance, to be frozen by: not the stored hash, which finds the token."""
    return encode(hashlib.sha256(stored.encode("ascii")).digest())
