"""What is left of access that is handed on (pure): never more than there was, whatever was asked for.

Who hands on says which actions and, for each, further bounds and limits; what is not said stays as it is. Computed
from the rules in force each time, so that what is narrowed, ended or withdrawn is so for everybody further down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from remit.access.conditions import Conditions
from remit.access.conditions_widen import both, possible
from remit.access.draft import Clause
from remit.access.model import Bound, Rule
from remit.access.widen import rule_widens
from remit.catalog.pattern import matches
from remit.kernel.names import ActionName

Rules = Mapping[ActionName, Rule]
N = TypeVar("N", Decimal, int)


def attenuated(rules: Rules, asked: Sequence[Clause] | None) -> dict[ActionName, Rule]:
    """The rules that are left of `rules`; all of them where nothing was asked for.

    Bounds and conditions meet: what passes, passes both. Rates, budgets and `limited` stay those of `rules`: what was
    asked for beside comes on top (`further`), so that a limit on a critical action never takes a person's place.
    """
    if asked is None:
        return {action: replace(rule, needs=()) for action, rule in rules.items()}
    found: dict[ActionName, Rule] = {}
    for action, rule in rules.items():
        clauses = clauses_for(action, asked)
        if clauses:
            left, times = replace(rule, needs=()), True
            for clause in clauses:
                met = _met(left, clause)
                times = times and possible(left.conditions, clause.conditions, met.conditions)
                left = met
            if times and all(_possible(bound) for bound in left.when):
                found[action] = left
    return found


def further(action: ActionName, asked: Sequence[Clause] | None) -> list[Clause]:
    """What was asked for of one action with a rate or budget of its own: these count beside the ones there are."""
    found = [] if asked is None else clauses_for(action, asked)
    return [clause for clause in found if clause.rate is not None or clause.budget is not None]


def clauses_for(action: ActionName, asked: Sequence[Clause]) -> list[Clause]:
    """The clauses that speak of an action: the one that names it, or else every pattern that covers it."""
    exact = [clause for clause in asked if clause.exact and clause.pattern == action]
    return exact or [clause for clause in asked if not clause.exact and matches(clause.pattern, action)]


def wider(rules: Rules, asked: Iterable[Clause]) -> list[str]:
    """Where `asked` names or allows what `rules` do not, one line each: then it is refused and not cut short."""
    reasons: list[str] = []
    for clause in asked:
        named = [action for action in rules if action == clause.pattern or matches(clause.pattern, action)]
        if not named:
            reasons.append(f"{clause.pattern} is not there to be handed on")
        for action in named:
            rule = rules[action]
            reasons += [f"{action}: {why}" for why in rule_widens(rule, _said(rule, clause))]
    return reasons


def _said(rule: Rule, clause: Clause) -> Rule:
    """The rule with what the clause says of it in place of what it said: for comparing."""
    said = {bound.argument: bound for bound in clause.when}
    kept = {bound.argument: bound for bound in rule.when}
    when = [_filled(kept.get(name), bound) for name, bound in said.items()]
    when += [bound for name, bound in kept.items() if name not in said]
    thresholds = {**dict(rule.approval_above), **dict(clause.approval_above)}
    limited = rule.limited
    return replace(
        rule, when=tuple(when),
        rate=(clause.rate or rule.rate) if limited else rule.rate,
        budget=(clause.budget or rule.budget) if limited else rule.budget,
        approval_above=tuple(sorted(thresholds.items())) if limited else rule.approval_above,
        conditions=_conditions_said(rule.conditions, clause.conditions),
        approval_by=clause.approval_by or rule.approval_by,
        approval_quorum=max(clause.approval_quorum, rule.approval_quorum),
    )  # fmt: skip


def _conditions_said(old: Conditions | None, new: Conditions | None) -> Conditions | None:
    """The new conditions, with what they do not say taken from the old ones; what was done before adds up."""
    if old is None or new is None:
        return old if new is None else new
    return replace(
        new,
        windows=new.windows or old.windows,
        volume=new.volume or old.volume,
        max_depth=old.max_depth if new.max_depth is None else new.max_depth,
        requires_before=(*old.requires_before, *new.requires_before),
        forbidden_after=(*old.forbidden_after, *new.forbidden_after),
        per_run=old.per_run if new.per_run is None else new.per_run,
    )


def _filled(old: Bound | None, new: Bound) -> Bound:
    """The new bound, with what it does not say taken from the old one."""
    if old is None:
        return new
    return Bound(
        argument=new.argument,
        max=old.max if new.max is None else new.max,
        min=old.min if new.min is None else new.min,
        in_=old.in_ if new.in_ is None else new.in_,
        prefix=old.prefix if new.prefix is None else new.prefix,
        max_length=old.max_length if new.max_length is None else new.max_length,
    )


def _met(rule: Rule, clause: Clause) -> Rule:
    said = {bound.argument: bound for bound in clause.when}
    kept = {bound.argument: bound for bound in rule.when}
    when = [meet(kept[name], said[name]) if name in said else kept[name] for name in kept]
    when += [bound for name, bound in said.items() if name not in kept]
    above = dict(rule.approval_above)
    if rule.limited:
        for argument, threshold in clause.approval_above:
            above[argument] = min(threshold, above.get(argument, threshold))
    return replace(
        rule, when=tuple(when), approval_above=tuple(sorted(above.items())),
        approval_by=tuple(each for each in rule.approval_by if each in clause.approval_by) or rule.approval_by,
        approval_quorum=max(rule.approval_quorum, clause.approval_quorum),
        conditions=both(rule.conditions, clause.conditions),
    )  # fmt: skip


def _possible(bound: Bound) -> bool:
    """Whether anything passes."""
    between = bound.max is None or bound.min is None or bound.min <= bound.max
    return between and bound.in_ != ()


def meet(one: Bound, other: Bound) -> Bound:
    """What passes both of two bounds on the same argument; nothing, where they exclude each other."""
    prefix, apart = _prefix(one.prefix, other.prefix)
    options = _options(one.in_, other.in_)
    return Bound(
        argument=one.argument,
        max=_less(one.max, other.max),
        min=_more(one.min, other.min),
        in_=() if apart else options,
        prefix=prefix,
        max_length=_less(one.max_length, other.max_length),
    )


def _less(one: N | None, other: N | None) -> N | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _more(one: N | None, other: N | None) -> N | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _prefix(one: str | None, other: str | None) -> tuple[str | None, bool]:
    """The longer of two prefixes of which one begins with the other; whether they exclude each other."""
    if one is None or other is None:
        return (other if one is None else one), False
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return longer, not longer.startswith(shorter)


def _options(
    one: tuple[str | Decimal | bool, ...] | None, other: tuple[str | Decimal | bool, ...] | None
) -> tuple[str | Decimal | bool, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    allowed = {(type(option), option) for option in other}  # Python takes True for 1; JSON does not
    return tuple(option for option in one if (type(option), option) in allowed)
