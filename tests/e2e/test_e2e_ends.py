"""Against a real server: what a token and a stream stand on ends, and they with it; which names it answers to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e.running import AGENT, SERVER, Home, Up, entry, tree

from remit.sdk.auth import AgentAuth

BOTH = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
TOOLS = [{"name": name, "inputSchema": {"type": "object", "properties": {"amount": {"type": "number"}, "currency":
          {"type": "string"}}}} for name in ("transfer", "list_invoices")]  # fmt: skip
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


class Endless(BaseHTTPRequestHandler):
    """An MCP server whose own stream never ends by itself."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), "result": {"tools": TOOLS}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}\n\n')
        self.wfile.flush()
        self.rfile.read(1)  # until the other side closes

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def payments() -> Iterator[int]:
    """The endless server, in place of the demo's; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def applied(home: Home, root: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(root), "--approve", "--as", "dana")
    assert done.code == 0, done.err


def test_a_stream_ends_with_its_run(home: Home, served: Up, files: Path, payments: int) -> None:
    tree(files, payments=payments, **{"agents__invoice-bot": AGENT.replace("max_run: 8h", "max_run: 3s")})
    applied(home, files)
    auth = AgentAuth(served.ready["api"], "invoice-bot", files / "agents" / "invoice-bot", "pay-invoices")
    with (
        httpx2.Client(base_url=served.ready["api"], trust_env=False, timeout=30, auth=auth) as http,
        http.stream("GET", "/mcp/payments", headers={"Accept": "text/event-stream"}) as stream,
    ):
        assert stream.status_code == 200
        text = "".join(stream.iter_text())  # it ends, and not by a timeout
    assert "notifications/message" in text
    assert entry(home, kind="outcome", action="payments:GET")["outcome"] == "cut"


def test_a_key_that_is_taken_away_ends_its_tokens(home: Home, served: Up, files: Path) -> None:
    applied(home, files)
    auth = AgentAuth(served.ready["api"], "invoice-bot", files / "agents" / "invoice-bot", "pay-invoices")
    with httpx2.Client(base_url=served.ready["api"], trust_env=False, timeout=30, auth=auth) as http:
        assert "result" in http.post("/mcp/payments", json=PING, headers=BOTH).json()
        assert home.remit("agent", "keygen", "invoice-bot", "--out", str(files / "agents" / "other")).code == 0
        path = files / "agents" / "invoice-bot.yaml"
        path.write_text(AGENT.replace("invoice-bot.pub.jwk", "other.pub.jwk"), encoding="utf-8")
        done = home.remit("apply", str(files))
        assert done.code == 0, done.err
        denied = http.post("/mcp/payments", json=PING, headers=BOTH).json()["error"]
    assert (denied["code"], denied["data"]["code"]) == (-32010, "revoked")
    assert entry(home, code="revoked")["step"] == 4


PATHS = ["/v1/agents", "/v1/me/can", "/metrics", "/healthz", "/oauth2/token", "/oauth2/jwks", "/mcp/payments",
         "/access/v1/evaluation", "/.well-known/oauth-authorization-server", "/"]  # fmt: skip


def test_no_path_answers_to_another_name_or_a_foreign_page(served: Up) -> None:
    api = served.ready["api"]
    port = api.rpartition(":")[2]
    with httpx2.Client(base_url=api, trust_env=False, timeout=30) as http:
        for path in PATHS:
            for method in ("GET", "POST"):
                assert http.request(method, path, headers={"Host": f"evil.test:{port}"}).status_code == 403, path
                assert http.request(method, path, headers={"Origin": "http://evil.test"}).status_code == 403, path
        for host in (f"localhost:{port}", f"127.0.0.1:{port}"):
            assert http.get("/healthz", headers={"Host": host}).status_code == 200
            assert http.get("/healthz", headers={"Host": host, "Origin": f"http://{host}"}).status_code == 200


def test_a_public_url_is_a_name_and_the_machine_itself_still_reaches_it(home: Home) -> None:
    with home.up("--url", "https://remit.example.test", "--unsafe-dumpable") as up:  # its descriptors are looked at
        assert up.ready["api"] == "https://remit.example.test"
        port = listening_port(up)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
            assert http.get("/readyz").status_code == 200
            assert http.get("/oauth2/jwks", headers={"Host": "remit.example.test"}).status_code == 200
            both = {"Host": "remit.example.test", "Origin": "https://remit.example.test"}
            assert http.get("/oauth2/jwks", headers=both).status_code == 200
            assert http.get("/oauth2/jwks", headers={"Host": "other.example.test"}).status_code == 403


def listening_port(up: Up) -> int:
    """The loopback port that the process listens on, from the kernel's own table."""
    inodes = set()
    for link in Path(f"/proc/{up.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            inodes.add(link.readlink().name.removeprefix("socket:[").removesuffix("]"))
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        local, state, inode = (line.split()[n] for n in (1, 3, 9))
        if state == "0A" and inode in inodes:
            return int(local.partition(":")[2], 16)
    raise AssertionError("it does not listen")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://169.254.169.254/mcp", "metadata, link-local and group addresses are never called"),
        ("http://169.254.7.7:9000/mcp", "metadata, link-local and group addresses are never called"),
        ("{api}/mcp/payments", "Remit does not call itself"),
    ],
)
def test_an_address_that_is_never_called_is_a_fault_of_the_file(
    home: Home, served: Up, files: Path, payments: int, url: str, said: str
) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    wrong = SERVER.replace("http://127.0.0.1:9101/mcp", url.format(api=served.ready["api"]))
    tree(files, payments=payments, servers__payments=wrong)
    done = home.remit("apply", str(files), "--json")
    assert done.code == 3, (done.out, done.err)
    error = json.loads(done.out)["error"]
    assert error["code"] == "config_invalid"
    assert "servers/payments.yaml:1" in done.out + done.err
    assert said in done.out + done.err


def test_a_secret_too_short_to_be_found_again_is_refused(home: Home, served: Up) -> None:
    assert served.ready
    done = home.remit("secret", "set", "payments-key", stdin="short12")
    assert done.code == 2
    assert "at least 8 characters" in done.err
    assert home.remit("secret", "list", "--json").json["secrets"] == []
