"""`remit whoami`: whom it asks, by what it is given and where it runs, and what it shows."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from remit.cli import whoami
from remit.cli.exits import Exit
from remit.cli.locate import Target
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.keys import jose

JWT = "eyJ0.eyJz.c2ln"
FOUND: dict[str, Any] = {
    "token": "tok_1", "live": True, "agent": "temp", "version": "1", "state": "active",
    "owner": {"owner": "dana", "name": "Dana Reyes"}, "purpose": "pay", "statement": "Pay", "issued": "t",
    "instance": "i", "run": "run_1", "run_ends": "t2", "expires": "t1", "audience": ["x"], "bound": True,
    "grant": "g", "txn": "txn_1",
    "attested": {
        "method": "kubernetes", "credential": "kubernetes:1",
        "platform": {"trust": "prod", "issuer": "https://k", "sub": "system:serviceaccount:pay:bot"},
    },
    "chain": [
        {"agent": "temp", "instance": "i", "run": "run_1", "token": "tok_1"},
        {"agent": "clerk", "instance": "j", "run": "run_2", "token": "tok_2"},
        {"agent": "chief"},
    ],
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was asked: of which URL, with which token, whether with a proof, and what."""
    seen: list[tuple[Any, ...]] = []

    class Api:
        def __init__(self, target: Any, *, as_: str | None = None, proof: str | None = None) -> None:
            del as_
            self.who = (target.url, target.token, proof is not None)

        def get(self, path: str) -> Any:
            seen.append((*self.who, path))
            return {"person": "dana", "roles": ["owner"]} if path == "/v1/whoami" else FOUND

        def post(self, path: str, body: Any) -> Any:
            seen.append((*self.who, path, body["token"]))
            return FOUND

    for name in ("REMIT_MCP_URL", "REMIT_MCP_PAYMENTS", "REMIT_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REMIT_URL", "http://remit.test")
    monkeypatch.setenv("REMIT_TOKEN", "operators-own")
    monkeypatch.setattr(whoami, "Api", Api)
    monkeypatch.setattr(whoami, "connect", lambda _as: Api(Target(url="http://remit.test", token="operators-own")))
    return seen


def test_an_operator_asks_who_they_are(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert whoami.whoami(json=True) == Exit.OK
    assert asked == [("http://remit.test", "operators-own", False, "/v1/whoami")]
    assert json.loads(capsys.readouterr().out) == {"person": "dana", "roles": ["owner"]}


def test_an_operator_asks_about_a_token(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    whoami.whoami("tok_1")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{JWT}\n"))
    whoami.whoami("-")
    assert [each[3:] for each in asked] == [("/v1/whoami", "tok_1"), ("/v1/whoami", JWT)]
    assert {each[1] for each in asked} == {"operators-own"}


def test_a_command_of_a_run_asks_its_run(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no token, and needs none."""
    monkeypatch.delenv("REMIT_TOKEN")
    monkeypatch.setenv("REMIT_MCP_CONFIG", "/tmp/mcp/config.json")  # noqa: S108 - nobody opens it
    monkeypatch.setenv("REMIT_MCP_PAYMENTS", "http://127.0.0.1:4711/secret/mcp/payments")
    whoami.whoami()
    assert asked == [("http://127.0.0.1:4711/secret", None, False, "/v1/me")]


def test_an_agent_asks_with_its_own_token(asked: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = tmp_path / "key.jwk"
    key.write_text(json.dumps(jose.generate()), encoding="ascii")
    key.chmod(0o600)
    monkeypatch.setenv("REMIT_TOKEN", JWT)
    whoami.whoami()
    whoami.whoami(key=key)
    monkeypatch.setenv("REMIT_TOKEN", "operators-own")
    monkeypatch.setattr("sys.stdin", io.StringIO(JWT))
    whoami.whoami("-", key=key)
    assert asked == [("http://remit.test", JWT, proved, "/v1/me") for proved in (False, True, True)]


@pytest.mark.parametrize("token", [None, "tok_1"])
def test_a_key_goes_with_a_token(asked: list[Any], token: str | None, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="goes with a token"):
        whoami.whoami(token, key=tmp_path / "key")
    assert asked == []


def test_a_key_that_cannot_be_used_is_said(asked: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REMIT_TOKEN", JWT)
    key = tmp_path / "key.jwk"
    for _ in range(2):  # there is none; then one that everybody may read
        with pytest.raises(ConfigInvalid, match="the key cannot be used"):
            whoami.whoami(key=key)
        key.write_text(json.dumps(jose.generate()), encoding="ascii")
        key.chmod(0o644)
    assert asked == []


def test_nothing_on_stdin(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(Malformed, match="no token on stdin"):
        whoami.whoami("-")
    assert asked == []


def test_what_is_shown(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    whoami.whoami("tok_1")
    out = capsys.readouterr().out
    for words in (
        "temp version 1, active", "Dana Reyes (dana)", "pay: Pay", "run_1, until t2", "txn_1",
        "kubernetes: https://k says system:serviceaccount:pay:bot",
        "  acts for clerk  run run_2, token tok_2", "    acts for chief  no longer in the log",
    ):  # fmt: skip
        assert words in out
    assert asked
