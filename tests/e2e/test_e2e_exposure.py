"""A secret that leaks: by a server that sends it back, by an agent that sends it, by an operator's word."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e import peers
from tests.e2e.running import PATIENCE, Done, Home, Up, ok

from remit.sdk.auth import AgentAuth

HERE = Path(__file__).parent
FIRST, SECOND, THIRD = "api-key-0001-of-the-test", "api-key-0002-of-the-test", "api-key-0003-of-the-test"


@dataclass
class Place:
    home: Home
    up: Up
    files: Path

    def secret(self, *words: str, stdin: str | None = None) -> Done:
        return self.home.remit("secret", *words, stdin=stdin)

    def told(self, *words: str) -> Any:
        return json.loads(ok(self.secret(*words, "--json")).out)

    def call(self, path: str, **more: Any) -> httpx2.Response:
        auth = AgentAuth(self.up.ready["api"], "bot", self.files / "agents" / "bot", "work")
        with httpx2.Client(auth=auth, trust_env=False, timeout=PATIENCE) as client:
            return client.get(f"{self.up.ready['api']}/http/{path}", **more)

    def until(self, so: Callable[[], Any]) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := so():
                return found
        raise AssertionError("it did not come")


@pytest.fixture
def place(home: Home, tmp_path: Path) -> Iterator[Place]:
    files = tmp_path / "files"
    (tmp_path / "given").mkdir()
    command = [sys.executable, str(HERE / "leaking_server.py"), "api", str(tmp_path / "given" / "api")]
    with contextlib.ExitStack() as stack:
        urls = [
            stack.enter_context(peers.upstream(command, os.environ, tmp_path / f"{name}.log")).removesuffix("/mcp")
            for name in ("api", "other")
        ]
        _write(files, *urls)
        up = stack.enter_context(home.up("--dev"))
        ok(home.remit("secret", "set", "api-key", stdin=FIRST))
        ok(home.remit("secret", "set", "other-key", stdin=THIRD))
        ok(home.remit("agent", "keygen", "bot", "--out", str(files / "agents" / "bot")))
        ok(home.remit("apply", str(files), "--approve", "--as", "dana"))
        yield Place(home, up, files)


def _write(files: Path, api: str, other: str) -> None:
    operations = {"GET /tell/{form}/{how}": {"tier": "low"}}
    documents: dict[str, Any] = {
        "owners": [{"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test"}],
        "purposes/work": {
            "purpose": "work", "statement": "See", "data_classes": [], "not_after": "2029-12-31",
            "actions": ["api:GET /**", "other:GET /**"],
        },
        "servers/api": {
            "server": "api", "kind": "http", "url": api, "credential": {"secret": "api-key"}, "operations": operations,
        },
        "servers/other": {
            "server": "other", "kind": "http", "url": other, "credential": {"secret": "other-key"},
            "operations": operations,
        },
        "agents/bot": {
            "agent": "bot", "owner": "dana", "version": "1", "purposes": ["work"], "not_after": "2029-12-31",
            "max_run": "8h", "attest": [{"private_key_jwt": {"jwk_file": "bot.pub.jwk"}}],
        },
        "boundaries/bot": {
            "boundary": "bot", "agent": "bot", "purpose": "work", "not_after": "2029-12-31",
            "allow": [{"action": "api:GET /tell/{form}/{how}"}, {"action": "other:GET /tell/{form}/{how}"}],
        },
    }  # fmt: skip
    for name, value in documents.items():
        path = files / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")


def test_an_operator_says_so_and_a_new_value_brings_everything_back(place: Place) -> None:
    assert place.call("api/tell/raw/redirect").status_code == 502, "what it told was withheld"
    place.until(lambda: place.told("posture")["findings"]["exposed"])
    said = place.told("exposed", "api-key", "--reason", "in a ticket")
    assert (said["version"], said["news"], said["reason"]) == (1, False, "a server sent it back")
    assert said["servers"] == ["api"]
    checks = {each["check"]: each["detail"] for each in place.home.remit("doctor", "--json").json["checks"]}
    assert checks["secret api-key"] == "exposed: calls of api are refused"
    refused = place.call("api/tell/raw/body")
    assert refused.status_code in {403, 503}
    assert refused.json()["code"] in {"enforcement_unavailable", "activation_lapsed"}
    signals = place.until(lambda: _signals(place))
    assert signals == [("credential_exposed", "remit: secret api-key at api")]
    state = place.until(lambda: _states(place, "suspended"))
    assert state == {"api:GET /tell/{form}/{how}": "suspended"}
    # What it does elsewhere goes on.
    ok(place.secret("set", "api-key", stdin=SECOND))
    place.until(lambda: not _signals(place))
    place.until(lambda: not _states(place, "suspended"))
    assert "secret api-key" not in ok(place.home.remit("doctor")).out
    found = place.told("exposure", "api-key")
    assert (found["version"], found["state"]) == (1, "revoked")
    assert [(each["outcome"], each["used"]) for each in found["calls"]] == [("cut", "yes")]
    lines = list(csv.reader(io.StringIO(ok(place.secret("exposure", "api-key", "--csv")).out)))
    assert lines[1][2:] == ["bot", "work", "api:GET /tell/{form}/{how}", "cut", "yes"]
    assert "1 calls used it, 0 may have" in ok(place.secret("exposure", "api-key")).err
    assert place.told("exposure", "api-key", "--version", "2")["calls"] == []


def test_an_agent_that_sends_a_secret_is_refused_and_the_secret_is_exposed(place: Place) -> None:
    answer = place.call("other/tell/raw/body", params={"note": THIRD})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert THIRD not in answer.text
    assert "credential" not in answer.text, "it does not say that a guess was right"
    row = place.until(lambda: [each for each in place.told("posture")["secrets"] if "exposed" in each["findings"]])
    assert [each["secret"] for each in row] == ["other-key"]
    assert place.told("exposure", "other-key")["reason"] == "an agent sent it"
    assert THIRD not in ok(place.secret("exposure", "other-key", "--json")).out


def test_a_source_says_so(place: Place, tmp_path: Path) -> None:
    """And what it says of a secret without a value is an ordinary signal, which keeps no other line from being read."""
    (place.files / "secrets").mkdir()
    empty = {"secret": "no-value-yet", "owner": "dana"}
    (place.files / "secrets" / "no-value-yet.yaml").write_text(json.dumps(empty), encoding="utf-8")
    ok(place.home.remit("apply", str(place.files), "--approve", "--as", "dana"))
    ok(place.home.remit("usage", "register", "scanner", "--server", "other"))
    said = {"kind": "signal", "agent": "bot", "signal": "credential_exposed", "at": place.told("posture")["at"]}
    lines = [said | {"id": "1", "about": "secret other-key", "on": True}]
    lines += [said | {"id": name, "about": "secret no-value-yet", "on": on} for name, on in (("2", True), ("3", False))]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    ok(place.home.remit("usage", "import", str(tmp_path / "lines.jsonl"), "--source", "scanner"))
    found = place.told("exposure", "other-key")
    assert (found["version"], found["reason"]) == (1, "scanner says so")
    assert place.call("other/tell/raw/redirect").status_code in {403, 503}
    wanted = [("credential_exposed", "remit: secret other-key at other")]
    assert place.until(lambda: _signals(place) == wanted)


def _asked(place: Place, path: str) -> Any:
    token = Path(place.up.ready["admin_token_file"]).read_text(encoding="utf-8").strip()
    with httpx2.Client(trust_env=False, timeout=PATIENCE) as client:
        return client.get(place.up.ready["api"] + path, headers={"Authorization": f"Bearer {token}"}).json()


def _signals(place: Place) -> list[tuple[str, str]]:
    return [(each["signal"], each["about"]) for each in _asked(place, "/v1/agents/bot/signals")["signals"]]


def _states(place: Place, state: str) -> dict[str, str]:
    found = json.loads(ok(place.home.remit("activation", "list", "bot", "--json")).out)
    return {each["action"]: each["state"] for each in found["activations"] if each["state"] == state}
