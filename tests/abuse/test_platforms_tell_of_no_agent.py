"""With a platform's word or a certificate, too, no answer tells whether there is such an agent, nor how it is let in.

Answers are compared byte for byte, with their headers, for an agent that is let in by this door but not by this word,
one that is let in by other doors alone, and one that there is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient
from tests.interaction.tokens.issuer_site import Issuer
from tests.interaction.tokens.test_client_certificates import Behind, header, made
from tests.interaction.tokens.test_token_status import Status
from tests.interaction.tokens.test_trusted_issuers import Cloud
from tests.unit.attestation.issuer import Key

from remit.agents.model import SenderConstraint
from remit.tokens.clients import jwt_svid

OTHERWISE, NOT_SO, UNKNOWN = "invoice-bot", "plain-bot", "no-such-bot"
NAMES = (OTHERWISE, NOT_SO, UNKNOWN)
DOORS = ["token", "introspect", "revoke"]
DOMAIN = "prod.example"
Attack = Callable[[Cloud, Key, Callable[..., dict[str, Any]]], str]


def told(answer: Any) -> tuple[int, bytes, list[tuple[str, str]]]:
    return answer.status_code, answer.content, sorted(answer.headers.items())


def alike(world: Any, answers: list[Any]) -> None:
    """One public answer, and for each its entry, that names nobody."""
    assert [each.status_code for each in answers] == [401] * len(NAMES), answers[0].text
    assert answers[0].json()["error"] == "invalid_client"
    assert len({repr(told(each)) for each in answers}) == 1, [told(each) for each in answers]
    entries = world.entries("refused")
    assert len(entries) == len(NAMES)
    assert all(each["error"] == "invalid_client" and each["reason"] for each in entries)
    assert not [each for each in entries if "agent" in each or any(name in json.dumps(each) for name in NAMES)]
    assert world.entries("token") == []


@pytest.fixture
def cloud(world: Any) -> Iterator[Cloud]:
    issuer = Issuer()
    found = Cloud(world, issuer)
    found.trusting.declare(trust="idp", issuer=issuer.url, audience=world.base, private=True)
    found.trusting.declare(trust=DOMAIN, preset="spiffe", jwks_url=f"{issuer.url}/bundle", private=True)
    found.bind(OTHERWISE, "oidc", trust="idp", claims={"sub": "workload-17"})
    found.bind(OTHERWISE, "spiffe", trust=DOMAIN, id=f"spiffe://{DOMAIN}/ns/pay/sa/invoice-bot")
    yield found
    issuer.close()


def good(_cloud: Cloud, key: Key, said: Callable[..., dict[str, Any]]) -> str:
    """The platform's own word, of a workload that is no agent's."""
    return key.sign(said())


def forged(_cloud: Cloud, key: Key, said: Callable[..., dict[str, Any]]) -> str:
    """By another key, that calls itself the platform's."""
    return Key(key.algorithm, key.kid).sign(said())


def unknown_key(_cloud: Cloud, key: Key, said: Callable[..., dict[str, Any]]) -> str:
    return Key(key.algorithm, "no-such-key").sign(said())


def old(_cloud: Cloud, key: Key, said: Callable[..., dict[str, Any]]) -> str:
    return key.sign(said(exp=1))


def elsewhere(_cloud: Cloud, key: Key, said: Callable[..., dict[str, Any]]) -> str:
    return key.sign(said(aud="https://other.test"))


def untyped(_cloud: Cloud, key: Key, said: Callable[..., dict[str, Any]]) -> str:
    return key.sign(said(), typ="at+jwt")


ATTACKS: list[Attack] = [good, forged, unknown_key, old, elsewhere, untyped]


@pytest.mark.requirement("client:indistinguishable")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("platform", ["oidc", "spiffe"])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_platforms_word_is_answered_alike(cloud: Cloud, attack: Attack, platform: str, door: str) -> None:
    world, status, answers = cloud.world, Status(cloud.world), []
    svid = platform == "spiffe"
    key = cloud.issuer.bundle[0] if svid else cloud.issuer.keys[0]
    nobody = f"spiffe://{DOMAIN}/ns/pay/sa/nobody" if svid else "workload-18"
    for number, name in enumerate(NAMES):

        def said(number: int = number, **changes: Any) -> dict[str, Any]:
            return cloud.said(platform, **({"sub": nobody, "jti": str(number)} | changes))

        form = world.form(client_assertion=attack(cloud, key, said), client_id=name)
        if svid:
            form["client_assertion_type"] = jwt_svid.ASSERTION_TYPE
        sent = form | ({} if door == "token" else {"token": "a.b.c"})
        answers.append(status.post(door, sent, dpop=world.proof()))
    alike(world, answers)


@pytest.mark.requirement("client:indistinguishable")
def test_the_word_itself_is_good_for_whom_it_is_of(cloud: Cloud) -> None:
    """Else the answers above would be alike because this door lets in nobody."""
    assert cloud.ask(cloud.issuer.keys[0].sign(cloud.said(sub="workload-17"))).status_code == 200
    mine = cloud.issuer.bundle[0].sign(cloud.said("spiffe", sub=f"spiffe://{DOMAIN}/ns/pay/sa/invoice-bot"))
    assert cloud.ask(mine, client_assertion_type=jwt_svid.ASSERTION_TYPE).status_code == 200


def certificate(behind: Behind, shown: str) -> str:
    now = behind.world.now
    if shown == "another name":
        return header(made(now, "nobody", by=behind.ca).certificate)
    if shown == "past":
        return header(made(now, "nobody", by=behind.ca, days=-60).certificate)
    if shown == "another authority":
        return header(made(now, OTHERWISE, by=made(now, "CA", ca=True)).certificate)
    return header(made(now, OTHERWISE).certificate) if shown == "signed by itself" else ":AAAA:"


CERTIFICATES = ["another name", "past", "another authority", "signed by itself", "registered and past", "none at all"]


@pytest.mark.requirement("client:indistinguishable")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("shown", CERTIFICATES)
def test_a_certificate_is_answered_alike(world: Any, shown: str, door: str) -> None:
    status = Status(world)
    world.app = status.app
    behind = Behind(world)
    own = made(world.now, "anything", days=-60)
    behind.register(behind.signed(subject_dn="CN=invoice-bot,O=Example"), behind.own(own.certificate))
    assert world.standing.agents[OTHERWISE].agent.sender_constraint is SenderConstraint.MTLS
    text = header(own.certificate) if shown == "registered and past" else certificate(behind, shown)
    answers = []
    for name in NAMES:
        form = {"grant_type": "client_credentials", "client_id": name, "scope": "purpose:pay-invoices"}
        sent = form if door == "token" else {"client_id": name, "token": "a.b.c"}
        headers = {"content-type": "application/x-www-form-urlencoded", "client-cert": text}
        with TestClient(behind, base_url=world.base) as client:
            answers.append(client.post(f"/oauth2/{door}", content=urlencode(sent), headers=headers))
    alike(world, answers)
    if door == "token":  # this door does let somebody in
        assert behind.ask().status_code == 200
