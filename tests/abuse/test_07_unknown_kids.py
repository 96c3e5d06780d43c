"""Tokens with made-up key ids make Remit ask their issuer no more than once in 30 seconds (PyJWT CVE-2026-48524)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.interaction.tokens.issuer_site import Issuer
from tests.interaction.tokens.test_trusted_issuers import Cloud

from remit.kernel.clock import SECOND
from remit.keys.base64url import encode
from remit.tokens.clients.private_key_jwt import ASSERTION_TYPE
from remit.tokens.model import TokenRefused

MANY = 10_000


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    yield found
    found.close()


def test_ten_thousand_made_up_key_ids_cost_one_request(world: Any, issuer: Issuer) -> None:
    cloud = Cloud(world, issuer)
    cloud.trusting.declare(trust="idp", issuer=issuer.url, audience=world.base, private=True)
    cloud.bind("invoice-bot", "oidc", trust="idp", claims={"sub": "workload-17"})
    key = issuer.keys[0]
    assert cloud.ask(key.sign(cloud.said(jti="before"))).status_code == 200
    assert len(issuer.asked) == 2
    issuer.failing = True
    world.clock.at += 30 * SECOND
    _, body, signature = key.sign(cloud.said(jti="made-up")).split(".")
    refused = set()
    for number in range(MANY):
        header = encode(json.dumps({"alg": "RS256", "kid": f"made-up-{number}", "typ": "JWT"}).encode())
        form = {
            "grant_type": ("client_credentials",),
            "client_id": ("invoice-bot",),
            "client_assertion_type": (ASSERTION_TYPE,),
            "client_assertion": (f"{header}.{body}.{signature}",),
        }
        with pytest.raises(TokenRefused) as answer:
            world.service.token(form, dpop=None, url=f"{world.base}/oauth2/token")
        refused.add((answer.value.status, answer.value.public))
    assert refused == {(401, "client authentication failed")}
    # One request more, which failed; and the keys that were known are known still.
    assert len(issuer.asked) == 3
    assert cloud.ask(key.sign(cloud.said(jti="after"))).status_code == 200
    assert len(issuer.asked) == 3
    recorded = world.entries("refused")
    assert {entry["reason"] for entry in recorded} == {"idp: the token's key is unknown"}
    assert len(recorded) <= 61  # strangers have a budget of entries
