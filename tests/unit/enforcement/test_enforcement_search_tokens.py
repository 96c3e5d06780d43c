"""A page's token goes on after a name, for one question of one enforcement point, and tells nobody the name."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.authzen_search import Gap, Search, search
from remit.enforcement.search_tokens import Tokens
from remit.kernel.errors import Malformed

TOKENS = Tokens(b"k" * 32)
BODY: dict[str, Any] = {
    "subject": {"type": "user"},
    "action": {"name": "read"},
    "resource": {"type": "doc", "id": "plan"},
    "context": {"from": "here"},
}
ASKED = search(Gap.SUBJECT, BODY)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def again(asked: Search, token: str) -> Search:
    return replace(asked, token=token)


@given(NAMES)
def test_it_goes_on_after_the_very_name(name: str) -> None:
    assert TOKENS.after(again(ASKED, TOKENS.token(ASKED, name, pep="edge")), pep="edge") == name


@given(st.from_regex(r"[a-z]{6,20}", fullmatch=True))
def test_whoever_holds_it_does_not_read_the_name(name: str) -> None:
    """The last name of a page may be one that was looked at and is no result."""
    token = TOKENS.token(ASKED, name, pep="edge")
    assert name.encode() not in base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert name not in token


OTHERS: dict[str, Search] = {
    "gap": search(Gap.RESOURCE, BODY | {"subject": {"type": "user", "id": ""}, "resource": {"type": "doc"}}),
    "subject": search(Gap.SUBJECT, BODY | {"subject": {"type": "robot"}}),
    "action": search(Gap.SUBJECT, BODY | {"action": {"name": "edit"}}),
    "resource": search(Gap.SUBJECT, BODY | {"resource": {"type": "doc", "id": "other"}}),
    "sent": search(Gap.SUBJECT, BODY | {"resource": {"type": "doc", "id": "plan", "properties": {"a": 1}}}),
    "context": search(Gap.SUBJECT, BODY | {"context": {}}),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_it_is_of_no_use_for_another_question(other: Search) -> None:
    with pytest.raises(Malformed):
        TOKENS.after(again(other, TOKENS.token(ASKED, "ann", pep="edge")), pep="edge")


def test_it_is_of_no_use_to_another_enforcement_point_nor_with_another_key() -> None:
    token = TOKENS.token(ASKED, "ann", pep="edge")
    for tokens, pep in ((TOKENS, "other"), (Tokens(b"o" * 32), "edge")):
        with pytest.raises(Malformed):
            tokens.after(again(ASKED, token), pep=pep)


@pytest.mark.parametrize("token", ["x", "=", "é", "AAAA", "A" * 400, "WyJhIiwiYiJd"])
def test_what_is_no_token_is_malformed(token: str) -> None:
    with pytest.raises(Malformed):
        TOKENS.after(again(ASKED, token), pep="edge")
