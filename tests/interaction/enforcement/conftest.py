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


@pytest.fixture
def play_commands(tmp_path: Path) -> Callable[..., None]:
    """The same where servers are commands."""
    from command_world import run_commands  # type: ignore[import-not-found]  # noqa: PLC0415 - beside

    def play(scenario: Any, limits: Any = None) -> None:
        run_commands(scenario, tmp_path, limits)

    return play
