"""Puts together what asks for a rotation and records its steps, for all that asks."""

from __future__ import annotations

from remit.server.compose_requests import telling
from remit.server.ground import Ground
from remit.vault.rotations import Rotations


def rotations(ground: Ground) -> Rotations:
    """Their changes of state: for what asks for one."""
    return Rotations(versions=ground.vault.versions, records=ground.records, clock=ground.clock, pager=telling(ground))
