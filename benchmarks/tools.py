"""The MCP server of `upstream.py` with more tools that add: `tools.py PORT LEDGER` has `add` and `add_0` to `add_4`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import upstream

MORE = tuple(f"add_{number}" for number in range(5))


def main(port: int, ledger: str) -> None:
    opened = os.open(ledger, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    server = upstream.build(opened)

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        os.write(opened, b"%d\n" % b)
        return a + b

    for name in MORE:
        server.add_tool(add, name=name)
    app = server.streamable_http_app(json_response=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
