"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.running import Home, Up, tree, upstream


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A machine of this test's own."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return Home(path)


@pytest.fixture
def payments(tmp_path: Path) -> Iterator[int]:
    """A real payments server; its port."""
    with upstream("payments", tmp_path / "payments.jsonl") as port:
        yield port


@pytest.fixture
def served(home: Home) -> Iterator[Up]:
    """A running server with --dev, on the default data directory."""
    with home.up("--dev") as running:
        yield running


@pytest.fixture
def files(home: Home, tmp_path: Path, payments: int) -> Path:
    """The design's example directory, with the agent's key."""
    root = tree(tmp_path / "files", payments=payments)
    done = home.remit("agent", "keygen", "invoice-bot", "--out", str(root / "agents" / "invoice-bot"))
    assert done.code == 0, done.err
    return root
