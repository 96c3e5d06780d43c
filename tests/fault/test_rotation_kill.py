"""kill -9 of the whole server while a provider holds its answer, at every step: finished or taken back soon after.

The provider is a real process, which outlives the server and carries out what it was asked, late or not. In its own
record no credential is ever gone before another one was seen to work.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import credentials
from tests.e2e.credentials import FIRST, NAME, PLACE, Provider, never_without_one
from tests.e2e.running import PATIENCE, Home
from tests.fault.serving import Server

BOUND = 30.0  # seconds from the restart to its end
VERIFIES = {"http": "GET /api", "oauth_client": "POST /token"}
CONFIRMS = {"http": "GET /keys/", "oauth_client": "POST /token"}
EVERY = ("create", "verify", "revoke", "confirm")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A machine of this test's own."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return Home(path)


def held(provider: Provider, server: Server) -> None:
    """Until the provider holds what it was asked for."""
    end = time.monotonic() + PATIENCE
    while not provider.state()["held"]:
        assert time.monotonic() < end, server.log.read_text(encoding="utf-8")[-3000:]
        time.sleep(0.02)


def ended(server: Server, name: str) -> list[dict[str, Any]]:
    """Its rotations, once none is under way."""
    end = time.monotonic() + BOUND
    while True:
        status, said = server.ask("GET", f"/v1/rotations?secret={name}")
        assert status == 200, said
        if all(each["ended"] for each in said["rotations"]):
            found: list[dict[str, Any]] = said["rotations"]
            return found
        assert time.monotonic() < end, said
        time.sleep(0.05)


def points(rotator: str) -> list[tuple[str, str]]:
    """What the provider holds, and on which side of its effect."""
    place = PLACE[rotator]
    what = {
        "create": f"POST {place}", "verify": VERIFIES[rotator], "revoke": f"DELETE {place}",
        "confirm": CONFIRMS[rotator],
    }  # fmt: skip
    return [(what[step], when) for step in EVERY for when in ("before", "after")]


def killed(server: Server, provider: Provider, name: str, what: str, when: str, *, late: bool) -> float:
    """Rotate, kill it while the provider holds that, start it again; the seconds until the rotation had ended.

    With `late` the provider goes on only once the next process runs.
    """
    provider.hold(what, when)
    status, said = server.ask("POST", f"/v1/secrets/{name}/rotate", {})
    assert status == 202, said
    held(provider, server)
    server.end(signal.SIGKILL)
    if not late:
        provider.go()
    began = time.monotonic()
    server.start()
    provider.go()
    ended(server, name)
    return time.monotonic() - began


@pytest.mark.parametrize("rotator", ["http", "oauth_client"])
@pytest.mark.parametrize(
    ("steps", "late"),
    [
        ([0, 3, 4], False),
        pytest.param([1, 2, 5, 6, 7], False, marks=pytest.mark.slow),
        pytest.param([0, 1, 2, 3, 4, 5], True, marks=pytest.mark.slow),
    ],
    ids=["some", "others", "late"],
)
def test_killed_at_a_step(home: Home, tmp_path: Path, rotator: str, steps: list[int], *, late: bool) -> None:
    name, place = NAME[rotator], PLACE[rotator].removeprefix("/")
    with credentials.provider(tmp_path) as provider, Server(home) as server:
        server.start()
        credentials.write(tmp_path / "files", provider.url)
        credentials.register(tmp_path / "files", server.remit)
        took = [
            killed(server, provider, name, *points(rotator)[step], late=late)
            for step in steps
        ]  # fmt: skip
        state = provider.state()
        assert max(took) < BOUND, took
        never_without_one(state["log"], "k0" if rotator == "http" else "s0")
        assert len(state[place]) == 1, state
        alive = next(iter(state[place].values()))["key"]
        assert alive != FIRST[rotator]
        assert {each["step"] for each in ended(server, name)} <= {"done", "undone"}
        done = server.remit("audit", "verify")
        assert done.code == 0, done.err
        assert alive not in server.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("rotator", ["http"])
def test_killed_while_the_old_one_drains(home: Home, tmp_path: Path, rotator: str) -> None:
    name = NAME[rotator]
    with credentials.provider(tmp_path) as provider, Server(home) as server:
        server.start()
        credentials.write(tmp_path / "files", provider.url, drain="3s")
        credentials.register(tmp_path / "files", server.remit)
        assert server.ask("POST", f"/v1/secrets/{name}/rotate", {})[0] == 202
        end = time.monotonic() + PATIENCE
        while server.ask("GET", "/v1/rotations")[1]["rotations"][0]["step"] != "drain":
            assert time.monotonic() < end
        server.end(signal.SIGKILL)
        assert len(provider.state()["keys"]) == 2
        server.start()
        assert [each["step"] for each in ended(server, name)] == ["done"]
        state = provider.state()
        assert len(state["keys"]) == 1
        never_without_one(state["log"], "k0")
