from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import CallToolResult, TextContent

from remit.sdk.denial import META, read

BODY: dict[str, Any] = {
    "type": "https://remit.dev/errors/constraint_violated",
    "title": "amount is over the bound",
    "status": 403,
    "code": "constraint_violated",
    "decision_id": "dec_1",
    "action": "payments/transfer",
    "violations": [{"path": "/amount", "constraint": "max", "limit": "500.00", "actual": "750", "unit": "EUR"}],
    "remedies": [{"kind": "change_arguments", "path": "/amount", "max": "500.00"}, {"kind": "request_access"}],
    "retryable": False,
    "retry_after": None,
}
TEXT = json.dumps(BODY)


@pytest.mark.parametrize(
    "result",
    [
        {"isError": True, "_meta": {META: BODY}},
        {"isError": True, "structuredContent": BODY},
        {"isError": True, "content": [{"type": "text", "text": TEXT}]},
        CallToolResult(content=[TextContent(type="text", text=TEXT)], is_error=True),
        CallToolResult(content=[], structured_content=BODY, is_error=True),
        {"code": -32010, "message": "denied", "data": BODY},
        MCPError(-32010, "denied", BODY),
    ],
    ids=["meta", "structured", "text", "typed text", "typed structured", "json-rpc error", "exception"],
)
def test_a_denial_is_read_from_wherever_it_stands(result: object) -> None:
    denial = read(result)
    assert denial is not None
    assert (denial.code, denial.decision_id, denial.action) == ("constraint_violated", "dec_1", "payments/transfer")
    assert denial.change("amount") == Decimal("500.00")
    assert denial.limits("amount") == {"max": "500.00"}
    assert denial.kinds == ("change_arguments", "request_access")
    assert denial.change("currency") is None


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        {"isError": False, "structuredContent": BODY},
        {"isError": True, "content": []},
        {"isError": True, "content": [{"type": "text", "text": "the disk is full"}]},
        {"isError": True, "structuredContent": {"code": 7, "remedies": []}},
        {"isError": True, "structuredContent": [BODY]},
        MCPError(-32603, "down", None),
    ],
    ids=str,
)
def test_what_is_no_denial_is_none(result: object) -> None:
    assert read(result) is None


@pytest.mark.parametrize(
    ("sent", "adapted"),
    [
        ({"amount": 750, "to": "acme"}, {"amount": 500, "to": "acme"}),
        ({"amount": 750.5}, {"amount": 500.0}),
        ({"amount": "750"}, {"amount": "500.00"}),
        ({"amount": 400}, None),
        ({"to": "acme"}, None),
        ({"amount": True}, None),
        ({"amount": "much"}, None),
    ],
)
def test_an_agent_can_lower_an_amount_by_itself(sent: dict[str, Any], adapted: dict[str, Any] | None) -> None:
    denial = read({"isError": True, "structuredContent": BODY})
    assert denial is not None
    assert denial.adapted(sent) == adapted


def test_a_limit_that_is_no_number_is_none() -> None:
    body = {**BODY, "violations": [], "remedies": [{"kind": "change_arguments", "path": "/a~1b", "max": "much"}]}
    denial = read({"isError": True, "structuredContent": body})
    assert denial is not None
    assert denial.limits("a/b") == {"max": "much"}
    assert denial.change("a/b") is None
