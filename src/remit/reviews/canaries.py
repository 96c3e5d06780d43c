"""Made-up questions among the real ones, and when a reviewer's answers are void (pure).

A reviewer who approves everything looks, from the outside, like one who looks at everything. So
into each reviewer's stream goes, after every 50 questions, one that is made up and must not be
answered with keep. Which question it follows is decided by an HMAC under the deployment's own key,
so that nobody who knows this file can tell it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from remit.kernel.clock import DAY, SECOND, Instant
from remit.kernel.names import split_action
from remit.reviews.model import Kind, Question, QuestionState, Stage
from remit.reviews.quality import SITTING, Given, median
from remit.reviews.recommend import recommend

EVERY: Final = 50  # real questions for one made-up: at most 2 %
WINDOW: Final = 20  # newest made-up questions that count
FEWEST: Final = 5  # of them, before they say anything: below, one slip would be a verdict
CATCH_PERCENT: Final = 80
FAST: Final = 3 * SECOND  # nobody reads a question in less
FAST_COUNT: Final = 30
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_KEPT: Final = len("qst_") + 10  # of an id: its prefix and its time
# What a made-up entitlement is for: tools as servers really have them, that hardly any agent needs.
_TOOLS: Final = ("export_all", "delete_records", "set_permissions", "rotate_keys", "bulk_update", "read_audit_log")


def mac(secret: bytes, *parts: str) -> bytes:
    """HMAC-SHA256 over the parts."""
    return hmac.digest(secret, "\n".join(parts).encode("utf-8"), "sha256")


def follows(secret: bytes, question: str, *, ordinal: int, planted: int) -> bool:
    """Whether a made-up question goes with this real one.

    Args:
        secret: The deployment's own.
        question: The real question's id.
        ordinal: How many real ones its reviewer was asked, with this one.
        planted: How many made-up ones before.
    """
    # Owed are only whole fifties before this one, so that the share is never above 2 %.
    if (ordinal - 1) // EVERY <= planted:
        return False
    slots = EVERY - (ordinal - 1) % EVERY  # with one slot left it goes there, so that every fifty has its own
    return int.from_bytes(mac(secret, "place", question)[:8], "big") % slots == 0


def made_up(secret: bytes, host: Question, *, now: Instant) -> Question:
    """The made-up question that goes with `host`: an entitlement of the same agent that nobody should keep."""
    chance = mac(secret, "item", host.id)
    name = "".join(_ALPHABET[byte % 32] for byte in chance[:16])
    facts = _facts(host, chance, now)
    recommendation, reason = recommend(Kind.NEEDS_HUMAN, host.tier, facts)
    return replace(
        host, id=host.id[:_KEPT] + name, kind=Kind.NEEDS_HUMAN, about="act_" + chance.hex()[:26],
        why="at_risk_too_long", asked=now, moved=now, facts=facts, recommendation=recommendation, reason=reason,
        state=QuestionState.OPEN, stage=Stage.ASKED, barred=(), handed="", canary=True,
    )  # fmt: skip


def _facts(host: Question, chance: bytes, now: Instant) -> Mapping[str, Any]:
    """Facts of the shape that real ones have, and known to be bad: long unused, and of an agent that is in trouble."""
    action = str(host.facts.get("action") or f"{host.facts.get('server') or 'records'}/x")
    server = split_action(action)[0] if "/" in action or ":" in action else "records"
    known = dict(host.facts) if host.kind is Kind.NEEDS_HUMAN else {}
    idle = 120 + chance[18] % 90
    if "last_use" in known:
        known |= {
            "last_use": now - idle * DAY - int.from_bytes(chance[20:24], "big"),
            "days_of_use": 1 + chance[24] % 4,
        }
    if "state" in known:
        known["state"] = "needs_human"
    for name in ("entitlements", "as_shown"):  # what it is about is nowhere else
        known.pop(name, None)
    return known | {
        "action": f"{server}/{_TOOLS[chance[16] % len(_TOOLS)]}",
        "purpose": str(host.facts.get("purpose") or "maintenance"),
        "scope": server,
        "tier": host.tier.value,
        "risk": 900_000 + chance[17] * 100,
        "uses_90": 0,
        "uses_30": 0,
        "idle_days": idle,
        "age_days": 240 + chance[19] % 90,
        "record_whole": True,
    }


def void(given: Sequence[Given]) -> str | None:
    """Why a reviewer's answers are void: `canaries_missed` or `nothing_read`; None while they count.

    Args:
        given: Their answers since the last time they were void, oldest first.
    """
    canaries = [each for each in given if each.canary][-WINDOW:]
    if len(canaries) >= FEWEST and sum(each.caught for each in canaries) * 100 < CATCH_PERCENT * len(canaries):
        return "canaries_missed"
    last = given[-FAST_COUNT:]
    if len(last) < FAST_COUNT or any(each.caught for each in last):
        return None
    gaps = [after.at - before.at for before, after in pairwise(last)]
    middle = median(gaps)
    if max(gaps) > SITTING or middle is None or middle >= FAST:
        return None
    return "nothing_read"
