"""kill -9 of the whole server at each thing that it asks a real provider, before the provider hears of it and after it
said yes: finished or taken back soon after, and at every moment calls have a credential that works there."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.contract.rotating import Bench
from tests.contract.rotator_aws import AwsBench
from tests.contract.rotator_openbao import OpenBaoBench
from tests.contract.rotator_postgres import PostgresBench
from tests.e2e.peers import upstream
from tests.e2e.running import PATIENCE, Home
from tests.fault.gate import Gate, gate
from tests.fault.serving import Server
from tests.real import moto, openbao, postgres

from remit.keys.secret import Secret
from remit.sdk.auth import AgentAuth
from remit.vault.model import Material

BOUND: Final = 30.0  # seconds from the restart to its end
_log = logging.getLogger(__name__)
MOST: Final = 20  # things that a rotation asks
API: Final = Path(__file__).parents[1] / "e2e" / "http_api.py"
FILES: Final[dict[str, Any]] = {
    "owners": [{"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test"}],
    "purposes/work": {
        "purpose": "work", "statement": "Read", "actions": ["shop:GET /*"], "data_classes": [],
        "not_after": "2029-12-31",
    },
    "servers/shop": {
        "server": "shop", "kind": "http", "operations": {"GET /things": {"tier": "low"}},
        "credential": {"secret": "shop-key", "inject": "bearer"},
    },
    "agents/bot": {
        "agent": "bot", "owner": "dana", "version": "1", "purposes": ["work"], "not_after": "2029-12-31",
        "max_run": "8h", "max_instances": 99, "attest": [{"private_key_jwt": {"jwk_file": "bot.pub.jwk"}}],
    },
    "boundaries/bot": {
        "boundary": "bot", "agent": "bot", "purpose": "work", "allow": [{"action": "shop:GET /things"}],
        "not_after": "2029-12-31",
    },
}  # fmt: skip


@dataclass
class World:
    """A server, an API that writes down what it gets, and a provider behind a gate."""

    server: Server
    bench: Bench
    gate: Gate
    files: Path
    ledger: Path

    def begin(self, kind: str, api: str) -> None:
        """Apply all."""
        said = {**self.bench.at(self.gate.port), "admin": "provider-admin"}
        rotate = {"drain": "1s", "on": [], kind: said}
        files = FILES | {
            "servers/shop": FILES["servers/shop"] | {"url": api},
            "secrets/shop-key": {"secret": "shop-key", "owner": "dana", "rotate": rotate},
            "secrets/provider-admin": {
                "secret": "provider-admin",
                "owner": "dana",
                "allow": [{"place": "rotation", "host": "127.0.0.1"}],
            },
        }
        for name, value in files.items():
            path = self.files / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value), encoding="utf-8")
        self.remit("agent", "keygen", "bot", "--out", str(self.files / "agents" / "bot"))
        self.remit("apply", str(self.files), "--approve", "--as", "dana")

    def remit(self, *words: str, stdin: str | None = None) -> str:
        done = self.server.remit(*words, stdin=stdin)
        assert done.code == 0, done.out + done.err
        return done.out

    def rotate(self) -> None:
        status, said = self.server.ask("POST", "/v1/secrets/shop-key/rotate", {})
        assert status == 202, said

    def last(self) -> dict[str, Any]:
        status, said = self.server.ask("GET", "/v1/rotations?secret=shop-key")
        assert status == 200, said
        found: dict[str, Any] = said["rotations"][0]
        return found

    def works(self, attributes: list[dict[str, str]]) -> bool:
        """Whether what a call gets now opens the provider."""
        auth = AgentAuth(self.server.url, "bot", self.files / "agents" / "bot", "work")
        with httpx2.Client(auth=auth, timeout=PATIENCE, trust_env=False) as http:
            answer = http.get(f"{self.server.url}/http/shop/things")
        assert answer.status_code == 200, answer.text
        line = json.loads(self.ledger.read_text(encoding="utf-8").splitlines()[-1])
        value = Secret(line["headers"]["authorization"].removeprefix("Bearer "))
        return any(self.bench.works(Material(value=value, attributes=each)) for each in attributes)


def attributes(bench: Bench) -> list[dict[str, str]]:
    """What a value could belong to."""
    match bench:
        case PostgresBench():
            return [{"user": role} for role in bench.roles]
        case OpenBaoBench():
            return [{"role_id": bench.role_id}]
        case AwsBench():
            return [{"access_key_id": each} for each in bench.ids()]
        case _:
            raise AssertionError(bench)


@contextmanager
def world(home: Home, tmp_path: Path, bench: Bench, kind: str, port: int, *marks: bytes) -> Iterator[World]:
    command = [sys.executable, str(API), str(tmp_path / "ledger")]
    with (
        upstream(command, os.environ, tmp_path / "api.log") as url,
        gate(port, *marks) as before,
        Server(home) as server,
    ):
        server.start()
        made = World(server, bench, before, tmp_path / "files", tmp_path / "ledger")
        made.begin(kind, url.removesuffix("/mcp") + "/v1")
        admin = bench.admin("")
        stdin = admin.value.text()
        if admin.attributes:  # in the administrator's own place, where documents say what is no secret of it
            made.remit("secret", "set", "provider-admin", *_told(admin.attributes), stdin=stdin)
        else:
            made.remit("secret", "set", "provider-admin", stdin=stdin)
        made.remit("secret", "rotate", "shop-key", "--wait")  # has a first version made
        yield made
        made.remit("audit", "verify")
        told = server.log.read_text(encoding="utf-8")
        assert stdin not in told


def _told(said: Any) -> list[str]:
    return [word for name, value in said.items() for word in ("--attribute", f"{name}={value}")]


def killed_everywhere(it: World) -> list[float]:
    """Rotate again and again, each time killed a step further on; the seconds until each had ended."""
    took: list[float] = []
    for number in range(1, MOST):
        for when in ("before", "after"):
            it.gate.arm(number, when)
            it.rotate()
            end = time.monotonic() + PATIENCE
            while not it.gate.held.wait(0.05):
                if it.last()["ended"]:
                    return took  # it asks no further things
                assert time.monotonic() < end, it.last()
            it.server.end(signal.SIGKILL)
            it.gate.let_go()
            it.server.start()
            began = time.monotonic()
            assert it.works(attributes(it.bench)), (number, when)
            while not it.last()["ended"]:
                assert time.monotonic() - began < BOUND, (number, when, it.last())
                time.sleep(0.05)
            took.append(time.monotonic() - began)
            assert it.last()["step"] == "done", (number, when, it.last())
            assert it.works(attributes(it.bench)), (number, when)
            assert it.bench.count() == 1, (number, when)
    raise AssertionError("it asks without an end")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A machine of this test's own."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return Home(path)


pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_postgres(home: Home, tmp_path: Path) -> None:
    with postgres.running() as server:
        bench = PostgresBench(server)
        # Every session of a rotator ends with one of these.
        with world(home, tmp_path, bench, "postgres", server.port, b"COMMIT", b"ROLLBACK") as it:
            took = killed_everywhere(it)
    _log.info("seconds: %s", [round(each, 1) for each in took])
    assert len(took) >= 8


def test_openbao(home: Home, tmp_path: Path, openbao: openbao.OpenBao) -> None:
    bench = OpenBaoBench(openbao)
    openbao.done("POST", f"auth/approle/role/{bench.name}/secret-id/destroy", {"secret_id": bench.begun})
    with world(home, tmp_path, bench, "openbao", urlsplit(openbao.address).port or 0, b"POST /") as it:
        took = killed_everywhere(it)
    _log.info("seconds: %s", [round(each, 1) for each in took])
    assert len(took) >= 8


def test_aws(home: Home, tmp_path: Path) -> None:
    with moto.running(tmp_path) as server:
        bench = AwsBench(server)
        server.call("delete_access_key", UserName=bench.user, AccessKeyId=bench.begun[0])
        with world(home, tmp_path, bench, "aws", urlsplit(server.url).port or 0, b"POST /") as it:
            took = killed_everywhere(it)
    _log.info("seconds: %s", [round(each, 1) for each in took])
    assert len(took) >= 8
