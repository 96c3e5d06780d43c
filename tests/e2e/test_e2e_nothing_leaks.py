"""Everything that a governed agent can see, searched for every upstream secret: none is in it.

The servers give away what they were given, in each encoding and in each place of an answer; the search is written
here anew, and is first seen to find a secret in every one of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from tests.authority import OwnAuthority
from tests.e2e import peers
from tests.e2e.running import PATIENCE, REMIT, Home, Up, ok

from remit.sdk.auth import AgentAuth

HERE = Path(__file__).parent
FORMS = ["raw", "base64", "base64-1", "base64-2", "hex", "url", "json", "json-in-json"]
HOWS = ["body", "header", "error", "refusal", "events", "redirect"]
# Of characters that every encoding writes otherwise.
SECRETS = {name: f'S3cret+/{name}"\\%&of the upstream' for name in ("mcp-key", "env-key", "api-key", "tls-key")}
OPENAPI = json.loads((HERE.parents[1] / "docs" / "openapi.json").read_text(encoding="utf-8"))


def told(secret: str) -> dict[str, str]:
    """The texts that give a secret away, by name."""
    found = {"raw": secret, "hex": secret.encode().hex(), "HEX": secret.encode().hex().upper()}
    found |= {"url": quote(secret, safe=""), "path": quote(secret), "form": quote(secret, safe="").replace("%20", "+")}
    found["json"] = json.dumps(secret)[1:-1]
    found["json twice"] = json.dumps(found["json"])[1:-1]
    for offset in range(3):
        # The characters that depend on the secret alone: those that share bits with what is beside it are left out.
        text = b64encode(b"\0" * offset + secret.encode()).decode()
        first, last = -(-offset * 8 // 6), (offset + len(secret)) * 8 // 6
        found[f"base64 {offset}"] = text[first:last]
        found[f"base64url {offset}"] = text[first:last].replace("+", "-").replace("/", "_")
    return found


def leaks(text: str) -> set[tuple[str, str]]:
    """Which secrets are in `text`, and how; also where it is one text inside another, with escapes of escapes."""
    plain = text
    while "\\\\" in plain:
        plain = plain.replace("\\\\", "\\")
    plain = plain.replace('\\"', '"').replace("\\/", "/")
    return {
        (name, how)
        for name, secret in SECRETS.items()
        for how, form in told(secret).items()
        if form in text or form in plain
    }


@dataclass
class Place:
    """A Remit, the four servers behind it, and what each of them gave away."""

    home: Home
    up: Up
    files: Path
    ledgers: Path
    proxied: str
    direct: str

    def given(self, name: str) -> list[dict[str, Any]]:
        lines = (self.ledgers / name).read_text(encoding="utf-8").splitlines()
        return [each for each in map(json.loads, lines) if any(SECRETS[name] in value for value in each["values"])]


@pytest.fixture
def place(home: Home, tmp_path: Path) -> Iterator[Place]:
    authority, pem, files = OwnAuthority(), tmp_path / "leaf.pem", tmp_path / "files"
    pem.write_bytes(authority.leaf("localhost"))
    (tmp_path / "given").mkdir()

    def server(kind: str, name: str, *more: str) -> list[str]:
        return [sys.executable, str(HERE / "leaking_server.py"), kind, str(tmp_path / "given" / name), *more]

    with contextlib.ExitStack() as stack:
        url = {
            name: stack.enter_context(peers.upstream(command, os.environ, tmp_path / f"{name}.log"))
            for name, command in {
                "mcp-key": server("mcp", "mcp-key"), "api-key": server("api", "api-key"),
                "tls-key": server("api", "tls-key", str(pem)),
            }.items()
        }  # fmt: skip
        api, tls = (url[name].removesuffix("/mcp") for name in ("api-key", "tls-key"))
        proxied = tls.replace("http://127.0.0.1", "https://localhost")
        _write(files, mcp=url["mcp-key"], command=server("stdio", "env-key"), api=api, proxied=proxied)
        (files / "servers" / "ca.pem").write_text(authority.pem, encoding="utf-8")
        up = stack.enter_context(home.up("--dev", "--proxy", "127.0.0.1:0", "--unsafe-keep-echoed"))
        for name, secret in SECRETS.items():
            ok(home.remit("secret", "set", name, stdin=secret))
        ok(home.remit("agent", "keygen", "bot", "--out", str(files / "agents" / "bot")))
        ok(home.remit("apply", str(files), "--approve", "--as", "dana"))
        yield Place(home, up, files, tmp_path / "given", proxied, api)


def _write(files: Path, *, mcp: str, command: list[str], api: str, proxied: str) -> None:
    tell = {"GET /tell/{form}/{how}": {"tier": "low"}}
    tools = {"kind": "mcp", "tools": {"*": {"tier": "low"}}}
    documents: dict[str, Any] = {
        "owners": [{"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test"}],
        "purposes/work": {
            "purpose": "work", "statement": "See", "data_classes": [], "not_after": "2029-12-31",
            "actions": ["mcp/*", "mcp:*", "env/*", "env:*", "api:GET /**", "tls:GET /**"],
        },
        "servers/mcp": {"server": "mcp", "url": mcp, "credential": {"secret": "mcp-key"}, **tools},
        "servers/env": {
            "server": "env", "command": command, **tools,
            "credential": {"secret": "env-key", "inject": {"env": "API_KEY"}},
        },
        "servers/api": {
            "server": "api", "kind": "http", "url": api, "credential": {"secret": "api-key"}, "operations": tell,
        },
        "servers/tls": {
            "server": "tls", "kind": "http", "url": proxied, "ca": "ca.pem", "proxy": "intercept",
            "placeholder": "API_KEY", "operations": tell,
            "credential": {"secret": "tls-key", "inject": {"header": "X-Api-Key"}},
        },
        "agents/bot": {
            "agent": "bot", "owner": "dana", "version": "1", "purposes": ["work"], "not_after": "2029-12-31",
            "max_run": "8h", "max_instances": 20,
            "attest": [{"private_key_jwt": {"jwk_file": "bot.pub.jwk"}}, {"local_process": {"uid": os.geteuid()}}],
        },
        "boundaries/bot": {
            "boundary": "bot", "agent": "bot", "purpose": "work", "not_after": "2029-12-31",
            "allow": [
                *({"action": f"{each}/tell", "when": {"how": {"in": ["result", "error", "progress", "lists"]}}}
                  for each in ("mcp", "env")),
                *({"action": f"{each}:{method}"} for each in ("mcp", "env")
                  for method in ("resources/list", "resources/read", "prompts/list", "prompts/get")),
                {"action": "api:GET /tell/{form}/{how}"}, {"action": "tls:GET /tell/{form}/{how}"},
            ],
        },
    }  # fmt: skip
    for name, value in documents.items():
        path = files / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")


def public(place: Place, client: httpx2.Client) -> Iterator[str]:
    """What every URL of Remit answers to `client`, for names that there are and others."""
    codes = [path.stem for path in (HERE.parents[1] / "docs" / "errors").glob("*.md")]
    names = {"server": ["mcp", "env", "api", "tls", "nowhere"], "code": codes, "name": ["bot", *SECRETS]}
    seen = [("get", path) for path in ("/", "/console", "/console/consents", "/console/authorize?client_id=x")]
    for path, methods in OPENAPI["paths"].items():
        paths = [path]
        for gap in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
            paths = [each.replace(f"{{{gap}}}", name) for each in paths for name in names.get(gap, ["x", "mcp-key"])]
        seen += [(method, each) for each in paths for method in methods]
    for method, path in seen:
        answer = client.request(method, place.up.ready["api"] + path)
        yield f"{method} {path} {answer.status_code} {answer.headers.multi_items()} {answer.text}"


def test_the_search_finds_each_secret_in_each_form(place: Place) -> None:
    """At the API itself, where nothing stands between."""
    with httpx2.Client(trust_env=False, timeout=PATIENCE) as client:
        for form in FORMS:
            for how in HOWS:
                answer = client.get(f"{place.direct}/tell/{form}/{how}", headers={"X-Api-Key": SECRETS["tls-key"]})
                said = f"{answer.headers.multi_items()} {answer.text}"
                assert {name for name, _ in leaks(said)} == {"tls-key"}, (form, how)


def test_no_upstream_secret_is_in_anything_that_an_agent_can_see(place: Place) -> None:
    asked = {"forms": FORMS, "mcp": ["REMIT_MCP_MCP", "REMIT_MCP_ENV"], "proxied": place.proxied, "remit": REMIT}
    agent = [sys.executable, str(HERE / "leaking_agent.py"), json.dumps(asked)]
    done = subprocess.run(
        [REMIT, "run", "--agent", "bot", "--proxy", "--", *agent], env=place.home.environ, capture_output=True,
        text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = [done.stdout, done.stderr]
    # Each server was asked in each form, had its secret, and gave it away.
    for name in SECRETS:
        assert {each["form"] for each in place.given(name)} == set(FORMS), name
    auth = AgentAuth(place.up.ready["api"], "bot", place.files / "agents" / "bot", "work")
    with httpx2.Client(trust_env=False, timeout=PATIENCE) as nobody:
        seen += public(place, nobody)
    with httpx2.Client(auth=auth, trust_env=False, timeout=PATIENCE) as itself:
        seen += public(place, itself)
    text = "\n".join(seen)
    assert "withheld" in text
    assert "constraint_violated" in text
    assert "Unknown tool" in text
    assert "remit-placeholder-" in text
    assert "agent     bot" in text
    assert leaks(text) == set()
