"""`DIR/remit.sock`: where processes of this machine ask for tokens, without a key that was registered before.

One line of JSON asks, one answers. Who asks is not in the line: the kernel tells it of the
socket (SO_PEERCRED). The file's mode lets only the server's own user in, and root. A
connection is held for as long as a run lasts: when it breaks, the process is gone and the
runs of its instances are over, also where it was killed and could say nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from remit.attestation.model import Process
from remit.catalog.model import Kind
from remit.kernel.canonical import encode, parse
from remit.kernel.errors import Malformed, RemitError
from remit.kernel.names import AgentName, InstanceId, split_action
from remit.logs import logger
from remit.policy.view import View
from remit.server.local_ask import Ask, read
from remit.server.local_proxy import LocalProxy
from remit.tokens.metadata import TOKEN_PATH
from remit.tokens.model import TokenRefused
from remit.tokens.service import TokenService

NAME: Final = "remit.sock"
_LINE: Final = 64 * 1024
_BACKLOG: Final = 128
_PRIVATE: Final = 0o600
_PEER: Final = struct.Struct("iII")  # struct ucred: pid, uid, gid
_log = logger("remit.server")


class LocalSocket:
    """Serves the socket in the directory `data`.

    Args:
        data: The data directory; its lock is held, so a socket that lies there is a dead server's.
        tokens: Issues the tokens.
        view: The facts, for the servers that a run can reach.
        proxy: What a run behind the forward proxy is told; None where there is none.
    """

    def __init__(
        self, data: Path, tokens: TokenService, view: Callable[[], View], *, proxy: LocalProxy | None = None
    ) -> None:
        self._proxy = proxy
        self._path = data / NAME
        self._tokens = tokens
        self._view = view
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[Any] | None] = {}
        self._closing = False

    async def start(self) -> None:
        """Listen. Where that cannot be done the server runs without it, and `remit run` says what is missing."""
        if not hasattr(socket, "SO_PEERCRED"):
            return
        try:
            listener = _listen(self._path)
        except OSError as error:
            _log.warning("no local socket", path=str(self._path), error=error.strerror or str(error))
            return
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_LINE)

    async def close(self) -> None:
        """Stop. Runs that go on are not ended: their processes come back to the next server."""
        self._closing = True
        if self._server is None:
            return
        self._server.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        tasks = [task for task in self._open.values() if task is not None]
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        peer = _peer(writer.get_extra_info("socket"))
        instances: set[tuple[AgentName, InstanceId]] = set()
        try:
            while line := await reader.readline():
                writer.write(encode(await self._answer(line, peer, instances)) + b"\n")
                await writer.drain()
        except (ValueError, OSError) as error:  # ValueError: a line over the limit
            _log.info("a local process was cut off", uid=peer.uid, pid=peer.pid, error=str(error))
        finally:
            try:
                if not self._closing:
                    await asyncio.to_thread(self._gone, instances, peer)
            finally:
                writer.close()  # only now: `remit run` waits for it, and what it did is then recorded
                del self._open[writer]

    async def _answer(self, line: bytes, peer: Process, instances: set[tuple[AgentName, InstanceId]]) -> dict[str, Any]:
        try:
            return await asyncio.to_thread(self._token, read(parse(line)), peer, instances)
        except TokenRefused as refused:
            return {"status": refused.status, "error": str(refused.error), "error_description": refused.public}
        except RemitError as error:
            _log.warning("a local process got no token", code=error.code, error=error.public, detail=error.detail)
            status = 400 if error.code == "malformed" else 503
            return {"status": status, "error": error.code, "error_description": error.public}

    def _token(self, ask: Ask, peer: Process, instances: set[tuple[AgentName, InstanceId]]) -> dict[str, Any]:
        if ask.proxy and self._proxy is None:
            raise Malformed("this Remit is no forward proxy", try_="remit up --proxy 127.0.0.1:8471")
        process = replace(peer, digest=ask.digest, argv=ask.argv)
        url = self._tokens.issuer + TOKEN_PATH
        granted, body = self._tokens.local(ask.form(self._tokens.issuer), dpop=ask.proof, url=url, process=process)
        wish = granted.wish
        instances.add((wish.agent.agent, wish.instance))
        purpose = wish.purpose.purpose
        servers = servers_of(self._view(), wish.agent.agent, purpose)
        proxied = {}
        if ask.proxy and self._proxy is not None:
            proxied["proxy"] = self._proxy.told(agent=wish.agent.agent, instance=wish.instance, servers=servers)
        return {
            "status": 200,
            **body,
            "run": granted.run.run,
            "purpose": purpose,
            "servers": servers,
            "http": http_of(self._view(), wish.agent.agent, purpose),
            **proxied,
        }

    def _gone(self, instances: set[tuple[AgentName, InstanceId]], peer: Process) -> None:
        for agent, instance in instances:
            try:
                self._tokens.end(agent, instance, process=peer)
            except RemitError as error:
                _log.warning("the end of a run was not recorded", agent=agent, error=error.public)


def servers_of(view: View, agent: str, purpose: str) -> list[str]:
    """The servers that the agent's boundaries in force name for this purpose, by name."""
    record = view.agents.get(agent)
    boundaries = () if record is None else record.boundaries
    return sorted({split_action(rule)[0] for each in boundaries if each.purpose == purpose for rule in each.rules})


def http_of(view: View, agent: str, purpose: str) -> list[str]:
    """Those of them that are HTTP APIs."""
    known = {name: view.server(name) for name in servers_of(view, agent, purpose)}
    return [name for name, server in known.items() if server is not None and server.kind is Kind.HTTP]


def _listen(path: Path) -> socket.socket:
    """A listening socket at `path`, which nobody but its owner may connect to.

    Raises:
        OSError: It cannot be made, or something else lies there.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(None, "what lies there is no socket")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        # Through the open folder: the path of a unix socket may have 107 bytes, and a data directory's may be longer.
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        # Until `listen` every connection is refused, so that nobody is let in before the mode is set.
        path.chmod(_PRIVATE)
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the socket module's signature
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(folder)
    return listener


def _peer(connection: socket.socket) -> Process:
    pid, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return Process(uid=uid, pid=pid, digest=None)
