"""Servers that give away what they were given: `leaking_server.py mcp|stdio|api LEDGER [PEM]`.

Each answers with its own request's headers and its environment, in the encoding and in the place that it is asked for;
`mcp` and `api` say {"port": N}. The ledger gets a line for each answer: the values that were in it.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

LEDGER = Path(sys.argv[2])
FORMS: dict[str, Callable[[str], str]] = {
    "raw": lambda text: text,
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64-1": lambda text: b64encode(b"x" + text.encode()).decode(),
    "base64-2": lambda text: urlsafe_b64encode(b"xx" + text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "url": lambda text: quote(text, safe=""),
    "json": json.dumps,
    "json-in-json": lambda text: json.dumps(json.dumps(text)),
}


def told(form: str, headers: Mapping[str, str]) -> str:
    """All of it in that form; noted as given away."""
    values = [*headers.values(), *os.environ.values()]
    with LEDGER.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"form": form, "values": values}) + "\n")
    return FORMS[form]("\n".join(values))


def server() -> MCPServer[Any]:
    made: MCPServer[Any] = MCPServer("leaking")

    def in_lists(text: str) -> None:
        made.add_tool(lambda: "", name="late", description=text)
        made.prompt(name="late", description=text)(lambda: text)
        made.resource("late://it", description=text)(lambda: text)

    @made.tool()
    async def tell(form: str, how: str, ctx: Context[Any]) -> dict[str, str]:
        """Give it away."""
        text = told(form, ctx.headers or {})
        if how == "error":
            raise ValueError(text)
        if how == "progress":
            await ctx.report_progress(1, 2, text)
        if how == "lists":
            in_lists(text)
        return {"said": text if how == "result" else "nothing"}

    return made


class Api(BaseHTTPRequestHandler):
    """`GET /tell/FORM/HOW`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _, _, form, how = self.path.split("?")[0].split("/")
        text = told(form, dict(self.headers.items()))
        plain = text.replace("\n", " ")
        body = b"{}" if how in {"header", "redirect"} else text.encode()
        status = {"error": 500, "redirect": 302, "refusal": 401}.get(how, 200)
        self.send_response(status, plain if how == "error" else None)
        self.send_header("Content-Type", "text/event-stream" if how == "events" else "text/plain")
        if how == "header":
            self.send_header("X-Told", plain)
        if how == "redirect":
            self.send_header("Location", "/tell/raw/body?" + plain)
        if how == "events":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in [b"data: ", *(body[at : at + 7] for at in range(0, len(body), 7)), b"\n\n", b""]:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def listening(port: int) -> None:
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()


def main() -> None:
    if sys.argv[1] == "stdio":
        server().run("stdio")
    elif sys.argv[1] == "mcp":
        listener = socket.create_server(("127.0.0.1", 0))
        listening(listener.getsockname()[1])
        config = uvicorn.Config(server().streamable_http_app(), access_log=False)
        uvicorn.Server(config).run(sockets=[listener])
    else:
        http = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        if len(sys.argv) > 3:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(sys.argv[3])
            http.socket = context.wrap_socket(http.socket, server_side=True)
        listening(http.server_address[1])
        http.serve_forever()


if __name__ == "__main__":
    main()
