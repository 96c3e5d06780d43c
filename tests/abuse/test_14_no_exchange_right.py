"""An exchange by an agent that has no right to it (Keycloak issue 48104)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.abuse.delegation import Chain, is_refused


@pytest.fixture
def chain(world: Any) -> Chain:
    return Chain(world)


@pytest.mark.requirement("exchange:may-act")
def test_without_a_right_to_it(chain: Chain) -> None:
    is_refused(chain, chain.ask("stranger", chain.world.token()), "unauthorized_client", "may not act")


def test_a_right_that_was_taken_back_is_none(chain: Chain) -> None:
    """The token still says `may_act`; what is registered does not any more."""
    subject = chain.world.token()
    chain.world.change("invoice-bot", agent_delegates=())
    is_refused(chain, chain.ask("helper", subject), "unauthorized_client", "may not act")


def test_a_token_that_never_said_so_is_none(chain: Chain) -> None:
    chain.world.change("invoice-bot", agent_delegates=())
    subject = chain.world.token()
    chain.world.change("invoice-bot", agent_delegates=("helper",))
    is_refused(chain, chain.ask("helper", subject), "unauthorized_client", "may not act")
