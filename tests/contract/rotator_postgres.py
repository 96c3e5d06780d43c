"""The bench of PostgreSQL roles."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

from tests.contract.rotating import Bench
from tests.real.postgres import ADMIN, HOST, Postgres

from remit.keys.secret import Secret
from remit.vault.model import Material
from remit.vault.rotator import Refused
from remit.vault.rotators.postgres import PostgresRole

_count = itertools.count()


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Loopback alone."""
    if host != HOST:
        raise Refused("not here")
    return (HOST,)


class PostgresBench(Bench):
    """Two roles of its own."""

    kinds = ("silent", "closes", "no HTTP", "page", "500")
    impatient = 2.5  # libpq dials for two seconds at least

    def __init__(self, server: Postgres) -> None:
        self.server = server
        mine = next(_count)
        self.roles = (f"payments a {mine}", f'payments "b" {mine}')  # names that must be quoted
        server.roles(*self.roles)
        self.settings = {
            "host": HOST, "port": server.port, "database": "postgres", "roles": list(self.roles), "admin": "pg-admin",
            "admin_user": ADMIN, "sslmode": "disable", "verify": "SELECT count(*) FROM pg_class",
        }  # fmt: skip

    def rotator(self, *, seconds: float = 9.0) -> PostgresRole:
        return PostgresRole(resolve, seconds=seconds)

    def first(self) -> Material:
        password = secrets.token_urlsafe(24)
        with self.server.owner() as owner:
            owner.execute(f"ALTER ROLE \"{self.roles[0]}\" LOGIN PASSWORD '{password}'".encode())
        return Material(value=Secret(password), attributes={"user": self.roles[0]})

    def works(self, it: Material) -> bool:
        return self.server.opens(it.attributes["user"], it.value.text())

    def count(self) -> int:
        (answer,) = self.server.do("SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname LIKE 'payments%'")
        return int(answer[0])

    def admin(self, name: str) -> Material:  # noqa: ARG002 - the port's
        return Material(value=Secret(self.server.password))

    def denied(self) -> Material:
        return Material(value=Secret("not the password of that user"))

    def at(self, port: int) -> dict[str, Any]:
        return {**self.settings, "port": port}
