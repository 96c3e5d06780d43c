"""A PKCS#11 token, or a transit key, opens a database: from the command line, and while it does not answer."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.peers import behind, transfers, upstream
from tests.e2e.running import Home, Up
from tests.e2e.test_e2e_keys import kids
from tests.real.fake_transit import Transit, fake_transit
from tests.real.softhsm import PIN, softhsm

ACTIONS = ["count", {"action": "payments/transfer", "when": {"amount": {"max": "100.00"}}}]
NEW = ("up", "--json", "--listen", "127.0.0.1:0")


def written(path: Path, text: str, mode: int = 0o400) -> Path:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def checks(home: Home) -> dict[str, Any]:
    return {check["check"]: check for check in home.remit("doctor", "--json").json["checks"]}


@pytest.fixture
def engine() -> Iterator[Transit]:
    with fake_transit() as found:
        yield found


@pytest.fixture
def transit(home: Home, engine: Transit) -> Path:
    """The file that names the engine's key."""
    written(home.path / "own" / "token", engine.token)
    text = f"transit:\n  address: {engine.address}\n  key: remit\n  token_file: token\n"
    return written(home.path / "own" / "transit.yaml", text, 0o644)


@pytest.fixture
def token(home: Home, tmp_path: Path) -> Path:
    """The file that names a token's key, which is made when it is needed."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is missing: PKCS#11 was NOT tested")
    hsm = softhsm(tmp_path / "hsm")
    hsm.token("remit", pin=PIN)
    home.extra.update(hsm.environ)
    written(home.path / "own" / "pin", PIN + "\n")
    text = f"pkcs11: {{module: {hsm.module}, token: remit, key: root, pin_file: pin, make_key: true}}\n"
    return written(home.path / "own" / "hsm.yaml", text, 0o644)


def test_from_any_to_any(home: Home, token: Path, transit: Path) -> None:
    phrase = written(home.path / "own" / "passphrase", "correct horse battery staple\n")
    keyfile = home.path / "own" / "keyfile"
    with home.up("--key-provider", str(token)):
        before = kids(home)
        assert checks(home)["pkcs11"]["detail"] == "token remit, key root"
    assert not home.keyfile.exists()
    now, kind = ["--key-provider", str(token)], "pkcs11"
    for option, path, then in (
        ("key-provider", transit, "transit"), ("passphrase-file", phrase, "passphrase"),
        ("key-provider", token, "pkcs11"), ("keyfile", keyfile, "keyfile"), ("key-provider", transit, "transit"),
    ):  # fmt: skip
        done = home.remit("key", "rewrap", *now, f"--to-{option}", str(path), "--json")
        assert (done.code, done.json) == (0, {"opened_by": then, "file": str(path)}), done.err
        refused = home.remit(*NEW, *now)
        assert (refused.code, refused.json["error"]["code"]) == (3, "keyfile_wrong")
        assert f"--{option} FILE" in refused.err
        now, kind = [f"--{option}", str(path)], then
    with home.up(*now):
        assert kids(home) == before
        assert checks(home)[kind]["status"] == "ok"
    offline = home.remit("audit", "verify", "--data", str(home.data), *now)
    assert offline.code == 0, offline.out


def test_decisions_go_on_while_it_does_not_answer(home: Home, engine: Transit, transit: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name("sdk_server.py")), str(tmp_path / "ledger"), "json"]
    with upstream(command, os.environ, tmp_path / "server.log") as url:
        with home.up("--dev", "--key-provider", str(transit)) as up:
            peer = behind(home, up, tmp_path / "files", "payments", url, ACTIONS)
            engine.instead = lambda _path, _body: (503, json.dumps({"errors": ["Vault is sealed"]}).encode())
            assert asyncio.run(transfers(peer)) == [False, True, False]  # with a new token, and what it is signed by
            assert home.remit("secret", "set", "another", stdin="s3cret-value").code == 0  # a new data key
            said = checks(home)["transit"]
            assert (said["status"], "decisions go on" in said["detail"]) == ("warn", True)
            assert "unseal it" in said["try"]
        asked = len(engine.asked)
        refused = home.remit(*NEW, "--key-provider", str(transit))
        assert (refused.code, refused.json["error"]["code"]) == (7, "storage_unavailable"), refused.err
        assert "unseal it, then start again" in refused.err
        assert len(engine.asked) == asked + 1
        engine.instead = lambda _path, _body: None
        with home.up("--dev", "--key-provider", str(transit)):
            assert checks(home)["transit"]["status"] == "ok"


def test_nothing_is_half_made_where_it_cannot_be_had(home: Home, engine: Transit, transit: Path) -> None:
    engine.keys.clear()
    refused = home.remit(*NEW, "--key-provider", str(transit))
    assert (refused.code, refused.json["error"]["code"]) == (3, "keyfile_missing")
    engine.keys["remit"] = {"type": "aes256-gcm96", "derived": False, "exportable": False}
    engine.keys["remit"]["allow_plaintext_backup"] = False
    with home.up("--key-provider", str(transit)) as up:  # the same database
        assert isinstance(up, Up)
        assert home.remit("doctor").code == 0


def test_a_rewrap_that_fails_changes_nothing(home: Home, engine: Transit, transit: Path) -> None:
    with home.up():
        before = kids(home)
    engine.instead = lambda path, _body: (500, b"{}") if "decrypt" in path else None
    done = home.remit("key", "rewrap", "--to-key-provider", str(transit), "--json")
    assert (done.code, done.json["error"]["code"]) == (7, "storage_unavailable")
    with home.up():
        assert kids(home) == before


def test_the_token_is_in_nothing_that_is_kept_or_said(home: Home, engine: Transit, transit: Path) -> None:
    with home.up("--key-provider", str(transit)) as up:
        said = home.remit("doctor", "--json").out
        up.end()
        said += up.err
    engine.token = "changed"
    refused = home.remit(*NEW, "--key-provider", str(transit))
    assert refused.code == 3
    said += refused.out + refused.err
    kept = b"".join(file.read_bytes() for file in home.data.rglob("*") if file.is_file())
    assert "t0ken-of-the-test" not in said
    assert b"t0ken-of-the-test" not in kept


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("{}", 1, "one of them is expected"),
        ("transit: {address: 'http://bao.example:8200', key: k, token_file: t}", 1, "https is expected"),
        ("transit:\n  address: https://bao.example:8200/v1\n  key: k\n  token_file: t", 2, "without a path"),
        ("transit:\n  address: https://bao.example:8200\n  key: ../k\n  token_file: t", 3, "a key's name"),
        ("transit:\n  address: https://bao.example:8200\n  key: k", 1, "token_file, or approle"),
        ("pkcs11: {module: m, token: t, key: k}", 1, "pin_file: is missing"),
        ("pkcs11: {module: m, token: t, key: k, pin_file: p, pin: 1234}", 1, "unknown key"),
    ],
)
def test_a_file_with_a_mistake_says_where(home: Home, text: str, line: int, said: str) -> None:
    file = written(home.path / "own" / "p.yaml", text, 0o644)
    done = home.remit(*NEW, "--key-provider", str(file))
    assert (done.code, done.json["error"]["code"]) == (3, "config_invalid")
    assert f"p.yaml:{line}: " in done.err
    assert said in done.err


def test_a_file_that_others_may_write_is_not_read(home: Home, transit: Path) -> None:
    transit.chmod(0o666)
    done = home.remit(*NEW, "--key-provider", str(transit))
    assert (done.code, done.json["error"]["code"]) == (3, "keyfile_unsafe")
    transit.chmod(0o644)
    both = home.remit(*NEW, "--key-provider", str(transit), "--keyfile", str(home.path / "k"))
    assert both.code == 2
