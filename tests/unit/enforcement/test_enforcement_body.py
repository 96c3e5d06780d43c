"""A request's body is the same however it comes: at once, in pieces, late; and what never comes is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement import asgi
from remit.enforcement.asgi import Gone, body_of
from remit.kernel.errors import Malformed, TooLarge

LIMIT = 100


def sender(pieces: Sequence[tuple[bytes, int]]) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Hands over these pieces, each after so many turns of the loop."""
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        piece, turns = left.pop(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    return receive


@given(st.lists(st.tuples(st.binary(max_size=10), st.integers(0, 3)), min_size=1, max_size=10))
def test_the_pieces_come_out_in_their_order(pieces: list[tuple[bytes, int]]) -> None:
    assert asyncio.run(body_of(sender(pieces), declared=None, limit=LIMIT)) == b"".join(each for each, _ in pieces)


@pytest.mark.parametrize("turns", [0, 1])
def test_what_is_too_large_is_refused_whenever_it_comes(turns: int) -> None:
    with pytest.raises(TooLarge):
        asyncio.run(body_of(sender([(b"x" * LIMIT, 0), (b"x", turns)]), declared=None, limit=LIMIT))
    with pytest.raises(TooLarge):
        asyncio.run(body_of(sender([(b"", turns)]), declared=str(LIMIT + 1), limit=LIMIT))


@pytest.mark.parametrize("turns", [0, 1])
def test_a_client_that_goes_away_is_noticed_whenever_it_does(turns: int) -> None:
    async def receive() -> dict[str, Any]:
        for _ in range(turns):
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    with pytest.raises(Gone):
        asyncio.run(body_of(receive, declared=None, limit=LIMIT))


def test_a_body_that_does_not_come_is_given_up_and_nothing_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.0)
    ended: list[str] = []

    async def receive() -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("receive")
        raise AssertionError("nothing comes")

    with pytest.raises(Malformed, match="in time"):
        asyncio.run(body_of(receive, declared=None, limit=LIMIT))
    assert ended == ["receive"]


def test_a_request_that_is_cancelled_while_its_body_comes_ends() -> None:
    async def run() -> bool:
        task = asyncio.create_task(body_of(sender([(b"a", 0), (b"b", 1000)]), declared=None, limit=LIMIT))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(run())
