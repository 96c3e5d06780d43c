"""Step 4: what a token was issued on must hold at every call, not only when it was issued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from remit.agents.model import SenderConstraint
from remit.kernel.clock import Instant
from remit.policy.model import Code, Denial, Proposal

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

OTHER_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}


def denied(proposal: Proposal) -> Denial:
    assert proposal.answer.denial is not None, proposal
    return proposal.answer.denial


@pytest.mark.parametrize("removed", [(), (OTHER_KEY,)])
def test_a_credential_that_was_taken_away_ends_its_tokens(build: Build, removed: tuple[dict[str, str], ...]) -> None:
    agent = build.agent(keys=removed)
    denial = denied(build.ask(build.call(), build.view(agent=agent)))
    assert (denial.code, denial.step, denial.cause) == (Code.REVOKED, 4, "credential not registered")
    assert [remedy.kind for remedy in denial.remedies] == ["alternative_action", "stop"]


def test_a_local_user_is_a_credential_too(build: Build) -> None:
    agent = build.agent(uids=(1000,))
    assert build.ask(build.call(credential="uid:1000"), build.view(agent=agent)).answer.allowed
    assert denied(build.ask(build.call(credential="uid:1001"), build.view(agent=agent))).code is Code.REVOKED


def test_an_unbound_token_ends_when_its_agent_must_prove_a_key(build: Build) -> None:
    denial = denied(build.ask(build.call(bound=False), build.view()))
    assert (denial.code, denial.cause) == (Code.REVOKED, "token not bound to a key")
    loose = build.agent(sender_constraint=SenderConstraint.NONE)
    assert build.ask(build.call(bound=False), build.view(agent=loose)).answer.allowed


@pytest.mark.parametrize("tool", [True, False])
def test_a_token_ends_with_its_run(build: Build, tool: bool) -> None:  # noqa: FBT001 - a case
    call = build.call(run_ends=build.NOON) if tool else build.method("tools/list", run_ends=build.NOON)
    denial = denied(build.ask(call, build.view()))
    assert (denial.code, denial.step, denial.cause) == (Code.REVOKED, 4, "run ended")
    assert build.ask(call, build.view(), now=build.NOON - 1).answer.allowed


@pytest.mark.parametrize("nobodys", [{"hypothetical": True}, {"pep": "gateway-1", "token": ""}])
def test_a_question_without_a_token_needs_no_credential(build: Build, nobodys: dict[str, Any]) -> None:
    call = build.call(credential="", bound=False, run_ends=Instant(0), **nobodys)
    assert build.ask(call, build.view()).answer.allowed


@pytest.mark.parametrize("through", [{"pep": "gateway-1"}, {"pep": "sdk:bot", "cooperative": True}])
def test_a_token_that_is_shown_to_who_asks_counts_as_at_the_gateway(build: Build, through: dict[str, Any]) -> None:
    for wrong in ({"credential": ""}, {"bound": False}, {"run_ends": Instant(0)}):
        denial = denied(build.ask(build.call(**(through | wrong)), build.view()))
        assert (denial.code, denial.step) == (Code.REVOKED, 4)
