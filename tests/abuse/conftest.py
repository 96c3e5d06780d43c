"""The worlds in which tokens are asked for, and calls made; shared with the interaction tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "interaction" / "tokens"))
sys.path.insert(0, str(Path(__file__).parents[1] / "interaction" / "enforcement"))

from http_world import run_http  # type: ignore[import-not-found] # found by the line above
from token_world import NOON, World  # type: ignore[import-not-found] # found by the line above

from remit.kernel.clock import FixedClock
from remit.storage.database import open_database


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Any]:
    clock = FixedClock(NOON)
    database = open_database(tmp_path / "remit.db", clock=clock)
    yield World(database, tmp_path / "keys", clock=clock)
    database.close()


@pytest.fixture
def play() -> Callable[[Any], None]:
    """Runs a scenario in a fresh world with both gateways, on an event loop where blocking calls fail."""
    run: Callable[[Any], None] = run_http
    return run


@pytest.fixture
def resource(world: Any) -> Any:
    """The gateway's door of that world."""
    from tests.abuse.resource import Resource  # noqa: PLC0415 - found by the lines above

    return Resource(world)
