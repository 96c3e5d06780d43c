"""Nodes that lend logins of a real PostgreSQL, on one database and a clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import delete
from tests.real.postgres import ADMIN, HOST, Postgres
from tests.unit.vault.rotation_world import Entries

from remit.attestation.model import Caller
from remit.catalog.injection import Basic
from remit.kernel.clock import HOUR, FixedClock, Instant, Micros
from remit.kernel.names import (
    ActionName,
    AgentName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    SecretName,
    ServerName,
)
from remit.keys.keyfile import KeyfileProvider
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.policy.model import Call
from remit.server.leasing import Leasing
from remit.server.revoking import Revoking
from remit.storage.credential_schema import due, leases
from remit.storage.memory import MemoryWriter
from remit.vault.document import Dynamic
from remit.vault.lease import Lease, Standing
from remit.vault.lease_sql import SqlLeases
from remit.vault.leases import Leases
from remit.vault.maker import Maker
from remit.vault.makers.postgres import PostgresLogin
from remit.vault.model import Material
from remit.vault.rotator import Unclear
from remit.vault.service import Lent

NOON = Instant(1_800_000_000_000_000)
NAME = SecretName("reports-db")
GROUP = "reporting"
TO_API = Basic(secret=NAME, user="x")


def group(postgres: Postgres) -> None:
    """What made roles are in."""
    postgres.do("CREATE ROLE {} NOLOGIN", GROUP)
    postgres.do("GRANT {} TO {} WITH ADMIN OPTION", GROUP, ADMIN)
    postgres.do("GRANT CREATE, USAGE ON SCHEMA public TO {}", GROUP)


def call(instance: str = "one", action: str = "billing:GET /x") -> Call:
    """A call that was let through."""
    caller = Caller(
        agent=AgentName("bot"), instance=InstanceId(instance), credential="k", purpose=PurposeName("work"),
        run=RunId("run_1"), token="t", expires=Instant(NOON + HOUR), bound=True,
    )  # fmt: skip
    return Call(
        id=DecisionId("dec_1"), caller=caller, server=ServerName("billing"), action=ActionName(action), arguments={}
    )


@cache
def _writer() -> MemoryWriter:
    writer = MemoryWriter()
    with TemporaryDirectory() as folder:
        provider = KeyfileProvider.create(Path(folder) / "k" / "keyfile")
    writer.change(lambda tx: KeyRing.create(tx, provider, now=NOON))
    return writer


@dataclass
class World:
    """One secret, and the nodes that lend what is made for it."""

    postgres: Postgres
    settings: dict[str, Any] = field(default_factory=dict)
    standing: Standing = field(default_factory=Standing)
    down: bool = False
    alive: set[str] = field(default_factory=lambda: {"a", "b"})
    maker: Callable[[Maker], Maker] = lambda made: made

    def __post_init__(self) -> None:
        self.settings = self.settings or {
            "host": HOST, "port": self.postgres.port, "database": "postgres", "sslmode": "disable",
            "roles": [GROUP], "admin": "db-admin", "admin_user": ADMIN,
        }  # fmt: skip
        self.dynamic: Dynamic | None = Dynamic(maker="postgres", settings=self.settings, ttl=Micros(HOUR))
        self.standing = Standing(dynamic=self.dynamic)
        self.clock, self.records, self.writer = FixedClock(NOON), Entries(), _writer()
        self.writer.feed._subscribers = ()
        self.writer.change(lambda tx: [tx.connection.execute(delete(table)) for table in (leases, due)])
        self.pages: list[dict[str, Any]] = []
        self.a, self.b = self.node("a"), self.node("b")

    def node(self, name: str) -> Revoking:
        """A process."""
        changes = Leases(records=self.records, clock=self.clock, pager=self)
        leasing = Leasing(
            leases=changes, makers={"postgres": self.maker(PostgresLogin(self._resolve))}, admin=self._admin,
            dynamic=lambda _name: self.dynamic, allows=lambda *_, **__: None, standing=lambda _it, _call: self.standing,
            writer=self.writer, clock=self.clock, node=lambda: name, thread=_inline,
        )  # fmt: skip
        made = Revoking(
            leasing=leasing, leases=changes, writer=self.writer, reader=self.writer, clock=self.clock,
            node=lambda: name, alive=lambda _connection: self.alive, thread=_inline,
        )  # fmt: skip
        self.writer.feed.subscribe(made.follow)
        return made

    def page(self, tx: object, what: str, said: dict[str, Any]) -> None:
        assert (tx is not None, what) == (True, said["what"])
        self.pages.append(said)

    def lend(self, node: Revoking, *calls: Call) -> list[Lent]:
        """What each of these gets, asked for at the same time."""

        async def together() -> list[Lent]:
            return await asyncio.gather(*(node.leasing.lend(TO_API, each) for each in calls))

        return asyncio.run(together())

    def tick(self, node: Revoking) -> None:
        asyncio.run(node.tick())

    def listing(self) -> list[Lease]:
        return self.writer.read(lambda connection: SqlLeases(connection).listing(every=True, most=100))

    def states(self) -> list[str]:
        return [each.state.value for each in self.listing()]

    def roles(self) -> set[str]:
        rows = self.postgres.do("SELECT rolname FROM pg_roles WHERE rolname LIKE 'remit_lea%'")
        return {row[0] for row in rows}

    def opens(self, it: Lent) -> bool:
        return self.postgres.opens(it.attributes["user"], it.value.text())

    def changes(self, lease: str) -> list[str]:
        return [each["change"] for each in self.records.said if each.get("name") == lease]

    async def _resolve(self, host: str, port: int) -> tuple[str, ...]:
        assert (host, port) == (HOST, self.postgres.port)
        if self.down:
            raise Unclear("the server's name has no address")
        return (HOST,)

    def _admin(self, name: str, **_: object) -> Material:
        assert name == "db-admin"
        return Material(value=Secret(self.postgres.password))


async def _inline(work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments)
