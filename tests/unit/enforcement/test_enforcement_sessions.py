from __future__ import annotations

import pytest

from remit.attestation.model import Caller
from remit.enforcement.model import Limits, Outcome
from remit.enforcement.sessions import _MOST_OWED, Session, Sessions
from remit.kernel.clock import SECOND, Instant
from remit.kernel.errors import SessionUnknown
from remit.kernel.names import AgentName, InstanceId, PurposeName, RunId

NOON = Instant(1_795_521_600_000_000)


def caller(agent: str = "bot", instance: str = "key-1") -> Caller:
    return Caller(
        agent=AgentName(agent),
        instance=InstanceId(instance),
        credential="c",
        purpose=PurposeName("work"),
        run=RunId("run_1"),
        token="tok_1",
        expires=NOON,
        bound=True,
    )


def opened(sessions: Sessions, who: Caller, *, now: int = NOON) -> Session:
    return sessions.open(who, "payments", upstream="inner", version="2025-11-25", now=Instant(now))


@pytest.mark.requirement("gateway:session")
def test_a_session_is_bound_to_agent_key_and_server() -> None:
    sessions = Sessions(Limits())
    session = opened(sessions, caller())
    assert sessions.use(session.id, caller(), "payments", now=NOON) is session
    for who, where in ((caller("other"), "payments"), (caller(instance="key-2"), "payments"), (caller(), "crm")):
        with pytest.raises(SessionUnknown) as refused:
            sessions.use(session.id, who, where, now=NOON)
        assert refused.value.detail == "bot"
        assert "bot" not in refused.value.public
    with pytest.raises(SessionUnknown):
        sessions.use("inner", caller(), "payments", now=NOON)


def test_a_session_ends_by_idling_and_by_age() -> None:
    limits = Limits(session_idle=10, session_life=25)
    sessions = Sessions(limits)
    session = opened(sessions, caller())
    for second in (9, 18, 25):
        sessions.use(session.id, caller(), "payments", now=Instant(NOON + second * SECOND))
    with pytest.raises(SessionUnknown):
        sessions.use(session.id, caller(), "payments", now=Instant(NOON + 26 * SECOND))
    session = opened(sessions, caller())
    with pytest.raises(SessionUnknown):
        sessions.use(session.id, caller(), "payments", now=Instant(NOON + 11 * SECOND))
    assert len(sessions) == 0


def test_one_agent_cannot_push_out_the_others() -> None:
    sessions = Sessions(Limits(sessions=5, sessions_per_agent=2))
    kept = opened(sessions, caller("calm"))
    greedy = [opened(sessions, caller("greedy")) for _ in range(10)]
    assert len(sessions) == 3
    assert sessions.use(kept.id, caller("calm"), "payments", now=NOON)
    assert [s.id for s in greedy[-2:]] == [s.id for s in greedy if s.id in sessions._open]


def test_over_the_cap_the_least_used_ends() -> None:
    sessions = Sessions(Limits(sessions=2, sessions_per_agent=2))
    first, second = opened(sessions, caller("a")), opened(sessions, caller("b"))
    sessions.use(first.id, caller("a"), "payments", now=NOON)
    opened(sessions, caller("c"))
    with pytest.raises(SessionUnknown):
        sessions.use(second.id, caller("b"), "payments", now=NOON)
    sessions.end(second)
    assert len(sessions) == 2


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_id_comes_back_only_if_its_call_no_longer_runs_at_the_server(outcome: Outcome) -> None:
    session = opened(Sessions(Limits()), caller())
    assert session.claim(7)
    assert not session.claim(7)
    session.settle(7, outcome)
    # A call that was cut, or of which nothing is known, may still be answered there: with the new call's id.
    assert session.claim(7) is (outcome in {Outcome.OK, Outcome.ERROR, Outcome.NOT_SENT})


def test_a_server_owes_a_session_so_many_answers_and_no_more() -> None:
    session = opened(Sessions(Limits()), caller())
    assert all(session.claim(each) for each in range(_MOST_OWED))
    assert not session.claim("fresh")
    assert len(session.owed) == _MOST_OWED
    session.settle(0, Outcome.OK)
    assert session.claim("fresh")
