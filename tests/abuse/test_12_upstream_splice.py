"""A token that is for one resource is lent to a helper for another one, or for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.abuse.delegation import Chain, is_refused
from tests.interaction.tokens.token_world import TOOLS_URL


@pytest.fixture
def chain(world: Any) -> Chain:
    return Chain(world)


@pytest.mark.requirement("exchange:audience")
def test_a_token_for_one_resource_is_lent_to_no_other(chain: Chain) -> None:
    subject = chain.world.token(chain.world.form(resource=TOOLS_URL))
    is_refused(chain, chain.ask("helper", subject, resource=f"{chain.world.base}/mcp/crm"), "invalid_target")


def test_nor_to_the_whole_deployment(chain: Chain) -> None:
    subject = chain.world.token(chain.world.form(resource=TOOLS_URL))
    is_refused(chain, chain.ask("helper", subject, resource=chain.world.base), "invalid_target")
