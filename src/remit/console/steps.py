"""The steps of a decision in words, by the numbers that they have in entries (`policy/decide`)."""

from __future__ import annotations

from typing import Final

STEPS: Final[dict[int, str]] = {
    1: "What is known is fresh",
    2: "The caller is known, and may see the target",
    3: "No freeze covers it",
    4: "Agent, owner, purpose and run stand, and the action is within the purpose",
    5: "The tool is as it was approved",
    6: "The arguments fit the tool's schema",
    7: "No policy of the organisation forbids it",
    8: "A boundary covers the call",
    9: "The entitlement is usable, or starts again",
    10: "Its limits are kept: budget, rate, hours, sequence",
    11: "A person approved it, where the boundary asks for that",
}


def step_named(number: object) -> str:
    """What a step asks; empty for a number that is none."""
    return STEPS.get(number, "") if isinstance(number, int) else ""
