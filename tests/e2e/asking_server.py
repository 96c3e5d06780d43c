"""A real server of the `mcp` SDK that sends its user to a URL, each way there is: `python asking_server.py LEDGER`.

Says {"port": N} once it listens; appends to LEDGER what it was answered.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import UrlElicitationRequiredError

WORDS = "Sign in, and come back"


def server(ledger: Path) -> MCPServer[Any]:
    made: MCPServer[Any] = MCPServer("asking", version="1.0")

    def heard(answer: str) -> str:
        with ledger.open("a", encoding="utf-8") as file:
            file.write(f"{answer}\n")
        return answer

    @made.tool()
    async def ask(url: str, ctx: Context[Any]) -> str:
        """Ask while it runs (2025-11-25)."""
        return heard((await ctx.elicit_url(WORDS, url, "e1")).action)

    @made.tool()
    async def need(url: str) -> str:
        """Fail until the user was there (2025-11-25, -32042)."""
        raise UrlElicitationRequiredError([types.ElicitRequestURLParams(message=WORDS, url=url, elicitation_id="e1")])

    @made.tool()
    async def require(url: str, ctx: Context[Any]) -> types.InputRequiredResult | types.CallToolResult:
        """Ask in the result (2026-07-28)."""
        answers = ctx.input_responses
        if answers and isinstance(answers["go"], types.ElicitResult):
            text = heard(answers["go"].action)
            return types.CallToolResult(content=[types.TextContent(type="text", text=text)])
        asked = types.ElicitRequest(params=types.ElicitRequestURLParams(message=WORDS, url=url))
        return types.InputRequiredResult(input_requests={"go": asked})

    return made


if __name__ == "__main__":
    app = server(Path(sys.argv[1])).streamable_http_app()
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, access_log=False)).run(sockets=[listener])
