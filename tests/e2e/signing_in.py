"""A Remit whose console's people sign in at a provider, and their browsers."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
from tests.e2e.issuers import CLIENT, SECRET
from tests.e2e.running import PATIENCE

ROLES = {"claim": "groups", "values": {"staff": "viewer", "safety": "security", "heads": "owner"}}


def written(folder: Path, issuer: str, **changed: Any) -> str:
    """The file of `--sign-in`, with the client's secret beside it."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    secret = folder / "client-secret"
    secret.write_text(SECRET + "\n", encoding="ascii")
    secret.chmod(0o400)
    said = {
        "name": "Example", "issuer": issuer, "client_id": CLIENT, "client_secret_file": "client-secret",
        "private": True, "people": {"sam@example.test": "sam", "lee@example.test": "lee"}, "roles": ROLES, **changed,
    }  # fmt: skip
    path = folder / "sign-in.yaml"
    path.write_text(json.dumps({name: value for name, value in said.items() if value is not None}), encoding="utf-8")
    path.chmod(0o600)
    return str(path)


class Visitor:
    """A browser with cookies that goes where it is sent one step at a time."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.http = httpx2.Client(trust_env=False, timeout=PATIENCE, follow_redirects=False)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.http.get(path if "://" in path else self.base + path, headers=headers)

    def post(self, path: str, **fields: str) -> httpx2.Response:
        return self.http.post(self.base + path, data=fields)

    def asked(self, then: str = "/console", **more: str) -> str:
        """Where the provider is asked."""
        query = "".join(f"&{name}={value}" for name, value in more.items())
        answer = self.get(f"/console/sign-in?then={quote(then, safe='')}{query}")
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def sign_in(self, then: str = "/console", **more: str) -> httpx2.Response:
        """The whole way: the answer of the last step."""
        return self.get(str(self.get(self.asked(then, **more)).headers["location"]))

    def csrf(self, path: str = "/console") -> str:
        found = re.search(r'data-csrf="([^"]+)"', self.get(path).text)
        assert found is not None
        return found[1]

    def text(self, path: str) -> str:
        return html.unescape(self.get(path).text)
