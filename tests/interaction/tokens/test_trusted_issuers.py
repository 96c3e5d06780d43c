"""A copy that shows its platform's word gets its agent's token, with no key that anybody registered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from tests.interaction.tokens.issuer_site import Issuer, Trusting
from tests.unit.attestation.issuer import ASKED, NAMES, PLATFORMS, Key, claims, key_set

from remit.agents import spec  # noqa: F401 - the readers of `attest`
from remit.agents.binding import READERS, Binding
from remit.audit.log import Log
from remit.kernel.clock import MINUTE, SECOND
from remit.kernel.names import AgentName
from remit.tokens.clients import jwt_svid
from remit.tokens.http import routes
from remit.tokens.service import TokenService


class Cloud:
    """A world in which `invoice-bot` runs on platforms."""

    def __init__(self, world: Any, issuer: Issuer) -> None:
        self.world, self.issuer = world, issuer
        world.database.writer.change(lambda tx: world.ring.ensure_data_key(tx, "agent:invoice-bot"))
        self.trusting = Trusting(issuer, world.database, world.standing, world.clock, base=world.base)
        whole = world.service
        world.service = TokenService(
            issuer=world.base, keys=world.ring.token_keys, standing=world.standing, writer=world.database.writer,
            records=whole._records, clock=world.clock, clients=self.trusting.clients,
        )  # fmt: skip
        world.app = Starlette(routes=routes(world.service))

    def bind(self, agent: str, method: str, **said: Any) -> str:
        binding = Binding(method, READERS[method](said))
        known = self.world.standing.agents[agent].agent.bindings
        self.world.change(agent, agent_bindings=(*known, binding))
        return binding.credential

    def said(self, platform: str = "oidc", **changes: Any) -> dict[str, Any]:
        own = {} if platform == "spiffe" else {"iss": self.issuer.url}
        return claims(platform, now=self.world.now // SECOND, **({"aud": self.world.base} | own | changes))

    def ask(self, token: str, client: str | None = "invoice-bot", **changes: Any) -> Any:
        form = self.world.form(client_assertion=token, client_id=client, **changes)
        return self.world.post(form)

    def refused(self, answer: Any) -> str:
        assert (answer.status_code, answer.json()) == (
            401, {"error": "invalid_client", "error_description": "client authentication failed"},
        )  # fmt: skip
        reason: str = self.world.entries("refused")[-1]["reason"]
        return reason


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    yield found
    found.close()


@pytest.fixture
def cloud(world: Any, issuer: Issuer) -> Cloud:
    found = Cloud(world, issuer)
    found.trusting.declare(trust="idp", issuer=issuer.url, audience=world.base, private=True)
    return found


@pytest.fixture
def bound(cloud: Cloud) -> Cloud:
    cloud.bind("invoice-bot", "oidc", trust="idp", claims={"sub": "workload-17"})
    return cloud


def test_a_platforms_word_is_enough(bound: Cloud) -> None:
    token = bound.issuer.keys[0].sign(bound.said())
    answer = bound.ask(token)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    (entry,) = bound.world.entries("token")
    assert entry["agent"] == "invoice-bot"
    assert entry["credential"].startswith("oidc:")
    # Whom an issuer of no known platform speaks of may be a person: that is sealed, and the entry commits to it.
    assert entry["platform"] == {"trust": "idp", "issuer": bound.issuer.url}
    payload = Log(bound.world.database.reader, bound.world.ring).find(entry["id"]).payload
    assert payload == {"platform": {"sub": "workload-17"}}
    assert bound.issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    # Once: whoever copied it has nothing.
    assert bound.refused(bound.ask(token)) == "assertion replayed"


def test_an_agents_own_key_still_works_and_so_does_no_mixture(bound: Cloud) -> None:
    world = bound.world
    assert world.post(world.form()).status_code == 200
    own = world.assertion(iss=bound.issuer.url)  # its own key, a platform's name
    assert "unknown" in bound.refused(bound.ask(own))
    both = bound.issuer.keys[0].sign(bound.said(sub="invoice-bot", iss="invoice-bot"))
    bound.refused(bound.ask(both))


def test_keys_change_while_it_runs(bound: Cloud) -> None:
    assert bound.ask(bound.issuer.keys[0].sign(bound.said(jti="1"))).status_code == 200
    first, second = bound.issuer.keys[0], Key("RS256", "second")
    bound.issuer.keys = [second]
    bound.refused(bound.ask(second.sign(bound.said(jti="2"))))  # within the cooldown
    bound.world.clock.at += 30 * SECOND
    assert bound.ask(second.sign(bound.said(jti="3"))).status_code == 200
    assert "key is unknown" in bound.refused(bound.ask(first.sign(bound.said(jti="4"))))
    assert len(bound.issuer.asked) == 4


def test_an_issuer_that_is_gone_takes_nothing_away(bound: Cloud) -> None:
    assert bound.ask(bound.issuer.keys[0].sign(bound.said(jti="1"))).status_code == 200
    bound.issuer.failing = True
    bound.world.clock.at += 5 * MINUTE
    bound.refused(bound.ask(Key("RS256", "second").sign(bound.said(jti="2"))))
    assert bound.ask(bound.issuer.keys[0].sign(bound.said(jti="3"))).status_code == 200


@pytest.mark.parametrize(
    ("client", "reason"),
    [("nobody", "no agent of that name"), ("plain-bot", "no agent of that name"), (None, "client_id is missing")],
)
def test_who_is_not_bound_is_not_told_whether_there_is_such_an_agent(bound: Cloud, client: str, reason: str) -> None:
    token = bound.issuer.keys[0].sign(bound.said())
    assert reason in bound.refused(bound.ask(token, client))
    assert len(bound.world.entries("refused")) == 1


def test_a_refused_word_is_not_used_up_by_somebody_else(bound: Cloud) -> None:
    token = bound.issuer.keys[0].sign(bound.said())
    bound.refused(bound.ask(token, "plain-bot"))
    assert bound.ask(token).status_code == 200


def test_a_trust_that_is_taken_back(bound: Cloud) -> None:
    bound.trusting.distrust("idp")
    bound.refused(bound.ask(bound.issuer.keys[0].sign(bound.said())))
    assert bound.issuer.asked == []
    assert bound.issuer.outbound.allow == set()


@pytest.mark.parametrize("platform", [each for each in PLATFORMS if each not in ("oidc", "spiffe")])
def test_each_platform_with_its_own_preset(cloud: Cloud, platform: str) -> None:
    key = Key("RS256", "p1")
    name = NAMES[platform]
    cloud.trusting.declare(
        trust=name, preset=platform, issuer=PLATFORMS[platform]["iss"], audience=cloud.world.base, jwks=key_set(key)
    )
    credential = cloud.bind("invoice-bot", platform, trust=name, **ASKED[platform])
    answer = cloud.ask(key.sign(cloud.said(platform, iss=PLATFORMS[platform]["iss"])))
    assert answer.status_code == 200, answer.text
    entry = cloud.world.entries("token")[-1]
    assert entry["credential"] == credential
    said = {"trust": name, "issuer": PLATFORMS[platform]["iss"], "sub": PLATFORMS[platform]["sub"]}
    assert entry["platform"] == said, "after an incident the run leads to the workload"
    assert cloud.issuer.asked == []


@pytest.mark.requirement("spiffe:client")
def test_a_spiffe_identity(cloud: Cloud) -> None:
    cloud.trusting.declare(trust="prod.example", preset="spiffe", jwks_url=f"{cloud.issuer.url}/bundle", private=True)
    cloud.bind("invoice-bot", "spiffe", trust="prod.example", **ASKED["spiffe"])
    svid = cloud.issuer.bundle[0].sign(cloud.said("spiffe", jti="1"))
    answer = cloud.ask(svid, client_assertion_type=jwt_svid.ASSERTION_TYPE)
    assert answer.status_code == 200, answer.text
    assert cloud.issuer.asked == ["/bundle"]
    platform = cloud.world.entries("token")[-1]["platform"]
    assert platform == {
        "trust": "prod.example", "issuer": "spiffe://prod.example", "sub": PLATFORMS["spiffe"]["sub"],
    }  # fmt: skip
    # The other assertion type does not take it, nor does this one take another issuer's token.
    cloud.refused(cloud.ask(cloud.issuer.bundle[0].sign(cloud.said("spiffe", jti="2"))))
    other = cloud.issuer.keys[0].sign(cloud.said("spiffe", jti="3"))
    assert "unknown" in cloud.refused(cloud.ask(other, client_assertion_type=jwt_svid.ASSERTION_TYPE))
    foreign = cloud.issuer.bundle[0].sign(cloud.said("spiffe", sub="spiffe://other.example/ns/pay/sa/invoice-bot"))
    assert "no trust" in cloud.refused(cloud.ask(foreign, client_assertion_type=jwt_svid.ASSERTION_TYPE))


def test_the_metadata_names_each_method_once(cloud: Cloud) -> None:
    said = cloud.world.service.metadata()["token_endpoint_auth_methods_supported"]
    assert said == ["private_key_jwt", "spiffe_jwt"]


def test_a_binding_that_is_taken_away_is_no_credential_any_more(bound: Cloud) -> None:
    from remit.agents.credentials import credentials  # noqa: PLC0415 - one use

    found = bound.world.standing.agents["invoice-bot"].agent
    (binding,) = found.bindings
    assert binding.credential in credentials(found)
    assert binding.credential not in credentials(replace(found, agent=AgentName("invoice-bot"), bindings=()))
