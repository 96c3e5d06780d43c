"""A Remit with nothing but a token service, on a real database: what flows and attacks are tried on."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from remit.access.model import Purpose, PurposeState
from remit.agents.credentials import credentials
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.audit.service import Recorder
from remit.kernel.clock import DAY, HOUR, SECOND, Instant, Micros
from remit.kernel.names import AgentName, OwnerName, PurposeName
from remit.keys import jose
from remit.keys.keyfile import KeyfileProvider
from remit.keys.service import KeyRing
from remit.storage import bundle
from remit.storage.database import Database
from remit.storage.schema import bundles
from remit.tokens.check import TokenChecker
from remit.tokens.http import routes
from remit.tokens.model import AgentStanding
from remit.tokens.service import TokenService

BASE = "http://remit.test"
TOKEN_URL = f"{BASE}/oauth2/token"
TOOLS_URL = f"{BASE}/mcp/payments"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
NOON = 1_795_608_000 * SECOND


@dataclass
class MemoryStanding:
    """Implements remit.tokens.ports.Standing in a dict."""

    agents: dict[str, AgentStanding] = field(default_factory=dict)

    def agent_standing(self, agent: str, now: Instant) -> AgentStanding | None:  # noqa: ARG002 - the port's
        return self.agents.get(agent)


def purpose(name: str, **changes: Any) -> Purpose:
    found = Purpose(
        purpose=PurposeName(name),
        statement="Pay supplier invoices",
        actions=("payments/*",),
        data_classes=(),
        not_after=Instant(NOON + 30 * DAY),
        state=PurposeState.ACTIVE,
    )
    return replace(found, **changes)


def agent(name: str, key: jose.SigningKey, *purposes: str, **changes: Any) -> Agent:
    found = Agent(
        agent=AgentName(name),
        owner=OwnerName("dana"),
        version="1.4",
        purposes=tuple(PurposeName(each) for each in purposes),
        max_instances=3,
        sender_constraint=SenderConstraint.DPOP,
        not_after=Instant(NOON + 30 * DAY),
        max_run=Micros(8 * HOUR),
        keys=(dict(key.public.jwk),),
        state=AgentState.ACTIVE,
    )
    return replace(found, **changes)


def new_key(algorithm: str = "ES256") -> jose.SigningKey:
    return jose.private_key(jose.generate(algorithm))


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def forge(token: str, *, header: Any = None, claims: Any = None, signature: str | None = None) -> str:
    """`token` with its parts changed and nothing signed anew; a dict is merged, text replaces."""
    parts = token.split(".")
    for index, change in enumerate((header, claims, signature)):
        if isinstance(change, dict):
            merged = json.loads(unb64(parts[index])) | change
            parts[index] = b64(json.dumps({k: v for k, v in merged.items() if v is not ...}).encode())
        elif change is not None:
            parts[index] = change
    return ".".join(parts)


class World:
    """One deployment: invoice-bot (DPoP, two purposes), plain-bot (no DPoP, one purpose), a clock that stands still."""

    # for tests, which cannot import this module by itself
    new_key = staticmethod(new_key)
    agent = staticmethod(agent)
    forge = staticmethod(forge)
    b64 = staticmethod(b64)
    unb64 = staticmethod(unb64)

    def __init__(self, database: Database, folder: Path, *, base: str = BASE, clock: Any) -> None:
        self.clock = clock
        self.base = base
        self.database = database
        folder.mkdir(mode=0o700, exist_ok=True)
        provider = KeyfileProvider.create(folder / "keyfile")
        database.writer.change(lambda tx: KeyRing.create(tx, provider, now=self.now))
        self.ring = database.reader.read(lambda connection: KeyRing.open(connection, provider))
        self.client_key, self.plain_key, self.instance_key = new_key(), new_key(), new_key()
        self.standing = MemoryStanding()
        self.register(agent("invoice-bot", self.client_key, "pay-invoices", "audit-invoices"))
        self.register(agent("plain-bot", self.plain_key, "pay-invoices", sender_constraint=SenderConstraint.NONE))
        self.service = self.serve()
        self.checker = TokenChecker(self.ring.token_keys, issuer=base)
        self.app = Starlette(routes=routes(self.service))

    @property
    def now(self) -> Instant:
        found: Instant = self.clock.now()
        return found

    def serve(self) -> TokenService:
        return TokenService(
            issuer=self.base,
            keys=self.ring.token_keys,
            standing=self.standing,
            writer=self.database.writer,
            records=Recorder(self.ring, self.clock, lambda: self.database.epoch),
            clock=self.clock,
        )

    def register(self, one: Agent, **changes: Any) -> None:
        one = replace(one, not_after=Instant(self.now + 30 * DAY))
        found = AgentStanding(
            agent=one,
            owner_active=True,
            purposes=tuple(purpose(name, not_after=Instant(self.now + 30 * DAY)) for name in one.purposes),
            frozen=False,
            credentials=credentials(one),
        )
        self.standing.agents[one.agent] = replace(found, **changes)

    def change(self, name: str, **changes: Any) -> None:
        """Change an agent's standing (`frozen=...`), or the agent itself (`agent_state=...`)."""
        standing = self.standing.agents[name]
        own = {key.removeprefix("agent_"): changes.pop(key) for key in list(changes) if key.startswith("agent_")}
        agent = replace(standing.agent, **own)
        self.standing.agents[name] = replace(standing, agent=agent, **{"credentials": credentials(agent), **changes})

    # what a client makes --------------------------------------------------------------------

    def assertion(self, client: str = "invoice-bot", *, key: jose.SigningKey | None = None, **claims: Any) -> str:
        seconds = self.now // SECOND
        found: dict[str, Any] = {
            "iss": client,
            "sub": client,
            "aud": self.base,
            "iat": seconds,
            "exp": seconds + 60,
            "jti": uuid.uuid4().hex,
        }
        found |= claims
        return jose.sign({k: v for k, v in found.items() if v is not None}, typ="JWT", key=key or self.client_key)

    def proof(
        self, method: str = "POST", url: str = TOKEN_URL, *, token: str | None = None, key: Any = None, **claims: Any
    ) -> str:
        found: dict[str, Any] = {
            "jti": uuid.uuid4().hex,
            "htm": method,
            "htu": url,
            "iat": self.now // SECOND,
        }
        if token is not None:
            found["ath"] = b64(hashlib.sha256(token.encode()).digest())
        found |= claims
        wanted = {k: v for k, v in found.items() if v is not None}
        return jose.sign(wanted, typ="dpop+jwt", key=key or self.instance_key)

    def form(self, **changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion() if "client_assertion" not in changes else None,
            "scope": "purpose:pay-invoices",
        }
        found |= changes
        return {name: value for name, value in found.items() if value is not None}

    def plain(self, **changes: Any) -> dict[str, Any]:
        """The form of the agent that has no DPoP."""
        found = {"client_assertion": self.assertion("plain-bot", key=self.plain_key), "resource": TOOLS_URL}
        return self.form(**(found | changes))

    # what the server answers ----------------------------------------------------------------

    def post(self, form: Mapping[str, Any] | None = None, *, proof: str | None = "", **headers: str) -> httpx2.Response:
        """Ask for a token. `proof=None` sends none; "" makes a good one."""
        sent = {
            "content-type": "application/x-www-form-urlencoded",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        if proof is not None:
            sent["dpop"] = proof or self.proof(url=f"{self.base}/oauth2/token")
        with TestClient(self.app, base_url=self.base) as client:
            body = urlencode(self.form() if form is None else form, doseq=True)
            return client.post("/oauth2/token", content=body, headers=sent)

    def token(self, form: Mapping[str, Any] | None = None, *, key: Any = None) -> str:
        answer = self.post(form, proof=self.proof(key=key))
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["access_token"]
        return found

    def bearer(self) -> str:
        answer = self.post(self.plain(), proof=None)
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["access_token"]
        return found

    def check(self, token: str, *, scheme: str = "DPoP", proof: str | None = "", **changes: Any) -> Any:
        """Use a token at the payments gateway, as its enforcement point would check it."""
        made = self.proof(url=TOOLS_URL, token=token) if proof == "" else proof
        asked: dict[str, Any] = {
            "authorization": f"{scheme} {token}",
            "dpop": made,
            "method": "POST",
            "url": TOOLS_URL,
            "audiences": (BASE, TOOLS_URL),
            "now": self.now,
        }
        return self.checker.check(**(asked | changes))

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The headers in the log, oldest first."""
        query = select(bundles.c.headers).order_by(bundles.c.bundle)
        stored = self.database.reader.read(lambda connection: connection.execute(query).scalars().all())
        found = [json.loads(header) for each in stored for header in bundle.unpack(bundle.decompress(each))]
        return [header for header in found if kind in (None, header["kind"])]
