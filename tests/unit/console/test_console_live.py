"""The stream of what is recorded, and whom it is for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from remit.console import live


class Talks:
    """A log that has news at every look; whoever looks a second time is signed out meanwhile."""

    def __init__(self) -> None:
        self.looks = 0

    def read(self, query: Callable[[Any], Any]) -> Any:
        if query is live.newest:
            return 7
        self.looks += 1
        return 7 + self.looks, [{"look": self.looks}]

    def open_still(self) -> bool:
        return self.looks < 2


def test_nothing_that_was_read_after_the_session_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY", 0)

    async def told() -> list[bytes]:
        log = Talks()
        return [each async for each in live.events(log, log.open_still)]

    assert asyncio.run(told()) == [b": open\n\n", b'data: {"look": 1}\n\n']
