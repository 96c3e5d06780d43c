"""A gateway with real policy, log entries and connections, in front of real servers on loopback.

Identity is the one thing made simple: a token is `agent/purpose/instance`, a proof is any text.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping
from decimal import Decimal
from typing import Any

import httpx2
from blockbuster import blockbuster_ctx
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer
from tests.prompt_server import serving

from remit.access.activation import Activation
from remit.access.model import Bound, Boundary, BoundaryState, Budget, Purpose, PurposeState, Rule
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.agents.risk import Risk
from remit.attestation.model import Caller
from remit.audit.recovery import OpenCalls
from remit.audit.service import Recorder
from remit.catalog.injection import Credential, Injection, Variable
from remit.catalog.model import Server
from remit.catalog.observe import observe
from remit.enforcement import era, ports
from remit.enforcement.door import Door
from remit.enforcement.entries import Entries
from remit.enforcement.importer import Importer
from remit.enforcement.mcp import Gateway
from remit.enforcement.model import Limits
from remit.enforcement.own import OwnResources
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.relay import Relay
from remit.enforcement.states import States
from remit.enforcement.streams import Streams
from remit.enforcement.tool_list import ToolList
from remit.enforcement.upstream import HttpUpstream
from remit.freezes.model import Freeze, FreezeKind
from remit.kernel.clock import HOUR, Clock, Instant, Micros, SystemClock
from remit.kernel.errors import StorageUnavailable
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    InstanceId,
    OwnerName,
    PurposeName,
    RunId,
    SecretName,
    ServerName,
)
from remit.keys.jwk import thumbprint
from remit.outbound.model import endpoint
from remit.outbound.session import Outbound
from remit.people.model import Owner
from remit.policy.cedar import CedarEngine
from remit.policy.declared.model import Declaration
from remit.policy.facts import Facts
from remit.policy.mandates import Mandates
from remit.policy.service import PolicyService
from remit.storage.memory import MemoryWriter
from remit.storage.model import Committed, ConsumeProof, Work
from remit.tokens.check import TokenInvalid
from remit.vault.echo import Scanner, forms

SECRET = "upstream-key-0123456789"
FAR = Instant(4_102_444_800_000_000)
KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}  # RFC 8037 appendix A
OTHER = {"kty": "OKP", "crv": "Ed25519", "x": "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}  # of a second client
ENGINE = CedarEngine()


class Source:
    """Implements remit.policy.ports.FactSource on dicts that a test changes."""

    def __init__(self) -> None:
        self.all_owners: dict[str, Owner] = {}
        self.all_agents: dict[str, Agent] = {}
        self.all_purposes: dict[str, Purpose] = {}
        self.all_boundaries: list[Boundary] = []
        self.all_servers: dict[str, Server] = {}
        self.all_freezes: list[Freeze] = []
        self.all_activations: list[Activation] = []
        self.all_risks: dict[str, int] = {}
        self.all_policies: dict[str, str] = {}
        self.all_declarations: dict[str, Declaration] = {}
        self.all_approvals: list[Any] = []
        self.all_openings: dict[Any, Any] = {}  # by agent and boundary

    def read(self, query: Callable[[Any], Any]) -> Any:
        """Implements remit.storage.ports.Reader: nothing here needs a connection."""
        return query(None)

    def owners(self, _connection: Any) -> Iterable[Owner]:
        return self.all_owners.values()

    def owner(self, _connection: Any, name: str) -> Owner | None:
        return self.all_owners.get(name)

    def agents(self, _connection: Any) -> Iterable[Agent]:
        return self.all_agents.values()

    def agent(self, _connection: Any, name: str) -> Agent | None:
        return self.all_agents.get(name)

    def purposes(self, _connection: Any) -> Iterable[Purpose]:
        return self.all_purposes.values()

    def purpose(self, _connection: Any, name: str) -> Purpose | None:
        return self.all_purposes.get(name)

    def boundaries(self, _connection: Any) -> Iterable[Boundary]:
        return self.all_boundaries

    def boundaries_of(self, _connection: Any, agent: str) -> Iterable[Boundary]:
        return [boundary for boundary in self.all_boundaries if boundary.agent == agent]

    def servers(self, _connection: Any) -> Iterable[Server]:
        return self.all_servers.values()

    def server(self, _connection: Any, name: str) -> Server | None:
        return self.all_servers.get(name)

    def activations(self, _connection: Any, agent: str) -> Iterable[Activation]:
        return [each for each in self.all_activations if each.key.agent == agent]

    def together(self, _connection: Any, _agent: str) -> dict[Any, Any]:
        return {}

    def coverage(self, _connection: Any) -> dict[str, Any]:
        return {}

    def doubts(self, _connection: Any) -> dict[str, Any]:
        return {}

    def openings(self, _connection: Any) -> dict[Any, Any]:
        return self.all_openings

    def approvals(self, _connection: Any) -> Iterable[Any]:
        return self.all_approvals

    def risks(self, _connection: Any, agent: str | None = None) -> Iterable[tuple[str, Risk]]:
        return [(name, Risk(risk, risk)) for name, risk in self.all_risks.items() if agent in (None, name)]

    def freezes(self, _connection: Any) -> Iterable[Freeze]:
        return self.all_freezes

    def policies(self, _connection: Any) -> Mapping[str, str]:
        return self.all_policies

    def declarations(self, _connection: Any) -> Mapping[str, Declaration]:
        return self.all_declarations


class Keys:
    """As much of a key ring as the recorder uses."""

    def derive(self, _label: str) -> bytes:
        return bytes(32)

    def data_key(self, _owner: str) -> bytes:
        return bytes(32)

    def load_data_key(self, _connection: Any, _owner: str) -> bytes:
        return bytes(32)

    def erased(self, _connection: Any, _owner: str) -> bool:
        return False

    @property
    def log_key(self) -> Any:
        raise AssertionError("nothing is signed here")


def token_of(agent: str, instance: str, purpose: str = "work") -> str:
    """A token that `PlainTokens` takes."""
    return f"{agent}/{purpose}/{instance}"


class PlainTokens:
    """Implements remit.enforcement.ports.Tokens: `Bearer agent/purpose/instance`, with any text as DPoP proof.

    An instance `NAME@other` is one of the client with the agent's second key.
    """

    def __init__(self) -> None:
        self.urls: list[tuple[str, str]] = []
        self.run_ends = FAR
        self.run = "run_1"
        self.ended = False  # since it was checked

    def check(
        self,
        *,
        authorization: str | None,
        dpop: str | None,
        method: str,
        url: str,
        audiences: Collection[str],  # noqa: ARG002 - the port's
        now: Instant,  # noqa: ARG002 - the port's
        certificate: bytes | None = None,  # noqa: ARG002 - the port's
    ) -> tuple[Caller, ConsumeProof | None]:
        if authorization is None:
            raise TokenInvalid("", "a token is needed", "DPoP")
        self.urls.append((method, url))
        parts = authorization.removeprefix("Bearer ").split("/")
        if len(parts) != 3:
            raise TokenInvalid("invalid_token", "the token is not valid", "Bearer")
        instance, _, client = parts[2].partition("@")
        caller = Caller(
            agent=AgentName(parts[0]),
            instance=InstanceId(instance),
            credential=thumbprint(OTHER if client else KEY),
            purpose=PurposeName(parts[1]),
            run=RunId(self.run),
            token="tok_1",
            expires=FAR,
            bound=dpop is not None,
            run_ends=self.run_ends,
        )
        return caller, None if dpop is None else ConsumeProof(f"dpop:{dpop}", FAR)

    def still(self, caller: Caller, proof: ConsumeProof | None, *, now: Instant) -> None:  # noqa: ARG002 - the port's
        if self.ended:
            raise TokenInvalid("invalid_token", "the token was revoked", "Bearer")


class OneSecret:
    """Implements remit.enforcement.ports.Secrets."""

    def header(self, injection: Injection, _url: str) -> tuple[str, str, int]:
        return injection.header, injection.format.replace("{}", SECRET), 1

    def variable(self, injection: Variable) -> tuple[str, str, int]:
        return injection.env, SECRET, 1

    def scanner(self, injection: Credential | None = None, instance: str = "") -> Scanner:  # noqa: ARG002 - the port's
        return Scanner(forms(SECRET.encode()))


class FailingWriter(MemoryWriter):
    """A memory writer whose disk can be taken away."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = False

    def submit_async(self, work: Work) -> asyncio.Future[Committed]:
        if not self.gone:
            return super().submit_async(work)
        future: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        future.set_exception(StorageUnavailable("the database is not available"))
        return future


class World:
    """The gateway, its servers and everything they need. Made inside the event loop."""

    def __init__(self, stack: contextlib.AsyncExitStack, limits: Limits, clock: Clock | None = None) -> None:
        self.stack = stack
        self.limits = limits
        self.clock: Clock = clock or SystemClock()
        self.contact = self.clock.now
        self.source = Source()
        self.writer = FailingWriter()
        self.recorder = Recorder(Keys(), self.clock, lambda: self.facts.view().epoch)
        self.facts = Facts(
            source=self.source, engine=ENGINE, contact=self._contact, reader=self.source,
            mac=self.recorder.mac,
        )  # fmt: skip
        self.policy = PolicyService(
            facts=self.facts, engine=ENGINE, clock=self.clock, mac=self.recorder.mac, docs="https://docs.test/errors"
        )
        self.open_calls = OpenCalls()
        self.pipeline = Pipeline(
            decider=self.policy,
            records=self.recorder,
            writer=self.writer,
            recovery=self.open_calls,
            clock=self.clock,
        )
        self.outbound = Outbound()
        self.frozen = lambda name: ("credential", name) in self.facts.view().freezes
        self.upstream: ports.Upstream = HttpUpstream(self.outbound, OneSecret(), limits, frozen=self.frozen)
        self.streams = Streams(self.pipeline.again, self.pipeline.epoch, self.pipeline.frozen)
        self.streams.bind(asyncio.get_running_loop())
        self.wire()
        self.tokens = PlainTokens()
        self.seen: list[Seen] = []  # what reached any server
        self.base = ""

    def wire(self) -> None:
        """Put together what stands on `upstream`."""
        self.relay = Relay(self.pipeline, self.upstream, self.streams, States(bytes(32), self.clock))
        self.importer = Importer(self.upstream, loop=asyncio.get_running_loop)

    def _mac(self, said: bytes) -> str:
        return self.recorder.mac(said)

    def _contact(self) -> Instant:
        return self.contact()

    async def begin(self) -> None:
        port, listener = free_port()
        self.base = f"http://127.0.0.1:{port}"
        door = Door(self.base, self.tokens, self.clock)
        tools = ToolList(self.relay, self.policy, self)
        mandates = Mandates(policy=self.policy, clock=self.clock, base=self.base, reader=None)
        gateway = Gateway(
            door=door,
            pipeline=self.pipeline,
            relay=self.relay,
            tools=tools,
            entries=Entries(self.relay, self.policy, OwnResources(self.relay, mandates)),
            clock=self.clock,
            limits=self.limits,
        )
        self.gateway = gateway
        await self.stack.enter_async_context(serving(gateway, listener))
        self.stack.push_async_callback(self.outbound.close)
        self.stack.push_async_callback(self.pipeline.drain)
        self.stack.push_async_callback(self.relay.drain)

    # the registry ------------------------------------------------------------------------
    def observe(self, name: str, definitions: Any, *, whole: bool = True) -> None:
        """Implements remit.enforcement.ports.Catalog."""
        self.source.all_servers[name] = observe(self.source.all_servers[name], definitions, whole=whole).server
        self.change(f"server:{name}")

    def change(self, *topics: str) -> None:
        """Apply what the test changed in `source`, as the feed does."""
        self.facts.apply(self.facts.view().epoch + 1, topics, None)  # type: ignore[arg-type] # Source reads none
        self.streams.changed(topics)

    async def server(self, name: str, app: Any, *, credential: bool = False, imported: bool = True) -> str:
        """Serve `app` as the MCP server `name`; returns its URL."""
        port, listener = free_port()
        await self.stack.enter_async_context(serving(Recording(app, name, self.seen), listener))
        url = f"http://127.0.0.1:{port}/mcp"
        injection = Injection(secret=SecretName("key"), header="Authorization", format="Bearer {}")
        self.source.all_servers[name] = Server(
            server=ServerName(name),
            url=url,
            credential=injection if credential else None,
            tiers=(),
            review="pin-on-first-use",
            tools={},
            set_pin="",
        )
        self.outbound.allow = {*self.outbound.allow, endpoint(url)}
        self.change(f"server:{name}")
        if imported:
            self.observe(name, await self.importer.tools(self.source.all_servers[name]))
            self.seen.clear()
        return url

    def move(self, name: str, port: int) -> None:
        """Register the server at another port of this machine."""
        url = f"http://127.0.0.1:{port}/mcp"
        self.source.all_servers[name] = dataclasses.replace(self.source.all_servers[name], url=url)
        self.outbound.allow = {*self.outbound.allow, endpoint(url)}
        self.change(f"server:{name}")

    def pin(self, name: str, *tools: dict[str, Any]) -> None:
        """Pin definitions without asking the server."""
        self.observe(name, list(tools))

    def agent(self, name: str, *rules: Rule, purpose: str = "work", state: AgentState = AgentState.ACTIVE) -> None:
        """Register an agent with one boundary of these rules."""
        self.source.all_owners["dana"] = Owner(owner=OwnerName("dana"), name="Dana", email="dana@example.test")
        self.source.all_purposes[purpose] = Purpose(
            purpose=PurposeName(purpose),
            statement="Work",
            actions=("*",),
            data_classes=(),
            not_after=FAR,
            state=PurposeState.ACTIVE,
        )
        self.source.all_agents[name] = Agent(
            agent=AgentName(name),
            owner=OwnerName("dana"),
            version="1",
            purposes=(PurposeName(purpose),),
            max_instances=9,
            sender_constraint=SenderConstraint.NONE,
            not_after=FAR,
            max_run=Micros(HOUR),
            keys=(KEY, OTHER),
            state=state,
        )
        self.source.all_boundaries = [b for b in self.source.all_boundaries if b.agent != name]
        if rules:
            self.source.all_boundaries.append(
                Boundary(
                    boundary=BoundaryName(f"{name}-boundary"),
                    version=1,
                    agent=AgentName(name),
                    purpose=PurposeName(purpose),
                    rules={rule.action: rule for rule in rules},
                    not_after=FAR,
                    state=BoundaryState.ACTIVE,
                    approved_by=OwnerName("dana"),
                    approved_at=Instant(0),
                )
            )
        self.change("owner:dana", f"purpose:{purpose}", f"agent:{name}")

    def freeze(self, kind: FreezeKind, name: str) -> None:
        self.source.all_freezes.append(
            Freeze(id="frz_1", kind=kind, name=name, reason="test", by="dana", since=Instant(0))
        )
        self.change("freezes")

    def unfreeze(self) -> None:
        self.source.all_freezes.clear()
        self.change("freezes")

    # asking ------------------------------------------------------------------------------
    def headers(self, agent: str = "bot", *, purpose: str = "work", instance: str = "i1") -> dict[str, str]:
        return {
            "Authorization": bearer(agent, purpose, instance),
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        }

    def http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.base, trust_env=False, timeout=20)

    async def post(self, server: str, body: object, *, agent: str = "bot", **headers: str) -> httpx2.Response:
        """POST `body` (bytes as they are, else as JSON) in the handshake era, or as the headers say."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http() as http:
            sent = self.headers(agent) | {key.replace("_", "-"): value for key, value in headers.items()}
            return await http.post(f"/mcp/{server}", content=data, headers=sent)

    async def modern(
        self, server: str, method: str, params: dict[str, Any] | None = None, *, agent: str = "bot", **headers: str
    ) -> httpx2.Response:
        """POST a request of the modern era."""
        body, routing = modern_request(method, params)
        return await self.post(server, body, agent=agent, **(routing | headers))

    @contextlib.asynccontextmanager
    async def client(
        self, server: str, mode: str = "auto", *, agent: str = "bot", path: str = ""
    ) -> AsyncIterator[Client]:
        """The official client, through the gateway."""
        async with httpx2.AsyncClient(headers=self.headers(agent), trust_env=False, timeout=20) as http:
            transport = streamable_http_client(self.base + (path or f"/mcp/{server}"), http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client

    # what was recorded -------------------------------------------------------------------
    def entries(self, kind: str) -> list[dict[str, Any]]:
        return [header for entry in self.writer.entries if (header := json.loads(entry.header))["kind"] == kind]

    async def outcomes(self) -> list[str]:
        await self.pipeline.drain()
        return [entry["outcome"] for entry in self.entries("outcome")]

    def calls(self, server: str | None = None) -> list[dict[str, Any]]:
        """The tools/call messages that reached servers."""
        return [
            message
            for seen in self.seen
            if (server is None or seen.server == server)
            and (message := seen.json())
            and message.get("method") == "tools/call"
        ]


def bearer(*parts: str) -> str:
    """The header of a token as `PlainTokens` reads it: of an agent, a purpose, an instance."""
    return f"Bearer {'/'.join(parts)}"


def modern_request(method: str, params: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """A request of the modern era and its routing headers."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta, **(params or {})}}
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
    if name := (params or {}).get("name"):
        headers["mcp-name"] = name
    return body, headers


def rule(action: str, *when: Bound, **parts: Any) -> Rule:
    """A rule whose owner chose that it may start by itself: these servers' tools have no tier, so they are high."""
    parts.setdefault("first_use", "auto")
    return Rule(action=ActionName(action), when=when, **parts)


def at_most(argument: str, most: str) -> Bound:
    return Bound(argument=argument, max=Decimal(most))


def budget(argument: str, most: str) -> Budget:
    return Budget(argument=argument, max=Decimal(most), per="day")


@dataclasses.dataclass
class Seen:
    """One request as a server got it."""

    server: str
    method: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        return json.loads(self.body) if self.body else {}


class Recording:
    """Writes down every request on its way to a server."""

    def __init__(self, app: Any, name: str, seen: list[Seen]) -> None:
        self.app = app
        self.name = name
        self.seen = seen

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = Seen(self.name, scope["method"], {k.decode().lower(): v.decode() for k, v in scope["headers"]}, b"")
        self.seen.append(seen)

        async def noting() -> Any:
            message = await receive()
            seen.body += message.get("body", b"")
            return message

        await self.app(scope, noting, send)


_TURNS, _REST = 100, 0.002  # what the loop does itself is so within a few turns; else another process needs the machine


async def until(true: Callable[[], object], *, patience: float = 20.0) -> None:
    """Let the loop run until something is so; after `patience` seconds the test has failed."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    turns = 0
    while not true():
        assert loop.time() < end, "what was waited for did not come"
        await asyncio.sleep(0 if turns < _TURNS else _REST)
        turns += 1


def free_port() -> tuple[int, socket.socket]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener.getsockname()[1], listener


def payments(*, json_response: bool = False, name: str = "payments") -> MCPServer:
    """A real server of the SDK's with reads, writes and odd habits."""
    server = MCPServer(name)

    @server.tool()
    def list_invoices() -> list[str]:
        """List invoices."""
        return ["inv-1", "inv-2"]

    @server.tool()
    def transfer(amount: float, currency: str) -> str:
        """Move money."""
        if currency == "XXX":
            raise ValueError("no such currency")
        return f"moved {amount:.2f} {currency}"

    @server.tool()
    def delete_all() -> str:
        """Delete everything."""
        return "gone"

    @server.tool()
    async def count(to: int, ctx: Context) -> int:
        """Count, with progress."""
        for step in range(to):
            await ctx.report_progress(step + 1, to)
        return to

    return server


def streamable(server: MCPServer, *, json_response: bool = False, stateless: bool = False) -> Any:
    return server.streamable_http_app(json_response=json_response, stateless_http=stateless)


def run_in_world(
    scenario: Callable[[World], Coroutine[Any, Any, None]], *, limits: Limits | None = None, clock: Clock | None = None
) -> None:
    """Run `scenario` on an event loop of its own, where a blocking call made by Remit fails."""
    era.warm()

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            world = World(stack, limits or Limits(), clock)
            await world.begin()
            await scenario(world)

    with blockbuster_ctx(scanned_modules=["remit"]):
        asyncio.run(main())
