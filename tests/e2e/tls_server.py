"""An API that writes down what it gets: `tls_server.py PEM LEDGER`, without TLS where PEM is `-`; says {"port": N}."""

from __future__ import annotations

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LEDGER = Path(sys.argv[2])


class Handler(BaseHTTPRequestHandler):
    """Answers everything with what it was asked."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        got = {"method": self.command, "path": self.path, "headers": dict(self.headers.items()), "body": body.decode()}
        with LEDGER.open("a", encoding="utf-8") as file:
            file.write(json.dumps(got) + "\n")
        said = json.dumps({"got": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if sys.argv[1] != "-":
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[1])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(json.dumps({"port": server.server_address[1]}), flush=True)  # noqa: T201 - its caller reads it
server.serve_forever()
