"""Ten thousand chains of token exchanges: no token says more than the one before it, whatever was asked for.

The judge reads claims, as anybody can who gets a token, and knows nothing of how they were arrived at: what was
handed on is worked out by taking the smallest of what is said along the chain.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from decimal import Decimal
from typing import Any

from tests.interaction.tokens.token_world import BASE, NOON, MemoryStanding, agent, new_key, purpose

from remit.access.attenuate import attenuated
from remit.access.model import Bound, Rule
from remit.access.spec import clauses
from remit.agents.credentials import credentials
from remit.attestation.model import Attested, Caller
from remit.kernel.canonical import parse
from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.kernel.names import ActionName, AgentName, RunId
from remit.tokens.check import Presented, _read
from remit.tokens.grants.client_credentials import ClientCredentials
from remit.tokens.grants.token_exchange import ACCESS_TOKEN, TYPE, TokenExchange
from remit.tokens.issue import claims, grant
from remit.tokens.model import AgentStanding, Asked, TokenRefused

CHAINS = 10_000
MOST = 4  # exchanges tried of one chain
NAMES = ("a", "b", "c", "d", "e", "f")
PURPOSES = ("pay", "audit")
RESOURCES = (BASE, f"{BASE}/mcp/one", f"{BASE}/mcp/two", f"{BASE}/mcp/three")
PAY, READ = ActionName("one/pay"), ActionName("one/read")
MOST_PAID = 9
ROOT = {
    PAY: Rule(action=PAY, when=(Bound(argument="amount", max=Decimal(MOST_PAID)),)),
    READ: Rule(action=READ),
}
KEY = new_key()


class Deployment:
    """Six agents who may act for one another at random. Implements what the grants ask of a deployment."""

    def __init__(self, chance: random.Random) -> None:
        self.standing = MemoryStanding()
        self.delegates: dict[str, set[str]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        for name in NAMES:
            self.delegates[name] = {other for other in NAMES if chance.random() < 0.6}
            own = tuple(each for each in PURPOSES if chance.random() < 0.8) or PURPOSES[:1]
            known = agent(name, KEY, *own, delegates=tuple(AgentName(each) for each in sorted(self.delegates[name])))
            purposes = tuple(purpose(each) for each in own)
            self.standing.agents[name] = AgentStanding(
                agent=known, owner_active=True, purposes=purposes, frozen=False, credentials=credentials(known)
            )  # fmt: skip
        self.first = ClientCredentials(self.standing, BASE)
        self.exchange = TokenExchange(self.standing, self, self, BASE)  # type: ignore[arg-type] # for `read` alone

    def read(self, token: str, *, now: Instant) -> Presented | None:
        """As the checker does, of a token whose signature is good."""
        said = self.tokens[token]
        found = _read(said, issuer=BASE, digest=b"", key="")
        return found if found.caller.expires > now else None

    def rules(self, caller: Caller) -> dict[ActionName, Rule]:
        """Implements remit.tokens.ports.Access."""
        left = dict(ROOT)
        for link in caller.links:
            left = attenuated(left, clauses(parse(link.allow)) if link.allow else None)
        return left

    def token(self, who: str, form: dict[str, Any], now: Instant) -> str:
        """Ask; the id of the token. Raises TokenRefused."""
        asked = Asked(form={name: _several(value) for name, value in form.items()}, url=f"{BASE}/oauth2/token")
        way: Any = self.exchange if "subject_token" in form else self.first
        attested = Attested(agent=AgentName(who), credential=KEY.public.thumbprint, method="private_key_jwt")
        wish = way.wish(asked, attested, jkt=f"instance-{who}", now=now)
        number = f"{len(self.tokens)}"
        given = grant(wish, (), now=now, token=f"tok_{number}", fresh=RunId(f"run_{number}"), txn=f"txn_{number}")
        self.tokens[f"tok_{number}"] = json.loads(json.dumps(claims(given, issuer=BASE)))
        return f"tok_{number}"


def _several(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def wanted(chance: random.Random, subject: str) -> dict[str, Any]:
    """An exchange that asks for this and that, often for too much."""
    form: dict[str, Any] = {"grant_type": TYPE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN}
    if chance.random() < 0.3:
        form["scope"] = f"purpose:{chance.choice(PURPOSES)}"
    if chance.random() < 0.4:
        form["resource"] = chance.sample(RESOURCES, chance.choice((1, 1, 2)))
    if chance.random() < 0.6:
        allow: list[Any] = [{"action": PAY, "when": {"amount": {"max": str(chance.randint(1, 12))}}}]
        allow = chance.choice([allow, [{"action": "one/*"}], [{"action": READ}], [*allow, {"action": READ}]])
        form["authorization_details"] = json.dumps([{"type": "remit_purpose", "allow": allow}])
    return form


# the judge -----------------------------------------------------------------------------------------


def audience(said: dict[str, Any]) -> set[str]:
    found = {said["aud"]} if isinstance(said["aud"], str) else set(said["aud"])
    return set(RESOURCES) if BASE in found else found


def actors(said: dict[str, Any]) -> list[str]:
    """From the first to who acts now."""
    found, act = [], said.get("act")
    while act:
        found.append(act["sub"])
        act = act.get("act")
    return [said["sub"], *reversed(found)]


def actions(said: dict[str, Any]) -> list[set[str]]:
    """By link, from the first, the actions that are handed on."""
    found = [{str(PAY), str(READ)}]
    for link in said.get("delegation", {}).get("links", []):
        patterns = [each["action"] for each in link.get("allow", [{"action": "one/*"}])]
        found.append(
            {name for name in found[-1] if "one/*" in patterns} | {str(each) for each in patterns if "*" not in each}
        )
    return found


def bounded(said: dict[str, Any]) -> list[int]:
    """The links that name a sum, from the first."""
    every = (each for link in said.get("delegation", {}).get("links", []) for each in link.get("allow", []))
    return [int(each["when"]["amount"]["max"]) for each in every if "when" in each]


def judged(before: dict[str, Any], after: dict[str, Any], delegates: dict[str, set[str]]) -> None:
    assert (after["purpose"], after["scope"], after["txn"]) == (before["purpose"], before["scope"], before["txn"])
    assert audience(after) <= audience(before)
    assert after["exp"] <= before["exp"]
    assert after["run_exp"] <= before["run_exp"]
    chain = actors(after)
    assert chain == [*actors(before), after["client_id"]]
    assert len(set(chain)) == len(chain) <= MOST
    named = before["may_act"]["sub"]
    assert after["client_id"] in ({named} if isinstance(named, str) else set(named))
    assert all(acting in delegates[above] for above, acting in itertools.pairwise(chain))
    # What is handed on is refused, and not cut short, where it is more: so the sums that are said only fall.
    sums = bounded(after)
    assert sums == sorted(sums, reverse=True)
    assert max(sums, default=0) <= MOST_PAID
    assert all(handing <= had for had, handing in itertools.pairwise(actions(after)))


def test_ten_thousand_chains_of_exchanges_widen_nothing() -> None:
    chance = random.Random(20_261_126)
    seen: Counter[str] = Counter()
    for number in range(CHAINS):
        if number % 50 == 0:
            deployment = Deployment(chance)
        now = NOON
        first = chance.choice(NAMES)
        own = deployment.standing.agents[first].agent.purposes
        where = chance.sample(RESOURCES, chance.choice((1, 2)))
        token = deployment.token(first, {"scope": f"purpose:{chance.choice(own)}", "resource": where}, Instant(now))
        for depth in range(1, MOST + 1):
            now += chance.randint(0, 2 * MINUTE // SECOND) * SECOND
            try:
                other = deployment.token(chance.choice(NAMES), wanted(chance, token), Instant(now))
            except TokenRefused as refused:
                seen[refused.error.value] += 1
                continue
            judged(deployment.tokens[token], deployment.tokens[other], deployment.delegates)
            seen[f"exchanged {depth}"] += 1
            token = other
    # All of it happened, many times: what is given, and each way to be refused.
    assert sum(seen.values()) == CHAINS * MOST
    given = sum(count for what, count in seen.items() if what.startswith("exchanged"))
    assert given > CHAINS // 2
    refusals = {"invalid_request", "invalid_scope", "invalid_target", "unauthorized_client"}
    assert all(seen[each] > CHAINS // 100 for each in (*refusals, "invalid_authorization_details")), seen
