"""Event streams are passed on by whole events, wherever their chunks part."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.http_events import DENIAL, OTHERS, WholeEvents, in_utf8, is_stream, others
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


ENDS = st.sampled_from(["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
NAMES = st.sampled_from(["event", "EVENT", "Event"])
SAID = st.sampled_from(["remit-denial", "Remit-Denial", "REMIT-DENIAL", "remit-denial ", "x remit-denial"])
GAPS = st.sampled_from(["", " ", "\t", "  ", "\ufeff"])
FIELDS = st.tuples(GAPS, NAMES, GAPS, st.just(":"), GAPS, SAID).map("".join)
LINE = FIELDS | st.sampled_from(["data: a", ": ping", "", "id: 1", "data: remit-denial"])


def types(text: str, *, careful: bool) -> list[str]:
    """The types of events, for a careful reader of HTML section 9.2.6, and for one who is not."""
    if careful:
        lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return [line[6:].removeprefix(" ") for line in lines if line.startswith("event:")]
    pairs = (line.strip(" \t\ufeff").partition(":") for line in text.splitlines())
    return [value.strip(" \t\ufeff").lower() for name, _, value in pairs if name.strip(" \t\ufeff").lower() == "event"]


@given(st.lists(st.tuples(LINE, ENDS)), st.booleans())
def test_nobody_elses_event_is_of_remits_type(lines: list[tuple[str, str]], careful: bool) -> None:  # noqa: FBT001 - a parameter of the test
    text = "".join(line + end for line, end in lines)
    passed = others(text.encode())
    assert not any(DENIAL.decode() in each for each in types(passed.decode(), careful=careful))
    assert len(passed) == len(text.encode())
    assert others(passed) == passed
    assert len(types(passed.decode(), careful=careful)) == len(types(text, careful=careful))


@given(st.lists(st.sampled_from([b"data: remit-denial", b"id: remit-denial", b": remit-denial", b"event: x", b""])))
def test_what_is_no_type_passes_as_it_is(lines: list[bytes]) -> None:
    text = b"".join(line + b"\n" for line in lines)
    assert others(text) == text


def test_an_event_of_that_type_comes_under_another_name() -> None:
    assert others(b"event: remit-denial\ndata: {}\n\n") == b"event: other-denial\ndata: {}\n\n"
    assert len(DENIAL) == len(OTHERS)


@pytest.mark.parametrize(
    "value", ["text/event-stream", "Text/Event-Stream; charset=utf-8", "text/plain, text/event-stream"]
)
def test_whatever_may_be_read_as_a_stream_is_one(value: str) -> None:
    assert is_stream(["text/plain", value])
    assert not is_stream(["text/plain", "application/json"])


def test_a_line_that_ends_as_latin_1_has_it_ends_for_some() -> None:
    assert others(b"data: y\x85event: remit-denial\n\n") == b"data: y\x85event: other-denial\n\n"


@pytest.mark.parametrize(
    "value",
    [
        "text/event-stream; charset=utf-16", "text/event-stream;charset=utf-7", "text/event-stream; charset=utf-8-sig",
        "Text/Event-Stream; charset=utf-8; charset=utf-16", "text/plain, text/event-stream", "text/event-stream; a=b",
    ],
)  # fmt: skip
def test_a_stream_is_in_utf_8_whatever_it_says(value: str) -> None:
    assert in_utf8(value) == "text/event-stream"


@pytest.mark.parametrize(
    "value", ["text/event-stream", 'Text/Event-Stream; charset="UTF-8"', "text/csv; charset=utf-16", "text/plain"]
)
def test_what_is_no_stream_or_says_utf_8_stays(value: str) -> None:
    assert in_utf8(value) == value
