"""The MCP conformance suite's scenarios for authorization servers, at a real `remit up`; needs npm.

Somebody has to open the address that the suite prints: here a person who is signed in, and says yes.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.consenting import EDITOR, Person
from tests.e2e.running import PATIENCE, Home, free_port, tree, upstream
from tests.e2e.test_peer_conformance import NODE, SUITE
from tests.e2e.test_peer_everything import installed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
_ADDRESS = re.compile(r"https?://\S+/oauth2/authorize\?\S+")


@pytest.fixture
def suite(request: pytest.FixtureRequest) -> list[str]:
    cache = request.config.cache
    assert cache is not None
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    binary = f"node-{sys.platform}-{machine}"
    node = installed(f"{binary}@{NODE}", cache) / binary / "bin" / "node"
    return [str(node), str(installed(SUITE, cache) / "@modelcontextprotocol" / "conformance" / "dist" / "index.js")]


@pytest.mark.requirement("mcp:authorization-server")
def test_the_suite_finds_an_authorization_server(suite: list[str], tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.path.mkdir()
    out = tmp_path / "out"
    with upstream("payments", tmp_path / "ledger") as port, home.up("--dev") as up:
        files = tree(tmp_path / "files", payments=port, **{"agents__invoice-bot": EDITOR})
        assert home.remit("secret", "set", "payments-key", stdin="demo-payments-key").code == 0
        assert home.remit("apply", str(files), "--approve", "--as", "dana").code == 0
        base = up.ready["api"]
        person = Person(base)
        person.sign_in(home.remit("console", "--as", "dana", "--json").json["url"])
        command = [
            *suite, "authorization", "--url", base, "--client-id", "my-editor", "--resource", f"{base}/mcp/payments",
            "--port", str(free_port()), "--output-dir", str(out),
        ]  # fmt: skip
        with subprocess.Popen(
            command, env=home.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if found := _ADDRESS.search(line):
                    status, _, page = person.open(found[0])
                    assert status == 200, page
                    person.open(person.answer(page, "yes"))
            assert process.wait(PATIENCE) == 0, said
    checks = [check for file in out.rglob("checks.json") for check in json.loads(file.read_text(encoding="utf-8"))]
    assert {(check["id"], check["status"]) for check in checks if check["status"] != "INFO"} != set()
    assert [check for check in checks if check["status"] not in ("SUCCESS", "INFO")] == []
