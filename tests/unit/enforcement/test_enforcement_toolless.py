"""Which servers have no tools, by what they say of themselves: never one that only fails to list them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.listing import ListRefused, toolless, unknown
from remit.enforcement.server_messages import Kind, ServerMessage

CAPABILITIES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["tools", "resources", "prompts", "logging"]), st.just({})
)


@given(CAPABILITIES)
def test_one_that_declares_tools_has_some(declared: dict[str, Any]) -> None:
    greeting = json.dumps({"protocolVersion": "2025-11-25", "capabilities": declared}).encode()
    assert toolless(greeting) == ("tools" not in declared)


@pytest.mark.parametrize(
    "greeting", [None, b"", b"[]", b"{}", b'{"capabilities": null}', b'{"capabilities": []}', b"{"]
)
def test_one_that_says_nothing_of_itself_is_not_known_to_have_none(greeting: bytes | None) -> None:
    assert not toolless(greeting)


@pytest.mark.parametrize(("code", "is_unknown"), [(-32601, True), (-32603, False), (-32602, False), (0, False)])
def test_only_an_unknown_method_is_no_failure(code: int, is_unknown: bool) -> None:  # noqa: FBT001 - a parameter of the test
    error = json.dumps({"code": code, "message": "no"}).encode()
    assert unknown(ListRefused(ServerMessage(Kind.RESPONSE, error=error))) is is_unknown
