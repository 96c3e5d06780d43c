"""A server's exposed secret suspends what is done at that server, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.access.test_access_judge import active

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.against import against_of
from remit.access.judge import SECRET_EXPOSED, judge
from remit.agents.signals import Noticed, Signal, is_own, risk_of, secret_at, server_of
from remit.catalog.model import Tier
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName

NOW = Instant(1)
NAME = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)


def noticed(secret: str, server: str) -> Noticed:
    return Noticed(Signal.CREDENTIAL_EXPOSED, secret_at(secret, server), NOW)


def doing(action: str) -> Activation:
    key = ActivationKey(AgentName("bot"), PurposeName("work"), ActionName(action), "")
    return Activation(
        key=key, boundary=BoundaryName("b"), boundary_version=1, agent_version="1", state=ActivationState.ACTIVE,
        since=NOW, started=NOW, by="", serial=1, usage=Usage(NOW, Micros(0)),
    )  # fmt: skip


@given(NAME, NAME)
def test_what_it_is_about_reads_back(secret: str, server: str) -> None:
    it = noticed(secret, server)
    assert server_of(it) == server
    assert is_own(it.about)
    assert risk_of([it]) == 0, "nothing speaks against who never held it"


@given(NAME, NAME, st.sampled_from(["{}/tool", "{}:GET /x", "{}:resources/read"]))
def test_only_what_is_done_at_that_server_is_concerned(server: str, other: str, at: str) -> None:
    found = against_of(doing(at.format(other)), [noticed("key", server)], risk=0)
    assert found.secret_exposed is (server == other)
    assert (found.exposed, found.other_risk) == (False, None)


def test_a_credential_of_the_agent_itself_concerns_all_of_it() -> None:
    for about in ("", "its key was in a ticket", "secret payments-key"):
        found = against_of(doing("api/x"), [Noticed(Signal.CREDENTIAL_EXPOSED, about, NOW)], risk=900_000)
        assert (found.exposed, found.secret_exposed, found.other_risk) == (True, False, 0)


def test_it_is_suspended_until_that_is_over() -> None:
    for tier in Tier:
        verdict = judge(active(tier=tier, secret_exposed=True))
        assert (verdict.state, verdict.reason) == (ActivationState.SUSPENDED, SECRET_EXPOSED)
        back = active(tier=tier, state=ActivationState.SUSPENDED, why=SECRET_EXPOSED, under="active")
        assert judge(back).state is ActivationState.ACTIVE


def test_facts_without_it_say_what_they_said_before() -> None:
    """Verdicts that were recorded before there was such a thing are derived again, byte for byte."""
    assert "secret_exposed" not in active().body()
    assert active(secret_exposed=True).body()["secret_exposed"] is True
