"""`remit up --proxy` and `remit run --proxy` with real processes: stock clients that know nothing of Remit."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.authority import OwnAuthority
from tests.e2e import peers
from tests.e2e.running import Done, Home, Up

HERE = Path(__file__).parent
SECRET = "the-secret-of-the-api-0123456789"
URLLIB = """\
import json, os, sys, urllib.error, urllib.request
def ask(method, url):
    key = os.environ.get("API_KEY", "")
    request = urllib.request.Request(url, method=method, headers={"X-Api-Key": key})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
print(json.dumps([ask(*each.split(" ", 1)) for each in sys.argv[1:]]))
print(json.dumps(dict(os.environ)), file=sys.stderr)
"""


@dataclass
class Place:
    """A Remit that is a forward proxy, an API behind it, and `bot`, which this user's processes are."""

    home: Home
    up: Up
    ledger: Path
    port: int
    plain: int

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def run(self, *command: str, **environ: str) -> Done:
        return self.home.remit("run", "--agent", "bot", "--proxy", "--", *command, env=environ)

    def got(self) -> list[dict[str, Any]]:
        text = self.ledger.read_text(encoding="utf-8") if self.ledger.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def place(home: Home, tmp_path: Path) -> Iterator[Place]:
    with begun(home, tmp_path) as found:
        yield found


@contextlib.contextmanager
def begun(home: Home, tmp_path: Path, *options: str) -> Iterator[Place]:
    """All of it, with more options of `remit up`."""
    authority = OwnAuthority()
    pem, ledger, files = tmp_path / "leaf.pem", tmp_path / "ledger", tmp_path / "files"
    pem.write_bytes(authority.leaf("localhost"))
    command = [sys.executable, str(HERE / "tls_server.py"), str(pem), str(ledger)]
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(peers.upstream(command, os.environ, tmp_path / "server.log"))
        bare = stack.enter_context(peers.upstream([*command[:2], "-", command[3]], os.environ, tmp_path / "bare.log"))
        port, plain = (int(each.rpartition(":")[2].partition("/")[0]) for each in (url, bare))
        _write(files, port, plain, authority.pem)
        up = stack.enter_context(home.up("--dev", "--proxy", "127.0.0.1:0", *options))
        done = home.remit("apply", str(files), "--approve", "--as", "dana")
        assert done.code == 0, done.err
        assert home.remit("secret", "set", "api-key", stdin=SECRET).code == 0
        yield Place(home, up, ledger, port, plain)


def _write(files: Path, port: int, plain: int, ca: str) -> None:
    documents: dict[str, Any] = {
        "owners.yaml": [
            {"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test", "backup": ["lee"]},
            {"owner": "lee", "name": "Lee Okafor", "email": "lee@example.test"},
        ],
        "purposes/work.yaml": {
            "purpose": "work", "statement": "Do what the test does",
            "actions": ["api:GET /**", "api:DELETE /**", "plain:POST /**"],
            "data_classes": ["public"], "not_after": "2029-12-31",
        },
        "servers/api.yaml": {
            "server": "api", "kind": "http", "url": f"https://localhost:{port}", "proxy": "intercept",
            "ca": "api-ca.pem", "placeholder": "API_KEY",
            "credential": {"secret": "api-key", "inject": {"header": "X-Api-Key"}},
            "operations": {"GET /repos/{name}": {"tier": "low"}, "DELETE /repos/{name}": {"tier": "low"}},
        },
        "servers/plain.yaml": {
            "server": "plain", "kind": "http", "url": f"http://localhost:{plain}", "proxy": "intercept",
            "operations": {"POST /x": {"tier": "low", "arguments": {"properties": {"a": {"type": "integer"}}}}},
        },
        "agents/bot.yaml": {
            "agent": "bot", "owner": "dana", "version": "1.0", "purposes": ["work"], "max_instances": 20,
            "sender_constraint": "dpop", "not_after": "2029-12-31", "max_run": "8h",
            "attest": [{"local_process": {"uid": os.geteuid()}}],
        },
        "boundaries/bot.yaml": {
            "boundary": "bot-work", "agent": "bot", "purpose": "work", "not_after": "2029-12-31",
            "allow": [{"action": "api:GET /repos/{name}"}, {"action": "plain:POST /x", "when": {"a": {"max": 3}}}],
        },
    }  # fmt: skip
    for name, value in documents.items():
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")
    (files / "servers" / "api-ca.pem").write_text(ca, encoding="utf-8")


def test_stock_clients_are_governed_and_hold_no_secret(place: Place) -> None:
    asked = [f"GET {place.url}/repos/a", f"DELETE {place.url}/repos/a", "GET https://example.com/"]
    done = place.run(sys.executable, "-c", URLLIB, *asked)
    assert done.code == 0, done.err
    allowed, denied, blocked = json.loads(done.out)
    assert allowed == [200, '{"got": "/repos/a"}']
    assert (denied[0], json.loads(denied[1])["code"]) == (404, "not_found")
    assert blocked[0] == 0
    assert "403" in blocked[1]  # of CONNECT: no packet left
    (got,) = place.got()
    assert got["headers"]["X-Api-Key"] == SECRET
    environ = json.loads(next(line for line in done.err.splitlines() if line.startswith("{")))
    assert environ["API_KEY"].startswith("remit-placeholder-api-")
    assert SECRET not in done.out + done.err
    assert "eyJ" not in json.dumps(environ)  # no token
    assert "egress_blocked 1" in done.err


def test_curl_is_governed_as_it_is(place: Place) -> None:
    done = place.run("curl", "-sS", "-w", " %{http_code}", f"{place.url}/repos/b")
    assert (done.code, done.out) == (0, '{"got": "/repos/b"} 200'), done.err
    assert place.got()[0]["headers"]["X-Api-Key"] == SECRET


def test_plain_http_goes_through_as_well(place: Place) -> None:
    url = f"http://localhost:{place.plain}/x"
    json_ = ("-H", "Content-Type: application/json")
    done = place.run("curl", "-sS", *json_, "-d", '{"a":3}', "-w", " %{http_code}\n", url,
                     "--next", "-sS", *json_, "-d", '{"a":4}', "-w", " %{http_code}\n", url)  # fmt: skip
    assert done.code == 0, done.err
    passed, denied = done.out.splitlines()
    assert passed == '{"got": "/x"} 200'
    assert (json.loads(denied.rpartition(" ")[0])["code"], denied[-3:]) == ("constraint_violated", "403")
    assert [each["body"] for each in place.got()] == ['{"a":3}']


def test_proofs_get_the_nonce_that_they_need(home: Home, tmp_path: Path) -> None:
    with begun(home, tmp_path, "--dpop-nonce", "both") as place:
        done = place.run("curl", "-sS", f"{place.url}/repos/a", "--next", "-sS", f"{place.url}/repos/b")
        assert (done.code, done.out) == (0, '{"got": "/repos/a"}{"got": "/repos/b"}'), done.err
        done = place.run("curl", "-sS", "-X", "POST", "-H", "Content-Type: application/json", "-d", '{"a":1}',
                         f"http://localhost:{place.plain}/x")  # fmt: skip
        assert (done.code, done.out) == (0, '{"got": "/x"}'), done.err


def test_a_freeze_reaches_a_run_behind_the_proxy(place: Place) -> None:
    assert place.home.remit("freeze", "bot").code == 0
    done = place.run("curl", "-sS", f"{place.url}/repos/b")
    assert done.code != 0
    assert place.got() == []


def test_the_runs_proxy_is_for_its_own_processes_and_password(place: Place) -> None:
    """From outside: even with the password another process of this user is turned away."""
    with subprocess.Popen(
        [sys.executable, "-m", "remit.cli.main", "run", "--agent", "bot", "--proxy", "--", "sh", "-c",
         'echo "$HTTPS_PROXY"; read line'],
        env=place.home.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        proxy = process.stdout.readline().strip()
        assert proxy.startswith("http://run:")
        code = subprocess.run(
            ["curl", "-sS", "-x", proxy, f"{place.url}/repos/b"], env=place.home.environ, capture_output=True,
            text=True, check=False, timeout=60,
        )  # fmt: skip
        process.communicate("\n", timeout=60)
    assert code.returncode != 0
    assert "403" in code.stderr
    wrong = place.run("sh", "-c", f"curl -sS -x $(echo $HTTPS_PROXY | sed s/run:.*@/run:wrong@/) {place.url}/repos/b")
    assert (wrong.code != 0, "407" in wrong.err) == (True, True), wrong.err
    assert place.got() == []


def test_the_authority_is_printed_and_stays_the_same(place: Place) -> None:
    first = place.home.remit("proxy", "ca")
    assert first.code == 0, first.err
    assert first.out.startswith("-----BEGIN CERTIFICATE-----")
    assert place.home.remit("proxy", "ca", "--json").json["pem"].strip() == first.out.strip()


def test_without_a_proxy_it_says_so(home: Home) -> None:
    with home.up("--dev"):
        done = home.remit("run", "--agent", "bot", "--proxy", "--", "true")
    assert done.code == 2
    assert "forward proxy" in done.err


def test_the_proxy_listens_on_this_machine_alone(home: Home) -> None:
    done = home.remit("up", "--listen", "127.0.0.1:0", "--proxy", "0.0.0.0:0")
    assert done.code == 3
    assert "this machine only" in done.err
