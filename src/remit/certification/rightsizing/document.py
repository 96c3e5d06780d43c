"""A boundary's rules as the document that `access.spec.boundary` reads (pure).

Limits are text, as people write them; numbers among options stay numbers, because text there
would be another value.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from remit.access import conditions_document
from remit.access.model import Bound, Rule
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant, Micros, rfc3339
from remit.policy.constraints import plain

_UNITS: Final = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1000))


def boundary_document(
    boundary: str, agent: str, purpose: str, rules: Iterable[Rule], not_after: Instant
) -> dict[str, Any]:
    """The document, keys in the order in which people write them."""
    return {
        "boundary": boundary,
        "agent": agent,
        "purpose": purpose,
        "allow": [_clause(rule) for rule in rules],
        "not_after": end_text(not_after),
    }


def end_text(end: Instant) -> str:
    """A date where the end is its 24:00 UTC, else the time."""
    return rfc3339(end - DAY)[:10] if end % DAY == 0 else rfc3339(end)


def _clause(rule: Rule) -> dict[str, Any]:
    said: dict[str, Any] = {"action": str(rule.action)}
    if rule.when:
        said["when"] = {bound.argument: bound_object(bound) for bound in rule.when}
    limits: dict[str, Any] = {}
    if rule.rate is not None:
        limits["rate"] = f"{rule.rate.count}/{rule.rate.per}"
    if rule.budget is not None:
        budget = rule.budget
        limits["budget"] = {"argument": budget.argument, "max": plain(budget.max), "per": budget.per}
    more = {} if rule.conditions is None else conditions_document.said(rule.conditions)
    if limits or "limits" in more:
        said["limits"] = {**limits, **more.pop("limits", {})}
    said |= more
    if approval := _approval(rule):
        said["approval"] = approval
    if rule.first_use is not None:
        said["first_use"] = rule.first_use
    if rule.ttl is not None:
        said["ttl"] = duration(rule.ttl)
    if rule.cadence is not None:
        said["cadence"] = duration(rule.cadence)
    if rule.needs:
        said["needs"] = list(rule.needs)
    return said


def _approval(rule: Rule) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if rule.approval_above:
        said["above"] = {name: plain(threshold) for name, threshold in rule.approval_above}
    if rule.approval_by:
        said["by"] = list(rule.approval_by)
    if rule.approval_quorum != 1:
        said["quorum"] = rule.approval_quorum
    return said


def bound_object(bound: Bound) -> dict[str, Any]:
    """One bound, without the name of its argument."""
    said: dict[str, Any] = {}
    for word, limit in (("max", bound.max), ("min", bound.min)):
        if limit is not None:
            said[word] = plain(limit)
    if bound.in_ is not None:
        said["in"] = list(bound.in_)
    if bound.prefix is not None:
        said["prefix"] = bound.prefix
    if bound.max_length is not None:
        said["max_length"] = bound.max_length
    return said


def duration(span: Micros) -> str:
    """A time in the greatest unit that says it exactly."""
    word, unit = next((word, unit) for word, unit in _UNITS if span % unit == 0)
    return f"{span // unit}{word}"
