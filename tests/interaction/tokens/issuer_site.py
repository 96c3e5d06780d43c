"""A real issuer on this machine: discovery and keys over HTTP, whose keys change; and what Remit reads them with."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiohttp import web
from sqlalchemy import Connection
from tests.unit.attestation.issuer import Key, key_set

from remit.attestation import trusts
from remit.attestation.issuer_keys import IssuerKeys
from remit.attestation.published import PublishedKeys
from remit.attestation.trust import Trust, declared
from remit.kernel.clock import Clock
from remit.outbound.fetch import Fetcher
from remit.outbound.session import Outbound
from remit.server.platforms import usual
from remit.storage.ports import Transaction
from remit.tokens.clients.jwt_svid import JwtSvid
from remit.tokens.clients.oidc_assertion import IssuerAssertion
from remit.tokens.ports import Standing

T = TypeVar("T")


class Issuer:
    """Serves `/.well-known/openid-configuration`, `/keys` and `/bundle` on loopback."""

    def __init__(self) -> None:
        self.keys = [Key("RS256", "first")]
        self.bundle: list[Key] = [Key("ES256", "svid-1", use="jwt-svid")]
        self.asked: list[str] = []
        self.failing = False
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._runner = self.on_loop(self._start())
        self.outbound = Outbound()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def _start(self) -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._port = runner.addresses[0][1]
        return runner

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path)
        pages = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": key_set(*self.keys),
            "/bundle": key_set(*self.bundle) | {"spiffe_sequence": len(self.asked), "spiffe_refresh_hint": 300},
        }
        if self.failing or request.path not in pages:
            return web.Response(status=503)
        return web.Response(text=json.dumps(pages[request.path]), content_type="application/json")

    def close(self) -> None:
        self.on_loop(self.outbound.close())
        self.on_loop(self._runner.cleanup())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)
        self.loop.close()


class Trusting:
    """The trusts of one deployment and the client methods over them, wired as the server wires them."""

    def __init__(self, issuer: Issuer, database: Any, standing: Standing, clock: Clock, *, base: str) -> None:
        self.issuer, self.database, self.clock, self.base = issuer, database, clock, base
        self.trusts = trusts.Trusts()
        self.keys = IssuerKeys(PublishedKeys(Fetcher(issuer.outbound, loop=lambda: issuer.loop)), clock)
        database.feed.subscribe(self._follow)
        self.clients = (
            IssuerAssertion(self.trusts, self.keys, standing), JwtSvid(self.trusts, self.keys, standing, base),
        )  # fmt: skip

    def _follow(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        self.trusts.follow(epoch, topics, connection)
        self.issuer.outbound.allow = self.trusts.endpoints()

    def declare(self, **said: Any) -> Trust:
        trust = declared(said, usual=usual())

        def apply(tx: Transaction) -> None:
            trusts.put(tx, trust, now=self.clock.now())

        self.database.writer.change(apply)
        return trust

    def distrust(self, name: str) -> None:
        def apply(tx: Transaction) -> None:
            trusts.remove(tx, name)

        self.database.writer.change(apply)
