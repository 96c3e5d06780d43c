"""An HTTP API behind a real `remit up`: applied from its OpenAPI description, called, bounded, asked about, stopped."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e.peers import upstream
from tests.e2e.running import PATIENCE, Home, Up

from remit.sdk.auth import AgentAuth

SECRET = "the-apis-own-key-123"
OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/invoices/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"parameters": [{"name": "full", "in": "query", "schema": {"type": "boolean"}}]},
            "delete": {"summary": "Delete an invoice"},
        },
        "/transfers": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["amount"],
                                "properties": {"amount": {"type": "number"}, "note": {"type": "string"}},
                            }
                        }
                    },
                }
            }
        },
        "/events": {"get": {}},
        "/echo": {"get": {}},
    },
}  # fmt: skip
FILES: dict[str, Any] = {
    "owners": [{"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test"}],
    "purposes/work": {
        "purpose": "work",
        "statement": "Pay",
        "actions": ["billing:GET /*", "billing:POST /transfers"],
        "data_classes": [],
        "not_after": "2029-12-31",
    },
    "servers/billing": {
        "server": "billing",
        "kind": "http",
        "openapi": "billing.openapi.json",
        "credential": {"secret": "billing-key", "inject": "bearer"},
        "operations": {
            "GET /**": {"tier": "low"},
            "DELETE /**": {"tier": "critical"},
            "POST /transfers": {"tier": "medium"},
        },
    },
    "agents/bot": {
        "agent": "bot",
        "owner": "dana",
        "version": "1",
        "purposes": ["work"],
        "not_after": "2029-12-31",
        "max_run": "8h",
        "attest": [{"private_key_jwt": {"jwk_file": "bot.pub.jwk"}}, {"local_process": {"uid": os.getuid()}}],
    },
    "boundaries/bot": {
        "boundary": "bot",
        "agent": "bot",
        "purpose": "work",
        "allow": [
            {"action": "billing:GET /*"},
            {"action": "billing:POST /transfers", "when": {"amount": {"max": "500.00"}}},
        ],
        "not_after": "2029-12-31",
    },
}  # fmt: skip


@dataclass
class Behind:
    """The API, Remit before it, and what the API got."""

    home: Home
    up: Up
    files: Path
    ledger: Path

    @property
    def base(self) -> str:
        return f"{self.up.ready['api']}/http/billing"

    def agent(self) -> httpx2.Client:
        auth = AgentAuth(self.up.ready["api"], "bot", self.files / "agents" / "bot", "work")
        return httpx2.Client(auth=auth, timeout=PATIENCE, trust_env=False)

    def got(self) -> list[dict[str, Any]]:
        text = self.ledger.read_text(encoding="utf-8") if self.ledger.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def remit(self, *words: str, stdin: str | None = None, code: int = 0) -> str:
        done = self.home.remit(*words, stdin=stdin)
        assert done.code == code, done.err + done.out
        return done.out


@pytest.fixture
def behind(home: Home, tmp_path: Path) -> Iterator[Behind]:
    command = [sys.executable, str(Path(__file__).with_name("http_api.py")), str(tmp_path / "ledger")]
    with upstream(command, os.environ, tmp_path / "api.log") as url, home.up("--dev") as up:
        found = Behind(home, up, tmp_path / "files", tmp_path / "ledger")
        for name, value in FILES.items():
            said = value | {"url": url.removesuffix("/mcp") + "/v1"} if name == "servers/billing" else value
            path = found.files / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(said), encoding="utf-8")
        (found.files / "servers" / "billing.openapi.json").write_text(json.dumps(OPENAPI), encoding="utf-8")
        found.remit("agent", "keygen", "bot", "--out", str(found.files / "agents" / "bot"))
        found.remit("secret", "set", "billing-key", stdin=SECRET)
        found.remit("apply", str(found.files), "--approve", "--as", "dana")
        yield found


def test_an_api_behind_remit(behind: Behind) -> None:
    behind.remit("diff", str(behind.files))  # nothing differs: applying is idempotent
    with behind.agent() as http:
        got = http.get(f"{behind.base}/invoices/7", params={"full": "true"})
        assert (got.status_code, got.json()) == (200, {"path": "/v1/invoices/7"})
        paid = http.post(f"{behind.base}/transfers", json={"amount": 12.5})
        assert paid.status_code == 200
        refused = http.post(f"{behind.base}/transfers", json={"amount": 900})
        assert (refused.status_code, refused.json()["code"]) == (403, "constraint_violated")
        assert refused.headers["x-should-retry"] == "false"
        hidden = http.delete(f"{behind.base}/invoices/7")
        nowhere = http.delete(f"{behind.base}/nowhere")
        assert (hidden.status_code, hidden.content) == (404, nowhere.content)
        assert http.get(f"{behind.base}/echo").status_code == 502  # its own credential, sent back
    seen = [each for each in behind.got() if each["target"] != "/v1/echo"]
    assert [(each["method"], each["target"]) for each in seen] == [
        ("GET", "/v1/invoices/7?full=true"),
        ("POST", "/v1/transfers"),
    ]
    assert {each["headers"]["authorization"] for each in seen} == {f"Bearer {SECRET}"}
    assert not any("dpop" in each["headers"] for each in seen)
    assert seen[1]["body"] == '{"amount":12.5}'


def test_it_can_be_asked_about(behind: Behind) -> None:
    action = "billing:POST /transfers"
    assert json.loads(behind.remit("can", "bot", action, "--arg", "amount=500.00", "--json"))["decision"] is True
    refused = json.loads(behind.remit("can", "bot", action, "--arg", "amount=500.01", "--json", code=10))
    assert refused["denial"]["code"] == "constraint_violated"
    assert "bot" in behind.remit("who", "--can", "billing:GET /invoices/{id}")
    shown = json.loads(behind.remit("server", "show", "billing", "--json"))
    assert (shown["kind"], shown["credential"]) == ("http", "billing-key as Authorization")
    assert {each["tool"] for each in shown["tools"]} >= {"GET /invoices/{id}", "DELETE /invoices/{id}"}
    with behind.agent() as http:
        mandate = http.get(f"{behind.up.ready['api']}/v1/me/mandate", params={"format": "json"}).text
    assert "POST /transfers" in mandate


def test_a_changed_description_waits_for_a_person(behind: Behind) -> None:
    bent = json.loads(json.dumps(OPENAPI))
    added = {"name": "as", "in": "query", "schema": {"type": "string"}}
    bent["paths"]["/invoices/{id}"]["get"]["parameters"].append(added)
    (behind.files / "servers" / "billing.openapi.json").write_text(json.dumps(bent), encoding="utf-8")
    behind.remit("apply", str(behind.files), "--as", "dana")
    with behind.agent() as http:
        refused = http.get(f"{behind.base}/invoices/7")
        assert (refused.status_code, refused.json()["code"]) == (403, "tool_definition_changed")
        behind.remit("server", "review", "billing", "--approve")
        assert http.get(f"{behind.base}/invoices/7", params={"as": "x"}).status_code == 200


def test_a_freeze_ends_a_running_stream(behind: Behind) -> None:
    with behind.agent() as http, http.stream("GET", f"{behind.base}/events") as stream:
        events = stream.iter_text()
        assert "begun" in next(events)
        behind.remit("freeze", "bot", "--reason", "test")
        rest = "".join(events)
    assert "event: remit-denial" in rest
    assert '"code":"revoked"' in rest


def test_a_command_behind_remit_run_calls_the_api_without_a_token(behind: Behind, tmp_path: Path) -> None:
    script = tmp_path / "agent.py"
    script.write_text(AGENT, encoding="utf-8")
    done = behind.home.remit("run", "--agent", "bot", "--", sys.executable, str(script))
    assert done.code == 0, done.err
    said = done.json
    assert said["read"] == [200, {"path": "/v1/invoices/7"}]
    assert said["paid"] == [403, "constraint_violated"]
    assert said["hidden"] == 404
    assert not any("authorization" in line.lower() for line in said["environ"])
    assert [each["target"] for each in behind.got()] == ["/v1/invoices/7?full=true"]
    assert "3 calls, 1 allowed, 2 refused (constraint_violated 1, not_found 1)" in done.err


AGENT = """
import json, os, urllib.error, urllib.request

base = os.environ["REMIT_HTTP_URL"]
assert base == os.environ["REMIT_HTTP_BILLING"]


def call(path, method="GET", body=None):
    headers = {"Content-Type": "application/json"} if body else {}
    request = urllib.request.Request(base + path, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


paid = call("/transfers", "POST", b'{"amount": 900}')
hidden = call("/invoices/7", "DELETE")
print(json.dumps({
    "read": call("/invoices/7?full=true"),
    "paid": [paid[0], paid[1]["code"]],
    "hidden": hidden[0],
    "environ": [name for name in os.environ if name.startswith("REMIT_")],
}))
"""
