"""Event streams are passed on by whole events, wherever their chunks part."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.http_events import WholeEvents
from remit.kernel.errors import TooLarge

LINES = st.lists(st.sampled_from([b"data: a", b": ping", b"event: x", b""]), max_size=12)


@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.lists(st.integers(0, 200), max_size=8))
def test_what_passes_ends_behind_a_blank_line_and_nothing_is_lost(
    lines: list[bytes], end: bytes, cuts: list[int]
) -> None:
    text = b"".join(line + end for line in lines) + b"data: last" + end + end + b"data: half"
    reader, passed = WholeEvents(1000), b""
    at = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for begin, stop in pairwise(at):
        out = reader.feed(text[begin:stop])
        assert not out or out.endswith(end + end)
        passed += out
    assert passed == text.removesuffix(b"data: half")


def test_a_line_end_of_two_bytes_is_not_a_blank_line() -> None:
    assert WholeEvents(100).feed(b"data: a\r\ndata: b\r\n") == b""


def test_an_event_without_end_is_too_large() -> None:
    reader = WholeEvents(10)
    with pytest.raises(TooLarge):
        reader.feed(b"x" * 11)
