"""An API that is opened by a database login which Remit has made for each instance: all of it real."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.e2e.peers import upstream
from tests.e2e.running import PATIENCE, Done, Home, Up, ok, waited
from tests.e2e.test_e2e_http import FILES, OPENAPI
from tests.real.postgres import ADMIN, HOST, Postgres

from remit.sdk.auth import AgentAuth

GROUP = "reporting"
NAME = "reports-db"


@dataclass
class Lent:
    """The database, the API, Remit before it, and what the API got."""

    home: Home
    up: Up
    files: Path
    ledger: Path
    postgres: Postgres

    def agent(self) -> httpx2.Client:
        """One instance: each of these has the same key."""
        auth = AgentAuth(self.up.ready["api"], "bot", self.files / "agents" / "bot", "work")
        return httpx2.Client(auth=auth, timeout=PATIENCE, trust_env=False)

    def call(self, http: httpx2.Client) -> httpx2.Response:
        return http.get(f"{self.up.ready['api']}/http/billing/invoices/7")

    def logins(self) -> list[tuple[str, str]]:
        """The user and password of each call, as the API got them."""
        lines = [json.loads(line) for line in self.ledger.read_text("utf-8").splitlines()]
        found = [base64.b64decode(each["headers"]["authorization"].removeprefix("Basic ")) for each in lines]
        return [(user, password) for user, _, password in (each.decode().partition(":") for each in found)]

    def roles(self) -> list[str]:
        """The roles that Remit made and that are there."""
        rows = self.postgres.do("SELECT rolname FROM pg_roles WHERE rolname LIKE 'remit_lea%' ORDER BY 1")
        return [row[0] for row in rows]

    def remit(self, *words: str, stdin: str | None = None, code: int = 0) -> Done:
        return ok(self.home.remit(*words, stdin=stdin), code)

    def leases(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.remit("secret", "leases", "--all", *words, "--json").json["leases"]
        return found


def settings(postgres: Postgres) -> dict[str, Any]:
    """As they stand in the document."""
    return {
        "host": HOST, "port": postgres.port, "database": "postgres", "sslmode": "disable", "roles": [GROUP],
        "admin": "db-admin", "admin_user": ADMIN,
    }  # fmt: skip


def documents(api: str, dynamic: dict[str, Any]) -> dict[str, Any]:
    """Of an agent that calls an API whose credential is made for each instance."""
    files = {name: value for name, value in FILES.items() if name != "servers/billing"}
    server = FILES["servers/billing"] | {
        "url": api, "credential": {"secret": NAME, "inject": {"basic": "set-by-the-maker"}},
    }  # fmt: skip
    secret = {"secret": NAME, "owner": "dana", "dynamic": dynamic}
    admin = {"secret": "db-admin", "owner": "dana", "allow": [{"place": "rotation", "host": HOST}]}
    return files | {"servers/billing": server, f"secrets/{NAME}": secret, "secrets/db-admin": admin}


def group(postgres: Postgres) -> None:
    """What made roles are in."""
    postgres.do("CREATE ROLE {} NOLOGIN", GROUP)
    postgres.do("GRANT {} TO {} WITH ADMIN OPTION", GROUP, ADMIN)
    postgres.do("GRANT CREATE, USAGE ON SCHEMA public TO {}", GROUP)


@contextlib.contextmanager
def lent(
    home: Home, folder: Path, postgres: Postgres, *options: str, ttl: str = "1h",
    dynamic: Callable[[], dict[str, Any]] | None = None,
) -> Iterator[Lent]:  # fmt: skip
    """All of it; nothing was called yet."""
    command = [sys.executable, str(Path(__file__).with_name("http_api.py")), str(folder / "ledger")]
    with upstream(command, os.environ, folder / "api.log") as url, home.up("--dev", *options) as up:
        found = Lent(home, up, folder / "files", folder / "ledger", postgres)
        how = {"ttl": ttl, "postgres": settings(postgres)} if dynamic is None else dynamic()
        for name, value in documents(url.removesuffix("/mcp") + "/v1", how).items():
            path = found.files / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value), encoding="utf-8")
        (found.files / "servers" / "billing.openapi.json").write_text(json.dumps(OPENAPI), encoding="utf-8")
        found.remit("agent", "keygen", "bot", "--out", str(found.files / "agents" / "bot"))
        found.remit("apply", str(found.files), "--approve", "--as", "dana")
        found.remit("secret", "set", "db-admin", stdin=postgres.password)
        yield found


def gone(found: Lent) -> None:
    """Wait until the database has no role of Remit's making."""
    waited(lambda: None if found.roles() else True)
