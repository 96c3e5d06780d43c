"""When the garbage collector walks the whole heap: at times of our choosing, and not over what stays for ever.

A full collection holds everything up: 150 ms with 500 open streams, seconds with the facts of
10,000 agents. Python starts one whenever enough young objects have aged, which is just when
much happens: a freeze must not wait for that. Only cycles need it; all else is freed at once.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Final

_YOUNG: Final = 2_000  # objects; a pass over them takes less than a millisecond
_MIDDLE: Final = 5  # young passes for one over what survived them
_START: Final = 100_000  # objects; a start makes about as many, and nearly all of them stay
_NEVER: Final = 1_000_000_000
_SECONDS: Final = 60.0
_LOOK: Final = 1.0
_GROWN: Final = 20  # middle passes, each after 10,000 objects more than went: collecting those takes some 20 ms


def hold() -> None:
    """While everything is loaded: walking it again and again, 250 times, would be a tenth of the start."""
    gc.set_threshold(_START)


def settle() -> None:
    """Once everything is loaded: leave it out of every later pass, and start no full one by itself."""
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)


async def run() -> None:
    """Collect what is in cycles: once a minute, and sooner if much has come, so that no pass finds very much.

    Attack: requests whose errors leave cycles fill the memory within the minute; the pass that frees it takes seconds.
    """
    ended = time.monotonic()
    while True:
        await asyncio.sleep(_LOOK)
        if due(gc.get_count()[2], time.monotonic() - ended):
            gc.collect()
            ended = time.monotonic()


def due(passes: int, seconds: float) -> bool:
    """Whether it is time to, so many middle passes and seconds after the last time."""
    return seconds >= _SECONDS or passes >= _GROWN
