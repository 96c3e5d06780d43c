"""Every benchmark, one after the other, in one table; exits 1 if anything is below its floor.

Each is a process of its own, so that none finds the memory or the threads of another. Without names all but the long
ones are run; `--long` runs these. Nothing is written unless `--write` asks for RESULTS.md and results.svg, or with
`--long` for RESULTS-LONG.md: each page is one run of all its benchmarks.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import plot, results
from benchmarks.report import missed

HERE = Path(__file__).parent
NAMES = ("decide", "decisions", "http_decisions", "writer", "gateway", "http_reverse", "freeze", "streams", "scale",
         "activations_scale", "reactivation", "start", "run_start", "schema_caller",
         "policy_diff", "policy_live")  # fmt: skip
LONG = (  # minutes each; two need npm, two PyPI
    "tokens", "cerbos", "fastmcp_proxy", "overload", "agentdojo", "withdrawal", "replay_scale", "estate_scale",
    "policy_replay", "intercept", "rekey", "rotation", "console",
)  # fmt: skip
ALL = NAMES + LONG
PAGES = {NAMES: "RESULTS.md", LONG: "RESULTS-LONG.md"}
_MOST_SECONDS = 1800
_END_SECONDS = 20


class Broken(Exception):
    """A benchmark ended without a report."""


def measured(name: str) -> dict[str, Any]:
    """One benchmark's report.

    Raises:
        Broken: It failed, said something else, or took too long.
    """
    command = [sys.executable, str(HERE / f"{name}.py"), "--json"]
    # A session of its own, so that on a failure here everything it started can be ended with it.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, talk = process.communicate(timeout=_MOST_SECONDS)
    except subprocess.TimeoutExpired:
        raise Broken(f"{name} took longer than {_MOST_SECONDS} s") from None
    finally:
        if process.poll() is None:
            _end(process)
    return read(name, out, talk, process.returncode)


def read(name: str, out: str, talk: str, status: int) -> dict[str, Any]:
    """A report as it was printed: 1 is the exit code of one with a row below its floor.

    Raises:
        Broken: It is none, or its rows and its exit code contradict each other.
    """
    try:
        report: dict[str, Any] = json.loads(out)
    except ValueError:
        raise Broken(f"{name} ended with {status} and no report\n{talk}") from None
    if report["name"] != name or not report["rows"] or status != bool(missed(report["rows"])):
        raise Broken(f"{name} ended with {status} and contradicts itself\n{talk}")
    return report


def _end(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def collect(names: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The reports there are, and what went wrong; progress on stderr."""
    reports, faults = [], []
    for at, name in enumerate(names, 1):
        print(f"[{at}/{len(names)}] {name} ...", end=" ", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            reports.append(measured(name))
            print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
        except Broken as error:
            faults.append(str(error))
            print("failed", file=sys.stderr)
    return reports, faults


def table(rows: list[dict[str, Any]]) -> str:
    """All rows as text columns."""
    head = ("what", "median", "low .. high", "unit", "floor", "aim", "ok")
    cells = [head, *(results.cells(each) for each in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(head))]
    left = {0, 3, 6}
    return "\n".join(
        "  ".join(text.ljust(width) if at in left else text.rjust(width) for at, (text, width) in enumerate(each))
        .rstrip()
        for each in (list(zip(line, widths, strict=True)) for line in cells)
    )  # fmt: skip


def verdict(rows: list[dict[str, Any]], faults: list[str]) -> int:
    """Say what is wrong; 1 if anything is."""
    for each in missed(rows):
        print(f"below its floor: {each['what'].strip()}: {each['median']:g} {each['unit']}, "
              f"floor {each['floor']:g}", file=sys.stderr)  # fmt: skip
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults or missed(rows) else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    left_out = f"of {', '.join(ALL)}; if left out, all but the long ones"
    parser.add_argument("names", nargs="*", metavar="NAME", help=left_out)
    parser.add_argument("--long", action="store_true", help=f"those that take minutes each: {', '.join(LONG)}")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md and results.svg, or RESULTS-LONG.md")
    parser.add_argument("--json", action="store_true", help="print all reports as JSON instead of the table")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - set(ALL):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if chosen.names and (chosen.write or chosen.long):
        parser.error("--write and --long take no names: a page's results are those of one whole run")
    which = LONG if chosen.long else NAMES
    load, began = os.getloadavg()[0], time.monotonic()
    reports, faults = collect(chosen.names or list(which))
    rows = [each for report in reports for each in report["rows"]]
    print(json.dumps(reports) if chosen.json else table(rows))
    if chosen.write and not faults:
        page = results.page(reports, load=load, seconds=time.monotonic() - began, long=chosen.long)
        (HERE / PAGES[which]).write_text(page, encoding="utf-8")
        if which is NAMES:
            (HERE / "results.svg").write_text(plot.svg(rows), encoding="utf-8")
    return verdict(rows, faults)


if __name__ == "__main__":
    sys.exit(main())
