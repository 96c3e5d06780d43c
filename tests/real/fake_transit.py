"""A transit engine that can be told to fail: a small HTTP server that answers as OpenBao does, until it does not."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Said = tuple[int, bytes]
KEY = {"type": "aes256-gcm96", "derived": False, "exportable": False, "allow_plaintext_backup": False}


def json_of(status: int, value: Any) -> Said:
    """An answer in JSON."""
    return status, json.dumps(value).encode()


@dataclass
class Transit:
    """What it does, and what it was asked."""

    address: str = ""
    token: str = "t0ken-of-the-test"
    keys: dict[str, dict[str, Any]] = field(default_factory=lambda: {"remit": dict(KEY)})
    secrets: dict[str, bytes] = field(default_factory=dict)
    instead: Callable[[str, dict[str, Any]], Said | None] = lambda _path, _body: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    let_go: threading.Event = field(default_factory=threading.Event)

    def answer(self, method: str, path: str, body: dict[str, Any], token: str | None) -> Said:
        """As the engine does, but where it was told otherwise."""
        self.asked.append((method, path))
        if (told := self.instead(path, body)) is not None:
            return told
        if token != self.token:
            return json_of(403, {"errors": ["permission denied"]})
        mount, _, rest = path.partition("/")
        verb, _, name = rest.partition("/")
        if mount != "transit":
            return json_of(404, {"errors": [f"no handler for route {path!r}"]})
        return self._key(method, name, body) if verb == "keys" else self._use(verb, name, body)

    def _use(self, verb: str, name: str, body: dict[str, Any]) -> Said:
        if name not in self.keys:
            return json_of(400, {"errors": ["encryption key not found"]})
        cipher = AESGCM(self.secrets.setdefault(name, os.urandom(32)))
        aad = base64.b64decode(body.get("associated_data", ""))
        if verb == "encrypt":
            nonce = os.urandom(12)
            sealed = nonce + cipher.encrypt(nonce, base64.b64decode(body["plaintext"]), aad)
            return json_of(200, {"data": {"ciphertext": "vault:v1:" + base64.b64encode(sealed).decode()}})
        try:
            sealed = base64.b64decode(body["ciphertext"].removeprefix("vault:v1:"))
            plain = cipher.decrypt(sealed[:12], sealed[12:], aad)
        except (InvalidTag, ValueError):
            return json_of(400, {"errors": ["cipher: message authentication failed"]})
        return json_of(200, {"data": {"plaintext": base64.b64encode(plain).decode()}})

    def _key(self, method: str, name: str, body: dict[str, Any]) -> Said:
        if method == "POST":
            self.keys[name] = {**KEY, **body}
        return json_of(200, {"data": self.keys[name]}) if name in self.keys else json_of(404, {"errors": []})


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not believe our certificate leaves; that is what some tests are about."""


@contextlib.contextmanager
def fake_transit(pem: Path | None = None) -> Iterator[Transit]:
    """It runs on a loopback port until the block ends, with TLS if there is a certificate and its key in `pem`."""
    transit = Transit()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def _answer(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            transit.headers = dict(self.headers.items())
            body = json.loads(text) if text else {}
            status, said = transit.answer(
                self.command, self.path.removeprefix("/v1/"), body, self.headers.get("X-Vault-Token")
            )
            with contextlib.suppress(OSError):  # who asked may have left
                self.send_response(status)
                self.send_header("content-length", str(len(said)))
                self.send_header("location", transit.address + "/elsewhere")
                self.end_headers()
                self.wfile.write(said)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names that the library looks for

    server = _Quiet(("127.0.0.1", 0), Handler)
    transit.address = f"{'https' if pem else 'http'}://127.0.0.1:{server.server_address[1]}"
    if pem is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield transit
    finally:
        transit.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
