"""31: a delegation bomb: many copies at once, chains without an end, circles; and one stop for all of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.abuse.delegation import Chain, is_refused

from remit.tokens.grants.token_exchange import ACCESS_TOKEN, TYPE


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


def test_a_chain_has_an_end_whoever_continues_it(chain: Chain) -> None:
    """Depth: each link is refused beyond the third, by each agent that may act, and again with a token of its own."""
    token = chain.world.token()
    for who in ("helper", "aide", "third"):
        token = chain.acting(who, token)
    for number in range(1, 6):
        answer = chain.ask("fourth", token)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        found = chain.world.entries("refused")
        assert [each["reason"].partition(":")[0] for each in found] == ["delegation_too_deep"] * number


def test_what_stops_the_root_stops_every_branch(chain: Chain) -> None:
    first = chain.world.token()
    branches = [chain.acting("helper", first)]
    branches.append(chain.acting("aide", branches[0]))
    branches.append(chain.acting("third", branches[1]))
    chain.world.change("invoice-bot", frozen=True)
    for number, (who, token) in enumerate(zip(("aide", "third", "fourth"), branches, strict=True), 1):
        answer = chain.ask(who, token)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert len(chain.world.entries("refused")) == number


@pytest.mark.parametrize("back", ["helper", "invoice-bot"])
def test_no_circle(chain: Chain, back: str) -> None:
    chain.world.change("aide", agent_delegates=("helper", "invoice-bot"))
    token = chain.acting("aide", chain.acting("helper", chain.world.token()))
    if back == "invoice-bot":
        form = chain.world.form(
            grant_type=TYPE, scope=None, subject_token=token, subject_token_type=ACCESS_TOKEN,
        )  # fmt: skip
        answer = chain.world.post(form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        (entry,) = chain.world.entries("refused")
        assert entry["reason"]
    else:
        is_refused(chain, chain.ask(back, token), "invalid_request", "does not act for itself")
