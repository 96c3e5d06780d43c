"""A line of a stdio client becomes a request, and an event stream lines again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import encode_header_value

from remit.runner.envelope import Messages, NotOne, handshake, header_value, modern, read


@given(st.text(max_size=20) | st.just("=?base64?eA==?="))
def test_names_stand_in_headers_as_the_sdk_writes_them(text: str) -> None:
    if text and text.isprintable():
        assert header_value(text).decode() == encode_header_value(text)


@given(st.lists(st.text(max_size=20), max_size=5), st.integers(1, 7))
def test_whatever_the_borders_of_its_chunks(texts: list[str], size: int) -> None:
    messages = [json.dumps(text).encode() for text in texts]
    stream = b"".join(b"event: message\r\ndata: " + each + b"\r\n\r\n: ping\r\n\r\n" for each in messages)
    reader = Messages()
    found = [each for at in range(0, len(stream), size) for each in reader.feed(stream[at : at + size])]
    assert found == messages


@pytest.mark.parametrize(
    ("line", "code"), [(b"{", -32700), (b"[]", -32600), (b'{"id": 1}', -32600), (b'"x"', -32600), (b"\xff", -32700)]
)
def test_what_is_no_message_is_answered_and_goes_nowhere(line: bytes, code: int) -> None:
    with pytest.raises(NotOne) as fault:
        read(line)
    assert json.loads(fault.value.answer())["error"]["code"] == code


def test_an_answer_to_a_servers_question_goes_nowhere() -> None:
    assert read(b'{"jsonrpc":"2.0","id":1,"result":{}}') is None


def test_the_era_is_the_clients() -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "é", "_meta": meta}}
    said = read(json.dumps(body).encode())
    assert said is not None
    assert said.version == "2026-07-28"
    headers = dict(modern(said, "2026-07-28"))
    assert headers[b"mcp-method"] == b"tools/call"
    assert headers[b"mcp-name"] == b"=?base64?w6k=?="
    old = dict(handshake("2025-11-25", "s"))
    assert (old[b"mcp-protocol-version"], old[b"mcp-session-id"]) == (b"2025-11-25", b"s")
    assert b"mcp-session-id" not in dict(handshake(None, None))
