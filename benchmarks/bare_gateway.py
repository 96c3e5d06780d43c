"""The least that a gateway like Remit's does for a call, from the same parts and nothing besides.

`bare_gateway.py PORT UPSTREAM_URL DATABASE`: uvicorn takes the call, msgspec reads it, one ES256 signature is verified,
cedarpy is asked once, one row is committed by a writer thread (SQLite, synchronous=FULL), aiohttp carries the call on.
It knows no agents, no boundaries, no limits and no log: what Remit adds to this is Remit's own cost. It takes the parts
as they come (aiohttp's session, cedarpy asked each time), where Remit has since left out what it does not need of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import sqlite3
import sys
import threading
from typing import TYPE_CHECKING

import aiohttp
import cedarpy
import msgspec
import uvicorn
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from remit.enforcement.asgi import Receive, Scope, Send

ROW = 1200  # bytes: a decision's header and sealed payload, and the outcome that travels with it
SIGNED = b"x" * 300  # a proof's signing input
_ECDSA = ec.ECDSA(hashes.SHA256())
_SCHEMA = """
entity Agent; entity Server;
type Context = {purpose: String, arguments: {a: Long, b: Long}};
action "add" appliesTo {principal: [Agent], resource: [Server], context: Context};
"""
_POLICY = """
permit (principal == Agent::"bot", action == Action::"add", resource == Server::"bench")
when {context.purpose == "bench" && context.arguments.a <= 100};
"""
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "add",
}


class Writer:
    """One thread that commits all that waits."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def submit(self) -> asyncio.Future[None]:
        """Resolves once a row is durable."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._queue.put((loop, future))
        return future

    def _run(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE log (entry BLOB)"):
            database.execute(statement)
        while True:
            waiting = [self._queue.get()]
            while not self._queue.empty():
                waiting.append(self._queue.get())
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO log VALUES (?)", [(os.urandom(ROW),) for _ in waiting])
            database.execute("COMMIT")
            for loop, future in waiting:
                loop.call_soon_threadsafe(future.set_result, None)


class Gateway:
    """An ASGI application."""

    def __init__(self, upstream: str, database: str) -> None:
        self._upstream = upstream
        self._writer = Writer(database)
        key = ec.generate_private_key(ec.SECP256R1())
        self._public, self._signature = key.public_key(), key.sign(SIGNED, _ECDSA)
        self._schema = cedarpy.Schema.from_str(_SCHEMA)
        self._policies = cedarpy.PolicySet.from_str(_POLICY)
        entities = [{"uid": {"type": kind, "id": name}, "attrs": {}, "parents": []}
                    for kind, name in (("Agent", "bot"), ("Server", "bench"))]  # fmt: skip
        self._entities = cedarpy.Entities.from_json_str(json.dumps(entities), self._schema)
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Take one call through every part."""
        asked = msgspec.json.decode((await receive())["body"])
        self._public.verify(self._signature, SIGNED, _ECDSA)
        question = {"principal": 'Agent::"bot"', "action": 'Action::"add"', "resource": 'Server::"bench"',
                    "context": {"purpose": "bench", "arguments": asked["params"]["arguments"]}}  # fmt: skip
        ruling = cedarpy.is_authorized(question, self._policies, self._entities, schema=self._schema)
        assert ruling.allowed
        await self._writer.submit()
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        data = msgspec.json.encode(asked)
        async with self._session.post(self._upstream, data=data, headers=_HEADERS) as answer:
            body = msgspec.json.encode(msgspec.json.decode(await answer.read()))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        Gateway(sys.argv[2], sys.argv[3]), host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools",
        lifespan="off", access_log=False, log_level="critical",
    )  # fmt: skip
