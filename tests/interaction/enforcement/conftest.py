"""The world in which the gateway stands; its module stands beside this file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gateway_world import World, run_in_world  # type: ignore[import-not-found] # found by the line above

Scenario = Callable[[World], Coroutine[Any, Any, None]]


@pytest.fixture
def play() -> Callable[[Scenario], None]:
    """Runs a scenario in a fresh world, on an event loop where blocking calls fail."""
    run: Callable[[Scenario], None] = run_in_world
    return run
