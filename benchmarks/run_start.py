"""What `remit run` adds to the start and end of a process: `remit run -- true` against bare `true`.

Every number is a fresh process, timed from outside; the two take turns. `true` is over at once, so that the time is
that of the run alone: its token (one durable transaction), its loopback URL, its configuration files, its end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import REMIT, Running, estate, folder
from benchmarks.report import finish, options, row

FLOOR, AIM = 500.0, 200.0  # ms
AGENT = "bound-bot"


def took(command: list[str], environ: dict[str, str]) -> float:
    """Milliseconds from before a process is made to after it is gone."""
    began = time.perf_counter()
    subprocess.run(command, env=environ, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1000


def attested_here(found: Running) -> None:
    """Let this user's processes be the agent."""
    where = found.home / "estate"
    agent = where / "agents" / f"{AGENT}.yaml"
    method = json.dumps([{"local_process": {"uid": os.geteuid()}}])
    lines = [line for line in agent.read_text(encoding="utf-8").splitlines() if not line.startswith("attest:")]
    agent.write_text("\n".join([*lines, f"attest: {method}", ""]), encoding="utf-8")
    found.command("apply", str(where), "--json")


def measure(where: Path, *, rounds: int) -> list[dict[str, Any]]:
    """Rounds of each; the first one warms up."""
    with estate(where) as found:
        attested_here(found)
        pairs = [
            (
                took([REMIT, "run", "--agent", AGENT, "--", "true"], found.environ),
                took(["true"], found.environ),
                took([REMIT, "--help"], found.environ),
            )
            for _ in range(rounds + 1)
        ][1:]
    added = [run - bare for run, bare, _ in pairs]
    return [
        row("added by remit run to the start of a process", added, "ms", floor=FLOOR, aim=AIM, less_is_better=True),
        row(
            "  of which the command line itself (remit --help)", [each[2] for each in pairs], "ms", less_is_better=True
        ),
    ]


def main() -> int:
    parser = options(__doc__, rounds=15)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as where:
        rows = measure(where, rounds=chosen.rounds)
    return finish("run_start", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
