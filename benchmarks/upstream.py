"""The MCP server that is called directly and through the gateway: the `mcp` SDK's own, with JSON answers.

`upstream.py PORT [LEDGER]`: with a ledger, every call appends its argument `b` on a line of its own
before it is answered, so that what arrived can be told from outside.
"""

from __future__ import annotations

import os
import sys

import uvicorn
from mcp.server.mcpserver import MCPServer


def build(ledger: int | None) -> MCPServer:
    """The server, writing to the file descriptor `ledger`."""
    server = MCPServer("bench", log_level="ERROR")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        if ledger is not None:
            os.write(ledger, b"%d\n" % b)
        return a + b

    return server


def main(port: int, ledger: str | None) -> None:
    opened = None if ledger is None else os.open(ledger, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    app = build(opened).streamable_http_app(json_response=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
