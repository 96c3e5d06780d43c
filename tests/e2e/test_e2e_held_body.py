"""Against a real server: the headers first, and the rest of the body after what they showed has ended."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.running import Home
from tests.e2e.test_e2e_console import applied


def begin(api: str, path: str, token: str, body: bytes, cut: int) -> socket.socket:
    """A POST of which the body's end is still to come."""
    address = urlsplit(api)
    sock = socket.create_connection((address.hostname or "", address.port or 0), timeout=30)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sock.sendall(head.encode() + body[:cut])
    return sock


def answer(sock: socket.socket) -> str:
    found = b""
    while chunk := sock.recv(65536):
        found += chunk
    sock.close()
    return found.decode()


def test_an_operators_token_that_is_revoked_meanwhile_does_nothing(home: Home, files: Path) -> None:
    body = b'{"kind":"agent","name":"invoice-bot"}'
    with home.up("--dev") as up:
        applied(home, files)
        done = home.remit("operator", "token", "dana", "--role", "security", "--json")
        token = done.json["token"]
        early, late = (begin(up.ready["api"], "/v1/freezes", token, body, 5) for _ in range(2))
        early.sendall(body[5:])
        assert " 201 " in answer(early).splitlines()[0]
        assert home.remit("unfreeze", "agent", "invoice-bot").code == 0
        assert home.remit("operator", "revoke", "dana").code == 0
        late.sendall(body[5:])
        assert " 401 " in answer(late).splitlines()[0]
        assert home.remit("freeze", "--json").json["freezes"] == []
