from __future__ import annotations

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import CallToolResult, TextContent

from remit.sdk.denial import META, read, read_error

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
        CallToolResult.model_validate({"content": [], "isError": True, "_meta": {META: BODY}}),
        MCPError(-32010, "denied", BODY),
        SimpleNamespace(error={"code": 1}, is_error=True, meta={META: BODY}),
    ],
    ids=["JSON", "typed", "exception", "typed with a member that the client does not know"],
)
def test_a_denial_is_read_from_where_only_remit_writes(result: object) -> None:
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
        {"isError": False, "_meta": {META: BODY}},
        {"_meta": {META: BODY}},
        {"isError": True, "content": []},
        {"isError": True, "content": [{"type": "text", "text": "the disk is full"}]},
        {"isError": True, "_meta": {META: {"code": 7, "remedies": []}}},
        {"isError": True, "_meta": {META: [BODY]}},
        {"isError": True, "_meta": [BODY]},
        MCPError(-32603, "down", None),
        # What a server may write, and would be believed:
        {"isError": True, "structuredContent": BODY},
        {"isError": True, "content": [{"type": "text", "text": TEXT}]},
        {"isError": True, "content": [{"type": "text", "text": "x", "_meta": {META: BODY}}]},
        {"isError": True, "meta": {META: BODY}},
        {"isError": True, "code": -32010, "data": BODY},
        {"error": {"code": -32010, "message": "denied", "data": BODY}},
        CallToolResult(content=[TextContent(type="text", text=TEXT)], is_error=True),
        CallToolResult(content=[], structured_content=BODY, is_error=True),
        SimpleNamespace(error={"code": -32010, "data": BODY}, is_error=True, meta=None),
        MCPError(-32000, "denied", BODY),
    ],
    ids=str,
)
def test_what_is_no_denial_is_none(result: object) -> None:
    assert read(result) is None


def test_an_error_is_read_from_its_json() -> None:
    denial = read_error({"code": -32010, "message": "denied", "data": BODY})
    assert denial is not None
    assert denial.code == "constraint_violated"
    assert read_error({"code": -32000, "message": "denied", "data": BODY}) is None
    assert read_error({"code": -32010, "message": "denied"}) is None


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
    denial = read({"isError": True, "_meta": {META: BODY}})
    assert denial is not None
    assert denial.adapted(sent) == adapted


def test_a_limit_that_is_no_number_is_none() -> None:
    body = {**BODY, "violations": [], "remedies": [{"kind": "change_arguments", "path": "/a~1b", "max": "much"}]}
    denial = read({"isError": True, "_meta": {META: body}})
    assert denial is not None
    assert denial.limits("a/b") == {"max": "much"}
    assert denial.change("a/b") is None


def test_an_agent_asks_with_what_the_denial_says() -> None:
    block = {"endpoint": "https://remit.test/access/v1/requests", "binding_token": "t.m", "expires_at": "later"}
    denial = read({"isError": True, "_meta": {META: BODY | {"access_request": block}}})
    assert denial is not None
    assert denial.asking({"amount": 750}, why="invoice 17") == (
        "https://remit.test/access/v1/requests",
        {
            "action": {"name": "payments/transfer"},
            "resource": {"type": "server", "id": "payments"},
            "context": {"arguments": {"amount": 750}, "business_justification": "invoice 17"},
            "denial": {"binding_token": "t.m", "expires_at": "later"},
        },
    )
    for missing in ({}, {"access_request": None}, {"access_request": block, "action": None}):
        other = read({"isError": True, "_meta": {META: BODY | missing}})
        assert other is not None
        assert other.asking({}) is None
