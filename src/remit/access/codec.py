"""Boundaries and purposes as stored text. Exact numbers are kept as text, digit for digit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from remit.access import conditions_document
from remit.access.draft import Clause, Draft
from remit.access.model import Bound, Budget, Purpose, PurposeState, Rate, Rule
from remit.kernel.canonical import canonical
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName


def purpose_text(purpose: Purpose) -> str:
    """A purpose's body."""
    said = {
        "purpose": purpose.purpose,
        "statement": purpose.statement,
        "actions": list(purpose.actions),
        "data_classes": list(purpose.data_classes),
        "not_after": purpose.not_after,
    }
    return canonical(said).decode("utf-8")


def purpose_from(text: str, state: str) -> Purpose:
    """What `purpose_text` wrote."""
    said = msgspec.json.decode(text)
    return Purpose(
        purpose=PurposeName(said["purpose"]),
        statement=said["statement"],
        actions=tuple(said["actions"]),
        data_classes=tuple(said["data_classes"]),
        not_after=said["not_after"],
        state=PurposeState(state),
    )


def draft_text(draft: Draft) -> str:
    """A draft, globs and all."""
    said = {
        "boundary": draft.boundary,
        "agent": draft.agent,
        "purpose": draft.purpose,
        "allow": [_clause(clause, clause.pattern) for clause in draft.allow],
        "not_after": draft.not_after,
        **({"break_glass": True} if draft.break_glass else {}),
        **({"review_every": draft.review_every} if draft.review_every is not None else {}),
    }
    return canonical(said).decode("utf-8")


def draft_from(text: str) -> Draft:
    """What `draft_text` wrote."""
    said = msgspec.json.decode(text)
    return Draft(
        boundary=BoundaryName(said["boundary"]),
        agent=AgentName(said["agent"]),
        purpose=PurposeName(said["purpose"]),
        allow=tuple(Clause(pattern=clause["action"], **_bounds(clause)) for clause in said["allow"]),
        not_after=said["not_after"],
        break_glass=said.get("break_glass", False),
        review_every=said.get("review_every"),
    )


def rules_text(rules: Mapping[ActionName, Rule]) -> str:
    """The expanded rules."""
    return canonical([_clause(rule, action) for action, rule in sorted(rules.items())]).decode("utf-8")


@lru_cache(maxsize=1024)
def rules_from(text: str) -> Mapping[ActionName, Rule]:
    """What `rules_text` wrote. Agents of one kind have the same rules: they share one value, which nobody changes."""
    return {
        ActionName(said["action"]): Rule(action=ActionName(said["action"]), **_bounds(said))
        for said in msgspec.json.decode(text)
    }


def _clause(clause: Clause | Rule, action: str) -> dict[str, Any]:
    said: dict[str, Any] = {"action": action}
    if clause.when:
        said["when"] = [_bound(bound) for bound in clause.when]
    if clause.rate is not None:
        said["rate"] = [clause.rate.count, clause.rate.per]
    if clause.budget is not None:
        said["budget"] = [clause.budget.argument, str(clause.budget.max), clause.budget.per]
    said |= _approval(clause)
    if clause.first_use is not None:
        said["first_use"] = clause.first_use
    if clause.ttl is not None:
        said["ttl"] = clause.ttl
    if clause.cadence is not None:
        said["cadence"] = clause.cadence
    if clause.needs:
        said["needs"] = list(clause.needs)
    if clause.conditions is not None:
        said["conditions"] = conditions_document.said(clause.conditions)
    return said


def _approval(clause: Clause | Rule) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if clause.approval_above:
        said["approval_above"] = [[argument, str(threshold)] for argument, threshold in clause.approval_above]
    if clause.approval_by:
        said["approval_by"] = list(clause.approval_by)
    if clause.approval_quorum != 1:
        said["approval_quorum"] = clause.approval_quorum
    return said


def _bound(bound: Bound) -> dict[str, Any]:
    said: dict[str, Any] = {"argument": bound.argument}
    for word, value in (("max", bound.max), ("min", bound.min)):
        if value is not None:
            said[word] = str(value)
    if bound.in_ is not None:
        said["in"] = [{"number": str(each)} if isinstance(each, Decimal) else each for each in bound.in_]
    if bound.prefix is not None:
        said["prefix"] = bound.prefix
    if bound.max_length is not None:
        said["max_length"] = bound.max_length
    return said


def _bounds(said: Mapping[str, Any]) -> dict[str, Any]:
    rate, budget, conditions = said.get("rate"), said.get("budget"), said.get("conditions")
    return {
        "when": tuple(_bound_from(each) for each in said.get("when", ())),
        "rate": rate and Rate(count=rate[0], per=rate[1]),
        "budget": budget and Budget(argument=budget[0], max=Decimal(budget[1]), per=budget[2]),
        "approval_above": tuple((name, Decimal(most)) for name, most in said.get("approval_above", ())),
        "approval_by": tuple(said.get("approval_by", ())),
        "approval_quorum": said.get("approval_quorum", 1),
        "first_use": said.get("first_use"),
        "ttl": said.get("ttl"),
        "cadence": said.get("cadence"),
        "needs": tuple(ActionName(each) for each in said.get("needs", ())),
        "conditions": None if conditions is None else conditions_document.read_back(conditions),
    }


def _bound_from(said: Mapping[str, Any]) -> Bound:
    high, low, among = said.get("max"), said.get("min"), said.get("in")
    return Bound(
        argument=said["argument"],
        max=None if high is None else Decimal(high),
        min=None if low is None else Decimal(low),
        in_=None if among is None else _options_from(among),
        prefix=said.get("prefix"),
        max_length=said.get("max_length"),
    )


def _options_from(among: Iterable[Any]) -> tuple[str | Decimal | bool, ...]:
    return tuple(Decimal(each["number"]) if isinstance(each, dict) else each for each in among)
