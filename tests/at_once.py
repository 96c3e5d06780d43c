"""The same question asked of several token services at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from remit.tokens.model import TokenRefused

Ask = Callable[[], dict[str, Any]]


def at_once(many: int, question: Callable[[int], Ask]) -> tuple[list[dict[str, Any]], list[TokenRefused]]:
    """What was granted, and what was refused, of `many` threads that ask together.

    Args:
        many: How many.
        question: Makes the question of each by its number, before any of them asks.
    """
    granted: list[dict[str, Any]] = []
    refused: list[TokenRefused] = []
    ready = threading.Barrier(many)

    def run(number: int) -> None:
        ask = question(number)
        ready.wait()
        try:
            granted.append(ask())
        except TokenRefused as error:
            refused.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return granted, refused
