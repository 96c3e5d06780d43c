"""Made-up questions among the real ones, and when a reviewer's answers are void (pure).

A reviewer who approves everything looks, from the outside, like one who looks at everything. So
into each reviewer's stream goes, after every 50 questions, one that is made up and must not be
answered with keep. Which question it follows is decided by an HMAC under the deployment's own key,
so that nobody who knows this file can tell it.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import chain, count, pairwise
from typing import Any, Final

from remit.access.activation import ActivationKey, activation_id
from remit.access.judge import AT_RISK
from remit.kernel.clock import DAY, MINUTE, SECOND, Instant
from remit.kernel.names import ActionName, AgentName, PurposeName, split_action
from remit.reviews.model import Kind, Question, QuestionState, Stage
from remit.reviews.quality import SITTING, Given, median
from remit.reviews.recommend import recommend

EVERY: Final = 50  # real questions for one made-up: at most 2 %
WINDOW: Final = 20  # newest made-up questions that count
FEWEST: Final = 5  # of them, before they say anything: below, one slip would be a verdict
CATCH_PERCENT: Final = 80
FAST: Final = 3 * SECOND  # nobody reads a question in less
FAST_COUNT: Final = 30
SOONEST: Final = SECOND  # after its host a made-up question is asked
LATEST: Final = 15 * MINUTE
_OF_ITS_AGENT: Final = ("exposed", "critical")
# What a made-up entitlement is for: tools as servers really have them, that hardly any agent needs.
_TOOLS: Final = (
    "export_all", "delete_records", "set_permissions", "rotate_keys", "bulk_update", "read_audit_log", "grant_access",
    "purge_history", "create_token", "import_records", "list_secrets", "send_batch",
)  # fmt: skip
_SIGNAL: Final = 50_000  # what is noticed of an agent adds up to multiples of it


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


def made_up(
    secret: bytes, host: Question, *, boundary: str, purpose: str, now: Instant, risk: int = 0,
    taken: Collection[str] = (),
) -> Question:  # fmt: skip
    """The made-up question that goes with `host`: an entitlement of the same agent that nobody should keep.

    It is asked (`asked`) some minutes after its host, until when it is settled: what comes in one moment with another
    would be known by that. Its id is made when it is asked.

    Args:
        secret: The deployment's own.
        host: The real question.
        boundary: One of the agent's, that the entitlement is said to be of.
        purpose: Of that boundary.
        now: When the host is asked.
        risk: How risky the agent is then, in millionths: said of it, if it could be asked about for that.
        taken: Ids of entitlements that there are, or that are asked about so already.
    """
    chance = mac(secret, "item", host.id)
    at = Instant(now + SOONEST + int.from_bytes(mac(secret, "when", host.id)[:8], "big") % (LATEST - SOONEST))
    key = _key(host, chance, purpose, taken)
    risk = risk if risk >= AT_RISK else AT_RISK + chance[17] % 6 * _SIGNAL
    facts = _facts(host, chance, key, now=at) | {"boundary": boundary, "risk": risk}
    recommendation, reason = recommend(Kind.NEEDS_HUMAN, host.tier, facts)
    return replace(
        host, id="", kind=Kind.NEEDS_HUMAN, about=activation_id(key), why="at_risk_too_long", asked=at,
        moved=at, facts=facts, recommendation=recommendation, reason=reason, state=QuestionState.SETTLED,
        stage=Stage.ASKED, barred=(), handed="", canary=True,
    )  # fmt: skip


def _key(host: Question, chance: bytes, purpose: str, taken: Collection[str]) -> ActivationKey:
    """An entitlement that there is not. Its id is made of it as of any other, so that nobody tells it by that."""
    action = str(host.facts.get("action") or f"{host.facts.get('server') or 'records'}/x")
    server = split_action(action)[0] if "/" in action or ":" in action else "records"
    names = chain(
        (_TOOLS[(chance[16] + at) % len(_TOOLS)] for at in range(len(_TOOLS))), map("export_{}".format, count(2))
    )
    keys = (
        ActivationKey(AgentName(host.agent), PurposeName(purpose), ActionName(f"{server}/{name}"), server)
        for name in names
    )
    return next(key for key in keys if activation_id(key) not in taken)


def _facts(host: Question, chance: bytes, key: ActivationKey, *, now: Instant) -> dict[str, Any]:
    """Facts of the shape that real ones have, and known to be bad: long unused, and of an agent that is in trouble.

    The names are those of every real one about one entitlement, whatever the host is about.
    """
    idle = 120 + chance[18] % 90
    return {name: host.facts[name] for name in _OF_ITS_AGENT if name in host.facts} | {
        "action": key.action,
        "purpose": key.purpose,
        "scope": key.scope,
        "tier": host.tier.value,
        "state": "needs_human",
        "days_of_use": 1 + chance[24] % 4,
        "last_use": now - idle * DAY - int.from_bytes(chance[20:24], "big"),
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
