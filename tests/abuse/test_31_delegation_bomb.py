"""A delegation bomb: many copies at once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.abuse.delegation import Chain, is_refused


@pytest.fixture
def chain(world: Any) -> Chain:
    return Chain(world)


def test_no_more_at_once_than_max_children(chain: Chain) -> None:
    """A delegation bomb: copies beyond the number that its owner registered get nothing."""
    subject = chain.world.token()
    for _ in range(2):
        chain.proofs["helper"] = type(chain.world).new_key()
        chain.acting("helper", subject)
    chain.acting("helper", subject)  # one that is known goes on
    chain.proofs["helper"] = type(chain.world).new_key()
    is_refused(chain, chain.ask("helper", subject), "unauthorized_client", "max_children")
