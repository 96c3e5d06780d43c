"""How long a rotator waits, and what an answer over HTTP that cannot be used comes to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from remit.vault.rotator import Answered, Refused, Unclear

SECONDS: Final = 9.0  # for all that one step asks
_OK: Final = range(200, 300)
_BUSY: Final = frozenset({408, 425, 429})
_NO: Final = range(400, 500)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Give up after `seconds`. Raises Unclear: what was asked last may be done or not."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        pass
    else:
        return
    raise Unclear("the provider did not answer in time")


def failed(answer: Answered, what: str, *, said: str = "") -> Refused | Unclear | None:
    """What an answer's status alone comes to; None: it is a success. `said`: the provider's own code, if it had one."""
    if answer.status in _OK:
        return None
    told = f"{what}: HTTP {answer.status}{f' {said}' if said else ''}"
    if answer.status in _NO and answer.status not in _BUSY:
        return Refused(told)
    return Unclear(told)
