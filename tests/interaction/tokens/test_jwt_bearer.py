"""Another issuer's word for whom an agent acts: ID-JAG of a person, and RFC 7523 assertions of named subjects."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.at_once import Ask, at_once

from remit.agents.binding import Binding
from remit.agents.bindings.id_jag import ID_JAG, JWT_BEARER, id_jag, jwt_bearer
from remit.agents.model import SenderConstraint
from remit.attestation.trust import Trust
from remit.audit.service import Recorder
from remit.kernel.clock import HOUR, MINUTE, SECOND, Micros
from remit.keys import jose
from remit.keys.foreign import KeySet, key_set
from remit.people.change import Actor
from remit.people.consent_sql import SqlConsents
from remit.tokens.asserted import GRANT, PROFILE
from remit.tokens.check import TokenChecker, TokenInvalid
from remit.tokens.consents import Consents
from remit.tokens.form import parse_form
from remit.tokens.grants.jwt_bearer import JwtBearer
from remit.tokens.revoked import Revoked

IDP = "https://idp.example.test"
TOOLS = "http://remit.test/mcp/payments"


class Issuers:
    """Two trusted issuers with a key each. Implements `attestation.ports.Trusted`, and hands out the keys."""

    def __init__(self) -> None:
        self.signers = {IDP: jose.private_key(jose.generate()), "https://other.test": jose.private_key(jose.generate())}
        self.asked = 0
        self.trusts = {
            issuer: Trust(
                trust=issuer.removeprefix("https://"), preset="oidc", issuer=issuer, audience="elsewhere",
                algorithms=("ES256",), max_age=Micros(HOUR),
            )
            for issuer in self.signers
        }  # fmt: skip

    def of_issuer(self, issuer: str) -> Trust | None:
        return self.trusts.get(issuer)

    def of_domain(self, domain: str) -> Trust | None:  # noqa: ARG002 - the port's
        return None

    def keys(self, trust: Trust, kid: object) -> KeySet:  # noqa: ARG002 - as `IssuerKeys.for_kid`
        self.asked += 1
        key = self.signers[trust.issuer]
        return key_set({"keys": [{**key.public.jwk, "kid": key.kid}]})


class Federated:
    """invoice-bot takes the word of the identity provider for persons; report-bot that of a named workload."""

    def __init__(self, world: Any) -> None:
        self.world, self.issuers = world, Issuers()
        records = Recorder(world.ring, world.clock, lambda: world.database.epoch)
        self.grant = JwtBearer(world.standing, world.base, self.issuers, self.issuers.keys, records)
        world.service.grants[GRANT] = self.grant
        persons = Binding(ID_JAG, id_jag({"issuer": IDP, "purposes": ["pay-invoices"]}))
        named = {"issuer": IDP, "purposes": ["pay-invoices"], "subjects": ["workload-7"]}
        self.register(persons, Binding(JWT_BEARER, jwt_bearer(named)))

    def register(self, *bindings: Binding, **changes: Any) -> None:
        world = self.world
        purposes = ("pay-invoices", "audit-invoices")
        world.register(world.agent("invoice-bot", world.client_key, *purposes, bindings=bindings, **changes))

    def word(self, *, typ: str = "oauth-id-jag+jwt", key: Any = None, **changes: Any) -> str:
        seconds = self.world.now // SECOND
        found: dict[str, Any] = {
            "iss": IDP, "sub": "person-1", "aud": self.world.base, "client_id": "invoice-bot",
            "jti": uuid.uuid4().hex, "iat": seconds, "exp": seconds + 300, "scope": "purpose:pay-invoices",
            "resource": TOOLS,
        }  # fmt: skip
        claims = {name: value for name, value in (found | changes).items() if value is not None}
        return jose.sign(claims, typ=typ, key=key or self.issuers.signers[IDP])

    def form(self, assertion: str | None = None, **changes: Any) -> dict[str, Any]:
        asked = {"grant_type": GRANT, "assertion": assertion or self.word(), "scope": None} | changes
        return dict(self.world.form(**asked))

    def ask(self, assertion: str | None = None, **changes: Any) -> Any:
        return self.world.post(self.form(assertion, **changes))

    def refused(self, answer: Any, error: str, reason: str = "") -> None:
        assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
        (entry,) = self.world.entries("refused")
        assert (entry["error"], entry["agent"]) == (error, "invoice-bot")
        assert reason in entry["reason"]
        assert self.world.entries("token") == []
        assert self.world.entries("change") == []


@pytest.fixture
def federated(world: Any) -> Federated:
    return Federated(world)


@pytest.mark.requirement("jag:accepted")
@pytest.mark.requirement("jag:no-refresh")
@pytest.mark.requirement("jag:subject")
def test_a_person_s_assertion_gives_the_agent_a_token_of_its_own(federated: Federated) -> None:
    world = federated.world
    answer = federated.ask()
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.json()["scope"] == "purpose:pay-invoices"
    _, claims = jose.verify(
        answer.json()["access_token"], typ="at+jwt", algorithms=("ES256",),
        key=lambda h: world.ring.token_keys.public(h["kid"]),
    )  # fmt: skip
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("invoice-bot", "invoice-bot", TOOLS)
    assert claims["obo"] == {"iss": IDP, "sub": "person-1"}
    assert claims["person"] == f"{IDP}#person-1"  # nobody who is registered here
    (entry,) = world.entries("token")
    assert (entry["obo"], entry["grant"], entry["consent"]) == (f"{IDP}#person-1", GRANT, claims["consent"])
    assert world.check(answer.json()["access_token"])[0].agent == "invoice-bot"
    assert federated.issuers.asked == 1  # nothing is fetched within the change


def consents(world: Any) -> list[Any]:
    found: list[Any] = world.database.reader.read(lambda c: SqlConsents(c).listing(person=None, most=10))
    return found


@pytest.mark.requirement("jag:consent")
def test_it_leaves_one_consent_for_one_person_agent_and_purpose(federated: Federated) -> None:
    for _ in range(2):
        assert federated.ask().status_code == 200
    (consent,) = consents(federated.world)
    assert (consent.person, consent.agent, consent.purpose) == (f"{IDP}#person-1", "invoice-bot", "pay-invoices")
    assert consent.live(federated.world.now)
    assert [each["change"] for each in federated.world.entries("change")] == ["give"]
    assert federated.ask(federated.word(sub="person-2")).status_code == 200
    assert len(consents(federated.world)) == 2
    wider = federated.word(resource="http://remit.test/mcp/crm")
    assert federated.ask(wider).status_code == 200
    assert next(each for each in consents(federated.world) if each.consent == consent.consent).resources == (
        "http://remit.test/mcp/crm", TOOLS,
    )  # fmt: skip
    assert len(federated.world.entries("change")) == 3


@pytest.mark.requirement("jag:consent")
def test_a_consent_that_was_withdrawn_is_not_given_again_by_an_assertion(federated: Federated) -> None:
    world, revoked = federated.world, Revoked(federated.world.clock)
    world.database.feed.subscribe(revoked.follow)
    world.checker = TokenChecker(world.ring.token_keys, issuer=world.base, revoked=revoked.has)
    had = federated.ask().json()["access_token"]
    (consent,) = consents(world)
    # That nobody's word is taken any more does not touch it: it names the agent's own key.
    federated.register()
    assert world.check(had)[0].credential in world.standing.agents["invoice-bot"].credentials
    records = Recorder(world.ring, world.clock, lambda: world.database.epoch)
    service = Consents(writer=world.database.writer, reader=world.database.reader, records=records, clock=world.clock)
    service.withdraw(consent.consent, by=Actor(by="dana"))
    # The token that was had ends with it, at once.
    with pytest.raises(TokenInvalid, match="revoked"):
        world.check(had)
    ended = next(each for each in world.entries("change") if each["what"] == "token_family")
    assert ended["tokens"] == [each["id"] for each in world.entries("token")]
    federated.register(Binding(ID_JAG, id_jag({"issuer": IDP, "purposes": ["pay-invoices"]})))
    answer = federated.ask()
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert world.entries("refused")[-1]["reason"] == "the consent was withdrawn"


BAD = [
    pytest.param({"aud": "https://other.example.test"}, "aud", marks=pytest.mark.requirement("jag:audience")),
    pytest.param({"aud": ["http://remit.test", "x"]}, "aud", marks=pytest.mark.requirement("jag:audience")),
    pytest.param({"aud": None}, "aud", marks=pytest.mark.requirement("jag:audience")),
    pytest.param({"client_id": "plain-bot"}, "another client", marks=pytest.mark.requirement("jag:client")),
    pytest.param({"client_id": None}, "client_id", marks=pytest.mark.requirement("jag:client")),
    pytest.param({"sub": None}, "sub", marks=pytest.mark.requirement("jag:claims")),
    pytest.param({"sub": ["person-1"]}, "sub", marks=pytest.mark.requirement("jag:claims")),
    pytest.param({"jti": None}, "jti", marks=pytest.mark.requirement("jag:claims")),
    pytest.param({"exp": None}, "exp", marks=pytest.mark.requirement("jag:claims")),
    pytest.param({"exp": 1}, "exp", marks=pytest.mark.requirement("jag:claims")),
    pytest.param({"iat": 1}, "iat", marks=pytest.mark.requirement("jag:claims")),
    pytest.param({"iat": None}, "iat", marks=pytest.mark.requirement("jag:claims")),
    pytest.param({"iss": "https://nobody.test"}, "not trusted", marks=pytest.mark.requirement("jag:issuer")),
    pytest.param({"iss": "http://remit.test"}, "not trusted", marks=pytest.mark.requirement("jag:issuer")),
    pytest.param({"iss": "https://other.test"}, "key is unknown", marks=pytest.mark.requirement("jag:issuer")),
    pytest.param({"iss": None}, "no issuer", marks=pytest.mark.requirement("jag:issuer")),
    pytest.param({"cnf": {"jkt": "A" * 43}}, "another key", marks=pytest.mark.requirement("jag:claims")),
    pytest.param({"cnf": {"x5t#S256": "A" * 43}}, "cnf", marks=pytest.mark.requirement("jag:claims")),
    pytest.param({"scope": ["purpose:pay-invoices"]}, "scope", marks=pytest.mark.requirement("jag:claims")),
    pytest.param({"authorization_details": "all"}, "authorization_details"),
    pytest.param({"resource": {"is": TOOLS}}, "resource", marks=pytest.mark.requirement("jag:claims")),
]


@pytest.mark.parametrize(("claims", "reason"), BAD, ids=str)
def test_what_an_assertion_must_say(federated: Federated, claims: dict[str, Any], reason: str) -> None:
    federated.refused(federated.ask(federated.word(**claims)), "invalid_grant", reason)


@pytest.mark.requirement("jag:typ")
@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "oauth-id-jag", "JWT", ""])
def test_an_assertion_of_a_person_has_its_own_type(federated: Federated, typ: str) -> None:
    """As a plain assertion it would need its subject named in the agent's document, and `person-1` is not."""
    federated.refused(federated.ask(federated.word(typ=typ)), "invalid_grant")


@pytest.mark.parametrize("assertion", ["", "a.b", "a.b.c", "x" * 20_000, "e30.e30.e30", "a.b.c.d.e"])
def test_what_is_no_assertion(federated: Federated, assertion: str) -> None:
    answer = federated.world.post(federated.form() | {"assertion": assertion})
    federated.refused(answer, "invalid_grant" if assertion else "invalid_request")


@pytest.mark.requirement("jag:replay")
def test_it_is_used_once(federated: Federated) -> None:
    word = federated.word()
    assert federated.ask(word).status_code == 200
    answer = federated.ask(word)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    (entry,) = federated.world.entries("refused")
    assert entry["reason"] == "the assertion was used before"
    assert len(federated.world.entries("token")) == 1


@pytest.mark.requirement("jag:replay")
def test_by_two_nodes_at_once_as_well(federated: Federated) -> None:
    world, word = federated.world, federated.word()
    services = [world.service, world.serve()]
    services[1].grants[GRANT] = federated.grant

    def question(number: int) -> Ask:
        form = parse_form(urlencode(federated.form(word)).encode(), media_type="application/x-www-form-urlencoded")
        proof = world.proof()
        return lambda: services[number % 2].token(form, dpop=proof, url=f"{world.base}/oauth2/token")

    won, lost = at_once(6, question)
    assert len(won) == 1
    assert {each.error.value for each in lost} == {"invalid_grant"}


@pytest.mark.requirement("jag:narrow")
@pytest.mark.parametrize(
    ("claims", "asked", "error"),
    [
        ({}, {"scope": "purpose:audit-invoices"}, "invalid_scope"),
        ({"scope": "purpose:audit-invoices"}, {"scope": "purpose:pay-invoices"}, "invalid_scope"),
        ({"scope": "openid email"}, {}, "invalid_scope"),
        ({"scope": "purpose:other"}, {}, "invalid_scope"),
        ({}, {"resource": "http://remit.test/mcp/crm"}, "invalid_target"),
        ({}, {"resource": [TOOLS, "http://remit.test/mcp/crm"]}, "invalid_target"),
        ({"resource": "https://elsewhere.test/mcp"}, {}, "invalid_target"),
        ({"authorization_details": [{"type": "remit_purpose", "purpose": "audit-invoices"}]}, {}, "invalid_scope"),
        ({"authorization_details": [{"type": "payment"}]}, {}, "invalid_scope"),
        ({"scope": None, "authorization_details": [{"type": "remit_purpose", "purpose": "x"}]}, {}, "invalid_scope"),
        # The agent has this purpose too, but its owner did not say that anybody's word is taken for it.
        ({"scope": "purpose:audit-invoices"}, {"scope": "purpose:audit-invoices"}, "invalid_grant"),
    ],
    ids=str,
)
def test_nothing_is_wider_than_the_assertion_nor_than_the_agent(
    federated: Federated, claims: dict[str, Any], asked: dict[str, Any], error: str
) -> None:
    federated.refused(federated.ask(federated.word(**claims), **asked), error)


def test_within_it_the_agent_chooses(federated: Federated) -> None:
    both = federated.word(resource=[TOOLS, "http://remit.test/mcp/crm"], scope="purpose:pay-invoices purpose:x openid")
    answer = federated.ask(both, scope="purpose:pay-invoices", resource=TOOLS)
    assert answer.status_code == 200, answer.text


def test_what_the_assertion_is_bound_to_is_proved(federated: Federated) -> None:
    bound = federated.word(cnf={"jkt": federated.world.instance_key.public.thumbprint})
    assert federated.ask(bound).status_code == 200


@pytest.mark.requirement("jwt-bearer:subjects")
def test_a_plain_assertion_is_for_subjects_that_are_named(federated: Federated) -> None:
    good = federated.word(typ="JWT", sub="workload-7", client_id=None)
    answer = federated.ask(good)
    assert answer.status_code == 200, answer.text
    (entry,) = federated.world.entries("token")
    assert entry["obo"] == f"{IDP}#workload-7"
    answer = federated.ask(federated.word(typ="JWT", sub="workload-8", client_id=None))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.requirement("jag:client")
def test_the_client_authenticates_as_ever(federated: Federated) -> None:
    world = federated.world
    answer = world.post({"grant_type": GRANT, "assertion": federated.word()})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    other = world.form(grant_type=GRANT, assertion=federated.word(), client_assertion=world.assertion("no-such-bot"))
    assert world.post(other).status_code == 401
    assert "none" not in federated.grant.methods


def test_an_agent_whose_document_takes_nobodys_word(federated: Federated) -> None:
    federated.register()
    federated.refused(federated.ask(), "invalid_grant", "does not take this issuer's word")


def test_an_issuer_that_is_not_trusted_any_more(federated: Federated) -> None:
    word = federated.word()
    assert federated.ask(word).status_code == 200
    del federated.issuers.trusts[IDP]
    answer = federated.ask(federated.word())
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.requirement("jag:issuer")
def test_an_assertion_that_was_shown_before_is_judged_by_the_keys_of_now(federated: Federated) -> None:
    """It was good, but for another place, so it was not used up. Then the issuer withdrew the key."""
    word = federated.word()
    answer = federated.ask(word, resource="http://remit.test/mcp/crm")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    federated.issuers.signers[IDP] = jose.private_key(jose.generate())
    answer = federated.ask(word)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), answer.text
    assert "key is unknown" in federated.world.entries("refused")[-1]["reason"]
    assert federated.world.entries("token") == []
    assert federated.ask().status_code == 200


@pytest.mark.requirement("jag:issuer")
@pytest.mark.parametrize("typ", ["oauth-id-jag+jwt", "JWT"])
def test_who_issues_such_assertions_does_not_redeem_its_own(federated: Federated, typ: str) -> None:
    """ID-JAG section 4.4.1: not even where an operator declared this deployment as a trust, and an agent takes it."""
    own, issuers = federated.world.base, federated.issuers
    issuers.signers[own] = jose.private_key(jose.generate())
    issuers.trusts[own] = replace(issuers.trusts[IDP], trust="itself", issuer=own)
    said = {"issuer": own, "purposes": ["pay-invoices"]}
    named = Binding(JWT_BEARER, jwt_bearer(said | {"subjects": ["person-1"]}))
    federated.register(Binding(ID_JAG, id_jag(said)), named)
    word = federated.word(typ=typ, iss=own, key=issuers.signers[own])
    federated.refused(federated.ask(word), "invalid_grant", "not trusted")
    assert issuers.asked == 0


def test_a_platform_speaks_for_its_workloads_only(federated: Federated) -> None:
    """What its preset refuses (names that somebody else may have later) would come in here."""
    federated.issuers.trusts[IDP] = replace(federated.issuers.trusts[IDP], preset="github_actions")
    word = federated.word(typ="JWT", sub="workload-7", client_id=None)
    federated.refused(federated.ask(word), "invalid_grant", "not trusted")


@pytest.mark.requirement("jag:claims")
def test_an_assertion_is_not_good_for_ever(federated: Federated) -> None:
    word = federated.word(exp=federated.world.now // SECOND + 10**6)
    federated.world.clock.at += HOUR + MINUTE
    federated.refused(federated.ask(word), "invalid_grant", "iat")


@pytest.mark.requirement("jag:metadata")
def test_the_metadata_says_so(federated: Federated) -> None:
    found = federated.world.service.metadata()
    assert GRANT in found["grant_types_supported"]
    assert found["authorization_grant_profiles_supported"] == [PROFILE]
    del federated.world.service.grants[GRANT]
    assert "authorization_grant_profiles_supported" not in federated.world.service.metadata()


def test_an_agent_that_proves_no_key_names_one_place(federated: Federated) -> None:
    persons = Binding(ID_JAG, id_jag({"issuer": IDP, "purposes": ["pay-invoices"], "subjects": ["person-1"]}))
    federated.register(persons, sender_constraint=SenderConstraint.NONE)
    answer = federated.world.post(federated.form(), proof=None)
    assert answer.status_code == 200, answer.text
    answer = federated.world.post(federated.form(federated.word(sub="person-9")), proof=None)
    assert answer.json()["error"] == "invalid_grant"
