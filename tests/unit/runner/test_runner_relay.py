"""The loopback end, between a raw client and a gateway that is made up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from remit.kernel.errors import Forbidden, RemitError
from remit.runner.model import Issued
from remit.runner.relay import Relay
from remit.runner.tally import Tally
from remit.runner.tokens import Tokens
from remit.runner.upstream import Gateway
from remit.sdk import keyfile

CALL = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "x"}}).encode()
OK = json.dumps({"jsonrpc": "2.0", "id": 7, "result": {"content": []}}).encode()
CHALLENGE = 'WWW-Authenticate: DPoP error="invalid_token", resource_metadata="http://r/.well-known/x"\r\n'
LAPSED = {
    "code": "activation_lapsed", "decision_id": "dec_1",
    "remedies": [{"kind": "alternative_action", "action": "request_token"}],
}  # fmt: skip


def answer(status: int, body: bytes, *, media: str = "application/json", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


REFUSED = answer(401, b'{"error_description": "the token has expired"}', more=CHALLENGE + "Set-Cookie: a=b\r\n")


@dataclass
class Scene:
    """Answers in order; what arrived is kept."""

    answers: list[bytes] = field(default_factory=list)
    arrived: list[bytes] = field(default_factory=list)
    own: bool = True
    servers: tuple[str, ...] = ()
    refuses: RemitError | None = None
    issued: int = 0
    hold: asyncio.Event | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    tally: Tally = field(default_factory=Tally)
    relay: Relay | None = None

    async def ask(self) -> Issued:
        if self.refuses is not None:
            raise self.refuses
        self.issued += 1
        return Issued(f"t{self.issued}", "run_1", "work", (), 0, 1e12)

    async def gateway(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next((int(x[15:]) for x in head.split(b"\r\n") if x.startswith(b"content-length:")), 0)
                self.arrived.append(head + await reader.readexactly(length))
                self.came.set()
                if self.hold is not None:
                    waiting = asyncio.create_task(reader.read(1))
                    await asyncio.wait({waiting, asyncio.create_task(self.hold.wait())}, return_when="FIRST_COMPLETED")
                    if waiting.done():
                        self.gone.set()
                        return
                writer.write(self.answers.pop(0))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def play(self, scene: Callable[[Relay], Awaitable[Any]]) -> Any:
        server = await asyncio.start_server(self.gateway, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        relay = Relay(
            gateway=Gateway(f"http://127.0.0.1:{port}", keyfile.fresh()),
            tokens=Tokens(Issued("t0", "run_1", "work", (), 0, 1e12), self.ask),
            servers=self.servers,
            admits=lambda _client, _server: self.own,
            tally=self.tally,
        )
        await relay.start()
        try:
            return await scene(relay)
        finally:
            await relay.close()
            server.close()


@dataclass
class Got:
    status: int
    head: str
    body: bytes


async def ask(relay: Relay, method: str = "POST", path: str | None = None, body: bytes = CALL, **more: str) -> Got:
    base = relay.base.removeprefix("http://")
    host, _, secret = base.partition("/")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(host.partition(":")[2]))
    headers = {"Host": host, "Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in more.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    target = f"/{secret}/mcp/crm" if path is None else path.replace("SECRET", secret)
    writer.write(f"{method} {target} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next((int(x[15:]) for x in head.lower().split("\r\n") if x.startswith("content-length:")), None)
    got = await (reader.read() if length is None else reader.readexactly(length))
    writer.close()
    return Got(int(head.split(" ")[1]), head, got)


def play(scene: Scene, *asks: dict[str, Any]) -> list[Got]:
    async def each(relay: Relay) -> list[Got]:
        return [await ask(relay, **words) for words in asks or ({},)]

    found: list[Got] = asyncio.run(scene.play(each))
    return found


def test_a_call_passes_with_the_runs_token_and_a_proof_of_its_own() -> None:
    scene = Scene([answer(200, OK), answer(200, OK)])
    first, _ = play(scene, {"Authorization": "Bearer mine", "Mcp_Method": "tools/call"}, {})
    assert (first.status, first.body) == (200, OK)
    heads = [arrived.decode() for arrived in scene.arrived]
    assert all(head.startswith("POST /mcp/crm HTTP/1.1\r\n") for head in heads)
    assert all("authorization: DPoP t0\r\n" in head and "Bearer" not in head for head in heads)
    assert "mcp-method: tools/call\r\n" in heads[0]
    proofs = [head.partition("dpop: ")[2].partition("\r\n")[0] for head in heads]
    assert len(set(proofs)) == 2
    assert scene.arrived[0].endswith(CALL)
    assert (scene.tally.allowed, scene.issued) == (2, 0)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"path": "/"}, 404),
        ({"path": "/mcp/crm"}, 404),
        ({"path": "/wrong/mcp/crm"}, 404),
        ({"path": "/SECRET"}, 404),
        ({"path": "/SECRET/mcp"}, 404),
        ({"path": "/SECRET/mcp/crm/"}, 404),
        ({"path": "/SECRET/mcp/../v1/me"}, 404),
        ({"path": "/SECRET/mcp/%63rm"}, 404),
        ({"path": "/SECRET/oauth2/token"}, 404),
        ({"path": "/.well-known/oauth-protected-resource"}, 404),
        ({"path": "/.well-known/oauth-protected-resource/SECRET/mcp/crm"}, 404),
        ({"path": "/.well-known/oauth-authorization-server/SECRET/mcp/crm"}, 404),
        ({"path": "/SECRET/.well-known/openid-configuration"}, 404),
        ({"path": "/SECRET/mcp/other"}, 404),  # not among the run's servers
        ({"path": "/v1/me"}, 404),
        ({"path": "/SECRET/v1/me/mandate"}, 404),
        ({"path": "/SECRET/v1/me"}, 405),  # it is read
        ({"path": "/SECRET/v1/me", "method": "DELETE"}, 405),
        ({"method": "PUT"}, 405),
        ({"method": "OPTIONS"}, 405),
        ({"Host": "evil.test"}, 403),
        ({"Host": "evil.test", "Origin": "http://evil.test"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_nothing_else_is_there(words: dict[str, str], status: int) -> None:
    scene = Scene(servers=("crm",))
    (got,) = play(scene, words)
    assert got.status == status
    assert scene.arrived == []
    assert "www-authenticate" not in got.head.lower()
    assert b"resource_metadata" not in got.body


def test_both_paths_of_a_server_pass_and_each_method() -> None:
    scene = Scene([answer(200, OK), answer(200, b"", media="text/event-stream"), answer(200, b"")])
    asks: list[dict[str, Any]] = [
        {"path": "/SECRET/servers/crm/mcp?x=1"},
        {"method": "GET", "body": b""},
        {"method": "DELETE", "body": b""},
    ]
    assert [got.status for got in play(scene, *asks)] == [200, 200, 200]
    assert [arrived.split(b" HTTP")[0] for arrived in scene.arrived] == [
        b"POST /servers/crm/mcp", b"GET /mcp/crm", b"DELETE /mcp/crm",
    ]  # fmt: skip


def test_who_the_run_is_may_be_asked_whichever_servers_it_has() -> None:
    scene = Scene([answer(200, OK)], servers=("crm",))
    (got,) = play(scene, {"path": "/SECRET/v1/me", "method": "GET", "body": b""})
    assert (got.status, got.body) == (200, OK)
    assert scene.arrived[0].startswith(b"GET /v1/me HTTP/1.1\r\n")
    assert (scene.tally.allowed, scene.tally.unanswered) == (0, 0), "it is no call"


def test_another_process_is_refused_and_counted() -> None:
    scene = Scene(own=False)
    got, _ = play(scene, {}, {"path": "/"})
    assert (got.status, json.loads(got.body)) == (403, {"error": "this URL is for the processes of one run"})
    assert scene.arrived == []
    assert scene.tally.strangers == 2


def test_a_token_that_is_no_longer_good_is_renewed_once() -> None:
    scene = Scene([REFUSED, answer(200, OK)])
    (got,) = play(scene)
    assert (got.status, got.body, scene.issued) == (200, OK, 1)
    assert b"DPoP t1\r\n" in scene.arrived[1]


def test_a_401_never_reaches_the_command() -> None:
    for words, status in (({}, 200), ({"method": "GET", "body": b""}, 503)):
        scene = Scene([REFUSED, REFUSED])
        (got,) = play(scene, words)
        said = json.loads(got.body)
        assert got.status == status
        assert said["error"]["message"] == "Remit does not take this run's token"
        assert said["error"]["data"] == {
            "code": "unauthenticated", "detail": "the token has expired", "retryable": False,
        }  # fmt: skip
        assert said["id"] == (7 if status == 200 else None)
        assert not {"www-authenticate", "set-cookie"} & {x.split(":")[0].lower() for x in got.head.split("\r\n")}


def test_what_lapsed_starts_again_with_a_key_that_was_proved_anew() -> None:
    lapsed = {"jsonrpc": "2.0", "id": 7, "result": {"isError": True, "_meta": {"dev.remit/denial": LAPSED}}}
    scene = Scene([answer(200, json.dumps(lapsed).encode()), answer(200, OK)])
    (got,) = play(scene)
    assert (got.body, scene.issued, scene.tally.allowed) == (OK, 1, 1)
    scene = Scene([answer(200, json.dumps(lapsed).encode())] * 2)
    (got,) = play(scene)
    assert (json.loads(got.body), dict(scene.tally.codes)) == (lapsed, {"activation_lapsed": 1})


def test_why_there_is_no_token_any_more_is_told_in_mcps_words() -> None:
    scene = Scene([REFUSED], refuses=Forbidden("bot gets no token", detail="the agent is frozen"))
    (got,) = play(scene)
    assert json.loads(got.body)["error"]["data"]["detail"] == "the agent is frozen"
    assert scene.tally.unanswered == 1


def test_a_gateway_that_hangs_up_is_no_answer() -> None:
    scene = Scene([b"HTTP/1.1 200 X\r\nContent-Ty"])

    async def cut(relay: Relay) -> Got:
        return await ask(relay)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    scene.gateway = serve  # type: ignore[method-assign]
    got = asyncio.run(scene.play(cut))
    assert json.loads(got.body)["error"]["data"]["code"] == "outcome_unknown"


def test_a_stream_that_breaks_does_not_look_whole() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"8\r\ndata: 1\n\r\n")
        await writer.drain()
        writer.transport.abort()

    async def broken(relay: Relay) -> bytes:
        host, _, secret = relay.base.removeprefix("http://").partition("/")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(host.partition(":")[2]))
        writer.write(f"GET /{secret}/mcp/crm HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    scene = Scene()
    scene.gateway = serve  # type: ignore[method-assign]
    assert not asyncio.run(scene.play(broken)).endswith(b"0\r\n\r\n")


def test_a_command_that_goes_away_takes_its_call_with_it() -> None:
    async def leaving(relay: Relay) -> None:
        scene.hold = asyncio.Event()
        host, _, secret = relay.base.removeprefix("http://").partition("/")
        _, writer = await asyncio.open_connection("127.0.0.1", int(host.partition(":")[2]))
        head = f"POST /{secret}/mcp/crm HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(CALL)}\r\n\r\n"
        writer.write(head.encode() + CALL)
        await writer.drain()
        async with asyncio.timeout(20):
            await scene.came.wait()
            writer.close()
            await scene.gone.wait()

    scene = Scene()
    asyncio.run(scene.play(leaving))
    assert len(scene.arrived) == 1


def test_what_is_no_http_gets_400() -> None:
    async def garbage(relay: Relay) -> bytes:
        port = int(relay.base.removeprefix("http://").partition("/")[0].partition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        found = await reader.read()
        writer.close()
        return found

    assert asyncio.run(Scene().play(garbage)).startswith(b"HTTP/1.1 400 ")
