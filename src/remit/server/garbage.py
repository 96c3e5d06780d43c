"""When the garbage collector walks the whole heap: at times of our choosing, and not over what stays for ever.

A full collection holds everything up: 150 ms with 500 open streams, seconds with the facts of
10,000 agents. Python starts one whenever enough young objects have aged, which is just when
much happens: a freeze must not wait for that. Only cycles need it; all else is freed at once.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Final

_YOUNG: Final = 2_000  # objects; a pass over them takes less than a millisecond
_MIDDLE: Final = 5  # young passes for one over what survived them
_START: Final = 100_000  # objects; a start makes about as many, and nearly all of them stay
_NEVER: Final = 1_000_000_000
_SECONDS: Final = 60.0


def hold() -> None:
    """While everything is loaded: walking it again and again, 250 times, would be a tenth of the start."""
    gc.set_threshold(_START)


def settle() -> None:
    """Once everything is loaded: leave it out of every later pass, and start no full one by itself."""
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)


async def run() -> None:
    """Collect what is in cycles, once a minute."""
    while True:
        await asyncio.sleep(_SECONDS)
        gc.collect()
