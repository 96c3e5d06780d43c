"""The API that `rotation.py` calls: `rotation_api.py PORT POSTGRES_PORT`.

It takes a user and a password (RFC 7617) and is signed in to PostgreSQL with exactly these when it answers: with a
session that is a second old at most, or else with a new one. 401: PostgreSQL does not take them.
"""

from __future__ import annotations

import asyncio
import binascii
import sys
import time
from base64 import b64decode
from typing import Any

import psycopg
import uvicorn
from starlette.types import Receive, Scope, Send

OLDEST = 1.0  # seconds that a session is used again
Pair = tuple[str, str]
MOST = 8  # sessions at a time, as a pool has: signing in costs both sides milliseconds of processor time
_kept: dict[Pair, list[tuple[float, psycopg.AsyncConnection[Any]]]] = {}
_free = asyncio.Semaphore(MOST)


async def session(pair: Pair) -> tuple[float, psycopg.AsyncConnection[Any]]:
    """A session of theirs that nobody uses, and since when it is one."""
    waiting = _kept.setdefault(pair, [])
    while waiting:
        since, connection = waiting.pop()
        if time.monotonic() - since < OLDEST and not connection.closed:
            return since, connection
        await connection.close()
    for others in _kept.values():  # whoever's they are: a server has only so many
        while others and time.monotonic() - others[0][0] >= OLDEST:
            await others.pop(0)[1].close()
    user, password = pair
    since = time.monotonic()
    return since, await psycopg.AsyncConnection.connect(
        host="127.0.0.1", port=int(sys.argv[2]), dbname="postgres", user=user, password=password, sslmode="disable",
        connect_timeout=30, autocommit=True,
    )  # fmt: skip


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request with the user that PostgreSQL says it is."""
    while (await receive()).get("more_body"):
        pass
    status, said = 401, b"who?"
    try:
        sent = dict(scope["headers"])[b"authorization"].partition(b" ")[2]
        user, _, password = b64decode(sent).decode().partition(":")
        async with _free:
            since, connection = await session((user, password))
            row = await (await connection.execute("SELECT current_user")).fetchone()
            _kept[user, password].append((since, connection))
        status, said = 200, str(row[0]).encode() if row else b""
    except psycopg.OperationalError as error:
        status, said = 401, str(error).encode()
    except (KeyError, binascii.Error, UnicodeDecodeError):
        pass
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": said})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", lifespan="off", access_log=False)
