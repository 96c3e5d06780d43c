"""What PostgreSQL roles need beyond what every rotator keeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from tests.authority import OwnAuthority
from tests.contract.postgres_tls import over_tls
from tests.contract.rotator_postgres import PostgresBench
from tests.fault.gate import gate
from tests.real import postgres

from remit.keys.secret import Secret
from remit.vault.document import Cause
from remit.vault.model import Material
from remit.vault.rotator import Plan, Refused, Unclear


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as running:
        yield running


@pytest.fixture
def bench(server: postgres.Postgres) -> PostgresBench:
    return PostgresBench(server)


def _made(bench: PostgresBench, old: Material) -> Material:
    plan = bench.plan(old)
    return asyncio.run(bench.rotator().create(plan, bench.rotator().propose(plan)))


def test_the_statement_log_has_a_verifier_and_no_password(bench: PostgresBench) -> None:
    new = _made(bench, bench.first())
    asyncio.run(bench.rotator().verify(bench.plan(new), new))
    log = bench.server.log
    assert f'ALTER ROLE "{bench.roles[1].replace(chr(34), chr(34) * 2)}" LOGIN PASSWORD \'SCRAM-SHA-256$' in log
    assert new.value.text() not in log


@pytest.mark.parametrize(("cause", "stays"), [(Cause.AGE, True), (Cause.EXPOSURE, False), (Cause.FREEZE, False)])
def test_sessions_of_an_exposed_role_end(bench: PostgresBench, cause: Cause, *, stays: bool) -> None:
    old = bench.first()
    new = _made(bench, old)
    plan = bench.plan(new, old, cause=cause)
    with closing(bench.server.sign_in(old.attributes["user"], old.value.text())) as session:
        if not stays:
            assert not asyncio.run(bench.rotator().gone(plan, old))
        asyncio.run(bench.rotator().revoke(plan, old))
        if stays:
            assert session.execute("SELECT 1").fetchone() == (1,)
        else:
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")
        assert asyncio.run(bench.rotator().gone(plan, old))


def test_who_has_lost_the_step_changes_no_role(bench: PostgresBench) -> None:
    old = bench.first()
    new = _made(bench, old)
    lost = bench.plan(new, old, holds=lambda: False)
    with pytest.raises(Unclear, match="another attempt"):
        asyncio.run(bench.rotator().revoke(lost, old))
    again = replace(new, value=Secret("another password of that role"))
    with pytest.raises(Unclear, match="another attempt"):
        asyncio.run(bench.rotator().create(bench.plan(old, holds=lambda: False), again))
    assert bench.works(old)
    assert bench.works(new)


def test_who_was_stopped_before_the_statement_finds_the_session_ended(bench: PostgresBench) -> None:
    old = bench.first()
    new = _made(bench, old)
    mine = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'remit'"

    def stopped() -> bool:
        """It had the step when it asked, and does not go on until the server has given it up."""
        while bench.server.do(mine) != [(0,)]:
            pass
        return True

    with pytest.raises(Unclear):
        asyncio.run(bench.rotator().revoke(bench.plan(new, old, holds=stopped), old))
    assert bench.works(old)


def test_an_exposed_role_with_a_session_is_not_gone(bench: PostgresBench) -> None:
    old = bench.first()
    new = _made(bench, old)
    with closing(bench.server.sign_in(old.attributes["user"], old.value.text())):
        asyncio.run(bench.rotator().revoke(bench.plan(new, old), old))
        assert asyncio.run(bench.rotator().gone(bench.plan(new, old), old))
        assert not asyncio.run(bench.rotator().gone(bench.plan(new, old, cause=Cause.EXPOSURE), old))


def test_a_role_that_can_log_in_with_another_password_is_not_gone(bench: PostgresBench) -> None:
    old = bench.first()
    new = _made(bench, old)
    assert not asyncio.run(bench.rotator().gone(bench.plan(new, old), bench.wrong(old)))


def test_what_calls_do_is_tried(bench: PostgresBench) -> None:
    new = _made(bench, bench.first())
    for statement in ("SELECT * FROM no_such_table", "SELECT * FROM pg_authid", "NOT SQL"):
        plan = bench.plan(new, settings={**bench.settings, "verify": statement})
        with pytest.raises(Refused):
            asyncio.run(bench.rotator().verify(plan, new))


def test_what_is_tried_is_not_done(bench: PostgresBench) -> None:
    new = _made(bench, bench.first())
    bench.server.do("CREATE TABLE IF NOT EXISTS tried (at int)")
    bench.server.do("GRANT INSERT ON tried TO {}", bench.roles[1])
    plan = bench.plan(new, settings={**bench.settings, "verify": "INSERT INTO tried VALUES (1)"})
    asyncio.run(bench.rotator().verify(plan, new))
    assert bench.server.do("SELECT count(*) FROM tried") == [(0,)]


def test_a_statement_that_takes_too_long_is_cut(bench: PostgresBench) -> None:
    new = _made(bench, bench.first())
    plan = bench.plan(new, settings={**bench.settings, "verify": "SELECT pg_sleep(60)"})
    began = time.monotonic()
    with pytest.raises(Unclear):
        asyncio.run(bench.rotator(seconds=2.5).verify(plan, new))
    assert time.monotonic() - began < 30  # not when it would have ended


def test_a_commit_that_is_not_answered_is_unclear_and_done_again(bench: PostgresBench) -> None:
    old = bench.first()
    with gate(bench.server.port, b"COMMIT") as before:
        plan = bench.plan(old, settings=bench.at(before.port))
        proposed = bench.rotator().propose(plan)
        for when in ("before", "after"):
            before.arm(1, when)
            with pytest.raises(Unclear) as caught:
                asyncio.run(bench.rotator(seconds=2.5).create(plan, proposed))
            assert proposed.value.text() not in caught.value.public + caught.value.detail
            assert bench.server.password not in caught.value.public + caught.value.detail
            assert before.held.is_set()
            assert bench.works(old)
            before.let_go()
        made = asyncio.run(bench.rotator().create(plan, proposed))
    assert bench.works(made)


def test_a_server_that_stands_still_is_unclear(bench: PostgresBench) -> None:
    old = bench.first()
    new = _made(bench, old)
    plan = bench.plan(new, old)
    bench.server.hang()
    try:
        for ask in (bench.rotator(seconds=2.5).verify(plan, new), bench.rotator(seconds=2.5).revoke(plan, old)):
            with pytest.raises(Unclear):
                asyncio.run(ask)
    finally:
        bench.server.go_on()


def test_a_role_that_is_not_there_is_refused(bench: PostgresBench) -> None:
    old = bench.first()
    plan = bench.plan(old, settings={**bench.settings, "roles": [bench.roles[0], "nobody's"]})
    with pytest.raises(Refused, match="42704"):
        asyncio.run(bench.rotator().create(plan, bench.rotator().propose(plan)))
    assert bench.works(old)


def test_another_role_than_the_two_is_not_touched(bench: PostgresBench) -> None:
    old = bench.first()
    strange = Material(value=Secret("whatever it is"), attributes={"user": postgres.ADMIN})
    plan = bench.plan(old)
    for ask in (bench.rotator().create(plan, strange), bench.rotator().revoke(plan, strange)):
        with pytest.raises(Refused, match="neither of the two"):
            asyncio.run(ask)
    assert bench.server.opens(postgres.ADMIN, bench.server.password)


def test_the_user_of_the_administrator_may_stand_in_its_secret(bench: PostgresBench) -> None:
    old = bench.first()
    settings = {name: value for name, value in bench.settings.items() if name != "admin_user"}

    def plan(**attributes: str) -> Plan:
        admin = Material(value=Secret(bench.server.password), attributes=attributes)
        return replace(bench.plan(old, settings=settings), admin=lambda _name: admin)

    proposed = bench.rotator().propose(plan())
    with pytest.raises(Refused, match="as whom"):
        asyncio.run(bench.rotator().create(plan(), proposed))
    asyncio.run(bench.rotator().create(plan(user=postgres.ADMIN), proposed))
    assert bench.works(proposed)


def test_a_server_without_tls_is_not_spoken_to_where_it_must_have_it(bench: PostgresBench) -> None:
    old = bench.first()
    settings = {name: value for name, value in bench.settings.items() if name != "sslmode"}
    plan = bench.plan(old, settings=settings)
    with pytest.raises(Unclear):
        asyncio.run(bench.rotator().create(plan, bench.rotator().propose(plan)))


def test_a_server_is_known_by_its_certificate(bench: PostgresBench, tmp_path: Path) -> None:
    authority, stranger = OwnAuthority(), OwnAuthority()
    for name, pem in (("ca", authority.pem), ("stranger", stranger.pem)):
        (tmp_path / f"{name}.pem").write_text(pem, encoding="utf-8")
    old = bench.first()
    said = {name: value for name, value in bench.settings.items() if name != "sslmode"}  # verify-full

    def plan(port: int, **more: str) -> Plan:
        return bench.plan(old, settings=said | {"port": port} | more)

    known, unknown = str(tmp_path / "ca.pem"), str(tmp_path / "stranger.pem")
    with (
        over_tls(bench.server.port, authority.leaf("127.0.0.1"), tmp_path) as right,
        over_tls(bench.server.port, authority.leaf("another.example.test"), tmp_path) as wrong,
    ):
        proposed = bench.rotator().propose(plan(right))
        made = asyncio.run(bench.rotator().create(plan(right, sslrootcert=known), proposed))
        asyncio.run(bench.rotator().verify(plan(right, sslrootcert=known), made))
        for other in (plan(right, sslrootcert=unknown), plan(right), plan(wrong, sslrootcert=known)):
            with pytest.raises(Unclear):
                asyncio.run(bench.rotator().verify(other, made))
        anybody = plan(wrong, sslrootcert=known, sslmode="verify-ca")
        asyncio.run(bench.rotator().verify(anybody, made))
