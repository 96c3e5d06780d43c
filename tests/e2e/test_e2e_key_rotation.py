"""Signing keys are rotated while clients renew tokens and make calls all the time: nothing fails to verify.

A real server, a real MCP server behind it, clients that never repeat a call that was refused, and a verifier that
reads the JWKS as seldom as it is allowed to and never because of a kid that it does not know.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e.running import PATIENCE, Home, Up
from tests.fault.calls import _ENVELOPE, VERSION
from tests.fault.serving import ask

from remit.keys import jose
from remit.sdk import keyfile
from remit.sdk.grant import Grant, Token
from remit.sdk.mandate import verify as verify_mandate
from remit.sdk.token import token as ask_for_token

PUBLISH, LINGER = 500, 10_000  # milliseconds
CACHED = 0.1  # seconds that the verifier keeps what it read: less than keys are published before they sign
HELD = 4.0  # seconds that a client uses a token: less than keys linger
CALLS = 4  # with each token
CLIENTS = 4
OK = 200


@contextmanager
def serving(home: Home) -> Iterator[Up]:
    """The server of `rotating_server.py`."""
    script = Path(__file__).with_name("rotating_server.py")
    with (home.path / "server.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, str(script), str(PUBLISH), str(LINGER)],
            env=home.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    line = process.stdout.readline() if process.stdout else ""
    assert line, (home.path / "server.log").read_text(encoding="utf-8")
    running = Up(process, json.loads(line))
    try:
        yield running
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


class Verifier:
    """Another system that verifies Remit's tokens by its JWKS."""

    def __init__(self, url: str, http: httpx2.Client) -> None:
        self._url, self._http = url, http
        self._read = float("-inf")
        self._keys: dict[str, jose.PublicKey] = {}

    def jwks(self) -> dict[str, Any]:
        """The keys, at most as old as they may be kept."""
        asked = time.monotonic()
        if asked - self._read > CACHED:
            answer = self._http.get(f"{self._url}/oauth2/jwks").json()
            self._keys = {jwk["kid"]: jose.public_key(jwk) for jwk in answer["keys"]}
            self._read = asked
        return {"keys": [dict(key.jwk) for key in self._keys.values()]}

    def verify(self, token: str) -> str:
        """Verify an access token; its key's kid."""
        self.jwks()

        def key(header: Mapping[str, Any]) -> jose.PublicKey | None:
            return self._keys.get(header["kid"])

        header, _ = jose.verify(token, typ="at+jwt", algorithms=("ES256", "Ed25519"), key=key)
        kid: str = header["kid"]
        return kid


class Client(threading.Thread):
    """One running copy of the agent, which works until it is told to stop."""

    def __init__(self, url: str, key: Path, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.url, self.key, self.stop = url, keyfile.load(key), stop
        self.instance = keyfile.fresh()
        self.done: Counter[str] = Counter()
        self.kids: set[str] = set()
        self.failed: list[str] = []

    def run(self) -> None:
        with httpx2.Client(timeout=PATIENCE, trust_env=False) as http:
            verifier = Verifier(self.url, http)
            while not self.stop.is_set():
                try:
                    self._round(http, verifier)
                except Exception as error:  # noqa: BLE001 - whatever it was, it is what the test is about
                    self.failed.append(repr(error))

    def _round(self, http: httpx2.Client, verifier: Verifier) -> None:
        began = time.monotonic()
        token, grant = ask_for_token("invoice-bot", self.key, "pay-invoices", url=self.url, instance_key=self.instance)
        self.kids.add(verifier.verify(token.access_token))
        self.done["tokens"] += 1
        for number in range(CALLS):
            if time.monotonic() - began > HELD:
                return
            self._call(http, grant, token, number)
        answer = self._sent(http, "GET", f"{self.url}/v1/me/mandate", grant, token)
        if answer.status_code == OK:
            verify_mandate(answer.text, verifier.jwks(), issuer=self.url)
            self.done["mandates"] += 1
        else:
            self.failed.append(f"mandate: {answer.status_code} {answer.text[:200]}")

    def _call(self, http: httpx2.Client, grant: Grant, token: Token, number: int) -> None:
        params = {"name": "list_invoices", "arguments": {}, "_meta": _ENVELOPE}
        body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        answer = self._sent(http, "POST", f"{self.url}/mcp/payments", grant, token, body)
        self.done["calls"] += 1
        if answer.status_code != OK or answer.json().get("result", {}).get("isError", True):
            self.failed.append(f"call: {answer.status_code} {answer.text[:200]}")

    def _sent(
        self, http: httpx2.Client, method: str, url: str, grant: Grant, token: Token, body: object = None
    ) -> httpx2.Response:
        headers = {"Authorization": f"DPoP {token.access_token}", "DPoP": grant.proof(method, url, token)}
        if body is not None:
            headers |= {
                "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
                "MCP-Protocol-Version": VERSION, "Mcp-Method": "tools/call", "Mcp-Name": "list_invoices",
            }  # fmt: skip
        return http.request(method, url, content=None if body is None else json.dumps(body), headers=headers)


def rotate(up: Up, number: int, stop: threading.Event) -> str:
    """One rotation by two people, waited for until the new key signs; every third to the other algorithm."""
    url, admin = up.ready["api"], Path(up.ready["admin_token_file"]).read_text(encoding="ascii").strip()

    def asked(method: str, path: str, person: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {admin}", "Content-Type": "application/json", "Remit-Act-As": person}
        status, answer = ask(url, method, path, body, headers)
        assert status == OK, answer
        return answer

    body = {"algorithm": "Ed25519" if number % 3 == 0 else "ES256"}
    assert asked("POST", "/v1/keys/token/rotate", "dana", body)["waits"]
    (made,) = asked("POST", "/v1/keys/token/rotate", "lee", body)["keys"]
    kid: str = made["kid"]
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        states = {row["kid"]: row["state"] for row in asked("GET", "/v1/keys", "dana")["keys"]}
        if states[kid] == "active":
            return kid
        stop.wait(0.02)
    raise AssertionError("the new key never signed")


def play(home: Home, files: Path, rotations: int) -> dict[str, int]:
    """So many rotations under load; how much was done meanwhile. Nothing of it may have failed."""
    with serving(home) as up:
        assert home.remit("secret", "set", "payments-key", stdin="s3cret-of-payments").code == 0
        done = home.remit("apply", str(files), "--approve", "--as", "dana")
        assert done.code == 0, done.err
        stop = threading.Event()
        key = files / "agents" / "invoice-bot"
        clients = [Client(up.ready["api"], key, stop) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            signed = {rotate(up, number, stop) for number in range(rotations)}
        finally:
            stop.set()
            for client in clients:
                client.join(PATIENCE)
        listed = home.remit("key", "list", "--json").json["keys"]
        verified = home.remit("audit", "verify")
    assert [each for client in clients for each in client.failed] == []
    assert len(signed) == rotations
    assert sum(row["state"] == "active" for row in listed if row["use"] == "token") == 1
    used = set().union(*(client.kids for client in clients))
    assert len(used & signed) >= rotations // 2, "the load was too thin to see the rotations"
    assert verified.code == 0, verified.out
    total = sum((client.done for client in clients), Counter[str]())
    return {**total, "rotations": rotations, "keys seen": len(used)}


def test_five_rotations_under_load(home: Home, files: Path) -> None:
    done = play(home, files, 5)
    assert done["calls"] > 0
    assert done["mandates"] > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_rotations_under_load(home: Home, files: Path, record_property: Any) -> None:
    for name, value in play(home, files, 100).items():
        record_property(name, value)
        print(name, value)  # noqa: T201 - the number that is asked for
