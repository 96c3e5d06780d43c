"""The MCP conformance suite at a server itself and through a real `remit up`, in both eras; needs npm.

The suite's client has no tokens and needs none: `remit run` gives it a URL. A scenario comes to the
same both ways, or stands in `DIFFERENT` with the reason; what stands there and does not differ (any
more) fails the test too.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import peers
from tests.e2e.running import PATIENCE, REMIT, Home
from tests.e2e.test_peer_everything import installed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
NODE = "24.21.0"  # the suite needs 22 or later
SERVER = "conformance"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
SCENARIOS = {
    LEGACY: 33,
    MODERN: 50,
}  # of a server: all that the suite requires of the revision, and what it only reports
# `remit run` tells its command in the environment where the server is.
THERE = ["sh", "-c", 'exec "$@" --url "$REMIT_MCP_URL"', "sh"]
FOLDER = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
# The SDK has no tasks extension: of these scenarios, some checks fail at the server itself.
TASKS = "tasks-"

OWN_LIST = "by design: Remit answers tools/list itself, always as one JSON body"
RESUMING = "streams are not resumable through Remit yet: event ids are the server's own and are not passed on"
STATELESS = "by design: answers count with the state that came with the questions; this scenario leaves it out"
TASK_OWNER = "by design: Remit says itself of a task that is not the agent's that there is none, as the suite wants it"
TASK_HINT = "by design: a parameter of tools/call that no decision covers is refused, where a server would ignore it"

# By scenario, or by `scenario:check` where the rest of the scenario comes to the same.
DIFFERENT: Mapping[str, Mapping[str, str]] = {
    LEGACY: {
        "server-sse-multiple-streams:server-sse-streams-functional": OWN_LIST,
        "server-sse-polling": RESUMING,
    },
    MODERN: {
        "input-required-result-ignore-extra-params": STATELESS,
        "input-required-result-missing-input-response": STATELESS,
        "tasks-dispatch-and-envelope:sep-2663-legacy-task-param-ignored": TASK_HINT,
        "tasks-dispatch-and-envelope:sep-2663-tasks-get-invalid-task-id-32602": TASK_OWNER,
    },
}

Results = Mapping[str, frozenset[tuple[str, str, str]]]  # by scenario: id, name and status of its checks


@dataclass(frozen=True)
class Place:
    """The fixture server, a Remit before it, and the suite."""

    server: str
    home: Home
    suite: Sequence[str]
    out: Path

    def direct(self, era: str) -> Results:
        """What the scenarios of an era come to at the server itself."""
        return self._results(era, "direct", [], ["--url", self.server])

    def through(self, era: str) -> Results:
        """What they come to behind Remit."""
        return self._results(era, "through", [REMIT, "run", "--agent", "bot", "--", *THERE], [])

    def _results(self, era: str, way: str, before: Sequence[str], after: Sequence[str]) -> Results:
        out = self.out / way
        command = [*before, *self.suite, "server", "--requirements", era, "--output-dir", str(out), *after]
        done = subprocess.run(
            command, env=self.home.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE * 4, check=False,
        )  # fmt: skip
        assert "=== SUMMARY ===" in done.stdout, done.stdout + done.stderr  # the exit code says that a scenario failed
        return {match[1]: _checks(folder) for folder in out.iterdir() if (match := FOLDER.fullmatch(folder.name))}


def _checks(folder: Path) -> frozenset[tuple[str, str, str]]:
    found = json.loads((folder / "checks.json").read_text(encoding="utf-8"))
    return frozenset((check["id"], check["name"], check["status"]) for check in found)


@pytest.fixture
def suite(request: pytest.FixtureRequest) -> list[str]:
    """The first words of the suite's command line."""
    cache = request.config.cache
    assert cache is not None
    # npm's `node` is a script that installs this package; scripts are not run here.
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    binary = f"node-{sys.platform}-{machine}"
    node = installed(f"{binary}@{NODE}", cache) / binary / "bin" / "node"
    index = installed(SUITE, cache) / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    return [str(node), str(index)]


@pytest.fixture
def place(home: Home, suite: list[str], tmp_path: Path) -> Iterator[Place]:
    command = [sys.executable, str(Path(__file__).with_name("conformance_server.py"))]
    with peers.upstream(command, os.environ, tmp_path / "server.log") as url, home.up("--dev"):
        files = peers.tree(tmp_path / "files", SERVER, url, ["*", {"action": f"{SERVER}:*"}])
        for path in (files / "agents").iterdir():
            agent: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            agent["attest"] = [{"local_process": {"uid": os.geteuid()}}]
            path.write_text(json.dumps(agent), encoding="utf-8")
        done = home.remit("apply", str(files), "--approve", "--as", "dana")
        assert done.code == 0, done.err
        yield Place(url, home, suite, tmp_path)


def passed(results: Results) -> set[str]:
    """The scenarios in which something was shown and nothing found wanting."""
    statuses = {scenario: {status for _, _, status in checks} for scenario, checks in results.items()}
    return {scenario for scenario, all_of in statuses.items() if "SUCCESS" in all_of <= {"SUCCESS", "INFO"}}


def differing(direct: Results, through: Results, listed: Mapping[str, str]) -> set[str]:
    """What did not come to the same, by check where the list goes by check, else by scenario."""
    found = {(scenario, check) for scenario in direct for check, _, _ in direct[scenario] ^ through[scenario]}
    by_check = {key.partition(":")[0] for key in listed if ":" in key}
    return {f"{scenario}:{check}" if scenario in by_check else scenario for scenario, check in found}


def summary(direct: Results, through: Results, listed: Mapping[str, str]) -> str:
    """One line for each scenario: successes of all checks each way, and why they differ."""

    def counted(results: Results, scenario: str) -> str:
        statuses = [status for _, _, status in results[scenario]]
        return f"{statuses.count('SUCCESS')}/{len(statuses)}"

    lines = []
    for scenario in sorted(direct):
        reasons = {reason for key, reason in listed.items() if key.partition(":")[0] == scenario}
        ways = f"{counted(direct, scenario):>6} {counted(through, scenario):>6}"
        lines.append(f"{scenario:48} {ways}  {'; '.join(sorted(reasons))}".rstrip())
    return "\n".join([f"{'':48} direct through", *lines, ""])


@pytest.mark.parametrize("era", [LEGACY, MODERN])
def test_each_scenario_comes_to_the_same_or_is_listed(place: Place, era: str) -> None:
    direct, through = place.direct(era), place.through(era)
    assert len(direct) == SCENARIOS[era]
    assert through.keys() == direct.keys()
    sys.stdout.write(summary(direct, through, DIFFERENT[era]))
    assert direct.keys() - passed(direct) == {scenario for scenario in direct if scenario.startswith(TASKS)}
    assert differing(direct, through, DIFFERENT[era]) == set(DIFFERENT[era])
