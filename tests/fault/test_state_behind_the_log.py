"""Somebody changes the state in the database itself: no start with it, and every verification names it.

What an attacker gains there is what no person approved: a wider boundary, another key for an
agent, another address for a server, a token for themselves.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.running import Home
from tests.fault.lived import Estate, lived
from tests.fault.serving import Server

INTEGRITY = 8
INTEGRITY_CODE = "integrity_failed"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return lived(tmp_path_factory.mktemp("estate"))


def sql(home: Home, *statements: str | tuple[object, ...]) -> None:
    with closing(sqlite3.connect(home.data / "remit.db", timeout=30)) as database, database:
        for statement in statements:
            query, *values = (statement,) if isinstance(statement, str) else statement
            database.execute(str(query), values)


def ask(home: Home, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home.data / "remit.db", timeout=30)) as database:
        return database.execute(query).fetchall()


def new_boundary(home: Home) -> None:
    (row,) = ask(home, "SELECT * FROM boundaries WHERE boundary = 'invoice-bot-payments' AND state = 'active'")
    marks = ", ".join("?" * len(row))
    sql(home, (f"INSERT INTO boundaries VALUES ({marks})", "of-nobody", *row[1:]))  # noqa: S608 - marks only


def put_back(home: Home) -> None:
    """The freeze is taken back: its row is as if it had never been, and so is the record of it."""
    sql(home, "DELETE FROM freezes", "DELETE FROM states WHERE what = 'freeze'")


Edit = Callable[[Home], None]


def run(*statements: str) -> Edit:
    return lambda home: sql(home, *statements)


# Each edit, and the objects that it makes something of that no entry says.
EDITS: dict[str, tuple[Edit, Sequence[str]]] = {
    "a boundary's rules are wider": (
        run("UPDATE boundaries SET rules = replace(rules, '500.00', '999999.00') WHERE state = 'active'"),
        ["boundary invoice-bot-payments"],
    ),
    "a boundary lasts for ever": (
        run("UPDATE boundaries SET not_after = 9000000000000000 WHERE boundary = 'invoice-bot-payments'"),
        ["boundary invoice-bot-payments"],
    ),
    "a boundary of nobody": (new_boundary, ["boundary of-nobody"]),
    "an agent needs no proof": (
        run("UPDATE agents SET body = replace(body, '\"dpop\"', '\"none\"') WHERE agent = 'invoice-bot'"),
        ["agent invoice-bot"],
    ),
    "an agent has another's keys": (
        run(
            "UPDATE agents SET body = replace((SELECT body FROM agents WHERE agent = 'support-bot'), 'support-bot',"
            " 'invoice-bot') WHERE agent = 'invoice-bot'"
        ),
        ["agent invoice-bot"],
    ),
    "the organisation's policies are gone": (run("DELETE FROM policies"), ["policy policies/payments.cedar"]),
    "a policy and its record are gone": (
        run("DELETE FROM policies", "DELETE FROM states WHERE what = 'policy'"),
        ["policy policies/payments.cedar"],
    ),
    "a server is elsewhere": (
        run("UPDATE servers SET body = replace(body, '127.0.0.1', '127.0.0.2') WHERE server = 'payments'"),
        ["server payments"],
    ),
    "a tool has another definition": (
        run("UPDATE tools SET definition = '{}' WHERE server = 'crm' AND tool = 'list_customers'"),
        ["server crm"],
    ),
    "a tool has another tier": (run("UPDATE tools SET tier = 'low'"), ["server crm", "server payments"]),
    "a token for the attacker": (
        run("INSERT INTO operators VALUES ('" + "0" * 64 + "', 'dana', 'owner', 0, 9000000000000000)"),
        ["operator_token dana"],
    ),
    "an owner is back": (run("UPDATE owners SET active = 1 - active WHERE owner = 'lee'"), ["owner lee"]),
    "a purpose allows more": (
        run("UPDATE purposes SET body = replace(body, 'payments/list_*', 'payments/*')"),
        ["purpose pay-invoices"],
    ),
    "a secret is another": (run("UPDATE secrets SET sealed = zeroblob(60)"), ["secret payments-key"]),
    "a freeze has ended": (run("UPDATE freezes SET ended = 1, ended_by = 'dana'"), ["freeze frz_"]),
    "a freeze never was": (put_back, ["freeze frz_"]),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_server_does_not_start_with_it_and_verification_names_it(made: Estate, tmp_path: Path, edit: str) -> None:
    home = made.copy(tmp_path / "home")
    change, objects = EDITS[edit]
    change(home)
    done = home.remit("audit", "verify", "--data", str(home.data), "--json")
    assert done.code == INTEGRITY, done.out
    (step,) = [step for step in done.json["steps"] if step["status"] == "failed"]
    assert (step["step"], step["name"]) == (11, "the state")
    for each in objects:
        assert each in step["detail"], step
    assert step["detail"].count(";") == len(objects) - 1, "only what was changed is named"

    started = home.remit("up", "--listen", "127.0.0.1:0", "--json")
    assert started.code == INTEGRITY, started.out + started.err
    error = json.loads(started.out)["error"]
    assert error["code"] == "integrity_failed"
    assert "--accept-state" in error["try"]
    if "record" not in edit and "never was" not in edit:
        assert objects[0] in error["detail"], error


FORGED = (
    "INSERT INTO activations SELECT agent, purpose, 'crm/delete_customer', scope, 1, "
    "{body}, due, last, covered, days, gaps FROM activations WHERE agent = 'support-bot' LIMIT 1"
)


def test_an_entitlement_that_nobody_started_keeps_a_server_from_starting(made: Estate, tmp_path: Path) -> None:
    # Else one row would stand for an owner's word on an action that needs it.
    home = made.copy(tmp_path / "home")
    sql(home, FORGED.format(body="""'{"by":"dana","state":"active"}'"""))
    done = home.remit("up", "--listen", "127.0.0.1:0", "--json")
    assert done.code == INTEGRITY, done.out + done.err
    error = json.loads(done.out)["error"]
    assert "the entitlement of support-bot to crm/delete_customer carries no seal" in error["detail"]
    assert "--accept-state" in error["try"]


@pytest.mark.parametrize("body", ["body", 'replace(body, \'"by":""\', \'"by":"dana"\')'])
def test_an_entitlement_with_a_seal_that_is_not_its_own_allows_nothing(made: Estate, tmp_path: Path, body: str) -> None:
    home = made.copy(tmp_path / "home")
    sql(home, "DELETE FROM freezes WHERE 0", FORGED.format(body=body))
    with Server(home) as server:
        server.start()
        assert server.remit("unfreeze", "agent", "support-bot").code == 0
        done = server.remit("can", "support-bot", "crm/list_customers", "--json")
        assert done.json["error"]["code"] == INTEGRITY_CODE, done.out
        assert server.end() == 0
    with home.up("--accept-state"):
        entries = home.remit("audit", "tail", "--count", "50", "--json").json["entries"]
        accepted = [entry for entry in entries if entry.get("what") == "entitlement_accepted"]
        assert [(each["agent"], each["action"], each["how"]) for each in accepted] == [
            ("support-bot", "crm/delete_customer", "sealed")
        ]


def test_an_entitlement_that_cannot_be_read_is_accepted_as_suspended_and_named(made: Estate, tmp_path: Path) -> None:
    home = made.copy(tmp_path / "home")
    sql(home, FORGED.format(body="''"))
    assert home.remit("up", "--listen", "127.0.0.1:0", "--json").code == INTEGRITY
    with home.up("--accept-state"):
        entries = home.remit("audit", "tail", "--count", "50", "--json").json["entries"]
        accepted = [entry for entry in entries if entry.get("what") == "entitlement_accepted"]
        assert [(each["agent"], each["action"], each["how"]) for each in accepted] == [
            ("support-bot", "crm/delete_customer", "suspended")
        ]
    with home.up():
        pass


def test_what_is_accepted_is_recorded_and_starts(made: Estate, tmp_path: Path) -> None:
    home = made.copy(tmp_path / "home")
    for edit in ("a server is elsewhere", "a policy and its record are gone", "a token for the attacker"):
        EDITS[edit][0](home)
    with home.up("--accept-state"):
        entries = home.remit("audit", "tail", "--count", "50", "--json").json["entries"]
        accepted = {(entry["what"], entry["name"]) for entry in entries if entry.get("change") == "accept"}
        assert accepted == {
            ("server", "payments"),
            ("policy", "policies/payments.cedar"),
            ("operator_token", "dana"),
        }
        assert {entry["by"] for entry in entries if entry.get("change") == "accept"} == {"admin"}
    with home.up():
        pass
    assert home.remit("audit", "verify", "--data", str(home.data)).code == 0


def test_accepting_what_did_not_stray_records_nothing(made: Estate, tmp_path: Path) -> None:
    home = made.copy(tmp_path / "home")
    with home.up("--accept-state"):
        entries = home.remit("audit", "tail", "--count", "50", "--json").json["entries"]
        assert [entry for entry in entries if entry.get("change") == "accept"] == []


def test_while_a_server_runs_it_says_so_itself(made: Estate, tmp_path: Path) -> None:
    home = made.copy(tmp_path / "home")
    with Server(home) as server:
        server.start()
        fine = json.loads(server.remit("audit", "verify", "--json").out)
        assert {step["step"]: step["status"] for step in fine["steps"]}[9] == "ok"
        EDITS["a boundary's rules are wider"][0](home)
        done = server.remit("audit", "verify", "--json")
        assert done.code == INTEGRITY
        assert "boundary invoice-bot-payments is not as" in done.json["steps"][10]["detail"]
        checks = {check["check"]: check for check in json.loads(server.remit("doctor", "--json").out)["checks"]}
        assert checks["state"]["status"] == "fail"
        # Nothing is recorded over it, so that no later change makes it look as if a person had approved it.
        sql(home, "INSERT INTO risks VALUES ('invoice-bot', 1, 1, NULL)")
        status, said = server.ask("POST", "/v1/agents/invoice-bot/risk", {"risk": 5})
        assert (status, said["code"]) == (500, "integrity_failed"), said
        # A stop works all the same.
        assert server.remit("freeze", "agent", "invoice-bot").code == 0
        assert server.end() == 0
    assert home.remit("up", "--listen", "127.0.0.1:0", "--json").code == INTEGRITY


def test_a_database_whose_seal_is_gone_is_not_taken_for_an_old_one(made: Estate, tmp_path: Path) -> None:
    home = made.copy(tmp_path / "home")
    sql(home, "DELETE FROM states", "DELETE FROM meta WHERE key = 'states'")
    done = home.remit("up", "--listen", "127.0.0.1:0", "--json")
    assert done.code == INTEGRITY
    assert "the state has no seal" in json.loads(done.out)["error"]["detail"]
