"""A deployment in which invoice-bot lets helper act for it, and helper lets aide."""

from __future__ import annotations

import json
from typing import Any

from starlette.applications import Starlette
from tests.interaction.tokens.token_world import TOOLS_URL, agent, new_key

from remit.access.model import Rule
from remit.attestation.model import Caller
from remit.kernel.names import ActionName, AgentName
from remit.tokens.grants.token_exchange import ACCESS_TOKEN, TYPE, TokenExchange
from remit.tokens.http import routes

RULES = {ActionName("payments/transfer"): Rule(action=ActionName("payments/transfer"))}
NAMES = ("helper", "aide", "third", "fourth", "stranger")


class Chain:
    """The world of `token_world`, with agents that may act for one another."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.keys = {name: new_key() for name in NAMES}
        self.proofs = {name: new_key() for name in NAMES}
        below = {"helper": ("aide",), "aide": ("third",), "third": ("fourth",), "fourth": ()}
        for name in NAMES:
            delegates = tuple(map(AgentName, below.get(name, ())))
            world.register(agent(name, self.keys[name], "pay-invoices", delegates=delegates, max_children=2))
        world.change("invoice-bot", agent_delegates=(AgentName("helper"),), agent_max_children=2)
        self.rules: dict[ActionName, Rule] = dict(RULES)
        world.service = world.serve()
        self.exchange = exchange = TokenExchange(world.standing, _Access(self), world.checker, world.base)
        world.service.grants[exchange.type] = exchange
        world.app = Starlette(routes=routes(world.service))

    def form(self, who: str, subject: str, **more: Any) -> dict[str, Any]:
        made = {
            "grant_type": TYPE, "client_assertion": self.world.assertion(who, key=self.keys[who]), "scope": None,
            "subject_token": subject, "subject_token_type": ACCESS_TOKEN,
        }  # fmt: skip
        found: dict[str, Any] = self.world.form(**(made | more))
        return found

    def ask(self, who: str, subject: str, **more: Any) -> Any:
        return self.world.post(self.form(who, subject, **more), proof=self.world.proof(key=self.proofs[who]))

    def acting(self, who: str, subject: str, **more: Any) -> str:
        answer = self.ask(who, subject, **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def own(self, who: str) -> str:
        form = self.world.form(client_assertion=self.world.assertion(who, key=self.keys[who]), resource=TOOLS_URL)
        answer = self.world.post(form, proof=self.world.proof(key=self.proofs[who]))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


class _Access:
    """Implements remit.tokens.ports.Access."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def rules(self, caller: Caller) -> dict[ActionName, Rule]:
        return self._chain.rules if caller.purpose == "pay-invoices" else {}


def claims(chain: Chain, token: str) -> dict[str, Any]:
    """What an access token says."""
    found: dict[str, Any] = json.loads(chain.world.unb64(token.split(".")[1]))
    return found


def is_refused(chain: Chain, answer: Any, error: str, reason: str = "") -> None:
    """See that an exchange was refused, and left exactly one entry that says why."""
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    (entry,) = chain.world.entries("refused")
    assert entry["error"] == error
    assert entry["reason"]
    assert reason in entry["reason"]
