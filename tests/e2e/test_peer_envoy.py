"""A real Envoy before a real API, asking a real `remit up`; needs PyPI."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.e2e import envoy
from tests.e2e.running import OWNERS, PATIENCE, Home, Up

from remit.sdk.grant import Grant, Token
from remit.sdk.token import token

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SECRET = "s3cret-api-key"


class Agent:
    """An agent that calls the API through Envoy."""

    def __init__(self, up: Up, key: Path, url: str) -> None:
        self.url = url
        self.held: Token
        self.grant: Grant
        self.held, self.grant = token("order-bot", key, "handle-orders", url=up.ready["api"], server="orders")

    def send(self, method: str, path: str, body: Any = None, **changed: str) -> httpx2.Response:
        url = self.url + path
        headers = {
            "authorization": f"DPoP {self.held.access_token}", "dpop": self.grant.proof(method, url, self.held),
        }  # fmt: skip
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            headers["content-type"] = "application/json"
        sent = headers | {name.replace("_", "-"): value for name, value in changed.items()}
        with httpx2.Client(timeout=PATIENCE, trust_env=False) as client:
            return client.request(method, url, content=data, headers=sent)

    def raw(self, path: str) -> int:
        """The status of a GET whose path goes out byte for byte."""
        at = urlsplit(self.url)
        proof = self.grant.proof("GET", self.url + path, self.held)
        lines = [
            f"GET {path} HTTP/1.1", f"host: {at.netloc}", f"authorization: DPoP {self.held.access_token}",
            f"dpop: {proof}", "connection: close", "", "",
        ]  # fmt: skip
        with socket.create_connection((at.hostname or "", at.port or 0), timeout=PATIENCE) as connection:
            connection.sendall("\r\n".join(lines).encode())
            return int(connection.makefile("rb").readline().split()[1])


@pytest.fixture
def key(home: Home, tmp_path: Path, served: Up, upstream: envoy.Api) -> Path:
    files = tmp_path / "files"
    operations = {
        "GET /orders/{id}": {"tier": "low", "arguments": {"properties": {"id": {"type": "integer"}}}},
        "POST /orders": {
            "tier": "medium",
            "arguments": {
                "properties": {"item": {"type": "string"}, "amount": {"type": "integer"}},
                "required": ["item", "amount"],
            },
        },
        "DELETE /orders/{id}": {"tier": "high"},
    }  # fmt: skip
    documents: dict[str, Any] = {
        "purposes/handle-orders": {
            "purpose": "handle-orders", "statement": "Look at orders and make some", "actions": ["orders:*"],
            "data_classes": ["internal"], "not_after": "2029-12-31",
        },
        "servers/orders": {
            "server": "orders", "kind": "http", "url": f"http://127.0.0.1:{upstream.server_port}",
            "credential": {"secret": "orders-key", "inject": {"header": "X-Api-Key", "format": "{}"}},
            "operations": operations,
        },
        "agents/order-bot": {
            "agent": "order-bot", "owner": "dana", "version": "1", "purposes": ["handle-orders"], "max_instances": 5,
            "sender_constraint": "dpop", "not_after": "2029-12-31", "max_run": "8h",
            "attest": [{"private_key_jwt": {"jwk_file": "order-bot.pub.jwk"}}],
        },
        "boundaries/order-bot": {
            "boundary": "order-bot-orders", "agent": "order-bot", "purpose": "handle-orders", "not_after": "2029-12-31",
            "allow": [
                {"action": "orders:GET /orders/{id}"},
                {"action": "orders:POST /orders", "when": {"amount": {"max": "10"}}},
            ],
        },
    }  # fmt: skip
    for name, value in documents.items():
        path = files / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")  # JSON is YAML
    (files / "owners.yaml").write_text(OWNERS, encoding="utf-8")
    key = files / "agents" / "order-bot"
    assert home.remit("agent", "keygen", "order-bot", "--out", str(key)).code == 0
    assert home.remit("secret", "set", "orders-key", stdin=SECRET).code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err
    return key


@pytest.fixture
def upstream() -> Iterator[envoy.Api]:
    with envoy.api() as server:
        yield server


@pytest.fixture
def agent(home: Home, served: Up, key: Path, upstream: envoy.Api, tmp_path: Path) -> Iterator[Agent]:
    point = home.remit("pep", "add", "envoy", "--json").json["token"]
    port = upstream.server_port
    with envoy.running(tmp_path, remit=served.ready["api"], upstream=port, token=point, server="orders") as url:
        yield Agent(served, key, url)


def test_what_remit_lets_through_reaches_the_api_with_its_credential_and_nothing_else_does(
    home: Home, served: Up, agent: Agent, upstream: envoy.Api
) -> None:
    got = agent.send("GET", "/orders/7", cookie="a=b", x_http_method_override="DELETE", x_original_url="/other")
    assert (got.status_code, got.json()) == (200, {"done": True})
    made = agent.send("POST", "/orders", {"item": "pen", "amount": 3})
    assert made.status_code == 200, made.text
    first, second = upstream.got
    assert (first["asked"], second["asked"]) == ("GET /orders/7", "POST /orders")
    assert json.loads(second["body"]) == {"item": "pen", "amount": 3}
    for each in upstream.got:
        assert each["headers"]["x-api-key"] == SECRET
        taken = {"authorization", "dpop", "cookie", "x-http-method-override", "x-original-url", "remit-point"}
        assert not taken & each["headers"].keys()
    over = agent.send("POST", "/orders", {"item": "pen", "amount": 11})
    assert (over.status_code, over.json()["code"]) == (403, "constraint_violated")
    assert over.headers["content-type"] == "application/problem+json"
    assert SECRET not in str(over.headers) + over.text
    told = home.remit("why", over.json()["decision_id"], "--json").json
    assert (told["header"]["pep"], told["header"]["instance"]) == ("envoy", agent.grant.instance.thumbprint)
    hidden, missing = agent.send("DELETE", "/orders/7"), agent.send("GET", "/nothing/7")
    assert (hidden.status_code, hidden.content) == (404, missing.content)
    bare = agent.send("GET", "/orders/7", authorization="")
    assert bare.status_code == 401
    assert "resource_metadata=" in bare.headers["www-authenticate"]
    stolen = agent.send("GET", "/orders/7", dpop=agent.grant.proof("GET", agent.url + "/orders/8", agent.held))
    assert (stolen.status_code, stolen.json()["error"]) == (401, "invalid_dpop_proof")
    used = agent.grant.proof("GET", agent.url + "/orders/7", agent.held)
    assert [agent.send("GET", "/orders/7", dpop=used).status_code for _ in range(2)] == [200, 401]
    mine = agent.send("GET", "/orders/7", remit_point="mine", remit_injects="authorization", x_api_key="mine")
    assert (mine.status_code, upstream.got[-1]["headers"]["x-api-key"]) == (200, SECRET)
    assert len(upstream.got) == 4


def test_a_path_with_two_readings_goes_nowhere(agent: Agent, upstream: envoy.Api) -> None:
    for path in (
        "/orders/..%2forders", "/orders/7%2f..%2f8", "/orders/7;a=b", "/orders%2f7", "/orders/7%00", "/orders/%252e",
        "/orders/7%5c..", "/orders/7%c0%af", "/orders/%ef%bc%8f7", "/orders/7#8",
    ):  # fmt: skip
        assert agent.raw(path) in {400, 401, 403, 404}, path
    assert upstream.got == []
    # What Envoy itself brings into its one spelling goes on in that one only.
    for path in ("/orders/%37", "/%6frders/7", "/orders/./7", "/orders//7", "/x/../orders/7", "/orders/x/%2e%2e/7"):
        assert agent.raw(path) in {200, 400, 401, 404}, path
    assert {each["asked"] for each in upstream.got} <= {"GET /orders/7"}
    seen = len(upstream.got)
    assert agent.send("POST", "/orders", b'{"item": "pen", "amount": 3, "amount": 11}').status_code == 400
    assert agent.send("POST", "/orders").status_code == 400
    assert len(upstream.got) == seen
    assert agent.raw("/orders/7") == 200


def test_frozen_or_without_remit_the_api_sees_nothing(
    home: Home, served: Up, agent: Agent, upstream: envoy.Api
) -> None:
    assert agent.send("GET", "/orders/7").status_code == 200
    assert home.remit("freeze", "instance", agent.grant.instance.thumbprint).code == 0
    frozen = agent.send("GET", "/orders/7")
    assert (frozen.status_code, frozen.json()["code"]) == (403, "revoked")
    served.end()
    assert agent.send("GET", "/orders/7").status_code == 403
    assert len(upstream.got) == 1
