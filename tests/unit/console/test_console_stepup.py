"""What is grave waits until its person has just proved who they are: a law, and what is grave of a stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.console.pages.every import PAGES
from remit.console.stepup import RECENT, held
from remit.console.stopping import STOPS
from remit.kernel.clock import Instant

INSTANTS = st.integers(min_value=0, max_value=2**53).map(Instant)


@given(proved=INSTANTS, now=INSTANTS)
def test_only_a_proof_of_the_last_five_minutes_lets_what_is_grave_pass(proved: Instant, now: Instant) -> None:
    assert held(grave=True, authenticated=proved, now=now) == (not 0 <= now - proved < RECENT)
    assert not held(grave=False, authenticated=proved, now=now)


@given(proved=INSTANTS, early=st.integers(min_value=0, max_value=RECENT - 1), late=st.integers(min_value=0))
def test_time_alone_never_makes_it_pass_again(proved: Instant, early: int, late: int) -> None:
    assert not held(grave=True, authenticated=proved, now=Instant(proved + early))
    assert held(grave=True, authenticated=proved, now=Instant(proved + RECENT + late))


def test_a_proof_from_the_future_is_none() -> None:
    assert held(grave=True, authenticated=Instant(10), now=Instant(9))


@pytest.mark.parametrize("kind", ["agent", "instance", "owner", "server", "tool", "credential", None])
def test_one_thing_is_stopped_without_more(kind: str | None) -> None:
    assert not any(act.is_grave({} if kind is None else {"kind": kind}) for act in STOPS)


@given(kind=st.sampled_from(["all", "ALL", "all/", "al", "", "agent/../all", "agents"]) | st.text())
def test_whatever_is_not_known_to_be_one_thing_is_everything(kind: str) -> None:
    one = kind in {"agent", "instance", "owner", "server", "tool", "credential"}
    assert all(act.is_grave({"kind": kind}) != one for act in STOPS)


def test_these_acts_of_pages_and_no_others_need_a_fresh_proof() -> None:
    grave = {(page.path, act.name) for page in PAGES for act in page.acts if act.is_grave({})}
    assert grave == {
        ("/policies/{name}", "approve"),
        ("/policies/versions/{version}", "enforce"),
        ("/policies/versions/{version}", "rollback"),
        ("/policies/versions/{version}", "observe"),
        ("/policies/versions/{version}", "aside"),
        ("/policies/versions/{version}/edit", "observe"),
        ("/credentials/{name}", "expose"),
        ("/settings", "rotate-key"),
    }
