"""`remit run` with real processes: a stock agent behind it, its URL under attack, and its end."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.e2e import peers
from tests.e2e.running import PATIENCE, REMIT, Done, Home, Up, waited

from remit.storage import bundle

HERE = Path(__file__).parent
AGENT = str(HERE / "run_agent.py")
GRANTED: list[Any] = [
    {"action": "payments/count", "first_use": "auto"},
    {"action": "payments/transfer", "when": {"amount": {"max": "500.00"}}, "first_use": "auto"},
]
# What no command may get hold of: a token or proof (three parts of base64url JSON), a private JWK.
SECRET = re.compile(r'eyJ[\w-]{8,}\.eyJ|DPoP|"d"\s*:|Bearer', re.ASCII)


@dataclass
class Place:
    """A server, a Remit before it, and `bot`, which this user's processes are."""

    home: Home
    up: Up
    files: Path

    def run(self, *command: str, agent: str = "bot", options: tuple[str, ...] = (), **environ: str) -> Done:
        return self.home.remit("run", "--agent", agent, *options, "--", *command, env=environ)

    def begin(self, *command: str) -> subprocess.Popen[str]:
        """The same, while the test does something else; it reads its command's stdout."""
        return subprocess.Popen(
            [REMIT, "run", "--agent", "bot", "--", *command],
            env=self.home.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def apply(self) -> None:
        done = self.home.remit("apply", str(self.files), "--approve", "--as", "dana")
        assert done.code == 0, done.err

    def change(self, agent: str, **changes: Any) -> None:
        path = self.files / "agents" / f"agent-{agent}.yaml"
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """What is recorded, oldest first, read beside the running server."""
        with contextlib.closing(sqlite3.connect(f"file:{self.home.data}/remit.db?mode=ro", uri=True)) as database:
            stored = database.execute("SELECT headers FROM bundles ORDER BY bundle").fetchall()
        headers = [json.loads(each) for (packed,) in stored for each in bundle.unpack(bundle.decompress(packed))]
        return [header for header in headers if header["kind"] == kind]


@pytest.fixture
def place(home: Home, tmp_path: Path) -> Iterator[Place]:
    command = [sys.executable, str(HERE / "sdk_server.py"), str(tmp_path / "ledger"), "stream"]
    with peers.upstream(command, os.environ, tmp_path / "server.log") as url, home.up("--dev") as up:
        found = Place(home, up, peers.tree(tmp_path / "files", "payments", url, GRANTED))
        for agent in ("bot", "plain"):
            found.change(agent, attest=[{"local_process": {"uid": os.geteuid()}}])
        found.apply()
        yield found


@contextlib.contextmanager
def waiting(place: Place, script: str = 'echo "$REMIT_MCP_URL"; read line') -> Iterator[tuple[Any, str]]:
    """A run whose command waits for a line; the process and the URL it printed."""
    process = place.begin("sh", "-c", script)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def asked(url: str, method: str = "POST", path: str | None = None) -> tuple[int, bytes]:
    """One request of this process, which is no run's."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request(method, path or parts.path, body=b"{}", headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_stock_agent_runs_unchanged_and_holds_no_secret(place: Place, tmp_path: Path, mode: str) -> None:
    out = tmp_path / "seen.json"
    admin = Path(place.up.ready["admin_token_file"])
    done = place.run(
        sys.executable, AGENT, str(out), mode,
        REMIT_TOKEN_FILE=str(admin), REMIT_TOKEN="secret-of-an-operator", REMIT_URL=place.up.ready["api"],
    )  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["said"] == {
        "tools": ["count", "transfer"],
        "counted": {"result": 4},
        "heard": [1, 2, 3, 4],
        "denied": "constraint_violated",
        "moved": False,
        "hidden": "Unknown tool: delete_all",
    }
    assert re.fullmatch(
        r"remit run: bot, run_\w+: 4 calls, 2 allowed, 2 refused \(constraint_violated 1, not_visible 1\); "
        r"remit why dec_\w+\n",
        done.err,
    ), done.err
    everything = out.read_text(encoding="utf-8") + done.out + done.err
    assert len(found["traffic"]) > 8
    assert SECRET.search(everything) is None
    assert admin.read_text(encoding="ascii").strip() not in everything
    assert "secret-of-an-operator" not in everything
    assert not {"REMIT_TOKEN", "REMIT_TOKEN_FILE", "REMIT_URL"} & found["environ"].keys()
    why = place.home.remit("why", re.findall(r"dec_\w+", done.err)[-1])
    assert "constraint_violated" in why.out


def test_a_command_is_told_who_it_is_and_needs_no_token_for_it(place: Place) -> None:
    done = place.run(REMIT, "whoami", "--json")
    assert done.code == 0, done.err
    found = done.json
    (entry,) = place.entries("token")
    assert (found["agent"], found["owner"]["owner"], found["live"]) == ("bot", "dana", True)
    assert (found["instance"], found["run"], found["txn"]) == (entry["instance"], entry["run"], entry["txn"])
    assert found["attested"]["method"] == "local_process"
    assert found["attested"]["process"]["pid"] == entry["pid"]
    assert SECRET.search(done.out) is None
    # The run is over, and an operator still learns whose it was.
    later = place.home.remit("whoami", found["token"], "--json")
    assert later.json == {**found, "live": later.json["live"]}
    assert "bot version" in place.home.remit("whoami", found["token"]).out
    assert place.home.remit("whoami", "--json").json == {"person": "admin", "roles": ["admin"]}


def test_what_is_recorded_of_a_run(place: Place) -> None:
    assert place.run("/bin/sh", "-c", "exit 0", "with-a-word-nobody-may-read").code == 0
    token = place.entries("token")[-1]
    assert (token["agent"], token["credential"]) == ("bot", f"uid:{os.geteuid()}")
    assert token["digest"] == hashlib.sha256(Path("/bin/sh").resolve().read_bytes()).hexdigest()
    assert token["payload_key"] == "agent:bot"  # the arguments are sealed
    assert "with-a-word" not in json.dumps(token)
    (ended,) = (each for each in place.entries("change") if (each["what"], each["change"]) == ("run", "end"))
    assert (ended["name"], ended["instance"]) == (token["run"], token["instance"])


def test_each_run_is_an_instance_and_leaves_its_place_free(place: Place) -> None:
    place.change("bot", max_instances=1)
    place.apply()
    with waiting(place):
        second = place.run("true")
        assert second.code == 6, second.err
        assert "live instances of at most 1" in second.err
    # Each time the one before it is over, also the one that was killed.
    for _ in range(3):
        done = place.run("true")
        assert done.code == 0, done.err
    assert len({entry["instance"] for entry in place.entries("token")}) == 4


def test_another_process_is_refused_and_the_url_ends_with_the_run(place: Place) -> None:
    with waiting(place) as (process, url):
        assert asked(url) == (403, b'{"error": "this URL is for the processes of one run"}')
        assert asked(url, "GET", "/.well-known/oauth-protected-resource")[0] == 403
        other = subprocess.run(
            [sys.executable, "-c", FOREIGN, url], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert other.stdout == "403\n", other.stderr
        _, err = process.communicate("go\n", timeout=PATIENCE)
        assert "0 refused, 3 connections of other processes refused" in err
    with pytest.raises(ConnectionRefusedError):
        asked(url)


FOREIGN = """
import encodings.idna, http.client, os, sys
from urllib.parse import urlsplit
parts = urlsplit(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)  # another user, where the test may become one
connection = http.client.HTTPConnection(parts.hostname, parts.port)
connection.request("POST", parts.path, b"{}")
print(connection.getresponse().status)
"""


@pytest.mark.parametrize(
    "script",
    [
        '"$0" "$1" "$2" & wait',
        # Twice forked, its parent gone, in a session of its own: still of this run, for as long as it lasts.
        '(setsid "$0" "$1" "$2" &) ; until [ -s "$2" ]; do read -t 0.05 line; done; true',
    ],
    ids=["forked", "daemon"],
)
def test_what_the_command_starts_may_call_too(place: Place, tmp_path: Path, script: str) -> None:
    out = tmp_path / "seen.json"
    done = place.run("bash", "-c", script, sys.executable, AGENT, str(out))
    assert done.code == 0, done.err
    assert json.loads(out.read_text(encoding="utf-8"))["said"]["counted"] == {"result": 4}
    assert "2 allowed" in done.err


def test_after_its_parent_was_killed_no_url_works_and_the_run_is_over(place: Place) -> None:
    with waiting(place, 'echo "$REMIT_MCP_URL"; echo $$; read line') as (process, url):
        orphan = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        try:
            with pytest.raises(ConnectionRefusedError):
                asked(url)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
    place.change("bot", max_instances=1)
    place.apply()
    assert place.run("true").code == 0, "the killed run's place is free"


def test_the_exit_code_is_the_commands(place: Place) -> None:
    for script, code in (("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)):
        done = place.run("sh", "-c", script)
        assert done.code == code
        assert done.err.count("\n") == 1


def test_signals_reach_the_command(place: Place) -> None:
    script = 'trap "echo got; exit 7" TERM; echo ready; while :; do read -t 0.05 line; done'
    process = place.begin("bash", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (7, "got\n"), err


def test_the_end_as_an_object(place: Place) -> None:
    done = place.run("true", options=("--json",))
    said = json.loads(done.err)
    assert (done.out, said["agent"], said["allowed"], said["refused"]) == ("", "bot", 0, {})


def test_why_nothing_was_started(place: Place) -> None:
    for done, code, says in (
        (place.run("true", agent="nobody"), 5, "no agent of that name is attested by uid"),
        (place.run("no-such-command"), 2, "there is no command no-such-command"),
        (place.run("/etc/passwd"), 2, "there is no command /etc/passwd"),
        (place.run("true", options=("--purpose", "other")), 2, "remit agent show bot"),
        (place.run("true", options=("--server", "Bad")), 2, "a server must match"),
        (place.run("true", options=("--data", "/nowhere")), 7, "remit up, or --data DIR"),
        (place.run("true", REMIT_URL="http://127.0.0.1:1"), 7, "REMIT_URL"),
        (place.home.remit("run", "--agent", "bot"), 2, "try      remit run --help"),
        (place.home.remit("run", "--", "true"), 2, "try      remit run --help"),
    ):
        assert (done.code, done.out) == (code, ""), done.err
        assert says in done.err


def test_an_agent_that_gets_no_token_and_no_server(place: Place) -> None:
    place.change("plain", attest=[{"local_process": {"uid": os.geteuid() + 1}}])
    place.apply()
    done = place.run("true", agent="plain")
    assert (done.code, "in agents/plain.yaml, then remit apply DIR" in done.err) == (5, True), done.err
    assert place.home.remit("agent", "suspend", "bot").code == 0
    done = place.run("true")
    assert (done.code, "the agent is suspended" in done.err) == (6, True), done.err
    place.up.end()
    done = place.run("true")
    assert (done.code, "try      remit up" in done.err) == (7, True), done.err
    # A server that was killed leaves its files behind.
    (place.home.data / "instance.json").write_text(json.dumps({"url": place.up.ready["api"]}), encoding="utf-8")
    done = place.run("true")
    assert (done.code, "try      remit up" in done.err) == (7, True), done.err


def test_the_socket_is_its_owners_alone_and_gone_with_the_server(place: Place) -> None:
    path = place.home.data / "remit.sock"
    assert path.is_socket()
    assert path.stat().st_mode & 0o777 == 0o600
    place.up.end()
    assert not path.exists()


def test_a_command_does_not_start_with_a_server_that_is_no_boundarys(place: Place, tmp_path: Path) -> None:
    started = tmp_path / "started"
    done = place.run("touch", str(started), options=("--server", "payments", "--server", "other"))
    assert (done.code, started.exists()) == (2, False), done.err
    assert "✗ no boundary in force of bot for work names the server other\n" in done.err
    assert "  try      --server, one of payments\n" in done.err
    waited(lambda: [each for each in place.entries("change") if (each["what"], each["change"]) == ("run", "end")])
    assert place.run("touch", str(started), options=("--server", "payments")).code == 0
    assert started.exists()
