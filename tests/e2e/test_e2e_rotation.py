"""A secret is rotated by the command line, at a real provider."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import credentials
from tests.e2e.credentials import FIRST, NAME
from tests.e2e.running import Home, ok


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
