"""What people may say about a request, and what becomes of it: laws over any order of words."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import DAY, MINUTE, Instant, Micros
from remit.kernel.errors import RemitError
from remit.kernel.names import ActionName, AgentName, OwnerName, PurposeName
from remit.people.model import Owner
from remit.policy.model import Approvers
from remit.requests.answer import approve, cancel, deny, moved, others, people, standing
from remit.requests.model import LASTS, NEVER, OPEN_FOR, SAYS_FOR, AccessRequest, RequestState

NOON = Instant(1_795_608_000_000_000)
MAY = ("dana", "lee", "mo")
WORDS = st.tuples(
    st.sampled_from(["approve", "deny", "cancel", "time"]),
    st.sampled_from([*MAY, "eve", "agent:bot"]),
    st.integers(0, 26 * 60),
)


def request(**parts: Any) -> AccessRequest:
    made: dict[str, Any] = {
        "request": "arq_1", "agent": AgentName("bot"), "principal": AgentName("bot"), "purpose": PurposeName("work"),
        "action": ActionName("s/t"), "binding": "b", "code": "approval_required", "asker": "agent:bot", "asked": NOON,
        "open_until": Instant(NOON + OPEN_FOR), "due": Instant(NOON + OPEN_FOR), "approvers": Approvers(),
    }  # fmt: skip
    return AccessRequest(**(made | parts))


def after(it: AccessRequest, verb: str, by: str, now: Instant) -> AccessRequest:
    with suppress(RemitError):
        if verb == "approve":
            return approve(it, by=by, may=MAY, approval="apr_1", lasts=LASTS, now=now)
        if verb == "deny":
            return deny(it, by=by, may=MAY, now=now)
        return cancel(it, by=by, may=MAY, now=now) if verb == "cancel" else moved(it, now=now)
    return it


@given(
    st.lists(WORDS, max_size=12), st.integers(1, 3), st.sampled_from(["agent:bot", "dana"]),
    st.sampled_from(["", "lee"]),
)  # fmt: skip
def test_a_request_ends_once_by_enough_people_none_of_whom_it_is_for(
    words: list[tuple[str, str, int]], quorum: int, asker: str, on_behalf: str
) -> None:
    it, now = request(asker=asker, on_behalf=on_behalf, approvers=Approvers(quorum=quorum)), NOON
    ended: set[RequestState] = set()
    for verb, by, minutes in words:
        now = Instant(now + minutes * MINUTE)
        before, it = it, after(it, verb, by, now)
        if before.state is not RequestState.PENDING:
            assert it.state is before.state, "what has ended has ended"
            assert it.until <= before.until, "and lasts no longer than it did"
        if it.state is not RequestState.PENDING:
            ended.add(it.state)
        if before.state is RequestState.PENDING and it.state is RequestState.APPROVED:
            assert before.open_until > now
            assert it.until == now + LASTS
    assert len(ended) <= 1
    assert not {asker, on_behalf} & set(it.yes)
    assert set(it.yes) <= set(MAY)
    assert len(set(it.yes)) == len(it.yes)
    assert (it.state is RequestState.APPROVED) == bool(it.approval)
    if it.approval:
        assert len(it.yes) == quorum


def test_what_was_told_for_a_day_is_let_go() -> None:
    it = deny(request(), by="lee", may=MAY, now=NOON)
    assert it.due == NOON + SAYS_FOR
    assert moved(it, now=Instant(it.due - 1)) == it
    assert moved(it, now=it.due).due == NEVER
    assert moved(moved(it, now=it.due), now=Instant(NOON + 99 * DAY)).due == NEVER
    assert cancel(request(), by="agent:bot", may=(), now=NOON).due == NEVER, "who asks again is asked anew"


def test_a_shorter_wish_is_kept() -> None:
    most = Instant(NOON + MINUTE)
    assert (
        approve(request(most=most), by="lee", may=MAY, approval="apr", lasts=Micros(9 * MINUTE), now=NOON).until == most
    )


def test_who_decides() -> None:
    owners = {
        name: Owner(owner=OwnerName(name), name=name, email="", backup=backup, active=active)
        for name, backup, active in (
            ("dana", (OwnerName("lee"), OwnerName("gone")), True), ("lee", (), True), ("gone", (), False),
            ("mo", (), True),
        )
    }  # fmt: skip
    assert people(Approvers(), owners["dana"], owners.get) == ("dana", "lee")
    assert people(Approvers(by=("gone", "mo", "nobody")), owners["dana"], owners.get) == ("mo",)
    assert people(Approvers(), None, owners.get) == ()
    assert others(request(asker="dana", on_behalf="lee"), MAY) == ("mo",)


@pytest.mark.parametrize(
    ("it", "until"),
    [
        (request(), NOON + OPEN_FOR),
        (approve(request(), by="lee", may=MAY, approval="apr", lasts=LASTS, now=NOON), NOON + LASTS),
    ],
)
def test_a_decision_sees_until_when(it: AccessRequest, until: int) -> None:
    seen = standing(it, "dec_1")
    assert (seen.until, seen.state, seen.used, seen.by) == (until, it.state, "dec_1", it.yes)
