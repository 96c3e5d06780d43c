"""What waits for a second person leads to where it stands, and is said so that a person can read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.console.pages.words import brief, place
from remit.server.first_words import _KINDS

ONE, TWO = "0a1b2c3d" + "e" * 56, "f" * 64


@pytest.mark.parametrize(
    ("kind", "about", "where"),
    [
        ("unfreeze_all", "frz_1", "/console/freezes/frz_1"),
        ("policies", f"{ONE} {TWO}", "/console/policies"),
        ("keys", "retire key_1", "/console/settings#s-keys"),
        ("observe", ONE, "/console/servers"),
        ("secrets", ONE, "/console/credentials"),
        ("erasures", "erase bot", "/console/agents/bot"),
        ("a kind of later", "erase bot", ""),
    ],
)
def test_each_kind_has_its_place(kind: str, about: str, where: str) -> None:
    assert place(kind, about) == where


@given(st.sampled_from(_KINDS), st.text(max_size=40))
def test_every_kind_has_one_and_what_was_said_stays_within_it(kind: str, about: str) -> None:
    where = place(kind, about)
    assert where.startswith("/console/")
    assert where.count("/") <= 3
    assert not set(where) & set('<>"?\\ ')


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (f"{ONE} {TWO}", "0a1b2c3d… → ffffffff…"),
        (ONE, "0a1b2c3d…"),
        ("rotate key_1 same scheduled", "rotate key_1 same scheduled"),
        (f"rotate {ONE} same scheduled", "rotate 0a1b2c3d… same scheduled"),
        ("frz_1", "frz_1"),
        (ONE[:-1], ONE[:-1]),
    ],
)
def test_digests_are_said_short_and_all_else_as_it_is(about: str, said: str) -> None:
    assert brief(about) == said


@given(st.text(max_size=200))
def test_what_has_no_digest_is_said_whole(about: str) -> None:
    assert brief(about) == about
