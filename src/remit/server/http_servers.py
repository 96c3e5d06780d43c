"""`/v1/servers` and `/v1/secrets`: what agents reach, what of it waits for review, and with which credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.catalog.model import PinState, Server
from remit.catalog.ports import Unreached
from remit.catalog.review import Waiting
from remit.catalog.service import CatalogService
from remit.kernel.errors import Malformed
from remit.server import shapes
from remit.server.door import Ask, Door, actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """MCP servers over HTTP."""

    catalog: CatalogService

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(method="GET", path="/v1/servers", summary="List servers", action="read", handle=self.list_servers),
            Door(method="GET", path="/v1/servers/{name}", summary="Show a server", action="read", handle=self.show),
            Door(
                method="GET",
                path="/v1/servers/{name}/review",
                summary="Show what a server changed since its tools were approved",
                action="read",
                handle=self.review,
            ),
            Door(
                method="POST",
                path="/v1/servers/{name}/approve",
                summary="Approve the definitions that were seen",
                action="approveServer",
                handle=self.approve,
                body="json",
                fields={"pins": "object?"},
            ),
            Door(
                method="POST",
                path="/v1/servers/{name}/refresh",
                summary="Import a server's tools again now",
                action="refreshServer",
                handle=self.refresh,
                body="json",
            ),
        ]

    def list_servers(self, _ask: Ask) -> dict[str, Any]:
        """Every server."""
        return {"servers": [shapes.server(each) for each in self.catalog.servers()]}

    def show(self, ask: Ask) -> dict[str, Any]:
        """One server with its tools."""
        return shapes.server_with_tools(self.catalog.server(ask.path["name"]))

    def review(self, ask: Ask) -> dict[str, Any]:
        """What waits for a person."""
        name = ask.path["name"]
        return {"server": name, "changes": [_waiting(each) for each in self.catalog.review(name)]}

    def approve(self, ask: Ask) -> dict[str, Any]:
        """Approve what the person looked at (`pins`: tool to `seen_pin`), or all that waits."""
        pins = ask.body.get("pins")
        if pins is not None and not all(isinstance(pin, str) for pin in pins.values()):
            raise Malformed("pins maps tools to the seen_pin of their review")
        looked = [_waiting(each) for each in self.catalog.review(ask.path["name"])]
        changes = [row for row in looked if pins is None or row["tool"] in pins]
        after = self.catalog.approve(ask.path["name"], by=actor(ask), pins=pins)
        return {**shapes.server_with_tools(after), "changes": changes}

    def refresh(self, ask: Ask) -> dict[str, Any]:
        """Ask the server for its tools now."""
        name = ask.path["name"]
        try:
            after = self.catalog.refresh(name, by=actor(ask))
        except Unreached as error:
            return {"server": name, "reached": False, "detail": error.public, **_counts(self.catalog.server(name))}
        return {"server": name, "reached": True, "detail": "", **_counts(after)}


def _counts(server: Server) -> dict[str, int]:
    tools = list(server.tools.values())
    return {"tools": len(tools), "waiting": sum(tool.state is not PinState.APPROVED for tool in tools)}


def _waiting(row: Waiting) -> dict[str, Any]:
    return {
        "tool": row.tool,
        "state": row.state.value,
        "tier": row.tier,
        "seen_pin": row.seen_pin,
        "held": list(row.held),
        "approvable": row.approvable,
        "changes": list(row.changes),
        "renamed_from": row.renamed_from,
        "shadows": list(row.shadows),
        "parts": {path: [before, after] for path, (before, after) in row.parts.items()},
    }
