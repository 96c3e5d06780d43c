from dataclasses import replace
from typing import Any

import pytest

from remit.agents import lifecycle, spec
from remit.agents.admission import end_problems, owner_problems, purpose_problems
from remit.agents.model import AgentState, SenderConstraint
from remit.kernel.clock import HOUR, Instant
from remit.kernel.errors import Conflict
from remit.keys.jose import generate
from remit.people.document import SpecInvalid
from remit.people.model import Owner

PRIVATE = generate()
PUBLIC = {key: value for key, value in PRIVATE.items() if key != "d"}
EDWARDS = {key: value for key, value in generate("Ed25519").items() if key != "d"}
BOT: dict[str, Any] = {
    "agent": "invoice-bot",
    "owner": "dana",
    "version": "1.4",
    "purposes": ["pay-invoices"],
    "max_instances": 5,
    "sender_constraint": "none",
    "not_after": "2027-06-30",
    "max_run": "8h",
    "attest": [{"private_key_jwt": {"jwk": PUBLIC}}],
}


def attest(jwk: object) -> dict[str, Any]:
    return {"attest": [{"private_key_jwt": {"jwk": jwk}}]}


def test_an_agent_is_read() -> None:
    agent = spec.agent(BOT)
    assert (agent.agent, agent.owner, agent.version, agent.purposes) == (
        "invoice-bot",
        "dana",
        "1.4",
        ("pay-invoices",),
    )
    assert (agent.max_instances, agent.sender_constraint, agent.max_run) == (5, SenderConstraint.NONE, 8 * HOUR)
    assert (agent.keys, agent.state) == ((PUBLIC,), AgentState.ACTIVE)


def test_several_ways_to_attest_stand_side_by_side() -> None:
    methods = [{"local_process": {"uid": 1000}}, *BOT["attest"], {"local_process": {"uid": 0}}]
    agent = spec.agent(BOT | {"attest": methods})
    assert (agent.keys, agent.uids) == ((PUBLIC,), (1000, 0))
    assert (spec.agent(BOT | {"attest": methods[:1]}).keys, spec.agent(BOT).uids) == ((), ())


def test_what_may_be_left_out() -> None:
    agent = spec.agent({key: BOT[key] for key in ("agent", "owner", "purposes", "not_after", "attest")})
    assert (agent.version, agent.sender_constraint) == ("1", SenderConstraint.DPOP)


@pytest.mark.parametrize(
    ("bend", "field", "says"),
    [
        ({"agent": "Bot"}, "agent", "must match"),
        ({"version": 1}, "version", "quotes"),
        ({"purposes": []}, "purposes", "items"),
        ({"purposes": ["a", "a"]}, "purposes", "twice"),
        ({"max_instances": 0}, "max_instances", "whole number"),
        ({"max_instances": True}, "max_instances", "whole number"),
        ({"sender_constraint": "token"}, "sender_constraint", "dpop or mtls or none"),
        ({"not_after": None}, "not_after", "date"),
        ({"max_run": "8 hours"}, "max_run", "duration"),
        ({"max_run": "999999999d"}, "max_run", "too long"),
        ({"delegates": ["x", "x"]}, "delegates", "twice"),
        ({"delegates": ["invoice-bot"]}, "delegates", "acts for itself"),
        ({"attest": [{"local_process": {}}]}, "attest.0.local_process.uid", "is missing"),
        ({"attest": [{"local_process": {"uid": "1000"}}]}, "attest.0.local_process.uid", "whole number"),
        ({"attest": [{"local_process": {"uid": True}}]}, "attest.0.local_process.uid", "whole number"),
        ({"attest": [{"local_process": {"uid": -1}}]}, "attest.0.local_process.uid", "whole number"),
        ({"attest": [{"local_process": {"uid": 2**32 - 1}}]}, "attest.0.local_process.uid", "whole number"),
        ({"attest": [{"local_process": {"uid": 1, "gid": 1}}]}, "attest.0.local_process.gid", "unknown key"),
        ({"attest": [{"local_process": {"uid": 1000}}] * 2}, "attest", "a uid stands here twice"),
        (
            {"attest": [{"local_process": {"uid": 1}, "private_key_jwt": {"jwk": PUBLIC}}]},
            "attest.0.local_process",
            "an item of its own",
        ),
        ({"attest": []}, "attest", "items"),
        ({"attest": [{"magic": {}}]}, "attest.0.magic", "unknown key"),
        ({"attest": [{"private_key_jwt": {"jwk_file": "x"}}]}, "attest.0.private_key_jwt", "public key as jwk"),
        (attest(PRIVATE), "attest.0.private_key_jwt.jwk", "private"),
        (attest(PUBLIC | {"x": "AAAA"}), "attest.0.private_key_jwt.jwk", "32 bytes"),
        (attest(PUBLIC | {"x5u": "http://x"}), "attest.0.private_key_jwt.jwk", "x5u is not taken"),
        (attest({"kty": "RSA", "n": "AQAB", "e": "AQAB"}), "attest.0.private_key_jwt.jwk", "P-256 and Ed25519"),
        (attest("text"), "attest.0.private_key_jwt.jwk", "a JWK is expected"),
        ({"attest": BOT["attest"] * 2}, "attest", "twice"),
    ],
)
def test_a_bad_agent_is_refused_by_field(bend: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        spec.agent(BOT | bend)
    problem = refused.value.problems[0]
    assert problem.field == field or problem.field.startswith(field + ".")
    assert says in problem.message


@pytest.mark.parametrize("missing", ["agent", "owner", "purposes", "not_after", "attest"])
def test_no_agent_without_owner_purpose_end_and_key(missing: str) -> None:
    with pytest.raises(SpecInvalid, match=f"{missing}: is missing"):
        spec.agent({key: value for key, value in BOT.items() if key != missing})


def test_an_agent_may_have_several_keys() -> None:
    several = [{"private_key_jwt": {"jwk": jwk}} for jwk in (PUBLIC, EDWARDS)]
    assert spec.agent(BOT | {"attest": several}).keys == (PUBLIC, EDWARDS)


def test_admission_needs_an_active_owner_open_purposes_and_a_future_end() -> None:
    agent = spec.agent(BOT)
    owner = Owner(owner=agent.owner, name="Dana", email="d@example.test")
    assert owner_problems(agent, owner) == []
    assert owner_problems(agent, None)[0].field == "owner"
    assert owner_problems(agent, replace(owner, active=False))[0].field == "owner"
    assert purpose_problems(agent, lambda _: True) == []
    assert purpose_problems(agent, lambda _: False)[0].field == "purposes.0"
    assert end_problems(agent, now=Instant(agent.not_after - 1)) == []
    assert end_problems(agent, now=agent.not_after)[0].field == "not_after"


@pytest.mark.parametrize("before", AgentState)
@pytest.mark.parametrize("after", AgentState)
def test_nothing_leads_out_of_retired_and_nothing_back_to_proposed(before: AgentState, after: AgentState) -> None:
    allowed = before is after or (
        before is not AgentState.RETIRED
        and after is not AgentState.PROPOSED
        and (before, after) != (AgentState.PROPOSED, AgentState.SUSPENDED)
    )
    if allowed:
        lifecycle.move("bot", before, after)
    else:
        with pytest.raises(Conflict):
            lifecycle.move("bot", before, after)
