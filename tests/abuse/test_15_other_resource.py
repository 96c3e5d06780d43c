"""A token for resource A used at B."""

from __future__ import annotations

from typing import Any

import pytest
from tests.interaction.tokens.test_token_status import EXACTLY_INACTIVE, TOOLS, Status

from remit.tokens.check import TokenInvalid


@pytest.mark.requirement("resource:checked")
def test_a_token_for_one_server_is_none_at_another(world: Any, resource: Any) -> None:
    token = world.token(world.form(resource=f"{world.base}/mcp/crm"))
    with pytest.raises(TokenInvalid, match="another resource") as caught:
        world.check(token)
    assert caught.value.error == "invalid_token"
    with pytest.raises(TokenInvalid):
        world.check(token, audiences=())
    entry = resource.refuses(token, reason="the token is for another resource")
    # It is one of ours: its own entry says whose.
    assert [each["agent"] for each in world.entries("token") if each["id"] == entry["token"]] == ["invoice-bot"]
    assert world.check(token, audiences=(f"{world.base}/mcp/crm",))


def test_a_bearer_token_for_one_server_is_none_at_another(world: Any) -> None:
    token = world.bearer()
    with pytest.raises(TokenInvalid, match="another resource"):
        world.check(token, scheme="Bearer", proof=None, audiences=(world.base, f"{world.base}/mcp/crm"))


@pytest.mark.requirement("introspection:audience")
def test_who_is_not_its_audience_learns_nothing_of_it(world: Any) -> None:
    """Keycloak CVE-2026-37979. To ask is no refusal: it leaves no entry, and changes nothing."""
    status = Status(world)
    token = world.token(world.form(resource=f"{world.base}/mcp/crm"))
    before = len(world.entries())
    for asked in ((), (TOOLS,), (f"{world.base}/mcp",), (f"{TOOLS}/x", world.base)):
        answer = status.edge(token, *asked)
        assert (answer.status_code, answer.content) == (200, EXACTLY_INACTIVE)
    assert len(world.entries()) == before
    assert status.edge(token, f"{world.base}/mcp/crm").json()["active"] is True
