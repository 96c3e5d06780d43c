"""The live page in Debian's Chromium while an agent makes 500 decisions a second: what it and the server hold."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from benchmarks.estate import HEADERS, SERVER, Running, body, estate
from benchmarks.gateway import plain_token
from benchmarks.scale import resident

from remit.sdk import keyfile

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
RATE: Final = 500  # decisions a second
WARM: Final = 20  # seconds until the first look
_AT_ONCE, _TICK = 64, 0.02
_MB: Final = 1e6
_ROWS: Final = """() => { const all = document.querySelectorAll('table.rows tbody tr');
  return [all.length, all.length ? all[0].innerText : ''] }"""


@dataclass(slots=True, kw_only=True)
class Held:
    """What was held at the beginning and at the end, in MB; and the decisions a second in between."""

    heap: tuple[float, float]
    server: tuple[float, float]
    rate: float
    rows: int  # on the page at the end
    shown: str  # the newest row at the end


@contextmanager
def _calling(found: Running) -> Iterator[list[int]]:
    """An agent that calls so often; how many were answered stands in the list."""
    answered, over = [0], threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_load(found, answered, over)))
    thread.start()
    try:
        yield answered
    finally:
        over.set()
        thread.join()


async def _load(found: Running, answered: list[int], over: threading.Event) -> None:
    slots, calls = asyncio.Semaphore(_AT_ONCE), set[asyncio.Task[None]]()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_ONCE)) as http:
        token = await plain_token(http, found.remit, keyfile.load(found.key("plain-bot")))
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}

        async def one(number: int) -> None:
            async with slots, http.post(f"{found.remit}/mcp/{SERVER}", data=body(number), headers=headers) as answer:
                await answer.read()
                answered[0] += answer.status == 200

        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        while not over.is_set():
            due = int((loop.time() - began) * RATE)
            for number in range(sent, min(due, sent + _AT_ONCE)):
                task = asyncio.create_task(one(number))
                calls.add(task)
                task.add_done_callback(calls.discard)
            sent = due  # what no slot was free for is left out
            await asyncio.sleep(_TICK)
        await asyncio.gather(*calls)


def followed(home: Path, *, seconds: int) -> Held:
    """Open the page, let it run so long, and look twice."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is a browser

    with estate(home, agents={"plain-bot": "none"}) as found, sync_playwright() as playwright:
        instance = json.loads((home / ".local/share/remit/instance.json").read_text(encoding="utf-8"))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(found.command("console").split()[0])
        page.goto(f"{found.remit}/console/live")
        devtools = page.context.new_cdp_session(page)

        def look() -> tuple[float, float]:
            devtools.send("HeapProfiler.collectGarbage")
            used: dict[str, Any] = devtools.send("Runtime.getHeapUsage")
            return used["usedSize"] / _MB, resident(instance["pid"])

        with _calling(found) as answered:
            page.wait_for_timeout(WARM * 1000)
            before, was = look(), answered[0]
            page.wait_for_timeout(seconds * 1000)
            after, rate = look(), (answered[0] - was) / seconds
            count, newest = page.evaluate(_ROWS)  # at once: the rows come and go
        browser.close()
    return Held(
        heap=(before[0], after[0]), server=(before[1], after[1]), rate=rate, rows=count, shown=newest
    )  # fmt: skip
