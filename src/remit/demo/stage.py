"""The demo's stage: a Remit, two MCP servers and three agents, all real processes."""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remit.demo import estate
from remit.demo.api_keys import hashed
from remit.demo.processes import Processes, Worker, clean_environ, python
from remit.kernel.errors import Conflict
from remit.server.settings import data_directory, keyfile_path

REMIT = str(Path(sys.executable).with_name("remit"))


class NotSeenError(Exception):
    """Something the story says did not show from outside."""


@dataclass(frozen=True)
class Kept:
    """Where a demo that is kept lives: the places of a real instance, and its files in the current folder."""

    data: Path
    keyfile: Path
    files: Path

    @property
    def keys(self) -> Path:
        """Its agents' private keys."""
        return self.keyfile.parent / "demo-keys"

    @classmethod
    def here(cls, environ: Mapping[str, str]) -> Kept:
        """The user's own places.

        Raises:
            Conflict: There is an instance already, or the files would overwrite something.
        """
        kept = cls(data_directory(environ), keyfile_path(environ), Path.cwd() / "remit-demo")
        for place in (kept.data / "remit.db", kept.files, kept.keys):
            if place.exists():
                raise Conflict(f"{place} is there already", try_="move it away, or run the demo without --keep")
        return kept


@dataclass
class Stage:
    """Everything that runs, and how to look at it from outside."""

    home: Path
    processes: Processes
    environ: dict[str, str]
    ports: dict[str, int] = field(default_factory=dict)
    upstream: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    agents: dict[str, Worker] = field(default_factory=dict)
    server: subprocess.Popen[str] | None = None
    url: str = ""
    ttl: str = "20s"  # of the one write on the CRM, without use
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    kept: Kept | None = None
    told: set[str] = field(default_factory=set)  # ids of verdicts that were shown

    @property
    def data(self) -> Path:
        """The demo Remit's data directory."""
        return self.kept.data if self.kept else self.home / "remit"

    @property
    def keyfile(self) -> Path:
        """What opens it."""
        return self.kept.keyfile if self.kept else self.home / "keyfile"

    @property
    def files(self) -> Path:
        """The organisation's files, as kept in git."""
        return self.kept.files if self.kept else self.home / "estate"

    def key(self, agent: str) -> Path:
        """An agent's private key: outside of the organisation's files, which are made to be shared."""
        keys = self.kept.keys if self.kept else self.home / "keys"
        return keys / f"{agent}.jwk"

    def ledger(self, server: str) -> list[dict[str, Any]]:
        """What an upstream server says it really did."""
        path = self.home / f"{server}.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def expected_authorization(self) -> str:
        """SHA-256 of the header that payments must see: the sealed key, and never an agent's token."""
        return hashlib.sha256(f"Bearer {self.secret}".encode()).hexdigest()

    def opens(self, key: str) -> bool:
        """Whether payments opens for this key, asked straight and not through Remit."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["payments"], timeout=10)
        try:
            connection.request("GET", "/keys", headers={"Authorization": f"Bearer {key}"})
            return connection.getresponse().status == http.HTTPStatus.OK
        finally:
            connection.close()

    def remit(self, *arguments: str, exits: int = 0, stdin: str | None = None) -> str:
        """Run one `remit` command as a process of its own; return its stdout.

        Raises:
            NotSeenError: It did not exit with `exits`.
        """
        done = subprocess.run(  # noqa: S603 - our own program
            [REMIT, *arguments],
            env=self.environ,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != exits:
            said = (done.stderr or done.stdout).strip()
            raise NotSeenError(f"remit {' '.join(arguments)} exited {done.returncode}, not {exits}: {said}")
        return done.stdout

    def activation(self, action: str) -> str:
        """The state of support-bot's entitlement to `action`, as `remit activation list` says."""
        found = json.loads(self.remit("activation", "list", "support-bot", "--json"))["activations"]
        return next((str(each["state"]) for each in found if each["action"] == action), "")

    def verdicts(self, action: str) -> list[dict[str, Any]]:
        """The verdicts on support-bot's entitlement to `action`, the oldest first, as `remit certify list` says."""
        found = json.loads(self.remit("certify", "list", "--agent", "support-bot", "--json"))["verdicts"]
        return [each for each in reversed(found) if each["action"] == action]

    def start_remit(self) -> None:
        """`remit up` with a data directory and a keyfile of its own."""
        arguments = ["up", "--data", str(self.data), "--listen", "127.0.0.1:0", "--dev", "--json"]
        arguments += ["--keyfile", str(self.keyfile)]
        worker: Worker = self.processes.start("remit", [REMIT, *arguments], environ=self.environ, talk=True)
        ready = worker.hear(seconds=30)
        self.server = worker.process
        self.url = ready["api"].rstrip("/")
        self.environ["REMIT_URL"] = self.url
        self.environ["REMIT_TOKEN_FILE"] = ready["admin_token_file"]

    def start_upstreams(self) -> None:
        """The CRM and the payments server."""
        for name in ("crm", "payments"):
            command = python("remit.demo.servers", name, "--ledger", str(self.home / f"{name}.jsonl"))
            if name == "payments":
                command += ["--key-sha256", hashed(self.secret)]
            worker: Worker = self.processes.start(name, command, environ=self.environ, talk=True)
            self.ports[name] = worker.hear()["port"]
            self.upstream[name] = worker.process

    def register(self) -> None:
        """Keys, the sealed upstream credential, and the files, approved by their owner."""
        estate.write(self.files, payments=self.ports["payments"], crm=self.ports["crm"], ttl=self.ttl)
        for name, *_ in estate.AGENTS:
            key = self.key(name)
            key.parent.mkdir(mode=0o700, exist_ok=True)
            self.remit("agent", "keygen", name, "--out", str(key))
            public = f"{key.name}.pub.jwk"
            shutil.move(key.with_name(public), self.files / "agents" / public)
        self.remit("secret", "set", "payments-key", stdin=self.secret)
        self.remit("apply", str(self.files), "--approve", "--as", "dana", "--json")

    def start_agents(self) -> None:
        """Three agents; each says `ready` once it has a token and a connection."""
        for name, server, purpose, constraint in estate.AGENTS:
            arguments = ["--url", self.url, "--server", server, "--purpose", purpose]
            arguments += ["--key", str(self.key(name))]
            if constraint == "none":
                arguments.append("--plain")
            command = python("remit.demo.agent", name, *arguments)
            self.agents[name] = self.processes.start(name, command, environ=self.environ, talk=True)
        for name, worker in self.agents.items():
            if worker.hear()["result"] != "ready":
                raise NotSeenError(f"{name} is not ready")


@contextmanager
def opened(*, ttl: str = "20s", kept: Kept | None = None) -> Iterator[Stage]:
    """An empty stage in a temporary directory; start its parts in the order of its methods.

    Leaving stops what runs on it and clears it away, except after a failure: then the logs stay.

    Raises:
        NotSeenError: Whatever failed, with the place of the logs.
    """
    home = Path(tempfile.mkdtemp(prefix="remit-demo-"))
    try:
        logs = home / "logs"
        logs.mkdir()
        with Processes(logs) as processes:
            yield Stage(home=home, processes=processes, environ=clean_environ(home), ttl=ttl, kept=kept)
    except NotSeenError as error:
        raise NotSeenError(f"{error}\n     logs: {logs}") from error
    except Exception as error:
        raise NotSeenError(f"{type(error).__name__}: {error}\n     logs: {logs}") from error
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    shutil.rmtree(home, ignore_errors=True)
