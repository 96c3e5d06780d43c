"""30: paths and verbs of two readings: one is decided on, the other would be called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.abuse.shop import shop

Play = Callable[[Any], None]
AMBIGUOUS = [
    "/orders/..", "/orders/../orders/1", "/orders/%2e%2e/1", "/orders/.%2E/1", "/orders/%2e", "/orders//1",
    "//orders/1",
    "/orders/1%2f..", "/orders/1%5c..", "/orders/1;v=1", "/orders/1%3bv", "/orders/%252e%252e", "/orders/1%00",
    "/orders/1%0d%0aX:%20y", "/orders/%c0%af", "/orders/%ff", "/orders/%ef%bc%8f1", "/orders/%zz", "/orders/1?a=1;b=2",
    "/orders/1/.", "/orders/\\1",
    "/orders/%c0%ae%c0%ae/1", "/orders/%C0%AE", "/orders/%e0%80%ae", "/orders/%c0%af1", "/orders/%e0%80%af",
    "/orders/%c1%9c", "/orders/%f0%80%80%ae", "/orders/%c0%80", "/orders/1?a=%c0%ae", "/orders/1?%c0%ae=1",
]  # fmt: skip


def test_a_path_of_two_readings(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        entry = {"kind": "refused", "reason": "malformed", "server": "api", "agent": "bot"}
        for path in AMBIGUOUS:
            await watch.refused(world.ask("GET", "/http/api" + path), 400, "malformed", what=path, **entry)
        await watch.passes(world.ask("GET", "/http/api/orders/1"))

    play(scenario)


ELSEWHERE = ["/Orders/1", "/orders/1/", "/orders", "/", "", "/orders/1/lines", "/order", "/orders%31"]


def test_a_path_that_is_no_operation(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        for path in ELSEWHERE:
            asked = world.ask("GET", "/http/api" + path)
            await watch.refused(asked, 404, "not_found", what=path, agent="bot", server="api")

    play(scenario)


def test_a_verb_that_is_no_operation(play: Play) -> None:
    """OpenBao GHSA-xp3c-3jw3-4vcr: another verb for the same passed where the usual one was denied."""

    async def scenario(world: Any) -> None:
        watch = await shop(world)
        for verb in ("HEAD", "OPTIONS", "TRACE", "PROPFIND", "PATCH", "PUT", "DELETE"):
            asked = world.ask(verb, "/http/api/orders/1", body=b"{}" if verb in {"PATCH", "PUT"} else None)
            code = "" if verb == "HEAD" else "not_found"
            await watch.refused(asked, 404, code, what=verb, agent="bot", server="api")

    play(scenario)


def test_a_verb_that_http_has_not_is_not_read_at_all(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        token = world.headers()["Authorization"]
        for verb in ("LIST", "get", "Get", "G\tET"):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            head = f"{verb} /http/api/orders/1 HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
            writer.write(head.encode())
            assert (await reader.readline()).split()[1] == b"400", verb
            writer.close()
        assert (watch.seen[1], world.writer.entries) == ([], [])

    play(scenario)


HEADERS = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL")


def test_another_method_or_path_in_a_header_does_not_reach_the_server(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        for header in HEADERS:
            value = "/orders/2" if "URL" in header else "DELETE"
            await watch.passes(world.ask("GET", "/http/api/orders/1", headers=[(header, value)]))
            got = watch.seen[1][-1]
            assert (got.method, got.target, got.values(header.lower())) == ("GET", "/orders/1", [])

    play(scenario)
