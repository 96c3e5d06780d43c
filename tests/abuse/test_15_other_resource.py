"""A token for resource A used at B."""

from __future__ import annotations

from typing import Any

import pytest

from remit.tokens.check import TokenInvalid


@pytest.mark.requirement("resource:checked")
def test_a_token_for_one_server_is_none_at_another(world: Any) -> None:
    token = world.token(world.form(resource=f"{world.base}/mcp/crm"))
    with pytest.raises(TokenInvalid, match="another resource") as caught:
        world.check(token)
    assert caught.value.error == "invalid_token"
    with pytest.raises(TokenInvalid):
        world.check(token, audiences=())
    assert world.check(token, audiences=(f"{world.base}/mcp/crm",))


def test_a_bearer_token_for_one_server_is_none_at_another(world: Any) -> None:
    token = world.bearer()
    with pytest.raises(TokenInvalid, match="another resource"):
        world.check(token, scheme="Bearer", proof=None, audiences=(world.base, f"{world.base}/mcp/crm"))
