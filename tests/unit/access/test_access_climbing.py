"""A text that climbs out of where it begins is inside no prefix, however the step up is written."""

from __future__ import annotations

import posixpath
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.climbing import climbs
from remit.access.model import Bound
from remit.policy.constraints import holds

PLACE = "/srv/public/"
PARTS = st.lists(st.sampled_from(["..", ".", "a", "b.c", "...", "..a", ""]), max_size=6)


@given(PARTS)
def test_whatever_is_inside_a_place_stays_there_for_who_resolves_it(parts: list[str]) -> None:
    path = PLACE + "/".join(parts)
    if holds(Bound(argument="path", prefix=PLACE), path):
        assert (posixpath.normpath(path) + "/").startswith(PLACE)
        assert urljoin("http://host" + path, "").startswith("http://host" + PLACE)
    assert climbs(path) == (".." in parts)


@given(st.text(st.characters(exclude_characters=".%\u2024\u2025\u2026\ufe52\uff05\uff0e", exclude_categories=["Cs"])))
def test_a_text_without_dots_climbs_nowhere(text: str) -> None:
    assert not climbs(text)


@pytest.mark.parametrize(
    "rest",
    [
        "../private", "a/../../private", "..", "%2e%2e/private", "%2E./private", "%252e%252e/private", "..%2fprivate",
        "..\\private", ".\t./private", ".\n./private", "\u2025/private", "\uff0e\uff0e/private", ".\u200b./private",
        "..;/private", "..?x", "..#x", " .. /private", "%25252525252e",
        "%c0%ae%c0%ae/private", "%C0%AE.%c0%afprivate", "%e0%80%ae%f0%80%80%ae/private", "%25c0%25ae./private",
        "..%c1%9cprivate", "%u002e%u002e/private", "%u002e.%u005cprivate", "%c0%\tae%c0%ae/private",
        "%2\te%2\te/private", ".%\n2e/private", "%\u200b2e./private", "\uff052e\uff052e/private", "%252\te%2e/private",
        "..%00.txt", "..\0x/private", "..%2500.txt", "%c0%2e%c0%6e/private", "..%c1%1cprivate",
        "%f8%80%80%80%ae./private", "..%fc%80%80%80%80%afprivate", "..\u2215private", "..\u2044private",
        "..\u2216private", "..\u00a5private", "..\uffe6private", "..%u2215private", "..::$INDEX_ALLOCATION/private",
    ],
)  # fmt: skip
def test_ways_to_write_a_step_up(rest: str) -> None:
    assert climbs(f"file:///srv/public/{rest}")
    assert not holds(Bound(argument="uri", prefix="file:///srv/public/"), f"file:///srv/public/{rest}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INV-1",
        "v1..v2",
        "a/..b/c",
        "wait...",
        "100%",
        "50%25",
        "./here",
        "~/x",
        "…",
        "%c0",
        "%c3%ae%c3%ae/",
        "%u00",
    ],
)
def test_what_is_no_step(text: str) -> None:
    assert not climbs(text)
