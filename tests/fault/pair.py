"""Two servers on one PostgreSQL that answer for the same URL, and clients that choose the one they reach."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from sqlalchemy import make_url
from tests.e2e import peers
from tests.e2e.running import Home, upstream
from tests.fault import estate
from tests.fault.calls import VERSION, Agent
from tests.fault.record import Record, record
from tests.fault.serving import Server

from remit.sdk import keyfile
from remit.sdk.grant import Grant

T = TypeVar("T")
PATIENCE = 30.0
PURPOSES = 50  # that one agent has, so that as many entitlements can be started
SLOW = """\
- {server: slow, kind: mcp, url: "URL", tools: {watch: {tier: low}}, review: pin-on-first-use}
"""
SLOW_PURPOSE = {"purpose": "look-on", "statement": "Look on", "actions": ["slow/*"], "data_classes": []}
END = {"not_after": "2029-12-31"}


class To(httpx2.HTTPTransport):
    """Reaches one node, whatever the URL says: what a balancer does."""

    def __init__(self, node: Server) -> None:
        super().__init__()
        self._port = node.port

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it there, `Host` and all as it is."""
        return super().handle_request(
            httpx2.Request(
                request.method,
                request.url.copy_with(port=self._port),
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        )


@dataclass
class Pair:
    """Both nodes and what is around them. Both go by the URL of the first."""

    one: Server
    two: Server
    files: Path
    ledger: Path  # of the CRM
    slow: Path  # what the tool that does not end did
    database: str
    record: Record

    @property
    def url(self) -> str:
        """What clients call them by."""
        return self.one.url

    def key(self, agent: str) -> Path:
        """An agent's private key."""
        return estate.key_file(self.files, agent)

    def client(self, node: Server, **more: Any) -> httpx2.Client:
        """A client that reaches one node."""
        return httpx2.Client(transport=To(node), timeout=PATIENCE, trust_env=False, **more)

    def agent(self, node: Server, name: str, purpose: str, server: str) -> Agent:
        """A copy of an agent that reaches one node."""
        made = Agent(self.url, name, self.key(name), purpose, server)
        made.http = self.client(node, auth=made.http.auth)
        return made

    def grant(self, agent: str, purpose: str) -> Grant:
        """What a copy of an agent asks for tokens with."""
        return Grant(self.url, agent, keyfile.load(self.key(agent)), purpose, None, keyfile.fresh())

    def race(self, ask: Callable[[Server], T]) -> list[T]:
        """Ask both at once."""
        found: list[Any] = [None, None]
        start = threading.Barrier(2)

        def run(at: int, node: Server) -> None:
            start.wait()
            try:
                found[at] = ask(node)
            except Exception as error:  # noqa: BLE001 - raised in the test's thread
                found[at] = error

        threads = [threading.Thread(target=run, args=each) for each in enumerate((self.one, self.two))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for each in found:
            if isinstance(each, BaseException):
                raise each
        return found


class Watching:
    """A call that does not end by itself, in a thread; what came of it."""

    def __init__(self, pair: Pair, node: Server) -> None:
        self.agent = pair.agent(node, "watcher", "look-on", "slow")
        self.said = ""
        self.error: Exception | None = None
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(f"{pair.url}/mcp/slow",), daemon=True)
        self._thread.start()
        assert self._began.wait(PATIENCE), self.said

    def _run(self, url: str) -> None:
        envelope = {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientInfo": {"name": "fault", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
            "progressToken": "p",
        }
        params = {"name": "watch", "arguments": {}, "_meta": envelope}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        headers = {
            "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION, "Mcp-Method": "tools/call", "Mcp-Name": "watch",
        }  # fmt: skip
        try:
            with self.agent.http.stream("POST", url, content=body, headers=headers) as response:
                for chunk in response.iter_text():
                    self.said = (self.said + chunk)[-4000:]
                    self._began.set()
        except httpx2.TransportError as error:
            self.error = error
        finally:
            self.agent.http.close()
            self._began.set()

    @property
    def runs(self) -> bool:
        """Whether it still does."""
        return self._thread.is_alive()

    def end(self) -> str:
        """Wait for its end; what was said last."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "it was not cut"
        return self.said


@contextmanager
def pair(tmp_path: Path, database: str, *, behind: str | None = None) -> Iterator[Pair]:
    """Both running, with the organisation of the fault tests and an agent with many purposes.

    `behind` is the URL by which the second one reaches the same database, if it goes another way.
    """
    homes = [Home(tmp_path / name) for name in ("one", "two")]
    for home in homes:
        home.path.mkdir(mode=0o700)
    files, notes, slow = tmp_path / "files", tmp_path / "crm.jsonl", tmp_path / "slow"
    slow.touch()
    command = [sys.executable, str(Path(peers.__file__).with_name("slow_server.py")), str(slow)]
    shared = ("--database", database)
    with (
        upstream("payments", tmp_path / "payments.jsonl") as payments,
        upstream("crm", notes) as crm,
        peers.upstream(command, os.environ, tmp_path / "slow.log") as url,
        Server(homes[0], shared) as one,
    ):
        one.start()
        more(files, url, one)
        estate.register(one, files, payments=payments, crm=crm)
        key = str(homes[0].keyfile)
        homes[1].extra["REMIT_TOKEN_FILE"] = str(homes[1].data / "admin.token")  # its commands reach it by its own port
        with Server(homes[1], ("--database", behind or database, "--keyfile", key, "--url", one.url)) as two:
            two.start()
            plain = make_url(database).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
            log = record(plain, homes[0].keyfile)
            try:
                yield Pair(one, two, files, notes, slow, database, log)
            finally:
                log.engine.dispose()


def more(files: Path, slow: str, server: Server) -> None:
    """Documents beside those of the demo: a tool that does not end, and an agent with many purposes."""
    names = [f"p-{number:02}" for number in range(PURPOSES)]
    purposes = [SLOW_PURPOSE | END] + [
        {"purpose": name, "statement": "One of many", "actions": ["crm/list_*"], "data_classes": []} | END
        for name in names
    ]
    boundaries = [
        {"boundary": f"racer-{name}", "agent": "racer", "purpose": name, "allow": [{"action": "crm/list_*"}]} | END
        for name in names
    ]
    allow = [{"action": "slow/watch"}]
    boundaries += [{"boundary": "watcher-slow", "agent": "watcher", "purpose": "look-on", "allow": allow} | END]
    (files / "agents").mkdir(parents=True, exist_ok=True)
    documents = {"purposes/more.yaml": purposes, "boundaries/more.yaml": boundaries}
    for agent, its in (("racer", names), ("watcher", ["look-on"])):
        done = server.remit("agent", "keygen", agent, "--out", str(estate.key_file(files, agent)))
        assert done.code == 0, done.err
        documents[f"agents/{agent}.yaml"] = [
            {
                "agent": agent, "owner": "dana", "version": "1.0", "purposes": its, "max_instances": 500,
                "sender_constraint": "dpop", "max_run": "8h",
                "attest": [{"private_key_jwt": {"jwk_file": f"{agent}.jwk.pub.jwk"}}],
            } | END
        ]  # fmt: skip
    for name, listed in documents.items():
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(listed), encoding="utf-8")
    (files / "servers").mkdir(parents=True, exist_ok=True)
    (files / "servers" / "slow.yaml").write_text(SLOW.replace("URL", slow), encoding="utf-8")
