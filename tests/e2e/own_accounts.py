"""A mail service where each person has an account of their own, Remit before it, and the people."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from tests.e2e.consenting import Person
from tests.e2e.peers import upstream
from tests.e2e.running import PATIENCE, Done, Home, Up, ok

from remit.sdk.auth import AgentAuth

HERE = Path(__file__).parent
SECRET = "the-clients-own-secret"
REDIRECT = "http://127.0.0.1/callback"  # of a client that a person lets act as `desk`
BACK = "/v1/secrets/mail-client/connected"


@dataclass
class Place:
    """Remit, the mail service behind it, and the people."""

    home: Home
    up: Up
    files: Path
    ledger: Path
    service: str
    signed_in: dict[str, Person] = field(default_factory=dict)

    @property
    def api(self) -> str:
        return str(self.up.ready["api"])

    def agent(self, name: str = "bot") -> httpx2.Client:
        auth = AgentAuth(self.api, name, self.files / "agents" / name, "work")
        return httpx2.Client(auth=auth, timeout=PATIENCE, trust_env=False)

    def mail(self, name: str = "bot", server: str = "mail") -> tuple[int, Any]:
        with self.agent(name) as client:
            answer = client.get(f"{self.api}/http/{server}/mail")
            return answer.status_code, answer.json()

    def remit(self, *words: str, code: int = 0, stdin: str | None = None) -> Done:
        return ok(self.home.remit(*words, stdin=stdin), code)

    def begin(self, person: str, client: str = "mail-client") -> str:
        """Where that person is sent."""
        return str(self.remit("secret", "connect", client, "--as", person, "--json").json["url"])

    def browser(self, person: str) -> Person:
        if person not in self.signed_in:
            self.signed_in[person] = Person(self.api)
            self.signed_in[person].sign_in(self.remit("console", "--as", person, "--json").json["url"])
        return self.signed_in[person]

    def answered(self, url: str, login: str, **more: str) -> str:
        """Where the mail service sends the browser back, once `login` has said yes."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
        connection.request("GET", f"{parts.path}?{parts.query}&{urlencode({'login': login, **more})}")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == 302, answer.status
        return str(answer.headers["Location"])

    def connect(self, person: str, login: str, client: str = "mail-client") -> str:
        back = self.answered(self.begin(person, client), login)
        status, _, page = self.browser(person).open(back)
        assert status == 200, page
        return page

    def got(self, key: str) -> list[str]:
        """What the mail service saw: the values of that kind of line."""
        lines = [json.loads(line) for line in self.ledger.read_text(encoding="utf-8").splitlines()]
        return [each[key] for each in lines if key in each]

    def forget(self, what: str = "") -> None:
        """The mail service ends its access tokens, or with `/all` the refresh tokens as well."""
        with httpx2.Client(trust_env=False) as client:
            assert client.post(f"{self.service}/forget{what}").status_code == 200


@contextlib.contextmanager
def standing(home: Home, tmp_path: Path) -> Iterator[Place]:
    """All of it; nobody has lent anything yet."""
    ledger = tmp_path / "ledger"
    ledger.touch()
    command = [sys.executable, str(HERE / "account_server.py"), str(ledger)]
    with upstream(command, os.environ, tmp_path / "service.log") as url, home.up("--dev") as up:
        found = Place(home, up, tmp_path / "files", ledger, url.removesuffix("/mcp"))
        for name, value in documents(found.service).items():
            path = found.files / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value), encoding="utf-8")
        for agent in ("bot", "lone"):
            found.remit("agent", "keygen", agent, "--out", str(found.files / "agents" / agent))
        for secret in ("mail-client", "strict-client"):
            found.remit("secret", "set", secret, stdin=SECRET)
        found.remit("apply", str(found.files), "--approve", "--as", "dana", code=11)
        found.remit("boundary", "approve", "lone", "--as", "lee")
        yield found


def documents(service: str) -> dict[str, Any]:
    """`bot` and `desk` are dana's, `lone` is lee's; on `mail` an owner stands in for nobody else."""
    user = {
        "authorize_url": f"{service}/authorize", "token_url": f"{service}/token", "revoke_url": f"{service}/revoke",
        "client_id": "remit", "scope": "mail", "issuer": service,
    }  # fmt: skip
    found: dict[str, Any] = {
        "owners": [
            {"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test", "backup": ["lee"]},
            {"owner": "lee", "name": "Lee Okafor", "email": "lee@example.test", "backup": ["dana"]},
        ],
        "purposes/work": {
            "purpose": "work", "statement": "Read mail", "actions": ["mail:GET /mail", "strict:GET /mail"],
            "data_classes": [], "not_after": "2029-12-31",
        },
    }  # fmt: skip
    for server, more in (("mail", {"otherwise": "owner"}), ("strict", {})):
        found[f"servers/{server}"] = {
            "server": server, "kind": "http", "url": service, "operations": {"GET /mail": {"tier": "low"}},
            "credential": {"secret": f"{server}-client", "inject": {"oauth_user": user | more}},
        }  # fmt: skip
    for agent, owner in (("bot", "dana"), ("lone", "lee"), ("desk", "dana")):
        found[f"agents/{agent}"] = {
            "agent": agent, "owner": owner, "version": "1", "purposes": ["work"], "not_after": "2029-12-31",
            "max_run": "8h", "max_instances": 60, "attest": [{"private_key_jwt": {"jwk_file": f"{agent}.pub.jwk"}}],
        }  # fmt: skip
        found[f"boundaries/{agent}"] = {
            "boundary": agent, "agent": agent, "purpose": "work", "not_after": "2029-12-31",
            "allow": [{"action": "mail:GET /mail"}, {"action": "strict:GET /mail"}],
        }  # fmt: skip
    client = {"client_id": "my-editor", "redirect_uris": [REDIRECT], "name": "My editor"}
    found["agents/desk"] |= {"sender_constraint": "none", "attest": [{"client_metadata": client}]}
    return found
