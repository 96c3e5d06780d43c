"""A state looks as it is meant: what is wrong never looks as if nothing were to say of it."""

from __future__ import annotations

import pytest

from remit.access.model import BoundaryState
from remit.catalog.model import PinState
from remit.console.frame import mood
from remit.server.health import Status

MEANT = {
    Status.OK: "good", Status.WARN: "warn", Status.FAIL: "bad",
    PinState.APPROVED: "good", PinState.PENDING: "wait", PinState.CHANGED: "warn", PinState.GONE: "warn",
    BoundaryState.ACTIVE: "good", BoundaryState.PROPOSED: "wait", BoundaryState.WAITING_FOR_CATALOG: "wait",
}  # fmt: skip


@pytest.mark.parametrize("state", [*Status, *PinState])
def test_each_way_that_a_check_or_a_pin_can_be_is_told_apart(state: Status | PinState) -> None:
    assert mood(state.value) == MEANT[state]


@pytest.mark.parametrize("state", [BoundaryState.ACTIVE, BoundaryState.PROPOSED, BoundaryState.WAITING_FOR_CATALOG])
def test_what_waits_of_a_boundary_looks_as_waiting(state: BoundaryState) -> None:
    assert mood(state.value) == MEANT[state]
