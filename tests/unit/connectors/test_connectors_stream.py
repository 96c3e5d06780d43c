"""Bytes come in pieces of any size, and the lines and values are the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.connectors.files import chunks
from remit.connectors.stream import Piece, head, lines, values
from remit.kernel.errors import ConfigInvalid, Malformed, TooLarge


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
OBJECTS = st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=6)


@settings(max_examples=examples(100))
@given(OBJECTS, st.integers(1, 17), st.booleans())
def test_the_records_of_a_list_come_as_they_stand(records: list[Any], size: int, pretty: bool) -> None:  # noqa: FBT001
    body = json.dumps({"Records": records, "and": "]}"}, indent=2 if pretty else None).encode()
    found = list(values(pieces(body, size), depth=2))
    assert [json.loads(piece.body or b"") for piece in found] == records
    assert [piece.number for piece in found] == list(range(1, len(records) + 1))


@settings(max_examples=examples(100))
@given(OBJECTS, st.integers(1, 17))
def test_objects_one_after_the_other_come_as_they_stand(records: list[Any], size: int) -> None:
    body = "\n".join(json.dumps(record, ensure_ascii=False, indent=1) for record in records).encode()
    assert [json.loads(piece.body or b"") for piece in values(pieces(body, size), depth=0)] == records


@given(st.lists(st.binary(max_size=9).filter(lambda line: not {10, 13} & set(line))), st.integers(1, 5))
def test_lines_are_numbered_and_empty_ones_left_out(rows: list[bytes], size: int) -> None:
    expected = [Piece(number, row) for number, row in enumerate(rows, 1) if row.strip()]
    assert list(lines(pieces(b"\n".join(rows), size))) == expected
    assert list(lines(pieces(b"\r\n".join(rows) + b"\r\n", size))) == expected


@pytest.mark.parametrize("size", [1, 3, 100])
def test_what_is_too_long_is_named_and_the_next_is_read(size: int) -> None:
    body = b"short\n" + b"x" * 50 + b"\nalso\n" + b"y" * 50
    assert list(lines(pieces(body, size), most=10)) == [
        Piece(1, b"short"), Piece(2, None), Piece(3, b"also"), Piece(4, None),
    ]  # fmt: skip
    long = b'[{"a":1},{"b":"' + b"z" * 50 + b'"},{"c":[{}]}]'
    assert list(values(pieces(long, size), depth=1, most=20)) == [
        Piece(1, b'{"a":1}'), Piece(2, None), Piece(3, b'{"c":[{}]}'),
    ]  # fmt: skip


@pytest.mark.parametrize("body", [b'[{"a":1},{"b"', b'[{"a":"', b"{", b'{"a":1}}'])
def test_a_text_that_ends_in_the_middle_says_so(body: bytes) -> None:
    with pytest.raises(Malformed):
        list(values(pieces(body, 3), depth=0))


def test_brackets_in_text_are_text() -> None:
    body = rb'{"a":"}\"]{","b":"\\"}'
    assert list(values([body], depth=0)) == [Piece(1, body)]


def test_the_head_is_read_without_losing_anything() -> None:
    first, again = head(iter([b"ab", b"cd", b"ef"]), 3)
    assert first == b"abcd"
    assert b"".join(again) == b"abcdef"
    assert head(iter([]), 3)[0] == b""


def test_a_file_is_read_packed_or_not(tmp_path: Path) -> None:
    body, done = b"line\n" * 100_000, list[int]()
    (tmp_path / "plain").write_bytes(body)
    (tmp_path / "packed").write_bytes(gzip.compress(body) + gzip.compress(b"more"))
    assert b"".join(chunks(tmp_path / "plain", progress=done.append)) == body
    assert done[-1] == len(body)
    assert b"".join(chunks(tmp_path / "packed")) == body + b"more"


def test_a_small_file_is_no_endless_one(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    with gzip.open(bomb, "wb", compresslevel=9) as file:
        for _ in range(80):
            file.write(bytes(1 << 20))
    read: list[int] = []
    with pytest.raises(TooLarge, match="200 times"):
        read.extend(len(chunk) for chunk in chunks(bomb))
    assert sum(read) <= 64 << 20


@pytest.mark.parametrize("cut", [12, 40])
def test_damaged_gzip_is_said(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(bytes(range(256)) * 50)[:cut])
    with pytest.raises(Malformed, match="damaged gzip"):
        list(chunks(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        list(chunks(tmp_path / "none"))
