"""Fixtures of the registry's tests."""

from __future__ import annotations

import pytest
from tests.interaction.apply_world import DANA, Rig, Tree
from tests.interaction.desk import Desk


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def tree() -> Tree:
    return Tree()


@pytest.fixture
def applied(rig: Rig, tree: Tree) -> Rig:
    rig.apply(tree, by=DANA, approve=True)
    return rig


@pytest.fixture
def desk(applied: Rig) -> Desk:
    return Desk(applied)


@pytest.fixture
def bare() -> Desk:
    """Nothing is registered yet, and the admin token may act as anyone."""
    return Desk(Rig(), dev=True)
