"""How long a start takes: the import of the server, `remit up` to its ready line, and `remit --help`.

Every number is a fresh process; the kinds take turns. The import is timed inside its interpreter, all else from
outside, from before the process is made. A new data directory includes making keys and tables; an existing one is
that same directory again after a clean end. Python's compiled files and the page cache are warm.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import REMIT, environment, folder, ready, running, up
from benchmarks.report import finish, options, row

IMPORT_FLOOR, IMPORT_AIM = 1.0, 0.5  # seconds
UP_FLOOR, UP_AIM = 3.0, 1.5
_IMPORT = "import time; t = time.perf_counter(); import remit.server.compose; print(time.perf_counter() - t)"


def imported(environ: dict[str, str]) -> float:
    """Seconds that the import takes."""
    done = subprocess.run([sys.executable, "-c", _IMPORT], env=environ, check=True, capture_output=True)
    return float(done.stdout)


def started(environ: dict[str, str]) -> float:
    """Seconds to the ready line; it is stopped at once."""
    began = time.perf_counter()
    with running(up(), environ) as process:
        ready(process)
        seconds = time.perf_counter() - began
    assert process.returncode == 0, "remit up did not end cleanly"
    return seconds


def helped(environ: dict[str, str]) -> float:
    """Seconds of `remit --help`."""
    began = time.perf_counter()
    subprocess.run([REMIT, "--help"], env=environ, check=True, capture_output=True)
    return time.perf_counter() - began


def measure(where: Path, *, rounds: int) -> list[dict[str, Any]]:
    """Rounds of each; the first one warms up."""
    seconds: dict[str, list[float]] = {"import": [], "new": [], "existing": [], "help": []}
    for number in range(rounds + 1):
        environ = environment(where / str(number))  # a home of its own, so a new data directory and a new keyfile
        seconds["import"].append(imported(environ))
        seconds["new"].append(started(environ))
        seconds["existing"].append(started(environ))
        seconds["help"].append(helped(environ))
    less: dict[str, Any] = {"less_is_better": True}
    limits = less | {"floor": UP_FLOOR, "aim": UP_AIM}
    return [
        row("import remit.server.compose", seconds["import"][1:], "s", floor=IMPORT_FLOOR, aim=IMPORT_AIM, **less),
        row("remit up to ready, existing data directory", seconds["existing"][1:], "s", **limits),
        row("remit up to ready, new data directory", seconds["new"][1:], "s", **limits),
        row("remit --help", seconds["help"][1:], "s", **less),
    ]


def main() -> int:
    parser = options(__doc__, rounds=7)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as where:
        rows = measure(where, rounds=chosen.rounds)
    return finish("start", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
