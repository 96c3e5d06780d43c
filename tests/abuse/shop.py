"""What the attacks on calls are made on: a payments server over MCP, an API over HTTP, an agent that may do a part."""

from __future__ import annotations

import json
from typing import Any

from gateway_world import at_most, payments, rule, streamable  # type: ignore[import-not-found] # found by conftest
from tests.abuse.three_questions import Watch

from remit.access.model import Bound

ORDER: dict[str, Any] = {
    "type": "object", "properties": {"amount": {"type": "number"}, "account": {"type": "string"}},
    "required": ["amount"], "additionalProperties": False,
}  # fmt: skip
OPERATIONS: dict[str, Any] = {
    "GET /orders/{id}": {"tier": "low"},
    "POST /orders": {"tier": "medium", "arguments": ORDER},
    "DELETE /orders/{id}": {"tier": "high"},
}
OURS = Bound(argument="currency", in_=("EUR", "CHF"))


async def shop(world: Any) -> Watch:
    """Open it. `bot` lists invoices, transfers at most 100 in two currencies, reads and makes orders up to 100;
    `other` lists invoices only.
    """
    await world.server("payments", streamable(payments(), json_response=True, stateless=True), credential=True)
    api = await world.api(operations=OPERATIONS, credential={"secret": "key", "inject": "bearer"})
    world.agent(
        "bot", rule("payments/list_invoices"), rule("payments/transfer", at_most("amount", "100.00"), OURS),
        rule("api:GET /orders/{id}"), rule("api:POST /orders", at_most("amount", "100.00")),
    )  # fmt: skip
    world.agent("other", rule("payments/list_invoices"))
    return Watch(world, api.got)


def transfer(amount: object = 50, currency: object = "EUR", **more: object) -> dict[str, Any]:
    """The parameters of a call that moves money."""
    return {"name": "transfer", "arguments": {"amount": amount, "currency": currency, **more}}


def message(params: dict[str, Any], method: str = "tools/call") -> dict[str, Any]:
    """A request of the handshake era."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def raw_transfer(arguments: str) -> bytes:
    """The same, its arguments as they are written here."""
    before, after = json.dumps(message({"name": "transfer", "arguments": "HERE"})).split('"HERE"')
    return f"{before}{arguments}{after}".encode("utf-8", "surrogatepass")
