"""Deriving verdicts again, with no server: the log's reader, plain queries, and the pure rules of one step."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
from remit.audit.source_offline import open_offline
from remit.certification.replaying.replays import lines
rooms = {name.split(".")[1] for name in sys.modules if name.startswith("remit.")}
print(sorted(rooms), sorted(name for name in sys.modules if name.startswith("remit.access.")))
print(*(name in sys.modules for name in ("sqlalchemy", "starlette", "cedarpy", "duckdb", "remit.catalog.sql")))
"""


def test_deriving_a_verdict_again_imports_the_log_and_the_judge() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    rooms, others = done.stdout.splitlines()
    judge = [
        "remit.access.activation", "remit.access.judge", "remit.access.needs", "remit.access.parameters",
        "remit.access.reactivate", "remit.access.ttl",
    ]  # fmt: skip
    assert rooms == f"{['access', 'audit', 'catalog', 'certification', 'kernel', 'keys']} {judge}"
    assert others == "False False False False False"
