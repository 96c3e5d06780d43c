"""An agent asks, people answer, the call passes once: over `remit up`, the command line, and a crash in between."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.running import Home
from tests.e2e.sinks import Sink, http_sink, smtp_sink
from tests.e2e.test_e2e_enforcement_points import META, Edge, applied, registered

from remit.sdk.denial import META as META_KEY
from remit.sdk.denial import read
from remit.sdk.token import token

OVER: dict[str, Any] = {"amount": 400.5, "currency": "EUR", "to": "DE89370400440532013000"}
ACTION = {"action": {"name": "payments/transfer"}, "resource": {"type": "server", "id": "payments"}}


@dataclass
class Agent:
    """The agent itself, with its own token; a headless one."""

    edge: Edge
    key: Path
    held: Any = field(init=False)
    grant: Any = field(init=False)

    def __post_init__(self) -> None:
        self.held, self.grant = token(
            "invoice-bot", str(self.key), "pay-invoices", url=self.edge.url, server="payments"
        )

    def send(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        proof = self.grant.proof(method, self.edge.url + path, self.held)
        sent = {"authorization": f"DPoP {self.held.access_token}", "dpop": proof, **headers}
        if body is not None:
            sent["content_type"] = "application/json"
        return self.edge.send(method, path, b"" if body is None else json.dumps(body).encode(), **sent)

    def pays(self, **changed: Any) -> dict[str, Any]:
        """A call of the tool: its result."""
        params = {"name": "transfer", "arguments": OVER | changed, "_meta": META}
        status, _, answer = self.send(
            "POST", "/mcp/payments", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
            accept="application/json, text/event-stream", mcp_protocol_version="2026-07-28", mcp_method="tools/call",
            mcp_name="transfer",
        )  # fmt: skip
        assert status == 200, answer
        return dict(answer["result"])

    def denied(self, **changed: Any) -> dict[str, Any]:
        result = self.pays(**changed)
        assert result["isError"], result
        return dict(result["structuredContent"])

    def asks(self, denial: dict[str, Any], **more: Any) -> tuple[int, dict[str, str], Any]:
        """What an agent does that has read nothing but the denial."""
        found = read({"isError": True, "_meta": {META_KEY: denial}})
        asking = found and found.asking(OVER, why="invoice 17")
        assert asking
        return self.send("POST", urlsplit(asking[0]).path, asking[1] | more, idempotency_key="k1")

    def looks(self, task: dict[str, Any]) -> Any:
        status, _, body = self.send("GET", urlsplit(task["status_endpoint"]).path)
        assert status == 200, body
        return body


def heard(edge: Edge, task: dict[str, Any], hook: Sink, relay: Sink) -> None:
    """Who is asked hears of it, by what is signed and says nothing of the arguments; a failure is tried again."""
    first = hook.next()
    assert {first.json["event"], hook.next().json["event"]} == {"approval_asked"}
    assert first.json["people"] == ["dana", "lee"]
    mails = [relay.next() for _ in range(2)]
    assert sorted(mail[0][0] for mail in mails) == ["dana@example.test", "lee@example.test"]
    assert f"remit approval approve {task['id']}" in mails[0][1]
    assert all("400.5" not in text and "DE89" not in text for text in (first.body.decode(), mails[0][1]))
    _, _, keys = edge.send("GET", "/ssf/jwks")
    event = jose_claims(first.headers["remit-event"], keys)
    assert event["events"]["urn:remit:event:approval-asked"]["body_sha256"] == sha256(first.body).hexdigest()


def test_kill_9_mid_wait_and_it_runs_exactly_once(home: Home, files: Path, tmp_path: Path) -> None:
    key = files / "agents" / "invoice-bot"
    ledger = tmp_path / "payments.jsonl"
    with http_sink(500) as hook, smtp_sink() as relay, http_sink() as back:
        told = (
            "--webhook", f"http://127.0.0.1:{hook.port}/hook", "--smtp", f"127.0.0.1:{relay.port}",
            "--mail-from", "remit@example.test", "--callback-host", f"127.0.0.1:{back.port}",
        )  # fmt: skip
        with home.up("--dev", *told) as up:
            applied(home, files)
            edge = registered(home, up.ready["api"])
            listen = urlsplit(edge.url).netloc
            agent = Agent(edge, key)
            denial = agent.denied()
            assert (denial["code"], denial["state"]) == ("approval_required", "none")
            status, headers, body = agent.asks(
                denial, callback={"endpoint": f"http://127.0.0.1:{back.port}/back", "state": "s1"}
            )
            task = body["task"]
            assert (status, task["status"], headers["location"]) == (202, "pending", task["status_endpoint"])
            assert (
                agent.asks(denial, callback={"endpoint": f"http://127.0.0.1:{back.port}/back", "state": "s1"})[2]
                == body
            )
            assert agent.denied()["state"] == "pending"
            heard(edge, task, hook, relay)
            up.end(signal.SIGKILL)
        with home.up("--dev", "--listen", listen, *told) as up:
            assert agent.looks(task)["task"]["status"] == "pending"
            shown = home.remit("approval", "show", task["id"], "--json", "--as", "lee").json
            assert json.loads(shown["arguments"]) == OVER
            assert home.remit("approval", "show", task["id"], "--json").json["arguments"] is None, "the admin token"
            refused = home.remit("approval", "approve", task["id"])
            assert (refused.code, "may not say yes or no" in refused.err) == (6, True), refused.err
            assert home.remit("approval", "approve", task["id"], "--as", "lee").code == 0
            done = agent.looks(task)
            assert (done["task"]["status"], done["result"]["mode"]) == ("approved", "reevaluate")
            called = back.next()
            assert (called.json["task"]["status"], called.json["state"]) == ("approved", "s1")
            assert agent.denied(amount=400.51)["state"] == "stale", "one byte"
            before = ledger.read_text(encoding="utf-8") if ledger.exists() else ""
            agents = [agent, Agent(edge, key), Agent(edge, key)]
            with ThreadPoolExecutor(3) as pool:
                results = list(pool.map(Agent.pays, agents))
            assert [result.get("isError", False) for result in results].count(False) == 1
            states = {each["structuredContent"]["state"] for each in results if each.get("isError")}
            assert states == {"used"}
            after = ledger.read_text(encoding="utf-8").removeprefix(before)
            assert len(after.splitlines()) == 1, "the server got one call"
            found = home.remit("approval", "list", "--state", "all", "--json").json["requests"]
            assert [each["used_by"] is not None for each in found] == [True]
            verified = home.remit("audit", "verify")
            assert verified.code == 0, verified.err
            assert up.end() == 0


def test_an_enforcement_point_asks_and_asks_again_with_the_approval(home: Home, files: Path) -> None:
    with home.up("--dev") as up:
        applied(home, files)
        edge, other = registered(home, up.ready["api"]), registered(home, up.ready["api"], "other")
        _, _, found = edge.send("GET", "/.well-known/authzen-configuration")
        assert found["access_request_endpoint"] == edge.url + "/access/v1/requests"
        assert "urn:openid:authzen:capability:access-request" in found["capabilities"]
        _, _, why = edge.ask(**OVER)
        question = {"subject": {"type": "agent", "id": "invoice-bot"}, **ACTION}
        context = {"purpose": "pay-invoices", "arguments": OVER}
        asked = {**question, "context": context, "denial": {"binding_token": why["access_request"]["binding_token"]}}
        status, _, body = edge.post("/access/v1/requests", asked)
        assert status == 202
        path = urlsplit(body["task"]["status_endpoint"]).path
        assert other.send("GET", path, authorization=f"Bearer {other.token}")[0] == 404, "another's looks like none"
        assert home.remit("approval", "approve", body["task"]["id"], "--as", "dana", "--for", "5m").code == 0
        approval = edge.send("GET", path, authorization=f"Bearer {edge.token}")[2]["result"]["approval"]
        other_call = {**context, "arguments": OVER | {"amount": 401}, "approval": approval}
        _, _, body = edge.post("/access/v1/evaluation", {**question, "context": other_call})
        assert (body["context"]["next_action"], body["context"]["reason"]) == ("request", "out_of_scope")
        again = {**question, "context": {**context, "approval": approval}}
        _, _, body = edge.post("/access/v1/evaluation", again)
        assert body["decision"], body
        assert body["context"]["approval"]["id"] == approval["id"]
        _, _, body = edge.post("/access/v1/evaluation", again)
        assert (body["context"]["state"], body["context"]["reason"]) == ("used", "approval_expired")
        unknown = {**question, "context": {**context, "approval": {"id": "apr_0"}}}
        assert edge.post("/access/v1/evaluation", unknown)[2]["context"]["reason"] == "approval_unverifiable"


def test_a_person_asks_and_another_answers(home: Home, files: Path) -> None:
    call = ("invoice-bot", "payments/transfer", "--arg", "amount=400", "--arg", "currency=EUR", "--arg", "to=DE1")
    with home.up("--dev"):
        applied(home, files)
        asked = home.remit("approval", "ask", *call, "--why", "invoice 17", "--json", "--as", "dana")
        assert asked.code == 11, asked.err
        name = asked.json["request"]
        own = home.remit("approval", "approve", name, "--as", "dana", "--json")
        assert (own.code, own.json["error"]["code"]) == (6, "approval_denied")
        assert name in home.remit("approval", "list").out
        assert home.remit("approval", "deny", name, "--note", "not this month", "--as", "lee").code == 0
        denied = home.remit("can", *call, "--json")
        assert (denied.code, denied.json["denial"]["code"]) == (10, "approval_denied")
        assert home.remit("approval", "approve", name, "--as", "lee").code == 9
        again = home.remit("approval", "ask", *call, "--json", "--as", "dana").json["request"]
        assert home.remit("approval", "cancel", again, "--as", "dana").code == 0
        assert home.remit("approval", "show", "arq_0").code == 2
        assert home.remit(
            "approval", "ask", "invoice-bot", "payments/transfer", "--arg", "amount=1", "--as", "dana"
        ).code


def jose_claims(text: str, keys: Any) -> Any:
    """The claims of a token, once its signature is checked against the published keys."""
    from joserfc import jws  # noqa: PLC0415 - a test's own tool
    from joserfc.jwk import KeySet  # noqa: PLC0415 - the same

    found = jws.deserialize_compact(text, KeySet.import_key_set(keys), algorithms=["RS256"])
    return json.loads(found.payload)
