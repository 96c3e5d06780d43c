"""The stores that every port's contract holds in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.stores import Store, Stored

from remit.storage.database import Database
from remit.storage.memory import MemoryWriter


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, opened: Callable[[Path | str], Database]) -> Store:
    if request.param == "memory":
        return MemoryWriter()
    return Stored(
        opened(tmp_path / "remit.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    )
