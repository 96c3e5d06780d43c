"""Operators' tokens: the admin token in its file, and personal tokens. Only hashes are stored."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from remit.kernel.clock import Clock, Instant, rfc3339
from remit.kernel.errors import Forbidden, Malformed, Unauthenticated
from remit.kernel.names import check_name
from remit.server.operators import ADMIN, Operator, Role
from remit.storage.ports import Transaction
from remit.storage.schema import operators

_PREFIX = "rmt_"
_FOREVER = 2**62
TOPIC = "operators"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A token that was issued: its hash, whose it is, what it may, until when."""

    token_hash: str
    person: str
    role: Role
    created: Instant
    expires: Instant

    @property
    def id(self) -> str:
        """What people call it by. It is made from the hash, and the token cannot be found from it."""
        return f"opt_{self.token_hash[:20]}"


def token_hash(token: str) -> str:
    """What is stored of a token. It has 256 random bits, so a plain hash cannot be guessed from."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def load(connection: Connection) -> Mapping[str, Known]:
    """Every token by its hash."""
    rows = connection.execute(select(operators)).mappings()
    return {
        row["token_hash"]: Known(
            token_hash=row["token_hash"],
            person=row["person"],
            role=Role(row["role"]),
            created=Instant(row["created"]),
            expires=Instant(row["expires"]),
        )
        for row in rows
    }


def issue(transaction: Transaction, *, person: str, role: str, expires: Instant, now: Instant) -> str:
    """Make a personal token; it is shown once and cannot be read again.

    Raises:
        Malformed: No such role, or a name that no person may have.
    """
    check_name(person, what="a person")
    if person == ADMIN:
        raise Malformed("no person is called admin", try_="name the person who will use the token")
    if role not in set(Role) - {Role.ADMIN}:
        raise Malformed(f"a role is one of {', '.join(sorted(set(Role) - {Role.ADMIN}))}")
    token = _PREFIX + secrets.token_urlsafe(32)
    _store(transaction, token, person=person, role=Role(role), expires=expires, now=now)
    return token


def revoke(transaction: Transaction, called: str) -> list[Known]:
    """End the personal token of that id, or every one of that person; what was ended. The admin token stays."""
    found = [
        known
        for known in load(transaction.connection).values()
        if known.role is not Role.ADMIN and called in (known.id, known.person)
    ]
    for known in found:
        transaction.connection.execute(delete(operators).where(operators.c.token_hash == known.token_hash))
    if found:
        transaction.touch(TOPIC)
    return found


def ensure_admin(
    transaction: Transaction, path: Path, *, now: Instant, others: Callable[[str], Collection[str]] = lambda _: ()
) -> bool:
    """Make sure that the file at `path` holds the one admin token that works. Returns whether it was made anew.

    Whoever can write the file could as well read the token, so a file whose token the
    database does not know is replaced, and older admin tokens stop working.

    Where several nodes share a database each has such a file: `others` is told the hash of this one's token, and
    returns those of the other nodes, which go on working.
    """
    present = _read(path)
    known = load(transaction.connection)
    if present is not None and (found := known.get(token_hash(present))) and found.role is Role.ADMIN:
        others(found.token_hash)
        return False
    token = _PREFIX + secrets.token_urlsafe(32)
    theirs = set(others(token_hash(token)))
    older = (operators.c.role == Role.ADMIN, operators.c.token_hash.not_in(theirs))
    transaction.connection.execute(delete(operators).where(*older))
    _store(transaction, token, person=ADMIN, role=Role.ADMIN, expires=Instant(_FOREVER), now=now)
    _write(path, token)
    return True


def _store(transaction: Transaction, token: str, *, person: str, role: Role, expires: Instant, now: Instant) -> None:
    row = {
        "token_hash": token_hash(token),
        "person": person,
        "role": role.value,
        "created": now,
        "expires": expires,
    }
    transaction.connection.execute(insert(operators).values(**row))
    transaction.touch(TOPIC)


def _read(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        status = os.fstat(file.fileno())
        if status.st_mode & 0o077 or status.st_uid != os.geteuid():
            return None  # it may have been read by others: replaced
        return file.read(1024).strip() or None


def _write(path: Path, token: str) -> None:
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


class Doorkeeper:
    """Tells from a request's headers which operator it is. Memory only; reloaded when tokens change."""

    def __init__(self, *, clock: Clock, dev: bool) -> None:
        self._clock = clock
        self._dev = dev
        self._known: Mapping[str, Known] = {}

    def reload(self, connection: Connection) -> None:
        """Read all tokens again; swapping the reference is the only change that readers see."""
        self._known = load(connection)

    def follow(self, _epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """What to subscribe to the feed."""
        if TOPIC in topics:
            self.reload(connection)

    def operator(self, *, authorization: str | None, act_as: str | None) -> Operator:
        """The operator of a request.

        Raises:
            Unauthenticated: No token, or none that works.
            Forbidden: `Remit-Act-As` without `--dev`, or with another token than the admin's.
        """
        known = self._token(authorization)
        if act_as is None:
            issued = None if known.role is Role.ADMIN else known.created
            roles = frozenset({known.role.value})
            return Operator(person=known.person, roles=roles, issued=issued, by=known.token_hash)
        if not self._dev or known.role is not Role.ADMIN:
            raise Forbidden(
                "acting as someone else needs the admin token of a server started with --dev",
                try_="use that person's own token: remit operator token PERSON --role ROLE",
            )
        check_name(act_as, what="a person")
        # Whoever holds the admin token of a --dev server already may do all it may; the person adds a name.
        roles = frozenset({Role.ADMIN, Role.OWNER})
        return Operator(person=act_as, roles=roles, behind=known.person, by=known.token_hash)

    def stands(self, operator: Operator) -> bool:
        """Whether the token that made someone this operator still works: not revoked, and not at its end.

        For what outlives a request, such as a console's session: a request asks `operator`, every time. A role is its
        token's for good, so that a person who gets another one has another token.
        """
        known = self._known.get(operator.by)
        return known is not None and self._clock.now() < known.expires

    def _token(self, authorization: str | None) -> Known:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("a token is needed", try_="set REMIT_TOKEN or REMIT_TOKEN_FILE")
        known = self._known.get(token_hash(token.strip()))
        if known is None:
            raise Unauthenticated("this token is not known here", try_="remit operator token PERSON --role ROLE")
        if known.expires <= self._clock.now():
            raise Unauthenticated(
                "this token has expired",
                detail=f"expired {rfc3339(known.expires)}",
                try_="remit operator token PERSON --role ROLE",
            )
        return known

    def listing(self) -> list[Known]:
        """Every token that was issued, without the tokens."""
        return sorted(self._known.values(), key=lambda known: (known.person, known.created))
