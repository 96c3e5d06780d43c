"""IAM and STS as moto serves them over HTTP, which checks signatures and policies, for tests of AWS access keys.

moto comes from PyPI once, with all that it needs, into an environment of its own, and is kept; where it cannot be had
the test is skipped and says so, so give it the mark `slow`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

MOTO: Final = "moto[server,iam,sts]==5.2.5"
# Read when tests are collected: while one runs, the variable names a folder of the test's own.
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remit-peers"
_PATIENCE: Final = 60
# What an operator would do with AWS's own tools, run beside moto: creates users, keys and policies.
_SETS_UP: Final = """
import boto3, json, sys
said = json.load(sys.stdin)
client = boto3.client(said["service"], endpoint_url=sys.argv[1], region_name="us-east-1",
                      aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3])
answer = getattr(client, said["call"])(**said["with"])
json.dump(answer, sys.stdout, default=str)
"""


@dataclass(frozen=True)
class Moto:
    """A server that runs. `root`: an access key that may everything."""

    url: str
    python: str
    root: tuple[str, str]

    def call(self, call: str, **said: Any) -> dict[str, Any]:
        """What boto3's client of IAM says to `root`, which must succeed."""
        done = self._boto("iam", call, self.root, said)
        assert done.returncode == 0, done.stderr[-2000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def identity(self, key_id: str, value: str) -> str:
        """The user that STS takes this key for; empty: it takes it for nobody's."""
        done = self._boto("sts", "get_caller_identity", (key_id, value), {})
        return str(json.loads(done.stdout)["Arn"]).rpartition("/")[2] if done.returncode == 0 else ""

    def _boto(
        self, service: str, call: str, key: tuple[str, str], said: dict[str, Any]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "-c", _SETS_UP, self.url, *key],
            input=json.dumps({"service": service, "call": call, "with": said}),
            capture_output=True, text=True, check=False, env={"PATH": os.environ.get("PATH", ""), "HOME": "/nowhere"},
        )  # fmt: skip

    def user(self, name: str, *actions: str) -> tuple[str, str]:
        """A new user who may these, and a key of theirs."""
        self.call("create_user", UserName=name)
        if actions:
            statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            self.call("put_user_policy", UserName=name, PolicyName="may", PolicyDocument=policy)
        return self.key(name)

    def key(self, name: str) -> tuple[str, str]:
        """A further key of a user's."""
        made = self.call("create_access_key", UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]


def environment() -> str:
    """The Python that has moto, installed once from PyPI and kept."""
    place = CACHE / "moto"
    place.mkdir(parents=True, exist_ok=True)
    python = str(place / "bin" / "python")
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may want it at once
        done = place / "done"
        if not done.exists() or done.read_text("utf-8") != MOTO:
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            made = subprocess.run(
                [python, "-m", "pip", "install", "--quiet", MOTO], capture_output=True, text=True, check=False
            )
            if made.returncode != 0:
                pytest.skip(f"PyPI is missing: AWS access keys were NOT tested: {made.stderr[-300:]}")
            done.write_text(MOTO, encoding="utf-8")
    return python


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Moto]:
    """A server of its own on a free loopback port; it ends with the block, or with this process."""
    python = environment()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "moto.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [
                "setpriv", "--pdeathsig", "KILL",  # a test run that is killed takes it along
                python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port),
            ],
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder)},  # nothing of the developer's own
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            _until_it_answers(url, process)
            server = Moto(url, python, ("AKIAIOSFODNN7EXAMPLE", "anything"))
            root = server.user("root-of-all", "*")
            _asked(f"{url}/moto-api/reset-auth", b"0")  # from now on keys, signatures and policies count
            yield Moto(url, python, root)
        finally:
            process.kill()
            process.wait(_PATIENCE)


def _until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        assert process.poll() is None, "moto ended"
        with contextlib.suppress(OSError):
            _asked(f"{url}/moto-api/data.json")
            return
        assert time.monotonic() < end, "moto does not answer"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)


def _asked(url: str, body: bytes | None = None) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "text/plain"})  # noqa: S310 - loopback
    opener.open(request, timeout=_PATIENCE).close()
