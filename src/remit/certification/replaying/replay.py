"""Re-deriving a recorded verdict from what was recorded with it (pure): same facts, same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.access import judge
from remit.access.activation import ActivationState
from remit.access.parameters import SHIPPED, Parameters
from remit.access.reactivate import Ask, ask_statement
from remit.access.ttl import Habit
from remit.catalog.model import Tier
from remit.kernel.canonical import canonical

SAME, DIFFERS, BY_HAND, OTHER_ENGINE, NOT_REPLAYABLE = "same", "differs", "by_hand", "other_engine", "not_replayable"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to.

    `outcome`: same, differs, by_hand (a person's word), other_engine, or not_replayable. `cause` says of what is not
    the same where that comes from: usage, coverage, policy, parameters, other_engine, statement (it contradicts
    itself), log (the entry cannot be read), erased.
    """

    outcome: str
    recorded: bytes
    derived: bytes
    cause: str = ""
    detail: str = ""


def replay(verdict: Mapping[str, Any], parameters: Parameters = SHIPPED) -> Replayed:
    """Re-derive the statement of a verdict's entry from the facts in it.

    Raises:
        KeyError, ValueError, TypeError: It is no verdict.
    """
    statement = verdict["statement"]
    recorded = canonical(statement)
    if statement.get("by_hand") is True:
        return Replayed(BY_HAND, recorded, recorded)
    if statement["engine"] != judge.ENGINE:
        made = f"made by engine {statement['engine']}; this is {judge.ENGINE}"
        return Replayed(OTHER_ENGINE, recorded, b"", OTHER_ENGINE, made)
    derived = canonical(_asked(statement["ask"]) if "ask" in statement else judged(statement["facts"], parameters))
    if derived == recorded:
        return Replayed(SAME, recorded, derived)
    if statement.get("parameters", parameters.sha256) != parameters.sha256:
        return Replayed(DIFFERS, recorded, derived, "parameters", "made with other numbers than these rules have")
    return Replayed(DIFFERS, recorded, derived, "statement", "its facts do not come to what it says")


def judged(facts: Mapping[str, Any], parameters: Parameters = SHIPPED) -> dict[str, Any]:
    """The statement on recorded facts."""
    given = {
        **facts,
        "tier": Tier(facts["tier"]),
        "state": ActivationState(facts["state"]),
        "habit": Habit(**facts["habit"]),
    }
    return judge.statement(judge.Facts(**given), parameters)


def _asked(ask: Mapping[str, Any]) -> dict[str, Any]:
    state = None if ask["state"] is None else ActivationState(ask["state"])
    return ask_statement(Ask(**{**ask, "tier": Tier(ask["tier"]), "state": state}))
