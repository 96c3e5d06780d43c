"""Spans of tool calls, as collectors export them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remit.certification.usage.ingest import Line
from remit.certification.usage.model import Kind, RefusedLine
from remit.connectors.mapping import EMPTY, Mapping
from remit.connectors.model import Passed
from remit.connectors.otel import read
from remit.kernel.errors import Malformed

MAPPING = Mapping(identities=(("Invoice *", "invoice-bot"),), servers=(("payments.example", "payments"),))


def attributes(**values: Any) -> list[dict[str, Any]]:
    return [
        {"key": key.replace("__", "."), "value": {"stringValue": value} if isinstance(value, str) else value}
        for key, value in values.items()
    ]


def span(said: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    tool = {
        "gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": "list_invoices",
        "gen_ai__agent__name": "Invoice Agent", "server__address": "payments.example",
        "gen_ai__tool__call__arguments": '{"secret": 1}', "server__port": {"intValue": "443"},
    }  # fmt: skip
    return {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
        "parentSpanId": "EEE19B7EC3C1B173",
        "name": "execute_tool list_invoices",
        "kind": 3,
        "startTimeUnixNano": "1793523612123456789",
        "endTimeUnixNano": "1793523613000000000",
        "attributes": attributes(**(tool | (said or {}))),
        "status": {},
        **changes,
    }


def export(*spans: Any, service: str = "billing") -> str:
    resource = {"attributes": attributes(service__name=service)}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]})


def reads(body: str, mapping: Mapping = MAPPING) -> list[Any]:
    return list(read([body.encode()], mapping, "otel"))


def test_a_tool_call_becomes_a_use() -> None:
    (found,) = reads(export(span()))
    told = found.event
    assert (told.kind, told.agent, told.action) == (Kind.USE, "invoice-bot", "payments/list_invoices")
    assert (told.at, told.run) == (1_793_523_612_123_456, "5b8efff798038103d269b633813fc60c")
    assert told.id == "5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174"
    assert told.body == "{}"


def test_a_number_for_the_time_and_a_pretty_document_are_read_too() -> None:
    body = json.dumps(json.loads(export(span(startTimeUnixNano=1_793_523_612_000_000_000))), indent=2)
    (found,) = reads(body)
    assert found.event.at == 1_793_523_612_000_000


@pytest.mark.parametrize("code", [2, "STATUS_CODE_ERROR"])
def test_a_span_that_failed_is_an_error(code: object) -> None:
    (found,) = reads(export(span({"error__type": "timeout"}, status={"code": code, "message": "late"})))
    assert found.event.kind is Kind.ERROR
    assert json.loads(found.event.body) == {"error": "timeout"}


def test_a_span_of_mcp_says_its_server_or_the_mapping_does() -> None:
    mcp = {
        "gen_ai__operation__name": "", "mcp__method__name": "tools/call", "mcp__server__name": "tickets",
        "mcp__session__id": "s1", "server__address": "",
    }  # fmt: skip
    (found,) = reads(export(span(mcp)))
    assert found.event.action == "tickets/list_invoices"
    by_tool = Mapping(identities=MAPPING.identities, servers=(("list_*", "billing"),))
    (mapped,) = reads(export(span({"server__address": ""})), by_tool)
    assert mapped.event.action == "billing/list_invoices"


@pytest.mark.parametrize(
    ("said", "service", "agent"),
    [
        ({"gen_ai__agent__name": "", "gen_ai__agent__id": "Invoice 7"}, "x", "invoice-bot"),
        ({"gen_ai__agent__name": "plain-name"}, "x", "plain-name"),
        ({"gen_ai__agent__name": ""}, "billing-bot", "billing-bot"),
    ],
)
def test_who_called(said: dict[str, Any], service: str, agent: str) -> None:
    (found,) = reads(export(span(said), service=service))
    assert found.event.agent == agent


def test_other_spans_and_strangers_are_passed_over() -> None:
    others = span({"gen_ai__operation__name": "chat"}), {"name": "GET /"}, span({"gen_ai__agent__name": "Who?"})
    found = reads(export(*others, span()))
    assert [type(each) for each in found] == [Passed, Passed, Passed, Line]


@pytest.mark.parametrize(
    "wrong",
    [
        span(traceId=""), span(traceId="xyz"), span(spanId=5), span(startTimeUnixNano="soon"),
        span(startTimeUnixNano=None),
        span({"gen_ai__tool__name": ""}), span({"server__address": "elsewhere.example"}),
    ],
)  # fmt: skip
def test_a_damaged_span_is_refused_and_the_next_is_read(wrong: dict[str, Any]) -> None:
    found = reads("\n".join([export(span(), wrong), "{", export(span())]))
    assert [(type(each), each.line) for each in found] == [
        (Line, 1), (RefusedLine, 1), (RefusedLine, 2), (Line, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("body", ["hello", '{"resourceLogs": []}', '{"resourceSpans": {}}'])
def test_another_file_is_refused_whole(body: str) -> None:
    with pytest.raises(Malformed, match="not a file of OTLP traces"):
        reads(body, EMPTY)
