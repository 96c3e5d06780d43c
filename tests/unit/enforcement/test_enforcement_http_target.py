"""Paths and queries: one reading, written anew."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remit.enforcement import http_target
from remit.kernel.errors import Malformed

RAW = st.binary(max_size=60) | st.text("/.%;\\?#2eEfF5cC0aA-_x", max_size=60).map(str.encode)


@given(RAW)
def test_what_is_forwarded_reads_as_what_was_decided(raw: bytes) -> None:
    try:
        segments = http_target.path(raw)
    except Malformed:
        return
    for strict in (False, True):
        written = http_target.written_path(segments, strict=strict)
        assert [unquote(part, errors="strict") for part in written[1:].split("/")] == list(segments)
        assert http_target.path(written.encode("ascii")) == segments
        assert not {"\\", ";", "#", "?", " "} & set(written)
        assert "//" not in written
        # Whoever decodes it once more, or folds its characters, finds no separator and no step in it.
        twice = [unquote(segment) for segment in segments]
        assert not any(set("/\\") & set(part) or part in (".", "..") for part in twice)


@given(st.lists(st.text("abc /%+&=;ü", min_size=1, max_size=8), min_size=1, max_size=5))
def test_a_path_of_ordinary_segments_is_taken_or_refused_whole(segments: list[str]) -> None:
    written = http_target.written_path(segments).encode()
    if any(set("/\\;") & set(each) for each in segments):
        with pytest.raises(Malformed):
            http_target.path(written)
    else:
        try:
            assert list(http_target.path(written)) == segments
        except Malformed:
            assert any("%" in each for each in segments)


def _overlong(code: int, size: int) -> str:
    """A code point in more octets than it needs, percent-encoded (RFC 3629 section 3: not UTF-8)."""
    tail = [0x80 | code >> 6 * at & 0x3F for at in reversed(range(size - 1))]
    head = (0xFF00 >> size & 0xFF) | code >> 6 * (size - 1)
    return "".join(f"%{octet:02X}" for octet in (head, *tail))


SHORTEST = {2: 0x7F, 3: 0x7FF, 4: 0xFFFF}  # by size: what fits in fewer octets
OVERLONG = st.sampled_from([2, 3, 4]).flatmap(
    lambda size: st.integers(0, SHORTEST[size]).map(lambda c: _overlong(c, size))
)
AROUND = st.text("ab.%2e/c0", max_size=6)


@given(OVERLONG | OVERLONG.map(str.lower), AROUND, AROUND)
@example("%c0%ae", "", "")
@example("%c0%af", "", "")
@example("%e0%80%ae", "", "")
@example("%f0%80%80%af", "a", "b")
@example("%c0%80", "", "")
@example("%fc%80%80%80%80%ae", "", "")  # forms of five and six octets, which RFC 3629 took away
@example("%25c0%25ae", "", "")
def test_a_character_in_more_octets_than_it_needs_is_refused_wherever_it_stands(
    overlong: str, before: str, after: str
) -> None:
    """Attack: `%c0%ae%c0%ae` is `..` for a decoder that does not check (CVE-2000-0884, CVE-2008-2938)."""
    raw = f"/a/{before}{overlong}{after}".encode()
    with pytest.raises(Malformed):
        http_target.path(raw)
    if "%25" not in overlong:  # in a query a second encoding is a value like another
        for pair in (b"k=" + raw[3:], raw[3:] + b"=v"):
            with pytest.raises(Malformed):
                http_target.query(pair)


@given(
    st.lists(st.tuples(st.text("ab[]+ %&=;#ü", min_size=1, max_size=6), st.text("ab+ %&=;#ü", max_size=6)), max_size=6)
)
def test_a_query_comes_back_as_it_was(pairs: list[tuple[str, str]]) -> None:
    written = http_target.written_query(pairs)
    assert http_target.query(written.encode()) == pairs
    assert parse_qsl(written, keep_blank_values=True) == pairs


@given(RAW)
def test_a_query_is_refused_or_reads_the_same_again(raw: bytes) -> None:
    try:
        pairs = http_target.query(raw)
    except Malformed:
        return
    assert http_target.query(http_target.written_query(pairs).encode()) == pairs


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://h", ("a", "b")),
        ("http://h/", ("a", "b")),
        ("http://h/v3", ("v3", "a", "b")),
        ("http://h:1/v3/x/", ("v3", "x", "a", "b")),
    ],
)
def test_a_base_path_comes_first(base: str, expected: tuple[str, ...]) -> None:
    assert http_target.below(base, ("a", "b")) == expected


def test_a_path_that_is_very_long_is_refused() -> None:
    with pytest.raises(Malformed, match="too long"):
        http_target.path(b"/" + b"a" * 9000)
    with pytest.raises(Malformed, match="segments"):
        http_target.path(b"/a" * 200)


# Short texts of few characters: what is almost plain must come up often.
PLAIN = (st.text("/.a", max_size=8) | st.text("&=.+a", max_size=8) | st.text("/.~-_aZ09?&=%+;", max_size=20)).map(
    str.encode
)


def _said(read: Callable[[bytes], object], raw: bytes) -> object:
    try:
        return read(raw)
    except Malformed as error:
        return error.public


@given(PLAIN | RAW)
@example(b"/..")
@example(b"/a/../b")
@example(b"/.")
@example(b"/a//b")
@example(b"a+b=c")
@example(b"a=b=c")
@example(b"a")
def test_what_needs_no_looking_reads_as_if_it_were_looked_at(raw: bytes) -> None:
    assert _said(http_target.path, raw) == _said(http_target._path_read, raw)
    assert _said(http_target.query, raw) == _said(http_target._query_read, raw)


@pytest.mark.parametrize("count", [127, 128, 129])
def test_a_plain_path_has_a_bound_too(count: int) -> None:
    for raw in (b"/a" * count, b"/a" * count + b"/"):
        assert _said(http_target.path, raw) == _said(http_target._path_read, raw)
    query = b"&".join([b"a=1"] * (count + 872))
    assert _said(http_target.query, query) == _said(http_target._query_read, query)


@given(st.text(max_size=8), st.sampled_from(["", "!$&'()*+,=:@"]))
def test_what_is_not_encoded_would_not_be(part: str, safe: str) -> None:
    assert http_target._written(part, safe) == quote(part, safe=safe)


@pytest.mark.parametrize("raw", [b"/a/..%E2%88%95b", b"/a/..%C2%A5b", b"/a/..:/b", b"/a/..::$INDEX_ALLOCATION/b"])
def test_a_step_up_that_only_some_systems_see_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        http_target.path(raw)
