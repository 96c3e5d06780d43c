"""The outermost ASGI callable: hot paths are answered before any router or middleware sees them."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

ME_CAN = "/v1/me/can"
_GATEWAY = ("/mcp/", "/servers/", "/.well-known/oauth-protected-resource/")


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Routes a request to the gateway, to the agents' dry run, or to everything else."""

    gateway: ASGIApp  # /mcp/{server}, /servers/{server}/mcp and their metadata
    me_can: ASGIApp
    rest: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "http":
            path = scope["path"]
            if path.startswith(_GATEWAY):
                await self.gateway(scope, receive, send)
                return
            if path == ME_CAN:
                await self.me_can(scope, receive, send)
                return
        await self.rest(scope, receive, send)
