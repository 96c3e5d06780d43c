"""A registered enforcement point against `remit up`: decisions, outcomes, a crash, introspection and revocation."""

from __future__ import annotations

import http.client
import json
import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.e2e.running import Home

from remit.sdk import keyfile
from remit.sdk.token import token

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
FORM = "application/x-www-form-urlencoded"


@dataclass
class Edge:
    """An enforcement point of the organisation's own."""

    url: str
    token: str

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            data = answer.read()
            lower = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, lower, json.loads(data) if data else None
        finally:
            connection.close()

    def post(self, path: str, body: Any) -> tuple[int, dict[str, str], Any]:
        data = json.dumps(body).encode()
        return self.send("POST", path, data, authorization=f"Bearer {self.token}", content_type="application/json")

    def ask(self, action: str = "payments/transfer", **arguments: Any) -> tuple[bool, str, Any]:
        """An answer, the decision's id, and the reasons of a denial."""
        status, headers, body = self.post(
            "/access/v1/evaluation",
            {
                "subject": {"type": "agent", "id": "invoice-bot"},
                "action": {"name": action},
                "resource": {"type": "server", "id": action.partition("/")[0]},
                "context": {"purpose": "pay-invoices", "arguments": arguments},
            },
        )
        assert status == 200, body
        return body["decision"], headers["remit-decision"], body.get("context")

    def report(self, decision: str, outcome: str) -> int:
        return self.post("/v1/outcomes", {"decision": decision, "outcome": outcome})[0]

    def active(self, access_token: str) -> bool:
        body = urlencode({"token": access_token, "resource": f"{self.url}/mcp/payments"}).encode()
        sent = {"authorization": f"Bearer {self.token}", "content_type": FORM}
        status, _, said = self.send("POST", "/oauth2/introspect", body, **sent)
        assert status == 200
        return bool(said["active"])


def revoke(edge: Edge, key: keyfile.Key, access_token: str) -> int:
    """As the agent itself, which authenticates by its own key."""
    now = int(time.time())
    claims = {"iss": "invoice-bot", "sub": "invoice-bot", "aud": edge.url, "iat": now, "exp": now + 60}
    form = {
        "token": access_token,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": key.sign(claims | {"jti": secrets.token_urlsafe(16)}, typ="JWT"),
    }
    return edge.send("POST", "/oauth2/revoke", urlencode(form).encode(), content_type=FORM)[0]


def used_at_the_gateway(edge: Edge, grant: Any, held: Any) -> tuple[int, str]:
    path = "/mcp/payments"
    status, headers, _ = edge.send(
        "POST",
        path,
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}).encode(),
        authorization=f"DPoP {held.access_token}",
        dpop=grant.proof("POST", edge.url + path, held),
        content_type="application/json",
        accept="application/json, text/event-stream",
        mcp_protocol_version="2026-07-28",
        mcp_method="tools/list",
    )
    return status, headers.get("www-authenticate", "")


def applied(home: Home, files: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="upstream-key").code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err


def registered(home: Home, url: str, name: str = "edge") -> Edge:
    done = home.remit("pep", "add", name, "--json")
    assert done.code == 0, done.err
    return Edge(url, done.json["token"])


def test_decisions_are_made_recorded_and_settled_also_over_a_crash(home: Home, files: Path) -> None:
    with home.up("--dev") as up:
        applied(home, files)
        edge = registered(home, up.ready["api"])
        assert home.remit("pep", "add", "edge").code == 9
        status, _, found = edge.send("GET", "/.well-known/authzen-configuration")
        assert (status, found["access_evaluation_endpoint"]) == (200, edge.url + "/access/v1/evaluation")
        allowed, decision, _ = edge.ask(to="DE1", amount=125.5, currency="EUR")
        assert allowed
        assert [edge.report(decision, "ok") for _ in range(2)] == [200, 409]
        denied, _, why = edge.ask(to="DE1", amount=501, currency="EUR")
        assert (denied, why["code"]) == (False, "constraint_violated")
        assert edge.ask("payments/nothing")[2]["code"] == "not_granted"
        allowed, left, _ = edge.ask(to="DE1", amount=1, currency="EUR")
        assert allowed
        up.end(signal.SIGKILL)
    with home.up("--dev") as up:
        edge = Edge(up.ready["api"], edge.token)
        assert edge.report(left, "ok") == 409
        told = home.remit("why", left, "--json").json
        assert (told["outcome"]["outcome"], told["header"]["pep"]) == ("not_observed", "edge")
        assert home.remit("why", decision, "--json").json["outcome"]["outcome"] == "ok"
        assert registered(home, edge.url, "other").report(decision, "ok") == 404
        assert [row["pep"] for row in home.remit("pep", "list", "--json").json["peps"]] == ["edge", "other"]
        assert home.remit("pep", "remove", "edge").code == 0
        assert edge.post("/access/v1/evaluation", {})[0] == 401
        assert home.remit("pep", "remove", "edge").code == 2


def test_a_revoked_token_is_no_token_from_then_on(home: Home, files: Path) -> None:
    path = files / "agents" / "invoice-bot"
    with home.up("--dev") as up:
        applied(home, files)
        edge = registered(home, up.ready["api"])
        held, grant = token("invoice-bot", str(path), "pay-invoices", url=edge.url, server="payments")
        assert used_at_the_gateway(edge, grant, held)[0] == 200
        assert edge.active(held.access_token)
        assert [revoke(edge, keyfile.load(path), held.access_token) for _ in range(2)] == [200, 200]
        assert not edge.active(held.access_token)
        status, challenge = used_at_the_gateway(edge, grant, held)
        assert (status, 'error="invalid_token"' in challenge) == (401, True)
        listen = urlsplit(edge.url).netloc
    # On the same address, because the token names it: nothing but the revocation can be why it is refused.
    with home.up("--dev", "--listen", listen) as up:
        assert up.ready["api"] == edge.url
        status, challenge = used_at_the_gateway(edge, grant, held)
        assert (status, "revoked" in challenge) == (401, True)
        assert not edge.active(held.access_token)
