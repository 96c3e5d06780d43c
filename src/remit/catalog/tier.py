"""The risk tier of a tool. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from remit.catalog.model import Tier
from remit.catalog.pattern import matches


def tier_of(name: str, tiers: Iterable[tuple[str, Tier]]) -> Tier:
    """The operator's tier (the first pattern that matches), else high.

    What a server says of its own tools cannot lower that: unknown is high, `readOnlyHint`
    is a claim, and `destructiveHint` raises to high, which an unnamed tool is already.
    """
    return next((tier for pattern, tier in tiers if matches(pattern, name)), Tier.HIGH)


def contradicts(tier: Tier, definition: Mapping[str, Any]) -> bool:
    """Whether a server calls a tool destructive that the operator called low or medium. The operator's word stands;
    the contradiction is a finding.
    """
    annotations = definition.get("annotations")
    destructive = isinstance(annotations, Mapping) and annotations.get("destructiveHint") is True
    return destructive and tier in (Tier.LOW, Tier.MEDIUM)
