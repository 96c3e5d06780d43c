"""The door of rightsizing over a real log: what counts as use, what is proposed, who may ask."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.unit.audit.conftest import NOON, Ledger
from tests.unit.policy.conftest import Build

from remit.access import spec
from remit.access.model import Boundary
from remit.audit.log import Recorded
from remit.certification.rightsizing.proposal import Observed
from remit.kernel.canonical import encode
from remit.kernel.clock import DAY, HOUR, FixedClock, Instant, Micros
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.policy.view import View
from remit.server import used as used_module
from remit.server.accountable import Accountable
from remit.server.door import Porch
from remit.server.http_rightsize import Rightsizing
from remit.server.operator_tokens import Doorkeeper, Known, token_hash
from remit.server.operators import Authority, Role
from remit.server.used import used

BOT, PAY, REPORT = AgentName("invoice-bot"), PurposeName("pay-invoices"), PurposeName("report")
MINE = "invoice-bot-payments"


class Imported:
    """Implements remit.certification.ports.ObservedUses."""

    def __init__(self) -> None:
        self.uses: list[Observed] = []

    def of(self, agent: AgentName, *, most: int) -> Sequence[Observed]:
        return [each for each in self.uses if each.agent == agent][:most]

    def add(self, action: str, purpose: str = "", *, at: int = NOON, count: int = 1) -> None:
        self.uses += [
            Observed(agent=BOT, purpose=PurposeName(purpose), action=ActionName(action), at=Instant(at + number))
            for number in range(count)
        ]


class Answerable:
    def for_agent(self, name: str) -> Sequence[str]:
        return ["dana"] if name == BOT else []


class Bench:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.build, self.imported = ledger, Build(), Imported()
        self.boundaries: list[Boundary] = [self.build.boundary()]
        self.reviewed: Micros | None = None
        ledger.owner(f"agent:{BOT}")

    def view(self) -> View:
        found = self.build.view(*self.boundaries)
        if not self.boundaries:
            found.agents["invoice-bot"].boundaries = ()
        return found

    def call(self, action: str = "payments/transfer", *, outcome: str | None = "ok", **said: Any) -> str:
        """One call as the gateway records it; a minute later than the one before."""
        self.ledger.clock.at += 60_000_000
        decision = said.pop("decision", "allow")
        fields = {"agent": BOT, "purpose": said.pop("purpose", PAY), "action": action, "decision": decision}
        if decision == "allow":
            fields["boundary"] = said.pop("boundary", MINE)
        payload = {"arguments": encode(said).decode()} if said else {}
        made = self.ledger.recorder.entry("decision", fields, about=f"agent:{BOT}", payload=payload)
        self.ledger.record(made)
        if outcome is not None:
            ended = {"decision": made.id, "agent": BOT, "purpose": PAY, "action": action, "outcome": outcome}
            self.ledger.record(self.ledger.recorder.entry("outcome", ended))
        return made.id

    def client(self, token: str = "own") -> TestClient:  # noqa: S107 - a test's token
        people = (
            ("own", "dana", Role.OWNER),
            ("lee", "lee", Role.OWNER),
            ("op", "sam", Role.OPERATOR),
            ("see", "v", Role.VIEWER),
        )
        keeper = Doorkeeper(clock=FixedClock(1000), dev=False)
        keeper._known = {
            token_hash(each): Known(
                token_hash=token_hash(each), person=person, role=role, created=Instant(0), expires=Instant(2000)
            )
            for each, person, role in people
        }
        doors = Rightsizing(
            view=self.view, log=self.ledger.log, uses=self.imported, clock=FixedClock(NOON),
            accountable=cast("Accountable", Answerable()), reviewed=lambda _name: self.reviewed,
        ).doors()  # fmt: skip
        porch = Porch(keeper=keeper, authority=Authority.shipped(), body_limit=1000, dev=False)
        return TestClient(
            Starlette(routes=[porch.route(door) for door in doors]), headers={"authorization": f"Bearer {token}"}
        )

    def ask(self, query: str = "", **more: str) -> Any:
        response = self.client(**more).get(f"/v1/agents/{BOT}/rightsize{query}")
        assert response.status_code == 200, response.text
        return json.loads(response.content, parse_float=Decimal)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    ledger = Ledger(tmp_path / "remit.db")
    yield Bench(ledger)
    ledger.close()


def test_what_was_used_makes_the_boundary_narrower(bench: Bench) -> None:
    for amount in (100, 120, 90, 110, 130, 100, 100):
        bench.call(amount=amount, currency="EUR", to="DE89")
    for amount in (140, 400, 100):
        bench.call(amount=amount, currency="EUR", to="DE89")
    answer = bench.ask()
    (found,) = answer["proposals"]
    assert found["document"]["allow"] == [
        {
            "action": "payments/transfer",
            "when": {"amount": {"max": "156", "min": "0"}, "currency": {"in": ["EUR"]}, "to": {"in": ["DE89"]}},
            "first_use": "auto",
        }
    ]
    assert spec.boundary(found["document"]).boundary == MINE
    assert "review_every" not in found["document"]
    bench.reviewed = Micros(90 * DAY)
    (reviewed,) = bench.ask()["proposals"]
    assert spec.boundary(reviewed["document"]).review_every == 90 * DAY, "else applying it would be a widening"
    assert found["calls"] == {"learned": 7, "held_out": 3, "outside": 0, "arguments_unknown": 0}
    assert (found["actions"], found["weight"]) == ({"before": 2, "after": 1}, {"before": 41, "after": 40})
    assert [(each["code"], each["violations"][0]["actual"]) for each in found["denials"]] == [
        ("constraint_violated", "400")
    ]
    assert [(row["action"], row["used"], row["kept"], row["would_deny"]) for row in found["rows"]] == [
        ("payments/list_invoices", 0, False, 0),
        ("payments/transfer", 7, True, 1),
    ]
    assert answer["log"] == {"entries": 20, "oldest": "2026-11-24T12:01:00.000000Z", "whole": True}


def test_only_what_came_to_something_is_use(bench: Bench) -> None:
    bench.call(decision="deny", outcome=None, amount=1, currency="EUR")
    bench.call(outcome="error", amount=1, currency="EUR")
    bench.call(outcome="not_sent", amount=1, currency="EUR")
    bench.call(outcome=None, amount=1, currency="EUR")
    assert bench.ask()["proposals"][0]["document"] is None
    assert used(bench.ledger.log, BOT).by_boundary == {}


def test_an_erased_payload_leaves_the_action_and_no_bound(bench: Bench) -> None:
    bench.call(amount=1, currency="EUR")
    bench.ledger.database.writer.change(lambda tx: bench.ledger.keys.erase_data_key(tx, f"agent:{BOT}"))
    (found,) = bench.ask("?hold_out=0")["proposals"]
    assert found["calls"]["arguments_unknown"] == 1
    assert found["document"]["allow"][0]["when"] == {"amount": {"max": "500.00"}, "currency": {"in": ["EUR"]}}


def test_use_that_was_imported_keeps_an_action(bench: Bench) -> None:
    bench.call(amount=1, currency="EUR")
    bench.imported.add("payments/list_invoices", PAY)
    bench.imported.add("payments/delete_all", PAY)  # what a boundary never named says nothing of it
    (found,) = bench.ask("?hold_out=0")["proposals"]
    assert found["calls"]["outside"] == 0
    assert [each["action"] for each in found["document"]["allow"]] == ["payments/list_invoices", "payments/transfer"]


def test_an_agent_without_a_boundary_gets_a_first_draft_of_what_it_used(bench: Bench) -> None:
    bench.boundaries = []
    bench.imported.add("payments/list_invoices", PAY, count=10)
    bench.imported.add("payments/delete_all", PAY)
    bench.imported.add("elsewhere/thing", PAY)
    bench.imported.add("no action at all", PAY)
    bench.imported.add("payments/list_invoices")
    answer = bench.ask()
    (found,) = answer["proposals"]
    assert found["document"] == {
        "boundary": "invoice-bot-pay-invoices",
        "agent": BOT,
        "purpose": PAY,
        "allow": [{"action": "payments/list_invoices"}],
        "not_after": "2027-02-21",
    }
    assert (found["version"], found["would_deny"], found["calls"]["held_out"]) == (None, 0, 3)
    assert found["left_out"] == {
        "elsewhere/thing": "is no approved tool here",
        "no action at all": "is no approved tool here",
        "payments/delete_all": "is not part of the purpose",
    }
    assert answer["imported"] == {"uses": 14, "whole": True, "without_purpose": 1}
    spec.boundary(found["document"])


def test_the_purpose_that_is_asked_for_is_the_one_that_was_meant(bench: Bench) -> None:
    bench.imported.add("payments/list_invoices", count=2)
    assert [each["purpose"] for each in bench.ask()["proposals"]] == [PAY]
    answer = bench.ask(f"?purpose={REPORT}")
    assert [each["purpose"] for each in answer["proposals"]] == [REPORT]
    assert answer["imported"]["without_purpose"] == 0


def test_the_server_dial_drafts_what_the_purpose_covers_there(bench: Bench) -> None:
    bench.boundaries = []
    bench.imported.add("payments/list_invoices", PAY)
    (found,) = bench.ask("?dial=server")["proposals"]
    assert [each["action"] for each in found["document"]["allow"]] == ["payments/list_invoices", "payments/transfer"]


def test_a_boundary_that_has_ended_is_not_proposed_anew(bench: Bench) -> None:
    bench.boundaries = [bench.build.boundary(not_after=Instant(NOON))]
    bench.call(amount=1, currency="EUR")
    assert bench.ask()["proposals"] == []


def test_a_long_log_is_cut_and_that_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        bench.call(amount=1, currency="EUR")
    assert sum(map(len, used(bench.ledger.log, BOT, most=6).by_boundary.values())) == 3
    cut = used(bench.ledger.log, BOT, most=6)
    assert (cut.whole, cut.entries) == (False, 6)
    whole = used(bench.ledger.log, BOT, most=8)
    assert (whole.whole, whole.entries) == (True, 8)
    monkeypatch.setattr("remit.audit.log._DEEP", 2)
    assert used(bench.ledger.log, BOT).whole is False
    assert used_module.MOST_ENTRIES == 50_000


def test_entries_come_newest_first_with_their_payloads(bench: Bench) -> None:
    bench.call(amount=Decimal("1.50"), currency="EUR")
    bench.ledger.record(bench.ledger.recorder.entry("decision", {"agent": "else"}))
    found: list[Recorded] = []

    def take(entry: Recorded) -> bool:
        found.append(entry)
        return True

    assert bench.ledger.log.back(take, agent=BOT)
    assert [each.header["kind"] for each in found] == ["outcome", "decision"]
    assert found[1].payload == {"arguments": '{"amount":1.50,"currency":"EUR"}'}


@pytest.mark.parametrize(("token", "status"), [("own", 200), ("op", 200), ("lee", 403), ("see", 403)])
def test_owner_and_operator_may_ask(bench: Bench, token: str, status: int) -> None:
    assert bench.client(token).get(f"/v1/agents/{BOT}/rightsize").status_code == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("nobody/rightsize", 404),
        (f"{BOT}/rightsize?dial=wide", 400),
        (f"{BOT}/rightsize?headroom=1001", 400),
        (f"{BOT}/rightsize?hold_out=91", 400),
        (f"{BOT}/rightsize?hold_out=-1", 400),
    ],
)
def test_what_is_not_understood_is_refused(bench: Bench, path: str, status: int) -> None:
    assert bench.client("op").get(f"/v1/agents/{path}").status_code == status


def test_times_are_those_of_the_log(bench: Bench) -> None:
    bench.call(amount=1, currency="EUR")
    (call,) = used(bench.ledger.log, BOT).by_boundary[MINE]
    assert NOON < call.at < NOON + HOUR < NOON + DAY
    assert call.arguments == {"amount": 1, "currency": "EUR"}
