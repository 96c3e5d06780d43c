"""Does a new version of a boundary allow anything that the one in force does not. Pure.

The answer errs towards yes: a narrowing that is taken for a widening waits for a person, a
widening taken for a narrowing would be access that nobody approved. So what cannot be
compared (another unit of time, another argument, a pattern that may come to match more)
widens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from remit.access.conditions_widen import conditions_widen
from remit.access.draft import Draft, Version
from remit.access.expand import Expansion
from remit.access.glob import covered
from remit.access.model import Bound, Budget, Rate, Rule
from remit.kernel.names import ActionName


def widenings(active: Version, draft: Draft, expansion: Expansion) -> list[str]:
    """Why `draft` widens what is in force, one line a reason; empty if it only narrows.

    `expansion` may name actions that are not in force but that the version in force would match
    too, were it approved today: those are no widening, and are left out until a person says yes.
    """
    old = active.draft
    reasons = [
        f"{what} is another"
        for what, same in (("the agent", old.agent == draft.agent), ("the purpose", old.purpose == draft.purpose))
        if not same
    ]
    if draft.not_after > old.not_after:
        reasons.append("it ends later")
    if old.break_glass and not draft.break_glass:
        reasons.append("it is no longer for emergencies only")
    if old.review_every is not None and (draft.review_every is None or draft.review_every > old.review_every):
        reasons.append("people look at it less often")
    patterns = [clause.pattern for clause in old.allow]
    reasons += [f"{each.pattern} is added" for each in draft.allow if not covered(patterns, each.pattern)]
    return reasons + list(rules_widen(active.rules or {}, restricted(active, expansion)))


def restricted(active: Version, expansion: Expansion) -> dict[ActionName, Rule]:
    """Of what a draft comes to, the actions that are in force already."""
    return {action: rule for action, rule in expansion.rules.items() if action in (active.rules or {})}


def rules_widen(old: Mapping[ActionName, Rule], new: Mapping[ActionName, Rule]) -> Iterator[str]:
    """Why the rules `new` allow what `old` do not, per action."""
    for action, rule in new.items():
        before = old.get(action)
        if before is None:
            yield f"{action} is added"
        else:
            yield from (f"{action}: {reason}" for reason in rule_widens(before, rule))
            # What it needs lasts as long as it does; and it may no longer go on without.
            yield from (f"{action}: it needs {each}, which lasts longer" for each in _missing(rule, before))
            dropped = (each for each in _missing(before, rule) if each in new)
            yield from (f"{action}: it no longer needs {each}" for each in dropped)


def _missing(one: Rule, other: Rule) -> list[ActionName]:
    """What `one` needs and `other` does not."""
    return [each for each in one.needs if each not in other.needs]


def rule_widens(old: Rule, new: Rule) -> Iterator[str]:
    """Why `new` allows what `old` does not."""
    yield from _limits_widen(old, new)
    yield from _times_widen(old, new)
    yield from conditions_widen(old.conditions, new.conditions)


def _limits_widen(old: Rule, new: Rule) -> Iterator[str]:
    bounds = {bound.argument: bound for bound in new.when}
    for bound in old.when:
        if not _within(bound, bounds.get(bound.argument)):
            yield f"the bound on {bound.argument} is loosened or removed"
    if not _rate_within(old.rate, new.rate):
        yield "the rate is raised, counted otherwise or removed"
    if not _budget_within(old.budget, new.budget):
        yield "the budget is raised, counted otherwise or removed"
    thresholds = dict(new.approval_above)
    for argument, threshold in old.approval_above:
        if argument not in thresholds or thresholds[argument] > threshold:
            yield f"the approval threshold on {argument} is raised or removed"
    if not _approvers_within(old, new):  # also without a threshold: they are asked what may be carried out
        yield "others may approve, or fewer of them"
    if new.limited and not old.limited:
        # A limit looks like a narrowing, but a critical action without any needs a person for each call.
        yield "limits take the place of a person who approves each call"


def _approvers_within(old: Rule, new: Rule) -> bool:
    """Whether no approval by `new` is none by `old`. Nobody named is who answers for the agent, whoever that is."""
    people = new.approval_by == old.approval_by or bool(old.approval_by and new.approval_by)
    return people and set(new.approval_by) <= set(old.approval_by) and new.approval_quorum >= old.approval_quorum


def _times_widen(old: Rule, new: Rule) -> Iterator[str]:
    if new.first_use is not None and new.first_use != old.first_use:
        yield "first use becomes automatic"
    if old.ttl is not None and (new.ttl is None or new.ttl > old.ttl):
        yield "the ttl is longer"
    if new.cadence is not None and (old.cadence is None or new.cadence > old.cadence):
        yield "the cadence is longer"


def _within(old: Bound, new: Bound | None) -> bool:
    """Whether every value that `new` lets pass, `old` lets pass. A bounded argument is required, so none is more."""
    if new is None:
        return False
    return all(
        (
            old.max is None or (new.max is not None and new.max <= old.max),
            old.min is None or (new.min is not None and new.min >= old.min),
            old.in_ is None or (new.in_ is not None and _typed(new.in_) <= _typed(old.in_)),
            old.prefix is None or (new.prefix is not None and new.prefix.startswith(old.prefix)),
            old.max_length is None or (new.max_length is not None and new.max_length <= old.max_length),
        )
    )


def _typed(options: tuple[str | Decimal | bool, ...]) -> set[tuple[type, str | Decimal | bool]]:
    """Python takes True for 1; JSON does not."""
    return {(type(option), option) for option in options}


def _rate_within(old: Rate | None, new: Rate | None) -> bool:
    """Another unit is no narrowing: 100 an hour lets through in one minute what 30 a minute does not."""
    return old is None or (new is not None and new.per == old.per and new.count <= old.count)


def _budget_within(old: Budget | None, new: Budget | None) -> bool:
    if old is None:
        return True
    same = new is not None and (new.argument, new.per) == (old.argument, old.per)
    return same and new is not None and new.max <= old.max
