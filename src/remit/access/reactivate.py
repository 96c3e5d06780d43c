"""Whether an entitlement may start, or start again, without a person (pure).

Withdrawing is cheap because this gives back in milliseconds what a person approved; and it
gives back only that, and only while nothing about the agent speaks against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from remit.access.activation import ActivationState
from remit.access.judge import CALM, ENGINE
from remit.catalog.model import Tier
from remit.kernel.clock import MINUTE

ATTESTED_WITHIN = MINUTE
QUOTA_PER_HOUR = 5  # reactivations of one agent


class Refusal(StrEnum):
    """Why not."""

    OWNER = "owner"  # a person decides
    RISK = "risk"
    ATTEST = "attest"  # the key must be proved anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked, and by whom. `state` is None for a first use."""

    tier: Tier
    state: ActivationState | None
    chosen: bool  # the owner's choice that it may start by itself (`first_use: auto`)
    same_version: bool
    risk: int  # millionths
    attested: int  # microseconds since the caller proved its client key


def reactivate(ask: Ask) -> Refusal | None:  # noqa: PLR0911 - one for each step
    """None if it may start now; else why not. The caller charges the hourly quota where `counts` says so.

    The boundary, the purpose and the owner were checked before (design: how a call is decided, steps 4 to 8).
    """
    # (1) What a person stopped, or must look at, only a person starts again.
    if ask.state not in {None, ActivationState.LAPSED}:
        return Refusal.OWNER
    # (2) The tier: critical comes back only by its owner's hand, and high begins by the owner's choice. (A critical
    # one that the owner set no limits for needs an approval for each call, which is step 11 of the decision.)
    if ask.tier is Tier.CRITICAL and ask.state is not None:
        return Refusal.OWNER
    if ask.tier is Tier.HIGH and ask.state is None and not ask.chosen:
        return Refusal.OWNER
    # (3) Not the agent that was trusted.
    if not ask.same_version and ask.tier in {Tier.CRITICAL, Tier.HIGH}:
        return Refusal.OWNER
    # (4) Something is wrong with it. A stolen identity must not wake up what slept.
    if ask.risk >= CALM:
        return Refusal.RISK
    # (5) To wake up what is serious its key was proved within the last minute: a stolen token alone does not do.
    if ask.tier is Tier.HIGH and ask.state is not None and ask.attested > ATTESTED_WITHIN:
        return Refusal.ATTEST
    return None


def counts(ask: Ask) -> bool:
    """Whether it is charged against the agent's hourly quota: starting again is, a first use is not."""
    return ask.state is not None


def ask_statement(ask: Ask) -> dict[str, Any]:
    """The question to `reactivate` and its answer, as recorded."""
    refusal = reactivate(ask)
    asked = {
        "tier": ask.tier.value,
        "state": None if ask.state is None else ask.state.value,
        "chosen": ask.chosen,
        "same_version": ask.same_version,
        "risk": ask.risk,
        "attested": ask.attested,
    }
    return {"engine": ENGINE, "ask": asked, "refusal": None if refusal is None else refusal.value}
