"""Asks a registered server for its tools, for the catalog: in the modern era, else with a handshake."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Final

from remit.catalog.model import Server
from remit.catalog.ports import Unreached
from remit.enforcement import era
from remit.enforcement.listing import CLIENT, DECLARED, ListRefused, all_tools, envelope, request, toolless, unknown
from remit.enforcement.model import METHOD_NOT_FOUND
from remit.enforcement.ports import Upstream
from remit.enforcement.server_messages import ServerMessage, result_object
from remit.enforcement.upstream import UpstreamFailed, handshake_headers, modern_headers, response_to
from remit.kernel import canonical
from remit.kernel.errors import ConfigInvalid, Overloaded, RemitError

_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.1  # how often a thread that waits for a server looks whether Remit still runs


class Importer:
    """Implements remit.catalog.ports.Lister; `tools` is for the event loop, `list_tools` for other threads."""

    def __init__(self, upstream: Upstream, *, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        """`loop` raises Overloaded once Remit is stopping."""
        self._upstream = upstream
        self._loop = loop

    def list_tools(self, server: Server) -> list[dict[str, Any]]:
        """Every definition the server lists. Blocks; never call it on the event loop.

        Raises:
            ConfigInvalid: Remit never calls the server's address.
            Unreached: The server, its credential or its protocol does not work.
            Overloaded: Remit is stopping; a server that does not answer does not hold it up.
        """
        future = self._begin(server)
        end = time.monotonic() + _SECONDS + 1
        try:
            while not wait((future,), _LOOK_SECONDS).done:
                self._loop()
                if time.monotonic() > end:
                    raise Unreached(f"the server {server.server} did not answer in time")
            return future.result()
        finally:
            future.cancel()

    def _begin(self, server: Server) -> Future[list[dict[str, Any]]]:
        loop, asking = self._loop(), self.tools(server)
        try:
            return asyncio.run_coroutine_threadsafe(asking, loop)
        except RuntimeError as error:
            asking.close()  # the loop was closed in between, and nobody will ever run it
            raise Overloaded("Remit is stopping", detail=repr(error)) from error

    async def tools(self, server: Server) -> list[dict[str, Any]]:
        """The same on the event loop.

        Raises:
            ConfigInvalid, Unreached: As above.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._either(server)
        except TimeoutError as error:
            raise Unreached(f"the server {server.server} did not answer in time") from error
        except UpstreamFailed as error:
            if error.forbidden:
                # No answer will ever come from there: what is wrong is the URL, and trying again does not help.
                raise ConfigInvalid(f"url: {error.forbidden}", detail=error.detail) from error
            raise Unreached(f"the server {server.server} could not be asked", detail=error.detail) from error
        except RemitError as error:
            again = error.code != "enforcement_unavailable"
            raise Unreached(f"{server.server}: {error.public}", detail=error.detail, again=again) from error

    async def _either(self, server: Server) -> list[dict[str, Any]]:
        eras = [self._by_modern, self._by_handshake]
        if server.command:
            # Nearly every command speaks the handshake era, and one that does not says so; the other way round one may
            # say nothing at all before its handshake.
            eras.reverse()
        first, second = eras
        try:
            return await first(server)
        except ListRefused:
            pass  # a server of one era knows nothing of the other
        except UpstreamFailed as error:
            if not error.answered:
                raise
        return await second(server)

    async def _by_modern(self, server: Server) -> list[dict[str, Any]]:
        params = {"_meta": envelope()}
        try:
            return await all_tools(lambda m, p: self._modern(server, m, p), params, self._upstream.limits)
        except ListRefused as refused:
            if not unknown(refused):
                raise
            greeting = await self._modern(server, "server/discover", params)
            if toolless(greeting.result):
                return []
            raise

    async def _by_handshake(self, server: Server) -> list[dict[str, Any]]:
        return await _Handshake(self._upstream, server).tools()

    async def _modern(self, server: Server, method: str, params: dict[str, Any]) -> ServerMessage:
        id_, body = request(method, params)
        async with await self._upstream.send(server, headers=modern_headers(method, None), data=body) as reply:
            return await response_to(reply, id_, asked=lambda _message: None)


class _Handshake:
    """One session of the handshake era, opened, used and ended."""

    def __init__(self, upstream: Upstream, server: Server) -> None:
        self._upstream = upstream
        self._server = server
        self._version: str | None = None
        self._session: str | None = None
        self._answers: set[asyncio.Task[None]] = set()

    async def tools(self) -> list[dict[str, Any]]:
        """Open a session, list, end it."""
        hello = {"protocolVersion": era.HANDSHAKE[-1], "capabilities": DECLARED, "clientInfo": CLIENT}
        answer = await self._ask("initialize", hello)
        if answer.result is None:
            raise ListRefused(answer)
        version = result_object(answer.result).get("protocolVersion")
        if version not in era.HANDSHAKE:
            raise UpstreamFailed("", sent=True, detail=f"speaks {version!r}"[:100], answered=True)
        self._version = version
        try:
            await self._tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
            return await all_tools(self._ask, {}, self._upstream.limits)
        except ListRefused as refused:
            if unknown(refused) and toolless(answer.result):
                return []
            raise
        finally:
            await self._end()

    async def _ask(self, method: str, params: dict[str, Any]) -> ServerMessage:
        id_, body = request(method, params)
        async with await self._upstream.send(self._server, headers=self._headers(), data=body) as reply:
            self._session = self._session or reply.session
            return await response_to(reply, id_, asked=self._asked)

    async def _tell(self, message: dict[str, Any]) -> None:
        body = canonical.encode(message)
        async with await self._upstream.send(self._server, headers=self._headers(), data=body) as reply:
            await reply.read()

    def _asked(self, message: ServerMessage) -> None:
        """A server's own request is answered that there is no such method."""
        error = {"code": METHOD_NOT_FOUND, "message": "Method not found"}
        task = asyncio.ensure_future(self._tell({"jsonrpc": "2.0", "id": message.id, "error": error}))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _end(self) -> None:
        if self._session is None:
            return
        try:
            async with await self._upstream.send(self._server, headers=self._headers(), method="DELETE"):
                pass
        except RemitError:
            return  # the list is what counts; the server ends idle sessions by itself

    def _headers(self) -> dict[str, str]:
        return handshake_headers(self._version, self._session)
