"""Several nodes do the same at the same moment: begin on an empty database, and renew the tokens of one run."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import make_url
from tests.e2e import peers
from tests.e2e.running import PATIENCE, Home, upstream
from tests.fault import estate
from tests.fault.calls import Agent
from tests.fault.pair import Pair, To, pair
from tests.fault.record import Record, record
from tests.fault.serving import Server
from tests.fault.test_two_servers import until, verify

NODES = 3
SECONDS = 6.0  # of load


class Split(httpx2.BaseTransport):
    """Tokens from one node, calls to another."""

    def __init__(self, tokens: Server, calls: Server) -> None:
        self._tokens, self._calls = To(tokens), To(calls)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it to the one or the other."""
        return (self._calls if request.url.path.startswith("/mcp") else self._tokens).handle_request(request)

    def close(self) -> None:
        """Close both."""
        self._tokens.close()
        self._calls.close()


@contextmanager
def begun(tmp_path: Path, database: str) -> Iterator[list[Server]]:
    """As many servers as begin in the same moment on one new database, with one keyfile that nobody has made."""
    (tmp_path / "shared").mkdir(mode=0o700)
    shared = ("--database", database, "--keyfile", str(tmp_path / "shared" / "keyfile"))
    servers = []
    with ExitStack() as stack:
        for number in range(NODES):
            home = Home(tmp_path / f"node-{number}")
            home.path.mkdir(mode=0o700)
            home.extra["REMIT_TOKEN_FILE"] = str(home.data / "admin.token")
            servers.append(stack.enter_context(Server(home, shared)))
        for server in servers:
            server.arguments += ("--url", servers[0].url)
        for process in [server.spawn() for server in servers]:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            assert "api" in said, said
        yield servers


def of_database(database: str, keyfile: Path) -> Record:
    """What stands in it."""
    url = make_url(database).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    return record(url, keyfile)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_three_begin_at_once_on_an_empty_database(tmp_path: Path, postgres_url: str) -> None:
    with begun(tmp_path, postgres_url) as servers, upstream("crm", tmp_path / "crm.jsonl") as crm:
        for server in servers:
            assert server.ask("GET", "/readyz")[0] == 200
            said = [json.loads(line) for line in server.log.read_text(encoding="utf-8").splitlines()]
            assert not [line for line in said if line["level"] != "info"]
        once(postgres_url)
        doctors = [server.ask("GET", "/v1/doctor")[1]["checks"] for server in servers]
        found = [next(each for each in checks if each["check"] == "nodes") for checks in doctors]
        assert sum("which leads" in each["detail"] for each in found) == 1
        key = tmp_path / "files" / "agents" / "bot"
        arranged(servers[1], key, f"http://127.0.0.1:{crm}/mcp")
        for tokens in servers:
            for calls in servers:
                until(lambda: called(tokens, calls, servers[0].url, key))  # noqa: B023 - it is over then
        for server in servers:
            verify_at(server)
        log = of_database(postgres_url, tmp_path / "shared" / "keyfile")
        log.refresh()
        log.engine.dispose()
        assert [len(log.of_kind(kind)) for kind in ("start", "incident")] == [NODES, 0]
        assert [server.end() for server in servers] == [0] * NODES


def once(database: str) -> None:
    """One deployment, one set of keys, one admin for each directory; and nothing twice."""
    with psycopg.connect(database) as sql:
        uses = Counter(use for (use,) in sql.execute("SELECT use FROM signing_keys"))
        assert uses - Counter({"set": 1}) == {"log": 1, "token": 1}  # the third is made a moment after the start
        assert sql.execute("SELECT owner FROM data_keys ORDER BY owner").fetchall() == [("derived",), ("operators",)]
        assert sql.execute("SELECT count(*) FROM roots").fetchone() == (1,)
        roles = Counter(role for (role,) in sql.execute("SELECT role FROM operators"))
        assert roles == {"admin": NODES}  # a token in each data directory, good at all of them
        assert sql.execute("SELECT count(*) FROM nodes WHERE ended IS NULL").fetchone() == (NODES,)


def verify_at(server: Server) -> None:
    """The log is whole, as that node says it."""
    done = server.remit("audit", "verify")
    assert done.code == 0, done.out + done.err


def arranged(server: Server, key: Path, url: str) -> None:
    """An organisation with one agent that may list."""
    files = peers.tree(key.parents[1], "crm", url, ["list_customers"])
    for name in ("bot", "plain"):
        assert server.remit("agent", "keygen", name, "--out", str(key.with_name(name))).code == 0
    done = server.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err


def called(tokens: Server, calls: Server, url: str, key: Path) -> bool:
    """Whether a token of one is good at another."""
    agent = Agent(url, "bot", key, "work", "crm")
    auth = agent.http.auth
    agent.http.close()
    with agent, httpx2.Client(transport=Split(tokens, calls), auth=auth, timeout=PATIENCE) as agent.http:
        return agent.call("list_customers", {}).kind == "allowed"


@dataclass
class Storm:
    """What is done at both nodes at once until it is enough; each answer that nobody should get is kept."""

    pair: Pair
    until: float
    told: Counter[str] = field(default_factory=Counter)
    tokens: list[str] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)

    def run(self, *works: Callable[[], None]) -> None:
        """Each in a thread of its own, again and again."""
        threads = [threading.Thread(target=self._again, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _again(self, work: Callable[[], None]) -> None:
        try:
            while time.monotonic() < self.until and not self.wrong:
                work()
        except Exception as error:  # noqa: BLE001 - raised by the test
            self.wrong.append(error)

    def renews(self, client: Any, grant: Any, *, new_run: bool = False) -> Callable[[], None]:
        """One more token of a copy of the agent."""
        endpoint, nonce = f"{self.pair.url}/oauth2/token", [""]

        def ask() -> None:
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "DPoP": grant.proof("POST", endpoint, nonce=nonce[0] or None),
            }
            answer = client.post(endpoint, content=grant.form(new_run=new_run), headers=headers)
            nonce[0] = answer.headers.get("DPoP-Nonce", nonce[0])
            said = answer.json()
            what = "token" if answer.status_code == 200 else said["error"]
            self.told["new run" if new_run and what == "token" else what] += 1
            if what == "token":
                self.tokens.append(estate.claims(said["access_token"])["jti"])
            elif (answer.status_code, what) not in {(400, "use_dpop_nonce"), (400, "unauthorized_client")}:
                self.wrong.append((answer.status_code, answer.text))

        return ask

    def freezes(self, server: Server, kind: str, name: str) -> Callable[[], None]:
        """A stop, and its end."""

        def ask() -> None:
            body = {"kind": kind, "name": name, "reason": "drill"}
            for method, path, sent, right in (
                ("POST", "/v1/freezes", body, 201), ("DELETE", f"/v1/freezes/{kind}/{name}", None, 200),
            ):  # fmt: skip
                status, said = server.ask(method, path, sent, as_="dana")
                self.told[f"{method} freeze"] += 1
                if status != right:
                    self.wrong.append((status, said))

        return ask

    def applies(self, server: Server) -> Callable[[], None]:
        """The paying agent's boundary with another budget."""

        def ask() -> None:
            documents = {"documents": [estate.budget(secrets.randbelow(1000) + 1)], "approve": True}
            status, said = server.ask("POST", "/v1/apply", documents, as_="dana")
            self.told["apply" if status == 200 else said["code"]] += 1
            if status not in {200, 409}:  # 409: the other node's came first
                self.wrong.append((status, said))

        return ask


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_one_run_is_renewed_at_two_nodes_among_changes(tmp_path: Path, postgres_url: str) -> None:
    with pair(tmp_path, postgres_url) as it, it.client(it.one) as one, it.client(it.two) as two:
        copies = [it.grant("support-bot", "answer-customers") for _ in range(3)]
        many = [it.grant("racer", f"p-{number:02}") for number in range(2)]
        storm = Storm(it, time.monotonic() + SECONDS)
        storm.run(
            *(storm.renews(client, copy) for copy in copies for client in (one, two)),
            *(storm.renews(client, many[0]) for client in (one, two)),
            *(storm.renews(client, copy, new_run=True) for copy in (copies[0], many[1]) for client in (one, two)),
            storm.freezes(it.one, "agent", "legacy-bot"),
            storm.freezes(it.two, "agent", "racer"),
            *(storm.applies(server) for server in (it.one, it.two)),
        )
        print(dict(storm.told), f"{len(storm.tokens) / SECONDS:.0f} tokens/s")  # noqa: T201 - what it was worth
        assert not storm.wrong, storm.wrong[:3]
        assert len(storm.tokens) == len(set(storm.tokens)) > 0
        it.record.refresh()  # which says so if an entry stands there twice
        entries = {each["id"]: each["agent"] for each in it.record.of_kind("token")}
        assert set(storm.tokens) <= entries.keys()
        # Recorded before it is answered: one that a freeze overtook is refused, and nobody has seen that token.
        unseen = [agent for one, agent in entries.items() if one not in storm.tokens]
        assert set(unseen) <= {"racer"}
        assert len(unseen) <= storm.told["unauthorized_client"]
        for server in (it.one, it.two):
            verify(it, server)
            assert not [line for line in said_by(server) if line["level"] == "error"]
        assert (it.two.end(), it.one.end()) == (0, 0)
    with psycopg.connect(postgres_url) as sql:
        query = "SELECT deadlocks, conflicts FROM pg_stat_database WHERE datname = current_database()"
        assert sql.execute(query).fetchone() == (0, 0)


def said_by(server: Server) -> list[dict[str, Any]]:
    """Its own log."""
    lines = server.log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]
