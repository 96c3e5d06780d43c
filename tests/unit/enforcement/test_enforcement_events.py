from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.events import Event, EventReader, written
from remit.kernel.errors import TooLarge

LINES = st.sampled_from(
    [b"data: a", b"data:b", b"data", b": ping", b"event: other", b"id: 7", b"retry: 10", b"nonsense", b"", b"data: {}"]
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])


def read(chunks: list[bytes]) -> list[Event]:
    reader = EventReader(10_000)
    return [event for chunk in chunks for event in reader.feed(chunk)]


@given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.data())
def test_borders_of_chunks_do_not_count(lines: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    text = b"".join(line + end for line, end in lines) + b"\n\n"
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)) | {0, len(text)})
    assert read([text[a:b] for a, b in itertools.pairwise(cuts)]) == read([text])


def test_fields_are_read_as_the_standard_says() -> None:
    assert read([b"\xef\xbb\xbfevent: x\r\ndata: one\r\ndata:  two\r\n\r\n"]) == [Event(b"one\n two", b"x")]
    assert read([b"\xef", b"\xbb\xbfdata: a\n\n"]) == [Event(b"a")]
    assert read([b": ping\n\n", b"event: x\n\n", b"data: a\n\n"]) == [Event(b"", b""), Event(b"a")]
    assert read([b"data: cut off"]) == []


def test_an_event_without_an_end_is_cut() -> None:
    reader = EventReader(10)
    assert reader.feed(b"data: abc\n") == []
    with pytest.raises(TooLarge):
        reader.feed(b"data: abc\n" * 4)


@given(st.sampled_from([b'{"a":1}', b'{\n"a":\r\n1}', b'{"a":"x\\ny"}']))
def test_what_is_written_is_one_event(data: bytes) -> None:
    (event,) = read([written(data)])
    assert event.data.split() == data.split()
    assert b"\n" not in event.data
