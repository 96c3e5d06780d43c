"""A real server of the `mcp` SDK, for the gateway's tests: `python sdk_server.py LEDGER json|stream`.

Says {"port": N} once it listens; appends the name of every executed tool to LEDGER.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel


class Invoice(BaseModel):
    invoice: str
    amount: float


def server(ledger: Path) -> MCPServer[Any]:
    made: MCPServer[Any] = MCPServer("payments", version="1.0")

    def did(tool: str) -> None:
        with ledger.open("a", encoding="utf-8") as file:
            file.write(f"{tool}\n")

    @made.tool(title="Invoices that are due")
    def list_invoices() -> list[Invoice]:
        """List invoices."""
        did("list_invoices")
        return [Invoice(invoice="INV-1", amount=12.5), Invoice(invoice="Überweisung", amount=3)]

    @made.tool()
    def transfer(amount: float, currency: str) -> str:
        """Move money."""
        did("transfer")
        if currency == "XXX":
            raise ValueError("no such currency")
        return f"moved {amount:.2f} {currency}"

    @made.tool()
    async def count(to: int, ctx: Context[Any]) -> int:
        """Count, with progress."""
        did("count")
        for step in range(to):
            await ctx.report_progress(step + 1, to)
        return to

    @made.tool()
    def delete_all() -> str:
        """Delete everything."""
        did("delete_all")
        return "gone"

    return made


if __name__ == "__main__":
    app = server(Path(sys.argv[1])).streamable_http_app(json_response=sys.argv[2] == "json")
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, access_log=False)).run(sockets=[listener])
