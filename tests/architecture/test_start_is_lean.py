"""A command line that a person, a script and a loop type all day does not load what only a server needs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("sqlalchemy", "cedarpy", "cryptography", "starlette", "uvicorn", "aiohttp", "mcp", "rich.console", "pydantic")


def test_the_command_line_starts_without_the_server() -> None:
    asked = f"import remit.cli.main, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
