"""The MCP conformance suite's authorization scenarios for clients, in every era; needs npm.

The suite plays the servers, and is given `mcp_auth_client.py`: the `mcp` SDK with its own providers, as Remit's
documentation has it, and with the proofs of Remit's SDK. Its scenarios that are not about authorization are about
what a client does with tools, which is the SDK's alone; they run along, and are not looked at.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.e2e.test_peer_conformance import NODE, SUITE
from tests.e2e.test_peer_everything import installed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CLIENT = Path(__file__).with_name("mcp_auth_client.py")
SECONDS = 300
FOLDER = re.compile(r"(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
LEGACY, MODERN = ["--requirements", "2025-11-25"], ["--requirements", "2026-07-28"]
OLDEST = ["--suite", "backcompat"]  # authorization of 2025-03-26

# Scenarios for which there is no client, with the reason. What is listed and passes fails the test too.
NOT_FOR_US: Mapping[str, str] = {
    "auth/wif-jwt-bearer": "a draft (SEP-1933) in which a workload's token is a grant and no client authenticates: at "
    "Remit every client does, with that same token as its assertion (RFC 7523 section 2.2), and the SDK has no "
    "provider for it",
}

CODE = {
    "auth/metadata-default", "auth/metadata-var1", "auth/metadata-var2", "auth/metadata-var3", "auth/basic-cimd",
    "auth/scope-from-www-authenticate", "auth/scope-from-scopes-supported", "auth/scope-omitted-when-undefined",
    "auth/scope-step-up", "auth/scope-retry-limit", "auth/token-endpoint-auth-basic", "auth/token-endpoint-auth-post",
    "auth/token-endpoint-auth-none", "auth/pre-registration",
}  # fmt: skip
EXTENSIONS = {
    "auth/client-credentials-jwt", "auth/client-credentials-basic", "auth/enterprise-managed-authorization",
    "auth/dpop", "auth/dpop-nonce",
}  # fmt: skip
NEWER = {
    "auth/resource-mismatch", "auth/offline-access-scope", "auth/offline-access-not-supported",
    "auth/authorization-server-migration", "auth/iss-supported", "auth/iss-not-advertised",
    "auth/iss-supported-missing", "auth/iss-wrong-issuer", "auth/iss-unexpected", "auth/iss-normalized",
    "auth/metadata-issuer-mismatch",
}  # fmt: skip
OLD = {"auth/2025-03-26-oauth-metadata-backcompat", "auth/2025-03-26-oauth-endpoint-fallback"}


@pytest.fixture
def suite(request: pytest.FixtureRequest) -> list[str]:
    """The first words of the suite's command line."""
    cache = request.config.cache
    assert cache is not None
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    binary = f"node-{sys.platform}-{machine}"
    node = installed(f"{binary}@{NODE}", cache) / binary / "bin" / "node"
    return [str(node), str(installed(SUITE, cache) / "@modelcontextprotocol" / "conformance" / "dist" / "index.js")]


def results(suite: Sequence[str], out: Path, chosen: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """The authorization scenarios that were run: id and status of each of their checks."""
    command = [*suite, "client", "--command", f"{sys.executable} {CLIENT}", "--output-dir", str(out), *chosen]
    done = subprocess.run(
        command, env=os.environ | {"NO_COLOR": "1"}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    assert "=== SUITE SUMMARY ===" in done.stdout, done.stdout + done.stderr
    sys.stdout.write(done.stdout[done.stdout.index("=== SUITE SUMMARY ===") :])
    found = {}
    for file in out.glob("auth/*/checks.json"):
        named = FOLDER.fullmatch(file.parent.name)
        assert named
        checks = json.loads(file.read_text(encoding="utf-8"))
        found[f"auth/{named[1]}"] = [(check["id"], check["status"]) for check in checks]
    return found


@pytest.mark.requirement("mcp:client-authorization")
@pytest.mark.requirement("sdk:proof-per-request")
@pytest.mark.parametrize(
    ("chosen", "expected"),
    [(LEGACY, CODE | EXTENSIONS), (MODERN, CODE | EXTENSIONS | NEWER), (OLDEST, OLD)],
    ids=["2025-11-25", "2026-07-28", "2025-03-26"],
)
def test_every_scenario_passes_or_is_listed(
    suite: list[str], tmp_path: Path, chosen: list[str], expected: set[str]
) -> None:
    found = results(suite, tmp_path / "out", chosen)
    assert found.keys() - NOT_FOR_US.keys() == expected
    failed = {
        scenario: [check for check in checks if check[1] not in ("SUCCESS", "INFO")]
        for scenario, checks in found.items()
    }
    assert {scenario: checks for scenario, checks in failed.items() if checks}.keys() == found.keys() & NOT_FOR_US, (
        failed
    )
    assert all("SUCCESS" in {status for _, status in found[scenario]} for scenario in expected)
