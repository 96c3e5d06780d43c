"""Servers and their tools in the database.

Definitions hold numbers that canonical JSON does not take; they are stored as exact JSON
and read back digit for digit.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from remit.catalog.injection import from_json, to_json
from remit.catalog.labels import Labels
from remit.catalog.model import Kind, Mode, PinState, Proxied, Server, Tier, Tool
from remit.kernel.canonical import canonical, encode, parse
from remit.kernel.names import ServerName, ToolName
from remit.storage.schema import servers, tools


def body(server: Server) -> str:
    """The stored body of a server, its tools apart; its digest is what the log names."""
    credential = server.credential
    said = {
        "server": server.server,
        "url": server.url,
        "credential": credential and to_json(credential),
        "tiers": [[pattern, tier.value] for pattern, tier in server.tiers],
        "review": server.review,
        **({"mode": server.mode.value} if server.observed else {}),  # so that no older digest changes
        **({"labels": [_labels(*each) for each in server.labels]} if server.labels else {}),
        **({"kind": server.kind.value} if server.kind is not Kind.MCP else {}),
        **({"proxy": server.proxy.value} if server.proxy is not None else {}),
        **({"ca": server.ca} if server.ca else {}),
        **({"placeholder": server.placeholder} if server.placeholder else {}),
        **({"command": list(server.command)} if server.command else {}),
        **({"env": [list(pair) for pair in server.env]} if server.env else {}),
    }
    return canonical(said).decode("utf-8")


def _labels(pattern: str, labels: Labels) -> list[Any]:
    return [pattern, list(labels.returns), labels.carries_out]


def pins(server: Server) -> str:
    """What stands of every tool, as one text; its digest is what the log names."""
    said = [[tool.name, tool.state.value, tool.tier.value, tool.pin] for tool in server.tools.values()]
    return canonical(said).decode("utf-8")


def _server(row: Row[Any], found: dict[ToolName, Tool]) -> Server:
    said = parse(row.body)
    return Server(
        server=ServerName(row.server),
        url=said["url"],
        credential=said["credential"] and from_json(said["credential"]),
        tiers=tuple((pattern, Tier(tier)) for pattern, tier in said["tiers"]),
        review=said["review"],
        tools=found,
        set_pin=row.set_pin,
        mode=Mode(said.get("mode", Mode.ENFORCE)),
        kind=Kind(said.get("kind", Kind.MCP)),
        proxy=Proxied(said["proxy"]) if "proxy" in said else None,
        ca=said.get("ca", ""),
        placeholder=said.get("placeholder", ""),
        command=tuple(said.get("command", ())),
        env=tuple((name, value) for name, value in said.get("env", ())),
        labels=tuple(
            (pattern, Labels(returns=tuple(returns), carries_out=carries_out))
            for pattern, returns, carries_out in said.get("labels", ())
        ),
    )


def _tool(row: Row[Any]) -> Tool:
    return Tool(
        name=ToolName(row.tool),
        tier=Tier(row.tier),
        pin=row.pin,
        definition=parse(row.definition),
        seen=None if row.seen is None else parse(row.seen),
        state=PinState(row.state),
    )


class SqlServers:
    """Servers with their tools, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, name: ServerName) -> Server | None:
        """The server with its tools; None if there is none of that name."""
        row = self._connection.execute(select(servers).where(servers.c.server == name)).one_or_none()
        if row is None:
            return None
        query = select(tools).where(tools.c.server == name)
        return _server(row, _in_order(map(_tool, self._connection.execute(query))))

    def all(self) -> list[Server]:
        """Every server with its tools, by name."""
        found: dict[str, list[Tool]] = defaultdict(list)
        for row in self._connection.execute(select(tools)):
            found[row.server].append(_tool(row))
        rows = self._connection.execute(select(servers).order_by(servers.c.server))
        return [_server(row, _in_order(found[row.server])) for row in rows]

    def put(self, server: Server) -> None:
        """Insert or replace a server and all its tools."""
        values = {"body": body(server), "set_pin": server.set_pin}
        done = self._connection.execute(update(servers).where(servers.c.server == server.server).values(values))
        if done.rowcount == 0:
            self._connection.execute(insert(servers).values(server=server.server, **values))
        self._connection.execute(delete(tools).where(tools.c.server == server.server))
        rows = [_values(server.server, tool) for tool in server.tools.values()]
        if rows:
            self._connection.execute(insert(tools), rows)

    def remove(self, name: ServerName) -> None:
        """Delete a server and all its tools."""
        self._connection.execute(delete(tools).where(tools.c.server == name))
        self._connection.execute(delete(servers).where(servers.c.server == name))


def _in_order(found: Any) -> dict[ToolName, Tool]:  # noqa: ANN401 - an iterable of tools
    """By code points, whatever the database's collation."""
    return {tool.name: tool for tool in sorted(found, key=lambda tool: tool.name)}


def _values(server: ServerName, tool: Tool) -> dict[str, Any]:
    return {
        "server": server,
        "tool": tool.name,
        "tier": tool.tier.value,
        "pin": tool.pin,
        "definition": encode(tool.definition).decode("utf-8"),
        "seen": None if tool.seen is None else encode(tool.seen).decode("utf-8"),
        "state": tool.state.value,
    }


def load_all(connection: Connection) -> list[Server]:
    """Every server with its tools."""
    return SqlServers(connection).all()


def load(connection: Connection, name: str) -> Server | None:
    """One server with its tools, or None."""
    return SqlServers(connection).find(ServerName(name))
