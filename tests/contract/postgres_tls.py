"""TLS before a PostgreSQL that was built without it: it answers SSLRequest itself, and passes on the rest."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_REQUEST: Final = 8  # bytes of SSLRequest (PostgreSQL, message formats)


@contextlib.contextmanager
def over_tls(port: int, leaf: bytes, folder: Path) -> Iterator[int]:
    """Its port. `leaf`: PEM of its certificate and key."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        own = int(listener.getsockname()[1])
        file = folder / f"leaf-{own}.pem"
        file.write_bytes(leaf)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.set_alpn_protocols(["postgresql"])

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_one, args=(client, port, context), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield own
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _one(client: socket.socket, port: int, context: ssl.SSLContext) -> None:
    with client, contextlib.suppress(OSError):
        assert len(client.recv(_REQUEST)) == _REQUEST
        client.sendall(b"S")
        with (
            context.wrap_socket(client, server_side=True) as secured,
            socket.create_connection(("127.0.0.1", port)) as server,
        ):
            back = threading.Thread(target=_pass_on, args=(server, secured), daemon=True)
            back.start()
            _pass_on(secured, server)
            back.join(10)


def _pass_on(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            to.sendall(chunk)
        to.shutdown(socket.SHUT_WR)
