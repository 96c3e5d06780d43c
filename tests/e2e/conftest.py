"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.running import Home, Up, tree, upstream

from remit.cli.agent import keygen


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A machine of this test's own."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return Home(path)


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A real payments server for all tests, which keeps nothing but its ledger; its port, and where it writes that."""
    ledger = tmp_path_factory.mktemp("bank") / "ledger"
    with upstream("payments", ledger) as port:
        yield port, ledger


@pytest.fixture
def payments(bank: tuple[int, Path], tmp_path: Path) -> int:
    """A real payments server, whose ledger is this test's own; its port."""
    port, ledger = bank
    ledger.unlink(missing_ok=True)
    ledger.symlink_to(tmp_path / "payments.jsonl")  # it opens the file for each line
    return port


@pytest.fixture
def served(home: Home) -> Iterator[Up]:
    """A running server with --dev, on the default data directory."""
    with home.up("--dev") as running:
        yield running


@pytest.fixture
def files(tmp_path: Path, payments: int) -> Path:
    """The design's example directory, with the agent's key."""
    root = tree(tmp_path / "files", payments=payments)
    assert keygen("invoice-bot", root / "agents" / "invoice-bot") == 0  # the command, without a process of its own
    return root
