"""A resource server of an organisation's own, which verifies Remit's tokens and asks Remit, under real processes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e.running import PATIENCE, Home, Up, _wait_for, free_port, waited
from tests.e2e.test_e2e_enforcement_points import Edge, revoke

from remit.sdk import keyfile
from remit.sdk.grant import Grant, Token
from remit.sdk.token import token

SCRIPT = str(Path(__file__).with_name("resource_server.py"))
GOOD = {"to": "Acme", "amount": 10.5, "currency": "EUR"}


@dataclass
class Server:
    """The resource server, and an agent that has a token for it."""

    url: str
    ledger: Path
    held: Token
    grant: Grant

    def post(
        self, arguments: Any = GOOD, *, path: str = "/transfers", scheme: str = "DPoP", nonce: str | None = None,
        **changed: str | None,
    ) -> httpx2.Response:  # fmt: skip
        url = self.url + path
        headers: dict[str, str | None] = {
            "authorization": f"{scheme} {self.held.access_token}",
            "dpop": self.grant.proof("POST", url, self.held, nonce=nonce),
            "content-type": "application/json",
        }
        sent = {name: value for name, value in (headers | changed).items() if value is not None}
        with httpx2.Client(timeout=PATIENCE, trust_env=False) as client:
            return client.post(url, content=json.dumps(arguments), headers=sent)

    def served(self) -> list[Any]:
        lines = self.ledger.read_text("utf-8").splitlines() if self.ledger.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def ready(home: Home, served: Up, files: Path) -> Path:
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err
    return files / "agents" / "invoice-bot"


@contextlib.contextmanager
def running(home: Home, up: Up, key: Path, kind: str, *more: str) -> Iterator[Server]:
    port, ledger = free_port(), home.path / "served.jsonl"
    point = home.remit("pep", "add", "payments-api", "--json").json["token"]
    environ = home.environ | {"POINT_TOKEN": point, "LEDGER": str(ledger)}
    command = [sys.executable, SCRIPT, kind, str(port), up.ready["api"], *more]
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        _wait_for(port, process)
        held, grant = token("invoice-bot", key, "pay-invoices", url=up.ready["api"], server="payments")
        yield Server(f"http://127.0.0.1:{port}", ledger, held, grant)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def _settled(home: Home, decision: str) -> Any:
    told = home.remit("why", decision, "--json").json
    return told if told["outcome"] else None


@pytest.mark.parametrize("kind", ["plain", "starlette"])
def test_only_what_remit_lets_through_reaches_the_application(home: Home, served: Up, ready: Path, kind: str) -> None:
    with running(home, served, ready, kind) as server:
        answer = server.post()
        assert (answer.status_code, answer.json()["agent"], answer.json()["body"]) == (201, "invoice-bot", GOOD)
        told = waited(lambda: _settled(home, answer.json()["decision"]))  # it reports once it has answered
        assert (told["header"]["pep"], told["outcome"]["outcome"]) == ("payments-api", "ok")
        assert told["header"]["instance"] == server.grant.instance.thumbprint  # of the copy, not of who asked for it
        over = server.post({**GOOD, "amount": 501})
        assert (over.status_code, over.json()["code"]) == (403, "constraint_violated")
        assert over.headers["content-type"] == "application/problem+json"
        assert server.post(path="/elsewhere").json()["code"] == "not_granted"
        (seen,) = server.served()
        assert not {"authorization", "dpop"} & set(seen["headers"])


def test_without_a_good_token_and_proof_it_is_401_and_says_where_tokens_are_had(
    home: Home, served: Up, ready: Path
) -> None:
    with running(home, served, ready, "plain") as server:
        bare = server.post(authorization=None)
        assert bare.status_code == 401
        assert "error=" not in bare.headers["www-authenticate"]
        metadata = f"{served.ready['api']}/.well-known/oauth-protected-resource/mcp/payments"
        assert f'resource_metadata="{metadata}"' in bare.headers["www-authenticate"]
        assert httpx2.get(metadata, trust_env=False).json()["authorization_servers"] == [served.ready["api"]]
        proof = server.grant.proof("POST", server.url + "/transfers", server.held)
        assert server.post(dpop=proof).status_code == 201
        thief = Grant(server.grant.url, "bot", server.grant.key, "x", None, keyfile.fresh())
        tampered = server.held.access_token[:-4] + "AAAA"
        for error, changed in (
            ("invalid_dpop_proof", {"dpop": proof}),  # used before
            ("invalid_dpop_proof", {"dpop": None}),
            ("invalid_dpop_proof", {"dpop": thief.proof("POST", server.url + "/transfers", server.held)}),
            ("invalid_dpop_proof", {"dpop": server.grant.proof("GET", server.url + "/transfers", server.held)}),
            ("invalid_dpop_proof", {"dpop": server.grant.proof("POST", server.url + "/other", server.held)}),
            ("invalid_dpop_proof", {"dpop": server.grant.proof("POST", server.url + "/transfers")}),
            ("invalid_token", {"authorization": f"DPoP {tampered}"}),
            ("invalid_token", {"authorization": f"Bearer {server.held.access_token}"}),
        ):
            answer = server.post(**changed)
            assert (answer.status_code, answer.json()["error"]) == (401, error), changed
        elsewhere, grant = token("invoice-bot", ready, "pay-invoices", url=served.ready["api"])
        made = grant.proof("POST", server.url + "/transfers", elsewhere)
        answer = server.post(authorization=f"DPoP {elsewhere.access_token}", dpop=made)
        assert "another resource" in answer.json()["title"]
        assert len(server.served()) == 1


def test_what_remit_revoked_is_no_token_here_either(home: Home, served: Up, ready: Path) -> None:
    """RFC 6750 section 3.1: 401, with where a new one is had; a 403 would say that asking for another helps nothing."""
    with running(home, served, ready, "plain") as server:
        assert server.post().status_code == 201
        edge = Edge(served.ready["api"], "")
        assert revoke(edge, keyfile.load(ready), server.held.access_token) == 200
        seen = {row["id"] for row in home.remit("audit", "tail", "-n", "100", "--json").json["entries"]}
        gone = server.post()
        assert (gone.status_code, gone.json()["error"]) == (401, "invalid_token")
        assert 'error="invalid_token"' in gone.headers["www-authenticate"]
        assert "resource_metadata=" in gone.headers["www-authenticate"]
        rows = home.remit("audit", "tail", "-n", "100", "--json").json["entries"]
        (entry,) = [row for row in rows if row["id"] not in seen and row["kind"] in {"decision", "refused"}]
        assert (entry["kind"], entry["decision"], entry["code"]) == ("decision", "deny", "not_visible")
        assert len(server.served()) == 1


def test_nonces_are_asked_for_and_given(home: Home, served: Up, ready: Path) -> None:
    with running(home, served, ready, "plain", "nonces") as server:
        first = server.post()
        assert (first.status_code, first.json()["error"]) == (401, "use_dpop_nonce")
        assert server.post(nonce=first.headers["dpop-nonce"]).status_code == 201


def test_frozen_or_without_remit_nothing_reaches_the_application(home: Home, served: Up, ready: Path) -> None:
    with running(home, served, ready, "plain") as server:
        assert server.post().status_code == 201
        assert home.remit("freeze", "instance", server.grant.instance.thumbprint).code == 0
        frozen = server.post()
        assert (frozen.status_code, frozen.json()["code"]) == (403, "revoked")
        served.end()
        gone = server.post()
        assert (gone.status_code, gone.json()["code"]) == (503, "enforcement_unavailable")
        assert len(server.served()) == 1
