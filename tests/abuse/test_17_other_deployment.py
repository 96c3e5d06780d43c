"""A token, an assertion or a proof of one deployment at another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.abuse.resource import Resource

from remit.storage.database import open_database
from remit.tokens.check import TokenChecker, TokenInvalid


@pytest.fixture
def staging(world: Any, tmp_path: Path) -> Any:
    """A second deployment: the same agents with the same keys, its own keyring, the same URL."""
    database = open_database(tmp_path / "staging.db", clock=world.clock)
    other = type(world)(database, tmp_path / "staging-keys", clock=world.clock)
    other.standing.agents.update(world.standing.agents)
    yield other
    database.close()


@pytest.mark.requirement("token:issuer")
def test_a_staging_token_is_none_in_production(world: Any, resource: Any, staging: Any) -> None:
    staging.client_key = world.client_key
    token = staging.token()
    with pytest.raises(TokenInvalid) as caught:
        world.check(token, proof=staging.proof(url=f"{world.base}/mcp/payments", token=token))
    assert caught.value.error == "invalid_token"
    assert world.entries("token") == []
    resource.refuses(token, proof=staging.proof(url=f"{world.base}/mcp/payments", token=token))


def test_the_issuer_counts_even_where_keys_are_shared(world: Any) -> None:
    token = world.token()
    elsewhere = TokenChecker(world.ring.token_keys, issuer="http://staging.test")
    world.checker = elsewhere
    with pytest.raises(TokenInvalid):
        world.check(token)
    Resource(world).refuses(token, reason="another issuer")


@pytest.mark.parametrize(
    "audience", ["http://staging.test", "http://remit.test/", "http://remit.test/oauth2/token", None]
)
@pytest.mark.requirement("client:audience")
@pytest.mark.requirement("client:errors")
def test_an_assertion_for_another_server_is_none_here(world: Any, audience: Any) -> None:
    answer = world.post(world.form(client_assertion=world.assertion(aud=audience)))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    (entry,) = world.entries("refused")
    assert entry["reason"] == "aud is not this issuer as a single string"


@pytest.mark.parametrize("others", [[], ["http://staging.test"]])
def test_a_list_of_audiences_is_none_even_with_us_in_it(world: Any, others: list[str]) -> None:
    answer = world.post(world.form(client_assertion=world.assertion(aud=[world.base, *others])))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert len(world.entries("refused")) == 1
