"""The mandate of a real Remit: read by an agent and an operator, verified offline, true of what is decided."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.e2e.running import Home, Up

from remit.sdk.auth import AgentAuth
from remit.sdk.mandate import MandateInvalid, fetch, verify
from remit.sdk.token import token

TRANSFER = "payments/transfer"
GOOD = {"to": "Acme", "amount": Decimal("125.50"), "currency": "EUR"}


@pytest.fixture
def key(home: Home, served: Up, files: Path) -> Path:
    """The agent's key, with its boundary approved."""
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err
    return files / "agents" / "invoice-bot"


def get(url: str) -> Any:
    return httpx2.get(url, timeout=20, trust_env=False).json()


def test_an_agent_reads_its_mandate_and_plans_by_it(home: Home, served: Up, key: Path) -> None:
    api = served.ready["api"]
    mandate = fetch(api, AgentAuth(api, "invoice-bot", key, "pay-invoices"))
    jsonschema_rs.validator_for(get(f"{api}/schemas/mandate.json")).validate(dict(mandate.claims))
    assert mandate.allows(TRANSFER, GOOD)
    for wrong in ({"amount": Decimal("500.01")}, {"currency": "USD"}, {"amount": Decimal("250.01")}, {"more": 1}):
        assert not mandate.allows(TRANSFER, GOOD | wrong)
        said = home.remit("can", "invoice-bot", TRANSFER, "--args", json.dumps(GOOD | wrong, default=float))
        assert said.code in {10, 11}
    assert not mandate.allows("payments/delete_payee", {})
    again = verify(mandate.token, get(f"{api}/oauth2/jwks"), issuer=api)
    assert again == mandate
    with pytest.raises(MandateInvalid):
        verify(mandate.token, get(f"{api}/oauth2/jwks"), issuer=api, now=mandate.expires)


def test_the_operator_reads_the_same(home: Home, served: Up, key: Path) -> None:
    api = served.ready["api"]
    mandate = fetch(api, AgentAuth(api, "invoice-bot", key, "pay-invoices"))
    told = home.remit("mandate", "invoice-bot", "--json")
    assert told.code == 0, told.err
    theirs = json.loads(told.out, parse_float=Decimal)
    for mine in (theirs, dict(mandate.claims)):
        for name in ("iat", "exp", "instance", "epoch"):  # the second one was made later: time has its own changes
            mine.pop(name, None)
    assert theirs == {name: value for name, value in mandate.claims.items() if name in theirs}
    shown = home.remit("mandate", "invoice-bot", "--purpose", "pay-invoices")
    assert shown.code == 0, shown.err
    for text in ("payments/transfer", "amount >= 0 <= 500", "5000.00 of 5000.00 left per day", "invoice-bot-payments"):
        assert text in shown.out
    assert home.remit("mandate", "nobody").code == 2
    assert home.remit("mandate", "invoice-bot", "--purpose", "other").code == 2
    viewer = home.remit("operator", "token", "vera", "--role", "viewer", "--json").json["token"]
    assert home.remit("mandate", "invoice-bot", env={"REMIT_TOKEN": viewer}).code == 6


def test_the_door_takes_a_good_token_and_one_fresh_proof(served: Up, key: Path) -> None:
    api = served.ready["api"]
    url = f"{api}/v1/me/mandate"
    mine, grant = token("invoice-bot", key, "pay-invoices", url=api)
    narrow, other = token("invoice-bot", key, "pay-invoices", url=api, server="payments")

    def headers(proof: str, bearer: str = mine.access_token) -> dict[str, str]:
        return {"Authorization": f"DPoP {bearer}", "DPoP": proof}

    with httpx2.Client(timeout=20, trust_env=False) as client:
        proof = grant.proof("GET", url, mine)
        answer = client.get(url, headers=headers(proof))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jwt")
        assert answer.headers["cache-control"] == "no-store"
        replayed = client.get(url, headers=headers(proof))
        assert replayed.status_code == 401
        assert "invalid_dpop_proof" in replayed.headers["www-authenticate"]
        assert client.get(url).status_code == 401
        assert client.get(url, headers={"Authorization": f"Bearer {mine.access_token}"}).status_code == 401
        foreign = client.get(url, headers=headers(other.proof("GET", url, narrow), narrow.access_token))
        assert foreign.status_code == 401  # a token for one server reads nothing of the others
        plain = client.get(f"{url}?format=json", headers=headers(grant.proof("GET", url, mine)))
        assert plain.headers["content-type"] == "application/json"
        assert plain.json()["sub"] == "invoice-bot"
        odd = client.get(f"{url}?format=xml", headers=headers(grant.proof("GET", url, mine)))
        assert (odd.status_code, odd.json()["code"]) == (400, "malformed")
        posted = client.post(url, headers=headers(grant.proof("POST", url, mine)))
        assert (posted.status_code, posted.json()["code"]) == (405, "method_not_allowed")
        schema = client.get(f"{api}/schemas/mandate.json")
        assert (schema.status_code, schema.headers["content-type"]) == (200, "application/schema+json")


def test_a_spent_budget_and_a_freeze_stand_in_the_next_one(home: Home, served: Up, key: Path) -> None:
    api = served.ready["api"]
    auth = AgentAuth(api, "invoice-bot", key, "pay-invoices")

    async def scenario() -> dict[str, Any]:
        http = httpx2.AsyncClient(auth=AgentAuth(api, "invoice-bot", key, "pay-invoices"), trust_env=False)
        async with http, Client(streamable_http_client(f"{api}/mcp/payments", http_client=http)) as client:
            done = await client.call_tool("transfer", {"to": "Acme", "amount": 125.5, "currency": "EUR"})
            assert not done.is_error, done
            tools = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
            read = await client.read_resource("remit://mandate")
        text = read.model_dump()["contents"][0]["text"]
        return {"tools": tools, "mandate": json.loads(text)}

    found = asyncio.run(scenario())
    by_name = {each["action"]: each for each in found["mandate"]["actions"]}
    assert by_name[TRANSFER]["input_schema"] == found["tools"]["transfer"]
    left = [limit["left"] for limit in by_name[TRANSFER]["granted_by"][0]["limits"]]
    assert left == [29, "4874.50"]
    signed = fetch(api, auth).claims
    assert [limit["left"] for limit in signed["actions"][-1]["granted_by"][0]["limits"]][1] == "4874.50"
    assert home.remit("freeze", "server", "payments").code == 0
    frozen = fetch(api, auth)
    assert {each["refused"] for each in frozen.claims["actions"]} == {"revoked"}
    assert not frozen.allows(TRANSFER, GOOD)
