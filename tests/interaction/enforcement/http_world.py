"""The HTTP gateway in the same world: real servers, real connections, requests written byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import h11
from blockbuster import blockbuster_ctx
from gateway_world import SECRET, World, bearer, free_port  # type: ignore[import-not-found] # beside
from tests.prompt_server import serving

from remit.catalog import spec
from remit.catalog.injection import Credential
from remit.catalog.observe import observe, retier
from remit.enforcement.door import Door
from remit.enforcement.http import HttpGateway
from remit.enforcement.http_relay import HttpRelay
from remit.enforcement.http_upstream import HttpUpstream
from remit.enforcement.model import Limits
from remit.kernel.clock import SECOND, Instant, SystemClock
from remit.keys.secret import Secret
from remit.outbound.model import endpoint
from remit.policy.argued import argued
from remit.policy.visible import live
from remit.server.lending import Lending
from remit.vault.allowed import check
from remit.vault.client_tokens import ClientTokens
from remit.vault.connections import Connections
from remit.vault.document import SecretDocument
from remit.vault.injecting import Injector
from remit.vault.model import SecretUnavailable
from remit.vault.service import Lent
from remit.vault.user_tokens import UserTokens

Pairs = Sequence[tuple[str, str]]


@dataclass
class Got:
    """A request as the API got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    closed: bool = False  # its connection ended before its answer did

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name]


@dataclass
class Answer:
    """An answer as the agent got it. `whole`: its body ended as its head said."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool = True

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Api:
    """An API that writes down what it gets and answers as it is told: `answers` by path, else 200 and `{}`."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: dict[str, Callable[[Got, Any, Any], Coroutine[Any, Any, None]]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        asked = scope["query_string"].decode()
        got = Got(
            scope["method"],
            scope["raw_path"].decode() + (f"?{asked}" if asked else ""),
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        )
        self.got.append(got)
        await self.answers.get(scope["path"], plain)(got, receive, send)


async def read(got: Got, receive: Any) -> None:
    while True:
        message = await receive()
        got.body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            return


async def plain(got: Got, receive: Any, send: Any) -> None:
    await read(got, receive)
    await answer(send, 200, b"{}", [("content-type", "application/json")])


def fixed(status: int, body: bytes = b"", headers: Pairs = ()) -> Callable[[Got, Any, Any], Coroutine[Any, Any, None]]:
    async def say(got: Got, receive: Any, send: Any) -> None:
        await read(got, receive)
        await answer(send, status, body, headers)

    return say


async def answer(send: Any, status: int, body: bytes, headers: Pairs = ()) -> None:
    said = [(name.encode(), value.encode()) for name, value in headers]
    if not any(name == b"content-length" for name, _ in said):
        said.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": said})
    await send({"type": "http.response.body", "body": body})


class Streaming:
    """An answer that begins and does not end until its connection does; more goes out with `more`."""

    def __init__(self, first: bytes, headers: Pairs) -> None:
        self.first, self.headers = first, headers
        self.more: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.open = 0
        self.closed = 0

    async def __call__(self, got: Got, receive: Any, send: Any) -> None:
        await read(got, receive)
        said = [(name.encode(), value.encode()) for name, value in self.headers]
        await send({"type": "http.response.start", "status": 200, "headers": said})
        await send({"type": "http.response.body", "body": self.first, "more_body": True})
        self.open += 1
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            more = asyncio.ensure_future(self.more.get())
            await asyncio.wait([gone, more], return_when=asyncio.FIRST_COMPLETED)
            if more.done():
                chunk = more.result()
                await send({"type": "http.response.body", "body": chunk or b"", "more_body": chunk is not None})
                if chunk is None:
                    gone.cancel()
                    return
            else:
                more.cancel()
        self.closed += 1


@dataclass
class Vault:
    """Opens secrets that a test set."""

    secrets: dict[str, bytes] = field(default_factory=lambda: {"key": SECRET.encode()})
    version: int = 1

    document: SecretDocument | None = None

    def lend_for(self, credential: Credential, *, host: str = "", path: str = "") -> Lent:
        check(self.document, credential, host=host, path=path)
        name = credential.secret
        if name not in self.secrets:
            raise SecretUnavailable("the server's credential is not set", detail=name)
        return Lent(Secret(self.secrets[name]), self.version, {})


class HttpWorld(World):  # type: ignore[misc] # found at run time
    """The world with the HTTP gateway at `front`."""

    async def begin(self) -> None:
        await super().begin()
        self.vault = Vault()
        self.served: dict[str, Api] = {}  # by the name it is registered under
        port, listener = free_port()
        self.front = f"http://127.0.0.1:{port}"
        # By nobody: nothing is claimed, opened or changed.
        lent = Lending(
            connections=Connections(None, records=self.recorder, clock=self.clock),  # type: ignore[arg-type]
            writer=self.writer,
        )
        self.injector = Injector(
            self.vault.lend_for, ClientTokens(self._post, self.clock), self.clock,
            users=UserTokens(self._post, lent, self.clock), behind=lambda _caller, _credential: "dana",
        )  # fmt: skip
        upstream = HttpUpstream(
            self.outbound, self.injector, self.limits,
            frozen=lambda name: ("credential", name) in self.facts.view().freezes,
        )  # fmt: skip
        self.gateway = HttpGateway(
            door=Door(self.front, self.tokens, self.clock), pipeline=self.pipeline,
            relay=HttpRelay(self.pipeline, upstream, self.streams),
            servers=lambda name: self.facts.view().server(name), grants=self.grants, argued=self.argued,
            limits=self.limits,
        )  # fmt: skip
        self.port = port
        await self.stack.enter_async_context(serving(self.gateway, listener))

    def grants(self, caller: Any, action: Any) -> Any:
        """The rules of a caller's boundaries in force for an action."""
        return live(self.facts.view(), caller, action, now=self.clock.now())

    def argued(self, caller: Any, action: Any) -> bool:
        """Whether a policy reads the arguments of a caller's calls of an action."""
        return argued(self.facts.view(), caller, action)

    async def _post(self, url: str, headers: dict[str, str], form: bytes) -> tuple[int, bytes]:
        response = await self.outbound.request("POST", url, headers=headers, data=form)
        try:
            return response.status, await response.read()
        finally:
            response.close()

    async def api(self, name: str = "api", base: str = "", **document: Any) -> Api:
        """Serve an API and register it as the server `name`, by the rest of its document."""
        port, listener = free_port()
        api = self.served[name] = Api()
        await self.stack.enter_async_context(serving(api, listener))
        self.register(name, f"http://127.0.0.1:{port}{base}", **document)
        return api

    def register(self, name: str, url: str = "", **document: Any) -> None:
        """Register an API, or what its document says anew."""
        known = self.source.all_servers.get(name)
        server = spec.server({"server": name, "kind": "http", "url": url or known.url, **document})
        if known is not None:
            server = dataclasses.replace(server, tools=known.tools, set_pin=known.set_pin)
        self.source.all_servers[name] = observe(retier(server), list(server.declared or ())).server
        self.outbound.allow = {*self.outbound.allow, endpoint(server.url)}
        self.change(f"server:{name}")

    async def ask(
        self, method: str, target: str, *, agent: str = "bot", headers: Pairs = (), body: bytes | None = None,
        media: str = "application/json", token: bool = True,
    ) -> Answer:  # fmt: skip
        """One request, its target byte by byte as it is given."""
        line = await self.line(method, target, agent=agent, headers=headers, body=body, media=media, token=token)
        try:
            return await line.answer()
        finally:
            line.close()

    async def line(
        self, method: str, target: str, *, agent: str = "bot", headers: Pairs = (), body: bytes | None = None,
        media: str = "application/json", token: bool = True, length: bool = True,
    ) -> Line:  # fmt: skip
        """A connection on which a request was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        sent = [("Host", f"127.0.0.1:{self.port}"), *headers]
        if token:
            sent.append(("Authorization", bearer(agent, "work", "i1")))
        if body is not None and length:
            sent += [("Content-Length", str(len(body)))]
        if body is not None and media:
            sent += [("Content-Type", media)]
        head = "".join(f"{name}: {value}\r\n" for name, value in sent)
        writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b""))
        return Line(reader, writer, method)


@dataclass
class Line:
    """A client's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    method: str
    http: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))
    said: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http.send(h11.Request(method=self.method, target="/", headers=[("host", "x")]))
        self.http.send(h11.EndOfMessage())

    async def event(self) -> Any:
        """The next event; None where the connection ended in the middle."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            data = await asyncio.wait_for(self.reader.read(65536), 20)
            try:
                self.http.receive_data(data)
                if not data:
                    event = self.http.next_event()
                    return None if event is h11.NEED_DATA else event
            except h11.RemoteProtocolError:
                return None
        return event

    async def head(self) -> Answer:
        event = await self.event()
        while isinstance(event, h11.InformationalResponse):
            event = await self.event()
        assert event is not None, "the connection ended before an answer"
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
        return Answer(event.status_code, headers, b"")

    async def answer(self) -> Answer:
        found = await self.head()
        try:
            while not isinstance(event := await self.event(), h11.EndOfMessage):
                if event is None:
                    found.whole = False
                    break
                found.body += bytes(event.data)
        except (h11.RemoteProtocolError, ConnectionError):
            found.whole = False
        return found

    def close(self) -> None:
        self.writer.close()


class Ticking(SystemClock):
    """The time, some seconds ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0

    def ahead(self, seconds: int) -> None:
        self.seconds += seconds

    def now(self) -> Instant:
        return Instant(super().now() + self.seconds * SECOND)


def run_http(
    scenario: Callable[[Any], Coroutine[Any, Any, None]], *, limits: Limits | None = None, ticking: bool = False
) -> None:
    """Run `scenario` in an HTTP world, on an event loop where a blocking call made by Remit fails."""

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            world = HttpWorld(stack, limits or Limits(), Ticking() if ticking else None)
            await world.begin()
            await scenario(world)

    with blockbuster_ctx(scanned_modules=["remit"]):
        asyncio.run(main())
