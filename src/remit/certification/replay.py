"""Re-deriving a recorded verdict from what was recorded with it (pure): same facts, same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.access import judge
from remit.access.activation import ActivationState
from remit.access.reactivate import Ask, ask_statement
from remit.catalog.model import Tier
from remit.kernel.canonical import canonical


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to. `outcome`: same, differs, by_hand (a person's word), or other_engine."""

    outcome: str
    recorded: bytes
    derived: bytes


def replay(verdict: Mapping[str, Any]) -> Replayed:
    """Re-derive the statement of a verdict's entry.

    Raises:
        KeyError, ValueError, TypeError: It is no verdict.
    """
    statement = verdict["statement"]
    recorded = canonical(statement)
    if statement.get("by_hand") is True:
        return Replayed("by_hand", recorded, recorded)
    if statement["engine"] != judge.ENGINE:
        return Replayed("other_engine", recorded, b"")
    derived = canonical(_asked(statement["ask"]) if "ask" in statement else _judged(statement["facts"]))
    return Replayed("same" if derived == recorded else "differs", recorded, derived)


def _judged(facts: Mapping[str, Any]) -> dict[str, Any]:
    given = {**facts, "tier": Tier(facts["tier"]), "state": ActivationState(facts["state"])}
    return judge.statement(judge.Facts(**given))


def _asked(ask: Mapping[str, Any]) -> dict[str, Any]:
    state = None if ask["state"] is None else ActivationState(ask["state"])
    return ask_statement(Ask(**{**ask, "tier": Tier(ask["tier"]), "state": state}))
