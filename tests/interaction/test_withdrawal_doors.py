"""Who declares systems that are told, and what everybody can see of withdrawals."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.interaction.desk import Desk

from remit.certification.withdrawal.sql import SqlWithdrawals
from remit.certification.withdrawal.withdraw import (
    PATIENCE,
    Asked,
    Entitlement,
    Outcome,
    Present,
    Result,
    Target,
    Withdrawal,
    advanced,
)
from remit.connectors.systems import Directory
from remit.kernel.clock import MINUTE, Instant, rfc3339
from remit.server.door import Porch
from remit.server.http_systems import SystemDoors
from remit.server.http_withdrawals import Withdrawals
from remit.server.operators import Authority

CRM = {"system": "crm", "url": "https://crm.example/rights", "servers": ["payments"]}


class Doors:
    """The doors of this part of the API, with people at them."""

    def __init__(self, desk: Desk) -> None:
        self.desk, rig = desk, desk.rig
        self.directory = Directory()
        rig.writer.feed.subscribe(self.directory.follow)
        doors = [
            *SystemDoors(writer=rig.writer, records=rig.records, directory=self.directory).doors(),
            *Withdrawals(reader=rig.writer, clock=rig.clock).doors(),
        ]
        porch = Porch(keeper=desk.keeper, authority=Authority.shipped(), body_limit=1 << 20, dev=False)
        self.app = Starlette(routes=[porch.route(door) for door in doors])

    def ask(self, role: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        token = self.desk.admin if role == "admin" else self.desk.token("sam", role)
        answer = TestClient(self.app, headers={"authorization": f"Bearer {token}"}).request(method, path, json=body)
        return answer.status_code, answer.json()


@pytest.fixture
def doors(desk: Desk) -> Doors:
    return Doors(desk)


@pytest.mark.parametrize(
    ("role", "may"),
    [("operator", True), ("admin", True), ("owner", False), ("security", False), ("viewer", False), ("auditor", False)],
)
def test_an_operator_declares_and_everybody_sees(doors: Doors, role: str, may: bool) -> None:  # noqa: FBT001 - a table
    assert doors.ask(role, "POST", "/v1/systems", CRM)[0] == (201 if may else 403)
    listed = doors.ask(role, "GET", "/v1/systems")
    assert listed[0] == 200
    assert listed[1]["systems"] == ([{**CRM, "secret": None, "lapses": False}] if may else [])
    doors.ask("operator", "POST", "/v1/systems", CRM)
    assert doors.ask(role, "DELETE", "/v1/systems/crm")[0] == (200 if may else 403)


def test_what_was_declared_is_in_the_log_and_known_at_once(doors: Doors) -> None:
    status, _ = doors.ask("operator", "POST", "/v1/systems", CRM | {"secret": "crm-key", "lapses": True})
    assert status == 201
    (known,) = doors.directory.listing()
    assert (known.secret, known.lapses) == ("crm-key", True)
    assert doors.ask("operator", "POST", "/v1/systems", CRM)[0] == 409
    assert doors.ask("operator", "POST", "/v1/systems", CRM | {"url": "crm"})[0] == 400
    assert doors.ask("operator", "POST", "/v1/systems", CRM | {"more": 1})[0] == 400
    doors.ask("operator", "DELETE", "/v1/systems/crm")
    assert doors.directory.listing() == []
    assert doors.ask("operator", "DELETE", "/v1/systems/crm")[0] == 404
    said = doors.desk.rig.entries("system")
    assert [(each["change"], each["by"]) for each in said] == [("create", "sam"), ("delete", "sam")]
    assert (said[0]["url"], said[0]["secret"]) == (CRM["url"], "crm-key")
    assert said[0]["after"] == said[1]["before"]


def test_steps_with_times_and_where_it_stands(doors: Doors) -> None:
    rig, now = doors.desk.rig, doors.desk.rig.clock.now()
    what = (Entitlement("work", "payments/list", "payments"), Entitlement())
    open_ = Withdrawal(id="wdr_2", agent="invoice-bot", cause="agent_retired", what=what, begun=now, due=now)
    state = open_
    for _ in range(5):
        state = advanced(state, Result(Outcome.DONE, "done"), now=now).after
    asked = (Asked(target=Target("crm", "work", "payments/list"), token="job-1", present=Present.PRESENT),)
    state = advanced(state, Result(Outcome.AGAIN, "still there: crm", asked=asked), now=now).after
    ended = Withdrawal(id="wdr_1", agent="other", cause="idle", what=what, begun=now, due=now)
    for _ in range(6):
        ended = advanced(ended, Result(Outcome.DONE), now=now).after
    for each in (ended, state):
        rig.writer.change(lambda tx, each=each: SqlWithdrawals(tx.connection).add(each))  # type: ignore[misc] # the default
    listed = doors.ask("viewer", "GET", "/v1/withdrawals")[1]["withdrawals"]
    assert [(each["withdrawal"], each["state"]) for each in listed] == [("wdr_2", "open"), ("wdr_1", "confirmed")]
    for query, expected in (("?agent=other", ["wdr_1"]), ("?open=true", ["wdr_2"]), ("?open=true&agent=other", [])):
        found = doors.ask("viewer", "GET", f"/v1/withdrawals{query}")[1]["withdrawals"]
        assert [each["withdrawal"] for each in found] == expected
    assert doors.ask("viewer", "GET", "/v1/withdrawals?open=yes")[0] == 400
    status, shown = doors.ask("viewer", "GET", "/v1/withdrawals/wdr_2")
    assert (status, shown["step"], shown["tries"], shown["pending"]) == (200, "confirm", 1, 1)
    assert shown["what"][1] == {"purpose": None, "action": None, "scope": None}
    assert [(each["step"], each["outcome"]) for each in shown["steps"]][-1] == ("confirm", "again")
    assert {each["at"] for each in shown["steps"]} == {rfc3339(now)}
    assert shown["systems"] == [
        {"system": "crm", "purpose": "work", "action": "payments/list", "token": "job-1", "present": "present"}
    ]
    rig.clock.at = Instant(now + PATIENCE + MINUTE)
    assert doors.ask("viewer", "GET", "/v1/withdrawals/wdr_2")[1]["state"] == "unconfirmed"
    assert doors.ask("viewer", "GET", "/v1/withdrawals/wdr_3")[0] == 404
