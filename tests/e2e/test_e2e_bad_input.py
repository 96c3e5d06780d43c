"""Bad input against a real server, at each of its doors: its own error, and nothing reached the MCP server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e.running import BOUNDARY, Home, Up, tree

from remit.sdk.auth import AgentAuth

JSON = {"Content-Type": "application/json"}
MCP = JSON | {
    "Accept": "application/json, text/event-stream",
    "Mcp-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "transfer",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BIG = b" " * (1 << 20) + b"{}"
META = """{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"""
CALL = (
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":META,"name":"transfer","arguments":{ARGUMENTS}}}'
)


def call(arguments: str) -> bytes:
    return CALL.replace("META", META).replace("ARGUMENTS", f'"to":"Acme",{arguments}').encode()


GOOD = '"amount":1,"currency":"EUR"'
# body, headers, HTTP status, JSON-RPC code
AT_THE_GATEWAY: list[tuple[bytes, dict[str, str], int, int]] = [
    (b"{", {}, 400, -32700),
    (call(GOOD + ',"amount":2'), {}, 400, -32700),
    (call('"amount":NaN,"currency":"EUR"'), {}, 400, -32700),
    (b"[" + call(GOOD) + b"]", {}, 400, -32600),
    (call(GOOD).replace(b"tools/call", b"x/y"), {"Mcp-Method": "x/y"}, 404, -32601),
    (BIG, {}, 413, -32600),
    (call(GOOD), {"Content-Type": "text/plain"}, 415, -32600),
    (call(GOOD), {"Mcp-Method": "tools/list"}, 400, -32020),
    (call(GOOD), {"Mcp-Name": "list_invoices"}, 400, -32020),
]  # fmt: skip
# method, path, body, headers, HTTP status, code
AT_THE_API: list[tuple[str, str, bytes, dict[str, str], int, str]] = [
    ("POST", "/v1/can", b"{", JSON, 400, "malformed"),
    ("POST", "/v1/can", b'{"agent":"a","agent":"b","action":"payments/x"}', JSON, 400, "malformed"),
    ("POST", "/v1/can", b'{"agent":"a","action":"payments/x","arguments":{"n":NaN}}', JSON, 400, "malformed"),
    ("POST", "/v1/can", b'[{"agent":"invoice-bot","action":"payments/transfer"}]', JSON, 400, "malformed"),
    ("POST", "/v1/can", b'{"agent":"nobody","action":"payments/transfer"}', JSON, 404, "not_found"),
    ("POST", "/v1/can", b'{"agent":"invoice-bot","action":"transfer"}', JSON, 400, "malformed"),
    ("POST", "/v1/can", BIG, JSON, 413, "too_large"),
    ("POST", "/v1/can", b"{}", {"Content-Type": "text/yaml"}, 415, "unsupported_media_type"),
    ("PUT", "/v1/can", b"{}", JSON, 405, "method_not_allowed"),
    ("GET", "/v1/agents/nobody", b"", {}, 404, "not_found"),
    ("POST", "/v1/freezes", b'{"kind":"agent","name":"nobody","reason":"x"}', JSON, 404, "not_found"),
]  # fmt: skip
# body, headers, HTTP status, error
AT_THE_TOKEN_ENDPOINT: list[tuple[bytes, dict[str, str], int, str]] = [
    (b'{"grant_type":"client_credentials"}', JSON, 400, "invalid_request"),
    (b"grant_type=client_credentials&grant_type=client_credentials", FORM, 400, "invalid_request"),
    (b"grant_type=%ff", FORM, 400, "invalid_request"),
    (b"grant_type=implicit", FORM, 400, "unsupported_grant_type"),
    (b"grant_type=client_credentials&client_id=nobody", FORM, 401, "invalid_client"),
    (b"x=" + b"y" * (1 << 20), FORM, 413, "invalid_request"),
]  # fmt: skip


@pytest.mark.requirement("gateway:parse")
def test_each_door_refuses_what_it_does_not_understand(home: Home, served: Up, files: Path, tmp_path: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    assert home.remit("apply", str(files), "--approve", "--as", "dana").code == 0
    api = served.ready["api"]
    auth = AgentAuth(api, "invoice-bot", files / "agents" / "invoice-bot", "pay-invoices")
    with httpx2.Client(base_url=api, trust_env=False, timeout=30) as http:
        for body, headers, status, code in AT_THE_GATEWAY:
            answer = http.post("/mcp/payments", content=body, headers=MCP | headers, auth=auth)
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), (body[:80], answer.text)
        for literal in ("1e2", "1E-2", "0.00001", "1" * 19):
            answer = http.post(
                "/mcp/payments", content=call(f'"amount":{literal},"currency":"EUR"'), headers=MCP, auth=auth
            )
            assert answer.json()["result"]["structuredContent"]["code"] == "invalid_arguments", literal
        admin = {
            "Authorization": f"Bearer {Path(served.ready['admin_token_file']).read_text(encoding='utf-8').strip()}"
        }
        for method, path, body, headers, status, name in AT_THE_API:
            answer = http.request(method, path, content=body or None, headers=admin | headers)
            assert (answer.status_code, answer.json()["code"]) == (status, name), (method, path, body[:80], answer.text)
        for body, headers, status, name in AT_THE_TOKEN_ENDPOINT:
            answer = http.post("/oauth2/token", content=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (status, name), (body[:80], answer.text)
        ledger = tmp_path / "payments.jsonl"
        assert not ledger.exists() or ledger.read_text(encoding="utf-8") == ""
        # What was wrong with them was what is said above: the same call without a fault arrives, once.
        assert not http.post("/mcp/payments", content=call(GOOD), headers=MCP, auth=auth).json()["result"]["isError"]
        assert len(ledger.read_text(encoding="utf-8").splitlines()) == 1
    # Nothing was lost either: the log holds together.
    assert home.remit("audit", "verify").code == 0


END = "not_after: 2029-03-31\n"
BAD_FILES: dict[str, tuple[str, str]] = {
    "not a number": (BOUNDARY.replace('max: "500.00"', "max: .nan"), "boundaries/invoice-bot.yaml:7"),
    "an inexact number": (BOUNDARY.replace('max: "500.00"', "max: 5e2"), "boundaries/invoice-bot.yaml:7"),
    "too many digits": (BOUNDARY.replace('max: "500.00"', 'max: "500.00001"'), "boundaries/invoice-bot.yaml"),
    "an end that has passed": (BOUNDARY.replace(END, "not_after: 2020-01-01\n"), "boundaries/invoice-bot.yaml"),
    "an unknown agent": (BOUNDARY.replace("agent: invoice-bot", "agent: nobody"), "boundaries/invoice-bot.yaml"),
    "over a mebibyte": (BOUNDARY + "#" * (1 << 20), "boundaries/invoice-bot.yaml"),
}


def test_each_bad_file_is_refused_and_nothing_of_the_directory_applied(
    home: Home, served: Up, files: Path, payments: int
) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    for what, (text, said) in BAD_FILES.items():
        tree(files, payments=payments, **{"boundaries__invoice-bot": text})
        done = home.remit("apply", str(files), "--json")
        assert done.code in {2, 3}, (what, done.out, done.err)
        error: Any = json.loads(done.out)["error"]
        assert error["code"] in {"config_invalid", "too_large"}, (what, error)
        assert said in done.err + done.out, (what, error)
    assert home.remit("agent", "list", "--json").json["agents"] == []
