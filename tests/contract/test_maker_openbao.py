"""What OpenBao leases, at a real one whose database engine makes logins of a real PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.contract.rotating import ANSWERS, Sending, answering, nobody
from tests.real.openbao import OpenBao
from tests.real.postgres import ADMIN, HOST, Postgres, running

from remit.kernel.clock import HOUR, SECOND, Instant, SystemClock
from remit.kernel.names import SecretName
from remit.keys.secret import Secret
from remit.people.document import SpecInvalid
from remit.vault.maker import Made, Order, Prepared
from remit.vault.makers.openbao import OpenBaoLease, read
from remit.vault.model import Material, check_attributes, check_value
from remit.vault.rotator import Refused, Unclear

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the server comes from PyPI
_count = itertools.count()
MAY = """
path "auth/token/create-orphan" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
path "auth/token/lookup-accessor" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        yield server


@dataclass
class Bench:
    """A path that gives logins for an hour, and an administrator who may have it read, and nothing else."""

    bao: OpenBao
    postgres: Postgres

    def __post_init__(self) -> None:
        name = self.name = f"reports-{next(_count)}"
        self.bao.mount("database", "database")
        self.bao.done("POST", f"database/config/{name}", {
            "plugin_name": "postgresql-database-plugin", "allowed_roles": [name], "username": ADMIN,
            "password": self.postgres.password, "password_authentication": "scram-sha-256",
            "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@{HOST}:{self.postgres.port}/postgres"
            "?sslmode=disable",
        })  # fmt: skip
        made = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
        self.bao.done("POST", f"database/roles/{name}", {
            "db_name": name, "creation_statements": [made], "default_ttl": "30m", "max_ttl": "1h",
        })  # fmt: skip
        self.bao.policy(f"{name}-reader", f'path "database/creds/{name}" {{ capabilities = ["read"] }}')
        self.bao.policy(f"{name}-admin", MAY)
        self.token = self.bao.token_for(f"{name}-admin", f"{name}-reader")
        self.settings: dict[str, Any] = {
            "url": self.bao.address, "path": f"database/creds/{name}", "policies": [f"{name}-reader"],
            "admin": "bao-admin",
        }  # fmt: skip
        self.maker = OpenBaoLease(Sending())

    def order(self, **said: Any) -> Order:
        now = SystemClock().now()
        return Order(**{
            "lease": "lea_1", "secret": SecretName("reports"), "settings": self.settings, "begun": now,
            "admin": lambda _name: Material(value=Secret(self.token)), "ends": Instant(now + HOUR), **said,
        })  # fmt: skip

    def made(self, order: Order) -> tuple[Order, Made]:
        """Prepared and made; the order as it is then recorded."""

        async def both() -> Made:
            return await self.maker.make(order, await self.maker.prepare(order))

        made = asyncio.run(both())
        return replace(order, handle=made.handle), made

    def opens(self, it: Material) -> bool:
        return self.postgres.opens(it.attributes["user"], it.value.text())

    def taken(self, order: Order) -> bool:
        """Ended, and whether it is gone."""

        async def both() -> bool:
            await self.maker.end(order)
            return await self.maker.gone(order)

        return asyncio.run(both())

    def roles(self) -> int:
        return int(self.postgres.do("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'v-%'")[0][0])


@pytest.fixture
def bench(openbao: OpenBao, postgres: Postgres) -> Iterator[Bench]:
    made = Bench(openbao, postgres)
    yield made
    assert made.roles() == 0


def test_one_is_made_and_gone(bench: Bench) -> None:
    order, made = bench.made(bench.order())
    check_value(made.material.value)
    check_attributes(made.material.attributes)
    assert bench.opens(made.material)
    assert made.ends == order.begun + 1800 * SECOND  # it says itself when it ends
    assert not asyncio.run(bench.maker.gone(order))
    for _ in range(3):
        assert bench.taken(order)
    assert not bench.opens(made.material)
    assert made.material.value.text() not in str(made.handle)


def test_what_was_made_and_not_recorded_goes_by_what_was_prepared(bench: Bench) -> None:
    order, made = bench.made(bench.order())
    accessor = {"accessor": order.handle["accessor"]}
    assert bench.taken(replace(order, handle=accessor))  # as after a kill -9 between the answer and its record
    while bench.opens(made.material):  # OpenBao ends what was leased to it by itself
        pass
    assert bench.taken(order)


def test_what_was_prepared_and_never_made_is_taken_away(bench: Bench) -> None:
    order = bench.order()
    prepared = asyncio.run(bench.maker.prepare(order))
    order = replace(order, handle=prepared.handle)
    assert not asyncio.run(bench.maker.gone(order))
    assert bench.taken(order)
    with pytest.raises(Refused):
        asyncio.run(bench.maker.make(order, prepared))


def test_an_administrator_with_a_role_leaves_it_when_its_own_token_ends(bench: Bench) -> None:
    role, secret = bench.bao.approle(bench.name, f"{bench.name}-admin", f"{bench.name}-reader")
    admin = Material(value=Secret(secret), attributes={"role_id": role})
    order, made = bench.made(bench.order(admin=lambda _name: admin))
    assert bench.opens(made.material)
    assert bench.taken(order)
    assert not bench.opens(made.material)


def test_who_may_not_does_not_take_a_refusal_for_gone(bench: Bench) -> None:
    order, _ = bench.made(bench.order())
    nobody_ = Material(value=Secret(bench.bao.token_for("default")))
    denied = replace(order, admin=lambda _name: nobody_)
    for ask in (bench.maker.end, bench.maker.gone, bench.maker.prepare):
        with pytest.raises(Refused):
            asyncio.run(ask(denied))
    assert bench.taken(order)


def test_what_is_not_leased_is_refused(bench: Bench) -> None:
    bench.bao.mount("kv-plain", "kv")
    bench.bao.done("POST", "kv-plain/x", {"username": "u", "password": "for-ever-and-ever"})
    bench.bao.policy("plain-reader", 'path "kv-plain/x" { capabilities = ["read"] }')
    token = bench.bao.token_for(f"{bench.name}-admin", "plain-reader")
    settings = bench.settings | {"path": "kv-plain/x", "policies": ["plain-reader"], "value": "missing"}
    order = bench.order(settings=settings, admin=lambda _name: Material(value=Secret(token)))
    with pytest.raises(Refused) as caught:
        bench.made(order)
    assert "for-ever" not in str(caught.value) + caught.value.detail


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_a_wrong_answer_is_never_gone(bench: Bench, kind: str) -> None:
    order = bench.order(handle={"accessor": "a", "lease_id": "b"})
    bench.maker = OpenBaoLease(Sending(), seconds=0.4)
    with answering(kind) as port:
        settings = bench.settings | {"url": f"http://127.0.0.1:{port}"}
        asked = replace(order, settings=settings)
        for ask in (bench.maker.prepare, bench.maker.gone):
            try:
                assert asyncio.run(ask(asked)) is False
            except (Refused, Unclear):
                continue
        with pytest.raises((Refused, Unclear)):
            asyncio.run(bench.maker.make(asked, Prepared(handle={}, key=Secret("t"))))
    with nobody() as port, pytest.raises(Unclear):
        asyncio.run(bench.maker.gone(replace(order, settings=settings | {"url": f"http://127.0.0.1:{port}"})))


@pytest.mark.parametrize("changed", [
    {"url": "ftp://x"}, {"path": "/database/creds/x"}, {"path": "../sys"}, {"policies": []}, {"admin": None},
    {"value": "a b"}, {"more": 1},
])  # fmt: skip
def test_settings_that_are_wrong(changed: dict[str, Any]) -> None:
    said = {"url": "http://bao.test:8200", "path": "database/creds/x", "policies": ["p"], "admin": "bao-admin"}
    read(said)
    with pytest.raises(SpecInvalid):
        read(said | changed)
