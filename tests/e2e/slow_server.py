"""A real server of the `mcp` SDK whose one tool never ends by itself: `python slow_server.py LEDGER`.

Says {"port": N} once it listens; writes `began` and `ended` to LEDGER as its tool does.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer


def server(ledger: Path) -> MCPServer[Any]:
    made: MCPServer[Any] = MCPServer("slow", version="1.0")

    def did(what: str) -> None:
        with ledger.open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")

    @made.tool()
    async def watch(ctx: Context[Any]) -> int:
        """Report progress until somebody ends it."""
        did("began")
        try:
            for step in range(1_000_000):
                await ctx.report_progress(step + 1)
                await asyncio.sleep(0.01)
        finally:
            did("ended")
        return 0

    return made


if __name__ == "__main__":
    app = server(Path(sys.argv[1])).streamable_http_app()
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, access_log=False)).run(sockets=[listener])
