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
