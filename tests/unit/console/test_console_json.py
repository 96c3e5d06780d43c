"""JSON on a page is what the log has, as a person can read it, and no character of it is hidden or turns it around."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.console.frame import as_json, templates

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(VALUES)
def test_it_says_the_same(value: Any) -> None:
    said = as_json(value, 2)
    assert json.loads(said) == value
    assert not any(unicodedata.category(each) in {"Cc", "Cf", "Zl", "Zp", "Cs"} for each in said if each != "\n")


def test_names_and_quotes_are_read_as_they_are_and_markup_is_text() -> None:
    said = as_json({"who": "O'Brien & Müller", "to": "\u202egro.live\u2066"})
    assert said == r"""{"to": "\u202egro.live\u2066", "who": "O'Brien & Müller"}"""
    page = templates().from_string("<pre>{{ it|as_json }}</pre>").render(it="</pre><script>")
    assert page == "<pre>&#34;&lt;/pre&gt;&lt;script&gt;&#34;</pre>"
