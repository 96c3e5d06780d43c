"""An organisation's own enforcement points, over HTTP, with real policy and log entries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from gateway_world import World, at_most, budget, rule  # type: ignore[import-not-found] # beside

from remit.attestation.model import Caller
from remit.catalog.model import Server
from remit.enforcement.batches import Batches
from remit.enforcement.candidates import Candidates
from remit.enforcement.model import Point
from remit.enforcement.own_types import OwnTypes
from remit.enforcement.points import MOST_OPEN, Points
from remit.enforcement.presented import Shown
from remit.enforcement.questions import Questions
from remit.enforcement.search_tokens import Tokens
from remit.enforcement.searching import Searching
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import NotFound
from remit.kernel.names import ServerName
from remit.server.evaluation import Evaluation
from remit.server.me import Me
from remit.server.operator_tokens import token_hash
from remit.server.peps import Gatekeeper, Known
from remit.server.self_evaluation import PointsOrAgents, SelfEvaluation
from remit.tokens.refusals import BadTokens

SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "number"}, "currency": {"type": "string"}},
    "required": ["amount"],
}
TRANSFER = {"name": "transfer", "inputSchema": SCHEMA}
PURGE = {"name": "purge", "inputSchema": {"type": "object"}}
DOCS = "https://docs.test/errors"
BASE = "http://remit.test"


def question(action: str = "payments/transfer", *, agent: str = "bot", **context: Any) -> dict[str, Any]:
    """About one of Remit's own types."""
    return {
        "subject": {"type": "agent", "id": agent},
        "action": {"name": action},
        "resource": {"type": "server", "id": action.partition("/")[0]},
        "context": context,
    }


@dataclass
class Held:
    """What a token says."""

    caller: Caller
    audience: frozenset[str] = frozenset({f"{BASE}/mcp/payments"})


@dataclass
class Presenting:
    """Implements remit.enforcement.presented.Reads: the tokens that a test put here."""

    good: dict[str, Held] = field(default_factory=dict)

    def read(self, token: str, *, now: Instant) -> Held | None:  # noqa: ARG002 - the port's
        return self.good.get(token)


@dataclass
class Asking:
    """Two enforcement points, and the endpoint they ask."""

    world: World
    most: int = MOST_OPEN
    clock: Clock | None = None
    points: Points = field(init=False)
    app: PointsOrAgents = field(init=False)
    tokens: Presenting = field(default_factory=Presenting)

    def __post_init__(self) -> None:
        self.world.source.all_servers.clear()
        self.points = Points(
            pipeline=self.world.pipeline, questions=self.questions, header=self.header,
            clock=self.clock or self.world.clock, docs=DOCS, most=self.most,
        )  # fmt: skip
        keeper = Gatekeeper()
        keeper._known = {
            token_hash(f"token-{name}"): Known(point=Point(name, name[0] * 43), created=Instant(0))
            for name in ("edge", "other")
        }
        searching = Searching(
            answers=self.world.pipeline.answers, own_types=self.questions.own_types,
            candidates=Candidates(judges=self.world.policy, purposes=self.world.policy.purposes),
            tokens=Tokens(bytes(32)),
        )  # fmt: skip
        points = Evaluation(
            keeper=keeper, points=self.points, batches=Batches(self.points), searching=searching, body_limit=8192
        )
        me = Me(
            base=BASE, path="", method="POST", checker=self.world.tokens, writer=self.world.writer,
            records=self.world.recorder, bad_tokens=BadTokens(self.world.recorder), clock=self.world.clock,
        )  # fmt: skip
        agents = SelfEvaluation(me=me, points=self.points, facts=self.world.facts, body_limit=8192)
        self.app = PointsOrAgents(points, agents)

    @property
    def questions(self) -> Questions:
        policy = self.world.policy
        own_types = OwnTypes(answers=self.world.pipeline.answers, judges=policy, docs=DOCS)
        return Questions(
            purposes=policy.purposes, judges=policy, own_types=own_types, base=BASE,
            shown=Shown(self.tokens, BASE, self.world.clock),
        )  # fmt: skip

    def header(self, decision: str) -> Mapping[str, Any]:
        for kind in ("decision", "outcome"):
            for entry in self.world.entries(kind):
                if entry["id"] == decision:
                    return dict(entry)
        raise NotFound("there is no such entry")

    async def send(
        self, path: str, body: object, *, pep: str = "edge", method: str = "POST", **headers: str
    ) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self.app)
        sent = {"authorization": f"Bearer token-{pep}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with httpx2.AsyncClient(transport=transport, base_url="http://remit.test", trust_env=False) as http:
            return await http.request(method, path, content=data, headers=sent)

    async def ask(self, body: object, **how: Any) -> httpx2.Response:
        return await self.send("/access/v1/evaluation", body, **how)

    async def say(self, decision: str, outcome: str, **how: Any) -> httpx2.Response:
        return await self.send("/v1/outcomes", {"decision": decision, "outcome": outcome}, **how)


def estate(world: World, *rules: Any, **how: Any) -> Asking:
    """A server with a tool that the agent may use, and one that it may not see."""
    asking = Asking(world, **how)
    world.source.all_servers["payments"] = _server()
    world.pin("payments", TRANSFER, PURGE)
    world.agent(
        "bot", *(rules or (rule("payments/transfer", at_most("amount", "500.00"), budget=budget("amount", "1000.00")),))
    )
    return asking


def _server() -> Any:
    return Server(
        server=ServerName("payments"), url="http://127.0.0.1:9/mcp", credential=None, tiers=(),
        review="pin-on-first-use", tools={}, set_pin="",
    )  # fmt: skip
