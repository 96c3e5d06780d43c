"""An MCP server over its standard streams that has resources and nothing else, with the official SDK."""

from __future__ import annotations

import asyncio
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

TEXTS = {"memo://public/one": "the first", "memo://public/two": "the second", "memo://private/key": "not yours"}


async def listed(_context: Any, _params: Any) -> types.ListResourcesResult:
    return types.ListResourcesResult(resources=[types.Resource(uri=uri, name=uri[7:]) for uri in TEXTS])


async def read(_context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    text = types.TextResourceContents(uri=params.uri, text=TEXTS[str(params.uri)])
    return types.ReadResourceResult(contents=[text])


async def main() -> None:
    server: Server[Any] = Server("documents", on_list_resources=listed, on_read_resource=read)
    options = server.create_initialization_options()
    assert options.capabilities.tools is None  # as a server that never heard of tools
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, options)


if __name__ == "__main__":
    asyncio.run(main())
