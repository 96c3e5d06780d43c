"""A database login is made for each instance, and ends with its access: a real Remit, API and PostgreSQL."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from tests.e2e.lent import GROUP, Lent, gone, group, lent
from tests.e2e.running import Home, ok, waited
from tests.real.postgres import Postgres, running

from remit.vault.echo import forms


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        group(server)
        yield server


@pytest.fixture
def place(home: Home, tmp_path: Path, postgres: Postgres) -> Iterator[Lent]:
    with lent(home, tmp_path, postgres) as found:
        yield found


def test_fifty_calls_at_once_make_one_login_which_is_gone_with_a_freeze(place: Lent) -> None:
    with place.agent() as http, ThreadPoolExecutor(50) as pool:
        assert place.call(http).status_code == 200  # its activation begins; what was lent is taken away again
        place.remit("secret", "leases", "--end", place.leases()[0]["lease"], "--wait")
        place.ledger.unlink()
        answers = list(pool.map(lambda _: place.call(http), range(50)))
        assert {each.status_code for each in answers} == {200}
        (login,) = set(place.logins())
        user, password = login
        assert place.roles() == [user]
        session = place.postgres.sign_in(user, password)
        assert session.execute("SELECT pg_has_role(current_user, %s, 'USAGE')", (GROUP,)).fetchone() == (True,)
        place.remit("freeze", "bot")
        assert place.call(http).status_code == 403
        gone(place)
        with pytest.raises(psycopg.OperationalError):  # what was open is closed
            session.execute("SELECT 1")
        assert not place.postgres.opens(user, password)
        waited(lambda: {each["state"] for each in place.leases()} == {"ended"})
        lease = place.leases()[0]
        assert (lease["why"], lease["told"], lease["user"]) == ("stopped", "revoked", user)
        place.remit("unfreeze", "bot")
        assert place.call(http).status_code == 200
        assert len(set(place.logins())) == 2  # and no third one
    place.remit("audit", "verify")


def test_what_a_killed_process_had_made_is_gone_after_its_restart(place: Lent) -> None:
    with place.agent() as http:
        assert place.call(http).status_code == 200
        place.up.end(signal.SIGKILL)
        (user,) = place.roles()
    with place.home.up("--dev") as again:
        place.up = again
        gone(place)
        (lease,) = waited(lambda: [each for each in place.leases() if each["state"] == "ended"] or None)
        assert (lease["why"], lease["user"]) == ("node", user)
        with place.agent() as http:
            assert place.call(http).status_code == 200
        assert len(place.roles()) == 1
    assert place.roles() == []  # it stopped, and took along what it had made


def test_its_value_stands_nowhere(place: Lent) -> None:
    with place.agent() as http:
        assert place.call(http).status_code == 200
        ((user, password),) = place.logins()
        echoed = http.get(f"{place.up.ready['api']}/http/billing/echo")
        assert password not in echoed.text
    told = place.remit("audit", "tail", "--count", "100", "--json").out + str(place.leases())
    assert user in told
    place.up.end()
    kept = b"".join(path.read_bytes() for path in place.home.data.rglob("*") if path.is_file())
    seen = [kept, told.encode(), place.up.err.encode(), place.postgres.log.encode()]
    assert f'CREATE ROLE "{user}"' in place.postgres.log
    for form in forms(password.encode()):
        assert not any(form in each for each in seen)


def test_one_is_taken_away_by_hand_and_by_a_change_of_its_document(place: Lent) -> None:
    with place.agent() as http:
        assert place.call(http).status_code == 200
        (lease,) = place.leases()
        done = place.remit("secret", "leases", "--end", lease["lease"], "--wait")
        assert done.out == f"{lease['lease']}: gone at its provider\n"
        assert place.roles() == []
        place.remit("secret", "leases", "--end", lease["lease"], code=9)
        assert place.call(http).status_code == 200
        assert len(place.roles()) == 1
        path = place.files / "secrets" / "reports-db.yaml"
        path.write_text(path.read_text("utf-8").replace('"roles"', '"connections": 3, "roles"'), encoding="utf-8")
        ok(place.home.remit("apply", str(place.files), "--as", "dana"))
        gone(place)
        assert {each["why"] for each in place.leases()} == {"asked", "changed"}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_of_two_nodes_each_ends_what_is_to_end_wherever_that_is_said(
    home: Home, tmp_path: Path, postgres: Postgres, postgres_url: str
) -> None:
    options = ("--database", postgres_url, "--keyfile", str(tmp_path / "keyfile"))
    with (
        lent(home, tmp_path, postgres, *options) as place,
        home.up("--dev", "--data", str(tmp_path / "b"), *options) as b,
    ):
        there = {"REMIT_URL": b.ready["api"], "REMIT_TOKEN_FILE": b.ready["admin_token_file"]}
        with place.agent() as http:
            assert place.call(http).status_code == 200
            ok(home.remit("freeze", "bot", env=there))
            gone(place)
            ok(home.remit("unfreeze", "bot", env=there))
            waited(lambda: place.call(http).status_code == 200)
        (user,) = place.roles()
        place.up.end(signal.SIGKILL)  # its node is taken for dead, and what it held is the other one's to end
        gone(place)
        leases = ok(home.remit("secret", "leases", "--all", "--json", env=there)).json["leases"]
        assert [(each["why"], each["user"] == user) for each in leases] == [("node", True), ("stopped", False)]
        ok(home.remit("audit", "verify", env=there))
