"""XML that a provider, or somebody before it, may have written."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.errors import Malformed
from remit.vault.rotators.aws_xml import Element, read

_NAMES = st.text("abcXYZ", min_size=1, max_size=5)
_TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=10)
_LEAVES = st.builds(Element, _NAMES, _TEXTS)


def _around(inner: st.SearchStrategy[Element]) -> st.SearchStrategy[Element]:
    several = st.lists(inner, min_size=1, max_size=4).map(tuple)
    return st.builds(lambda name, inside: Element(name, "", inside), _NAMES, several)


_TREES = st.recursive(_LEAVES, _around)


def written(it: Element) -> str:
    return f"<{it.name}>{escape(it.text)}{''.join(map(written, it.inside))}</{it.name}>"


@given(_TREES)
def test_what_was_written_is_read(tree: Element) -> None:
    assert read(written(tree).encode()) == tree


@given(st.binary(max_size=200))
def test_anything_else_is_malformed(body: bytes) -> None:
    try:
        read(body)
    except Malformed as error:
        assert error.__context__ is None  # noqa: PT017 - a parser's error could quote the answer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a>",
        b"<a/><b/>",
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>',
        "<?xml version='1.0' encoding='utf-16'?><a/>".encode("utf-16"),
        b"<a>" * 40 + b"</a>" * 40,
        b"<a>" + b"<b/>" * 3000 + b"</a>",
    ],
)
def test_it_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body)


def test_names_lose_their_prefix_and_texts_their_margins() -> None:
    read_ = read(b'<x:a xmlns:x="urn:x"> <x:b> one </x:b></x:a>')
    assert (read_.name, read_.say("b"), read_.say("c"), read_.one("b", "c")) == ("a", "one", "", None)
