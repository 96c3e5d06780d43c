"""A secret is rotated by the command line, at a real provider."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.e2e import credentials
from tests.e2e.credentials import FIRST, NAME
from tests.e2e.running import PATIENCE, Home, ok

LEE = {"owner": "lee", "name": "Lee Okafor", "email": "lee@example.test"}


@pytest.mark.parametrize("rotator", ["http", "oauth_client"])
def test_a_secret_is_rotated(home: Home, tmp_path: Path, rotator: str) -> None:
    name = NAME[rotator]
    with credentials.provider(tmp_path) as provider, home.up("--dev") as up:
        credentials.write(tmp_path / "files", provider.url)
        credentials.register(tmp_path / "files", home.remit)
        done = ok(home.remit("secret", "rotate", name, "--wait"))
        state = provider.state()
        alive = state["keys" if rotator == "http" else "secrets"]
        assert [each["key"] for each in alive.values()] != [FIRST[rotator]]
        assert len(alive) == 1
        listed = ok(home.remit("secret", "rotations", name, "--json")).json["rotations"]
        assert [(each["step"], each["old"], each["new"]) for each in listed] == [("done", 1, 2)]
        ok(home.remit("audit", "verify"))
        told = ok(home.remit("audit", "tail", "--count", "50", "--json")).out
        values = {FIRST[rotator], *(each["key"] for each in alive.values())}
        assert not any(value in text for value in values for text in (told, done.out, done.err, up.err))
    assert home.remit("secret", "list").code != 0
    with home.up("--dev"):  # the rows are what the log says
        ok(home.remit("doctor"))


def test_what_cannot_be_rotated(home: Home, tmp_path: Path) -> None:
    with credentials.provider(tmp_path) as provider, home.up("--dev"):
        credentials.write(tmp_path / "files", provider.url)
        credentials.register(tmp_path / "files", home.remit)
        assert "there is no secret nothing" in ok(home.remit("secret", "rotate", "nothing"), 2).err
        ok(home.remit("secret", "set", "other", stdin="some-other-value"))
        assert "nothing says how other is changed" in ok(home.remit("secret", "rotate", "other"), 9).err
        provider.hold("POST /keys", "before")  # it is under way: who asks again is told of the same one
        first = ok(home.remit("secret", "rotate", NAME["http"], "--json")).json
        again = ok(home.remit("secret", "rotate", NAME["http"], "--as", "dana", "--json")).json
        assert (again["rotation"], again["by"]) == (first["rotation"], first["by"])
        provider.go()
        ok(home.remit("secret", "rotate", NAME["http"], "--as", "dana", "--wait"))
        listed = ok(home.remit("secret", "rotations", "--as", "dana", "--json")).json["rotations"]
        assert [each["step"] for each in listed] == ["done"]


def test_a_freeze_and_another_owner_change_a_secret(home: Home, tmp_path: Path) -> None:
    name, files = NAME["http"], tmp_path / "files"

    def causes(most: int) -> list[tuple[str, str]]:
        """Newest first, once so many are over."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = ok(home.remit("secret", "rotations", name, "--json")).json["rotations"]
            if len(found) == most and all(each["ended"] for each in found):
                return [(each["cause"], each["step"]) for each in found]
        raise AssertionError("it did not come")

    with credentials.provider(tmp_path) as provider, home.up("--dev"):
        credentials.write(files, provider.url)
        credentials.register(files, home.remit)
        ok(home.remit("freeze", "credential", name, "--reason", "its laptop was stolen"))
        assert causes(1) == [("freeze", "done")]
        owners = files / "owners.yaml"
        owners.write_text(json.dumps([*json.loads(owners.read_text()), LEE]))
        document = files / "secrets" / f"{name}.yaml"
        document.write_text(json.dumps(json.loads(document.read_text()) | {"owner": "lee"}))
        ok(home.remit("apply", str(files), "--as", "dana"))
        assert causes(2) == [("owner_change", "done"), ("freeze", "done")]
        (alive,) = provider.state()["keys"].values()
        assert alive["key"] != FIRST["http"]
        ok(home.remit("audit", "verify"))


def test_a_version_that_calls_use_is_not_ended(home: Home, tmp_path: Path) -> None:
    with credentials.provider(tmp_path) as provider, home.up("--dev"):
        credentials.write(tmp_path / "files", provider.url)
        credentials.register(tmp_path / "files", home.remit)
        assert "calls use this version" in ok(home.remit("secret", "end", NAME["http"], "--version", "1"), 9).err
        assert "there is no such version" in ok(home.remit("secret", "end", NAME["http"], "--version", "7"), 2).err
        provider.hold("POST /keys", "before")
        ok(home.remit("secret", "rotate", NAME["http"]))
        for _ in range(50):
            if ok(home.remit("secret", "rotations", "--json")).json["rotations"][0]["new"]:
                break
        refused = ok(home.remit("secret", "end", NAME["http"], "--version", "2"), 9).err
        provider.go()
        assert "a rotation has this version in hand" in refused
