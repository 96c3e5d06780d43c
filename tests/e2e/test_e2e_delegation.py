"""One agent acts for another, through a real server: within less than that one has, and no longer than it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
import pytest
from tests.e2e.running import PATIENCE, Home, Up, tree

from remit.sdk import keyfile
from remit.sdk.auth import AgentAuth
from remit.sdk.grant import Grant

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
DETAILS = "invalid_authorization_details"
AGENTS = ("chief", "clerk", "temp", "stranger")


def agent(name: str, delegates: str = "") -> str:
    return f"""\
agent: {name}
owner: dana
version: "1"
purposes: [pay-invoices]
sender_constraint: none
not_after: 2029-06-30
{f"delegates: [{delegates}]" if delegates else ""}
attest: [{{private_key_jwt: {{jwk_file: {name}.pub.jwk}}}}]
"""


BOUNDARY = """\
boundary: chief-payments
agent: chief
purpose: pay-invoices
allow:
  - {action: "payments/list_*"}
  - action: payments/transfer
    when: {amount: {max: "500.00"}, currency: {in: [EUR]}}
    limits: {budget: {argument: amount, max: "1000.00", per: day}}
    first_use: auto
not_after: 2029-03-31
"""


@dataclass
class Office:
    """The chief has access; the clerk acts for the chief, the temp for the clerk."""

    home: Home
    up: Up
    keys: Path
    ledger: Path

    @property
    def api(self) -> str:
        found: str = self.up.ready["api"]
        return found

    def ask(self, name: str, **more: Any) -> httpx2.Response:
        key = keyfile.load(self.keys / name)
        form = dict(_pairs(Grant(self.api, name, key, "pay-invoices", "payments", key).form()))
        form |= more
        sent = urlencode({each: value for each, value in form.items() if value is not None})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        with httpx2.Client(timeout=PATIENCE, trust_env=False) as client:
            return client.post(f"{self.api}/oauth2/token", content=sent, headers=headers)

    def token(self, name: str) -> str:
        found = self.ask(name)
        assert found.status_code == 200, found.text
        return str(found.json()["access_token"])

    def exchange(self, name: str, subject: str, allow: Any = None, **more: Any) -> httpx2.Response:
        details = None if allow is None else json.dumps([{"type": "remit_purpose", "allow": allow}])
        return self.ask(
            name, grant_type=EXCHANGE, subject_token=subject, subject_token_type=ACCESS_TOKEN,
            authorization_details=details, **more,
        )  # fmt: skip

    def acting(self, name: str, subject: str, allow: Any = None) -> str:
        found = self.exchange(name, subject, allow)
        assert found.status_code == 200, found.text
        assert found.json()["issued_token_type"] == ACCESS_TOKEN
        return str(found.json()["access_token"])

    def call(self, token: str, tool: str, **arguments: Any) -> str:
        """`ok`, or the code of the refusal."""
        body = {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments, "_meta": META},
        }  # fmt: skip
        headers = {
            "Authorization": f"Bearer {token}", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call",
            "Mcp-Name": tool, "Accept": "application/json, text/event-stream",
        }  # fmt: skip
        with httpx2.Client(timeout=PATIENCE, trust_env=False) as client:
            answer = client.post(f"{self.api}/mcp/payments", json=body, headers=headers)
        if answer.status_code == 401:
            return "401"
        said = answer.json()
        if "error" in said:
            return str(said["error"].get("data", {}).get("code", said["error"]["code"]))
        result = said["result"]
        return str(result["structuredContent"]["code"]) if result.get("isError") else "ok"

    def shown(self, auth: AgentAuth, amount: str) -> dict[str, Any]:
        """The result of a transfer through the SDK."""
        arguments = {"to": "Acme", "amount": float(amount), "currency": "EUR"}
        params = {"name": "transfer", "arguments": arguments, "_meta": META}
        headers = {
            "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "transfer",
            "Accept": "application/json, text/event-stream",
        }  # fmt: skip
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        with httpx2.Client(timeout=PATIENCE, trust_env=False, auth=auth) as client:
            answer = client.post(f"{self.api}/mcp/payments", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["result"]
        return found

    def pay(self, token: str, amount: str) -> str:
        return self.call(token, "transfer", to="Acme", amount=float(amount), currency="EUR")

    def sent(self) -> int:
        return len(self.ledger.read_text(encoding="utf-8").splitlines()) if self.ledger.exists() else 0


def _pairs(form: bytes | str) -> list[tuple[str, str]]:
    return parse_qsl(form.decode() if isinstance(form, bytes) else form)


@pytest.fixture
def office(home: Home, served: Up, payments: int, tmp_path: Path) -> Office:
    root = tree(
        tmp_path / "files", payments=payments, agents__chief=agent("chief", "clerk"),
        agents__clerk=agent("clerk", "temp"), agents__temp=agent("temp"), agents__stranger=agent("stranger"),
        boundaries__chief=BOUNDARY,
    )  # fmt: skip
    (root / "agents" / "invoice-bot.yaml").unlink()
    (root / "boundaries" / "invoice-bot.yaml").unlink()
    for name in AGENTS:
        assert home.remit("agent", "keygen", name, "--out", str(root / "agents" / name)).code == 0
    home.remit("secret", "set", "payments-key", stdin="s3cret-value")
    done = home.remit("apply", str(root), "--approve", "--as", "dana")
    assert done.code == 0, done.err
    return Office(home, served, root / "agents", tmp_path / "payments.jsonl")


@pytest.mark.requirement("exchange:answer")
def test_it_acts_within_less_than_the_other_has_and_dies_with_it(office: Office) -> None:
    chief = office.token("chief")
    assert office.call(office.token("clerk"), "list_invoices") == "-32602", "the clerk has nothing of its own"
    clerk = office.acting("clerk", chief, [{"action": "payments/transfer", "when": {"amount": {"max": "100.00"}}}])
    temp = office.acting("temp", clerk)
    # What was handed on, and nothing beside it.
    assert office.pay(temp, "100.00") == "ok"
    assert office.pay(clerk, "100.01") == "constraint_violated"
    assert office.pay(temp, "100.01") == "constraint_violated"
    assert office.call(temp, "list_invoices") == "-32602"
    assert office.pay(chief, "400.00") == "ok"
    # The budget is the chief's: 500 of 1000 are gone.
    assert office.pay(chief, "500.00") == "ok"
    assert office.pay(temp, "1.00") == "budget_exhausted"
    assert office.sent() == 3
    # The chief is stopped, and with it everybody who acts for it, whatever is in between.
    assert office.home.remit("freeze", "chief", "--as", "dana").code == 0
    assert office.pay(temp, "1.00") == "revoked"
    assert office.exchange("clerk", chief).status_code == 400
    assert office.sent() == 3


def test_whom_a_token_speaks_for(office: Office) -> None:
    chief = office.token("chief")
    temp = office.acting("temp", office.acting("clerk", chief))
    asked = office.home.remit("whoami", "-", "--json", stdin=temp)
    assert asked.code == 0, asked.err
    assert [each["agent"] for each in asked.json["chain"]] == ["temp", "clerk", "chief"]
    own = office.home.remit("whoami", "--json", env={"REMIT_TOKEN": temp})
    assert own.json == asked.json, own.err
    top = office.home.remit("whoami", "--json", env={"REMIT_TOKEN": chief}).json
    assert top["txn"] == asked.json["txn"]
    assert top["chain"] == asked.json["chain"][2:]
    shown = office.home.remit("whoami", asked.json["token"]).out
    assert re.search(r"\n  acts for clerk  run run_\w+, token tok_\w+\n    acts for chief  run ", shown), shown


MORE: list[tuple[str, Any, str]] = [
    ("stranger", None, "unauthorized_client"),  # nobody named it
    ("temp", None, "unauthorized_client"),  # it may act for the clerk, not for the chief
    ("clerk", [{"action": "payments/transfer", "when": {"amount": {"max": "500.01"}}}], DETAILS),
    ("clerk", [{"action": "payments/delete_payee"}], DETAILS),
    ("clerk", [{"action": "crm/*"}], DETAILS),
]


def test_more_is_refused(office: Office) -> None:
    chief = office.token("chief")
    for who, allow, error in MORE:
        found = office.exchange(who, chief, allow)
        assert (found.status_code, found.json()["error"]) == (400, error), (who, allow)


@pytest.mark.requirement("exchange:revoked")
def test_what_is_revoked_takes_with_it_what_came_of_it(office: Office) -> None:
    chief = office.token("chief")
    clerk = office.acting("clerk", chief)
    assert office.call(clerk, "list_invoices") == "ok"
    key = keyfile.load(office.keys / "chief")
    form = dict(_pairs(Grant(office.api, "chief", key, "pay-invoices", "payments", key).form()))
    proof = {name: form[name] for name in ("client_assertion", "client_assertion_type")}
    with httpx2.Client(timeout=PATIENCE, trust_env=False) as client:
        done = client.post(f"{office.api}/oauth2/revoke", data={**proof, "token": chief})
    assert done.status_code == 200
    assert office.call(clerk, "list_invoices") == "401"
    assert office.exchange("clerk", chief).json()["error"] == "invalid_request"


def test_the_sdk_acts_for_another(office: Office) -> None:
    """As the how-to shows it: what was handed on is worth nothing by itself, and bounds what may be done with it."""
    chief = AgentAuth(office.api, "chief", office.keys / "chief", "pay-invoices", "payments")
    clerk = AgentAuth(
        office.api, "clerk", office.keys / "clerk", "pay-invoices", "payments", acting_for=lambda: chief.handed_on,
        allow=[{"action": "payments/transfer", "when": {"amount": {"max": "100.00"}}}],
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="make a request first"):
        _ = chief.handed_on
    assert office.shown(chief, "500")["isError"] is False
    assert office.call(chief.handed_on, "transfer", to="Acme", amount=1.0, currency="EUR") == "401"
    assert office.shown(clerk, "100")["isError"] is False
    assert office.shown(clerk, "101")["structuredContent"]["code"] == "constraint_violated"
    assert office.sent() == 2
    (record,) = office.home.remit("agent", "delegations", "chief", "--json").json["delegations"]
    assert (record["acts"], record["for"], record["depth"]) == ("clerk", "chief", 1)
