from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import NAME_BEARING_METHODS
from mcp_types import methods
from mcp_types import version as versions

from remit.enforcement import era, parse
from remit.enforcement.model import BadMessage, Message


def _of(table: object, wanted: tuple[str, ...]) -> set[str]:
    return {method for method, version in table if version in wanted}  # type: ignore[attr-defined] # a mapping's keys


def test_the_tables_are_the_protocols_own() -> None:
    assert era.HANDSHAKE == versions.HANDSHAKE_PROTOCOL_VERSIONS
    assert era.MODERN == versions.MODERN_PROTOCOL_VERSIONS
    assert _of(methods.CLIENT_REQUESTS, era.HANDSHAKE) == era.HANDSHAKE_REQUESTS
    assert _of(methods.CLIENT_REQUESTS, era.MODERN) == era.MODERN_REQUESTS
    assert _of(methods.CLIENT_NOTIFICATIONS, era.HANDSHAKE) == era.HANDSHAKE_NOTIFICATIONS
    assert _of(methods.CLIENT_NOTIFICATIONS, era.MODERN) == era.MODERN_NOTIFICATIONS
    assert _of(methods.SERVER_NOTIFICATIONS, versions.KNOWN_PROTOCOL_VERSIONS) == era.SERVER_NOTIFICATIONS
    assert era.CACHEABLE == methods.CACHEABLE_METHODS
    assert NAME_BEARING_METHODS.items() <= parse.NAMED.items()


@pytest.mark.parametrize(
    ("version", "modern"),
    [(None, False), ("2025-11-25", False), ("2026-07-28", True), ("2031-01-01", True), ("", True)],
)
def test_only_known_handshake_versions_are_of_that_era(version: str | None, modern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert era.is_modern({} if version is None else {"mcp-protocol-version": version}) is modern


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
GOOD = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "t"}


@pytest.mark.requirement("gateway:header-mismatch")
@pytest.mark.parametrize(
    ("headers", "params", "code"),
    [
        (GOOD, {"name": "t"}, -32602),
        (GOOD, {"name": "t", "_meta": {}}, -32602),
        (GOOD | {"mcp-name": "u"}, {"name": "t", "_meta": META}, -32020),
        ({k: v for k, v in GOOD.items() if k != "mcp-name"}, {"name": "t", "_meta": META}, -32020),
        (GOOD | {"mcp-method": "tools/list"}, {"name": "t", "_meta": META}, -32020),
        (GOOD | {"mcp-protocol-version": "2031-01-01"}, {"name": "t", "_meta": META}, -32020),
    ],
)
def test_the_envelope_and_its_headers_agree(headers: dict[str, str], params: dict[str, object], code: int) -> None:
    sent = Message("tools/call", 1, params)
    with pytest.raises(BadMessage) as refused:
        era.check_modern(headers, sent)
    assert (refused.value.rpc, refused.value.status, refused.value.id) == (code, 400, 1)
    era.check_modern(GOOD, Message("tools/call", 1, {"name": "t", "_meta": META}))


def test_an_unknown_version_is_told_what_is_spoken() -> None:
    meta = META | {"io.modelcontextprotocol/protocolVersion": "2031-01-01"}
    sent = Message("tools/call", 1, {"name": "t", "_meta": meta})
    with pytest.raises(BadMessage) as refused:
        era.check_modern(GOOD | {"mcp-protocol-version": "2031-01-01"}, sent)
    assert refused.value.rpc == -32022
    assert refused.value.data == {"supported": ["2026-07-28"], "requested": "2031-01-01"}
    with pytest.raises(BadMessage):
        era.check_modern({"mcp-protocol-version": "2031-01-01"}, Message("notifications/cancelled", None, None))


def test_shapes_are_checked_by_the_protocols_schema() -> None:
    era.check_shape(Message("resources/read", 1, {"uri": "x:y"}), "2025-11-25")
    for bad in (Message("resources/read", 1, {}), Message("initialize", 1, {"protocolVersion": 3})):
        with pytest.raises(BadMessage) as refused:
            era.check_shape(bad, "2025-11-25")
        assert refused.value.rpc == -32602


SCHEMA = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


@pytest.mark.requirement("gateway:param-headers")
def test_parameter_headers_say_what_the_arguments_say() -> None:
    sent = Message("tools/call", 1, None)
    era.check_param_headers({"mcp-param-region": "eu"}, SCHEMA, {"region": "eu"}, sent)
    for headers in ({"mcp-param-region": "us"}, {}):
        with pytest.raises(BadMessage) as refused:
            era.check_param_headers(headers, SCHEMA, {"region": "eu"}, sent)
        assert refused.value.rpc == -32020
    assert era.param_headers(era.header_paths(SCHEMA), {"region": "eu"}) == {"Mcp-Param-Region": "eu"}


def test_odd_header_marks_make_no_headers() -> None:
    odd = {"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}}
    assert era.header_paths(odd) == {}


@given(st.text(max_size=50))
def test_a_routing_header_is_one_printable_line(name: str) -> None:
    value = era.header_value(name)
    assert value.isascii()
    assert value.isprintable()
