"""FastMCP's own proxy before an MCP server: `fastmcp_peer.py PORT URL`. Runs in the peer's environment."""

from __future__ import annotations

import sys

from fastmcp.server import create_proxy  # type: ignore[import-not-found] # of the peer's environment

if __name__ == "__main__":
    create_proxy(sys.argv[2], name="bench").run(
        transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False, log_level="CRITICAL",
        stateless_http=True, json_response=True,
    )  # fmt: skip
