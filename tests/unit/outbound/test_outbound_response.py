from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.outbound.response import written


def test_a_request_as_it_goes_over_the_wire() -> None:
    sent = written("POST", "/mcp?a=b", "crm.test:81", {"X-A": "1\té"}, b"{}")
    assert sent == "POST /mcp?a=b HTTP/1.1\r\nHost: crm.test:81\r\nX-A: 1\té\r\nContent-Length: 2\r\n\r\n{}".encode()


@pytest.mark.parametrize(("method", "length"), [("POST", True), ("DELETE", True), ("GET", False), ("HEAD", False)])
def test_a_length_is_said_of_what_may_have_a_body(method: str, length: bool) -> None:  # noqa: FBT001 - a parameter
    assert (b"Content-Length: 0\r\n" in written(method, "/", "a", (), None)) is length


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "Connection", "Upgrade", "Expect", "trailer", "", "a b", "a:"],
)
def test_a_caller_cannot_say_where_a_message_ends_or_whom_it_is_for(name: str) -> None:
    with pytest.raises(ValueError, match="cannot set"):
        written("POST", "/", "a", {name: "1"}, b"x")


@pytest.mark.parametrize(
    ("method", "path", "host", "value"),
    [("GE T", "/", "a", "1"), ("GET\r\n", "/", "a", "1"), ("GET", "/\r\nX: 1", "a", "1"), ("GET", "/", "a\n", "1"),
     ("GET", "/", "a", "1\r\nX: 2"), ("GET", "/", "a", "1\n"), ("GET", "/", "a", "\x00")],
)  # fmt: skip
def test_nothing_ends_its_line(method: str, path: str, host: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"method|control"):
        written(method, path, host, {"X": value}, None)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4), st.none() | st.binary(max_size=50))
def test_whatever_is_written_is_one_request_of_as_many_lines_as_headers(
    headers: dict[str, str], data: bytes | None
) -> None:
    with suppress(ValueError):
        head, _, body = written("POST", "/", "a", headers, data).partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert len(lines) == 3 + len(headers)
        assert body == (data or b"")
        assert lines[-1] == f"Content-Length: {len(body)}".encode()
        assert not any(b"\r" in line or b"\n" in line for line in lines)
