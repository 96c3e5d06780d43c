"""`remit up` as a process: its start, its end, its keyfile, its one data directory."""

from __future__ import annotations

import http.client
import json
import re
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from tests.e2e.running import PATIENCE, REMIT, Home, Up


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_says_where_it_is_and_ends_with_zero(home: Home) -> None:
    with home.up() as up:
        assert up.ready["console"] == up.ready["api"] + "/console"
        assert up.ready["gateway"] == up.ready["api"] + "/mcp"
        assert up.ready["admin_token_file"] == str(home.data / "admin.token")
        instance = json.loads((home.data / "instance.json").read_text(encoding="utf-8"))
        assert instance["url"] == up.ready["api"]
        assert instance["pid"] == up.process.pid
        assert instance["admin_token_file"] == up.ready["admin_token_file"]
        assert mode(home.data / "admin.token") == 0o600
        assert mode(home.data) == 0o700
        assert mode(home.keyfile) == 0o400
        assert home.remit("agent", "list").code == 0
        assert up.end() == 0
    assert not (home.data / "instance.json").exists()
    done = home.remit("agent", "list")
    assert (done.code, "remit up" in done.err) == (7, True)


def test_it_says_how_long_it_took_since_its_process_began(home: Home) -> None:
    before = time.monotonic()
    process = subprocess.Popen(
        [REMIT, "up", "--listen", "127.0.0.1:0"], env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    waited = time.monotonic() - before
    process.terminate()
    process.communicate(timeout=PATIENCE)
    found = re.fullmatch(r"Remit is ready \((\d+\.\d) s\), listening on 127\.0\.0\.1, this machine only\n", line)
    assert found is not None, line
    # The kernel's tick and the rounding are a tenth; that the imports are counted is what is shown here.
    assert waited / 2 < float(found[1]) < waited + 0.2


def test_ctrl_c_ends_it_cleanly_too(home: Home) -> None:
    with home.up() as up:
        assert up.end(signal.SIGINT) == 0


def test_no_secret_is_printed(home: Home) -> None:
    with home.up() as up:
        token = (home.data / "admin.token").read_text(encoding="ascii").strip()
        key = home.keyfile.read_text(encoding="ascii").strip()
        up.end()
        said = json.dumps(up.ready) + up.err
    assert token not in said
    assert key not in said


def test_a_second_start_finds_the_same_data_and_token(home: Home) -> None:
    with home.up() as up:
        token = (home.data / "admin.token").read_bytes()
        assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
        assert up.end() == 0
    with home.up():
        assert (home.data / "admin.token").read_bytes() == token
        assert home.remit("secret", "list", "--json").json["secrets"][0]["secret"] == "payments-key"
        assert home.remit("audit", "verify").code == 0


def test_a_second_server_on_the_same_data_is_a_conflict(home: Home, served: Up) -> None:
    done = home.remit("up", "--listen", "127.0.0.1:0", "--json")
    assert done.code == 9
    assert done.json["error"]["code"] == "conflict"
    assert served.process.poll() is None


def test_after_a_kill_the_next_start_works(home: Home) -> None:
    with home.up() as up:
        assert up.end(signal.SIGKILL) == -signal.SIGKILL
    with home.up() as up:
        assert home.remit("doctor").code == 0


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        ("gone", "keyfile_missing"),
        ("readable", "keyfile_unsafe"),
        ("link", "keyfile_unsafe"),
        ("other", "keyfile_wrong"),
    ],
)
def test_an_old_database_starts_only_with_its_own_keyfile(home: Home, harm: str, code: str) -> None:
    with home.up() as up:
        up.end()
    keyfile = home.keyfile
    if harm == "gone":
        keyfile.unlink()
    elif harm == "readable":
        keyfile.chmod(0o444)
    elif harm == "link":
        keyfile.rename(keyfile.with_name("moved"))
        keyfile.symlink_to(keyfile.with_name("moved"))
    else:
        keyfile.chmod(0o600)
        keyfile.write_text("00" * 32 + "\n", encoding="ascii")
        keyfile.chmod(0o400)
    done = home.remit("up", "--listen", "127.0.0.1:0", "--json")
    assert done.code == 3
    assert done.json["error"]["code"] == code
    assert "  try  " in done.err
    if harm == "gone":
        assert not keyfile.exists(), "a new keyfile would hide that the old one is lost"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--listen", "8470"), 2),
        (("--listen", "127.0.0.1:99999"), 2),
        (("--refresh", "soon"), 2),
        (("--url", "ftp://x"), 2),
        (("--no-such-option",), 2),
        (("--dev", "--listen", "0.0.0.0:0"), 3),
        (("--listen", "203.0.113.7:0"), 3),
        (("--listen", "127.0.0.1:0", "--database", "mysql://localhost/x"), 3),
        (("--listen", "127.0.0.1:0", "--database", "postgresql://remit@127.0.0.1:1/none"), 7),
    ],
)
def test_a_start_that_cannot_work_says_why(home: Home, arguments: tuple[str, ...], code: int) -> None:
    done = home.remit("up", *arguments)
    assert done.code == code, done.err
    assert done.err.startswith("✗ ")


def test_without_json_it_says_what_to_type_next(home: Home) -> None:
    process = subprocess.Popen(
        [REMIT, "up", "--listen", "127.0.0.1:0", "--data", str(home.path / "other")],
        env=home.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    process.terminate()
    process.communicate(timeout=60)
    said = "".join(lines)
    assert process.returncode == 0
    assert "remit apply DIR" in said
    assert "export REMIT_URL=http://127.0.0.1:" in said


def request(up: Up, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(up.ready["api"].removeprefix("http://"), timeout=30)
    connection.request(method, path, body=body or None, headers=headers)
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def test_health_tells_nothing_but_health(served: Up) -> None:
    assert request(served, "GET", "/healthz") == (200, b"ok\n")
    assert request(served, "GET", "/readyz") == (200, b"ready\n")
    status, metrics = request(served, "GET", "/metrics")
    assert status == 200
    assert b"remit_decisions_total" in metrics


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "expected"),
    [
        ("GET", "/v1/agents", b"", {}, (401, "unauthenticated")),
        ("GET", "/v1/nothing", b"", {}, (404, "not_found")),
        ("PATCH", "/v1/agents", b"", {}, (405, "method_not_allowed")),
        ("GET", "/v1/agents", b"", {"Authorization": "Bearer rmt_none"}, (401, "unauthenticated")),
        ("POST", "/v1/me/can", b'{"action": "crm/x"}', {"Content-Type": "application/json"}, (401, "unauthenticated")),
        ("POST", "/v1/me/can", b"{", {"Content-Type": "application/json"}, (400, "malformed")),
        ("POST", "/v1/me/can", b"{}", {}, (415, "unsupported_media_type")),
        ("GET", "/v1/me/can", b"", {}, (405, "method_not_allowed")),
    ],
)
def test_a_bad_request_has_its_own_code(
    served: Up, method: str, path: str, body: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    status, found = request(served, method, path, body, **headers)
    assert (status, json.loads(found)["code"]) == expected


def test_it_runs_on_postgresql(home: Home, postgres_url: str) -> None:
    for _ in range(2):
        with home.up("--database", postgres_url) as up:
            assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
            verified = home.remit("audit", "verify")
            assert verified.code == 0, verified.out
            assert up.end() == 0
    assert not (home.data / "remit.db").exists()
