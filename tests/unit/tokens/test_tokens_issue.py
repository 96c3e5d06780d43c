from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.model import Purpose, PurposeState
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.kernel.clock import DAY, MINUTE, SECOND, Instant, Micros
from remit.kernel.names import AgentName, InstanceId, OwnerName, PurposeName, RunId
from remit.tokens.issue import check_instances, claims, grant
from remit.tokens.model import RUN_IDLE, TOKEN_LIFETIME, Run, TokenRefused, Wish

times = st.integers(0, 100 * DAY)


def wish(*, agent_ends: int, purpose_ends: int, max_run: int, instance: str = "i", new_run: bool = False) -> Wish:
    return Wish(
        agent=Agent(
            agent=AgentName("a"),
            owner=OwnerName("o"),
            version="1",
            purposes=(PurposeName("p"),),
            max_instances=2,
            sender_constraint=SenderConstraint.DPOP,
            not_after=Instant(agent_ends),
            max_run=Micros(max_run),
            keys=(),
            state=AgentState.ACTIVE,
        ),
        purpose=Purpose(
            purpose=PurposeName("p"),
            statement="",
            actions=(),
            data_classes=(),
            not_after=Instant(purpose_ends),
            state=PurposeState.ACTIVE,
        ),
        instance=InstanceId(instance),
        credential="c",
        audience=("http://remit.test",),
        jkt="i",
        new_run=new_run,
    )


def a_run(run: str, *, opened: int, ends: int, token_expires: int, instance: str = "i", purpose: str = "p") -> Run:
    return Run(
        run=RunId(run),
        instance=InstanceId(instance),
        purpose=PurposeName(purpose),
        opened=Instant(opened),
        ends=Instant(ends),
        token_expires=Instant(token_expires),
    )


runs = st.builds(
    a_run,
    st.sampled_from(["r1", "r2", "r3"]),
    opened=times,
    ends=times,
    token_expires=times,
    instance=st.sampled_from(["i", "j"]),
    purpose=st.sampled_from(["p", "q"]),
)


@given(times, times, times, st.integers(1, 10 * DAY), st.lists(runs, max_size=5), st.booleans())
def test_every_end_holds(now: int, agent_ends: int, purpose_ends: int, max_run: int, old: list[Run], new: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    """token <= run <= agent and purpose, and 5 minutes, and max_run."""
    wanted = wish(agent_ends=agent_ends, purpose_ends=purpose_ends, max_run=max_run, new_run=new)
    try:
        granted = grant(wanted, old, now=Instant(now), token="tok_1", fresh=RunId("fresh"))
    except TokenRefused:
        # Nothing is refused that has a whole second left.
        assert min(agent_ends, purpose_ends, now + max_run) < now - now % SECOND + SECOND
        return
    run = granted.run
    assert granted.issued <= now < granted.expires <= min(run.ends, now + TOKEN_LIFETIME)
    assert run.ends <= min(agent_ends, purpose_ends, run.opened + max_run)
    assert run.token_expires >= granted.expires
    if run.run == "fresh":
        assert run.opened == now
    else:
        # Drawn runs may have one id between them, as real ones never have.
        goes_on = [each for each in old if each.run == run.run and each.opened == run.opened]
        mine = [each for each in goes_on if (each.instance, each.purpose) == ("i", "p")]
        assert any(now < each.token_expires + RUN_IDLE for each in mine)
        assert not new
    assert claims(granted, issuer="x")["exp"] * SECOND == granted.expires


def test_the_newest_open_run_goes_on() -> None:
    old = [
        a_run("r1", opened=0, ends=DAY, token_expires=5 * MINUTE),
        a_run("r2", opened=1, ends=DAY, token_expires=5 * MINUTE),
        a_run("r3", opened=2, ends=DAY, token_expires=5 * MINUTE, instance="other"),
    ]
    wanted = wish(agent_ends=DAY, purpose_ends=DAY, max_run=DAY)
    assert grant(wanted, old, now=Instant(6 * MINUTE), token="t", fresh=RunId("f")).run.run == "r2"
    assert (
        grant(replace(wanted, new_run=True), old, now=Instant(6 * MINUTE), token="t", fresh=RunId("f")).run.run == "f"
    )


@pytest.mark.parametrize(("at", "continues"), [(20 * MINUTE - 1, True), (20 * MINUTE, False)])
def test_a_run_is_over_exactly_fifteen_minutes_after_its_token(at: int, continues: bool) -> None:  # noqa: FBT001 - a table
    old = [a_run("r1", opened=0, ends=DAY, token_expires=5 * MINUTE)]
    granted = grant(
        wish(agent_ends=DAY, purpose_ends=DAY, max_run=DAY), old, now=Instant(at), token="t", fresh=RunId("f")
    )
    assert (granted.run.run == "r1") is continues


def test_a_run_with_no_whole_second_left_is_not_gone_on_with() -> None:
    old = [a_run("r1", opened=0, ends=10 * SECOND + 5, token_expires=DAY)]
    wanted = wish(agent_ends=DAY, purpose_ends=DAY, max_run=10 * SECOND + 5)
    assert grant(wanted, old, now=Instant(10 * SECOND + 1), token="t", fresh=RunId("f")).run.run == "f"


def test_instances_count_once_however_many_runs_they_have() -> None:
    live = [
        a_run("r1", opened=0, ends=DAY, token_expires=DAY, instance="a"),
        a_run("r2", opened=0, ends=DAY, token_expires=DAY, instance="a", purpose="q"),
        a_run("r3", opened=0, ends=1, token_expires=DAY, instance="gone"),
        a_run("r4", opened=0, ends=DAY, token_expires=0, instance="silent"),
    ]
    wanted = wish(agent_ends=DAY, purpose_ends=DAY, max_run=DAY, instance="new")
    now = Instant(RUN_IDLE + 1)
    check_instances(wanted, live, now=now)
    full = [*live, a_run("r5", opened=0, ends=DAY, token_expires=DAY, instance="b")]
    check_instances(replace(wanted, instance=InstanceId("a")), full, now=now)
    with pytest.raises(TokenRefused) as caught:
        check_instances(wanted, full, now=now)
    assert caught.value.error == "unauthorized_client"


def test_a_run_ends_by_the_max_run_of_today() -> None:
    """Brought forward since the run was opened, it ends the run too: renewal does not keep it open."""
    old = [a_run("r1", opened=0, ends=DAY, token_expires=10 * MINUTE)]
    shorter = wish(agent_ends=9 * DAY, purpose_ends=9 * DAY, max_run=8 * MINUTE)
    granted = grant(shorter, old, now=Instant(6 * MINUTE), token="t", fresh=RunId("f"))
    assert (granted.run.run, granted.run.ends, granted.expires) == ("r1", 8 * MINUTE, 8 * MINUTE)
    # Another token of it may still live: the run counts as in use until the last of them is over.
    assert granted.run.token_expires == 10 * MINUTE
    again = grant(shorter, [granted.run], now=Instant(8 * MINUTE), token="t", fresh=RunId("f"))
    assert (again.run.run, again.run.opened) == ("f", 8 * MINUTE)


def test_no_renewal_keeps_a_run_open() -> None:
    """Renewed each minute for a day: eight hours after it was opened it is another run."""
    ends, now, runs = [], 0, list[Run]()
    wanted = wish(agent_ends=9 * DAY, purpose_ends=9 * DAY, max_run=DAY // 3)
    while now < DAY:
        granted = grant(wanted, runs, now=Instant(now), token="t", fresh=RunId(f"run_{now}"))
        runs = [granted.run, *[each for each in runs if each.run != granted.run.run]]
        assert granted.expires <= granted.run.ends <= granted.run.opened + DAY // 3
        ends.append(granted.run.run)
        now += MINUTE
    assert list(dict.fromkeys(ends)) == ["run_0", f"run_{DAY // 3}", f"run_{2 * DAY // 3}"]
