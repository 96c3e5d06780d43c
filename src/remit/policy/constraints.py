"""Are the arguments inside a boundary's bounds (pure).

Numbers are compared as they were written, as `Decimal` or `int`: 500.00 is 500, and never a
float. A bounded argument is required, and so is one that a budget or an approval counts,
which may not be negative: a negative amount would give a budget back.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeGuard

from remit.access.climbing import climbs
from remit.access.model import Bound, Rule
from remit.policy.arguments import told
from remit.policy.model import Violation
from remit.policy.shape import join


def violations(rule: Rule, arguments: Mapping[str, Any]) -> tuple[Violation, ...]:
    """Everything in `arguments` that `rule` does not allow, in the rule's order; empty if nothing."""
    found: list[Violation] = []
    for bound in rule.when:
        value = arguments.get(bound.argument)
        if value is None:
            found.append(_missing(bound.argument, wanted(bound)))
        elif not holds(bound, value):
            found += _against(bound, value, unit=_unit(rule))
    for name in counted(rule):
        value = arguments.get(name)
        if value is None:
            found.append(_missing(name, None))
        elif not number(value):
            found.append(Violation(path=join("", name), constraint="type", limit="number", actual=told(value)))
        elif value < 0:
            found.append(Violation(path=join("", name), constraint="min", limit="0", actual=told(value)))
    return tuple(found)


def holds(bound: Bound, value: object) -> bool:
    """Whether an argument that is there is inside its bound. This decides; `_against` only tells."""
    most, least = bound.max, bound.min
    if (most is not None or least is not None) and (
        not number(value) or (most is not None and value > most) or (least is not None and value < least)
    ):
        return False
    if bound.in_ is not None and not _within(value, bound.in_):
        return False
    if bound.prefix is None and bound.max_length is None:
        return True
    return (
        isinstance(value, str)
        and (bound.prefix is None or begins(value, bound.prefix))
        and (bound.max_length is None or len(value) <= bound.max_length)
    )


def counted(rule: Rule) -> tuple[str, ...]:
    """The arguments that the rule's budget and approval thresholds read, each once."""
    if rule.budget is None and not rule.approval_above:
        return ()
    names = ([rule.budget.argument] if rule.budget else []) + [name for name, _ in rule.approval_above]
    return tuple(dict.fromkeys(names))


def above_approval(rule: Rule, arguments: Mapping[str, Any]) -> tuple[str, Decimal] | None:
    """The first threshold that a call goes over, if a person must approve it. Over means more than."""
    for name, threshold in rule.approval_above:
        value = arguments.get(name)
        if not number(value) or value > threshold:
            return name, threshold
    return None


def _unit(rule: Rule) -> str | None:
    """The currency of the rule's amounts, where the rule itself fixes one."""
    fixed = next((bound.in_ for bound in rule.when if bound.argument == "currency"), None)
    return fixed[0] if fixed and len(fixed) == 1 and isinstance(fixed[0], str) else None


def _missing(argument: str, limit: str | int | tuple[str, ...] | None) -> Violation:
    return Violation(path=join("", argument), constraint="required", limit=limit)


def _against(bound: Bound, value: object, *, unit: str | None) -> list[Violation]:
    """What is wrong with a value that its bound does not hold for; never empty."""
    path, said = join("", bound.argument), told(value)

    def wrong(constraint: str, limit: str | int | tuple[str, ...], unit: str | None = None) -> Violation:
        return Violation(path=path, constraint=constraint, limit=limit, actual=said, unit=unit)

    found = []
    if bound.max is not None or bound.min is not None:
        if not number(value):
            found.append(wrong("type", "number"))
        elif bound.max is not None and value > bound.max:
            found.append(wrong("max", plain(bound.max), unit))
        elif bound.min is not None and value < bound.min:
            found.append(wrong("min", plain(bound.min), unit))
    if bound.in_ is not None and not _within(value, bound.in_):
        found.append(wrong("in", tuple(plain(option) for option in bound.in_)))
    if bound.prefix is not None and not (isinstance(value, str) and value.startswith(bound.prefix)):
        found.append(wrong("prefix", bound.prefix))
    elif bound.prefix is not None and isinstance(value, str) and not begins(value, bound.prefix):
        found.append(wrong("no_step_up", bound.prefix))  # it begins right: what has to go is the step
    if bound.max_length is not None and not (isinstance(value, str) and len(value) <= bound.max_length):
        found.append(wrong("max_length", bound.max_length))
    return found or [wrong("bound", "")]


def _within(value: object, options: tuple[str | Decimal | bool, ...]) -> bool:
    """Whether `value` is one of `options`; a list is if each of its items is."""
    if isinstance(value, list):
        return all(not isinstance(item, list) and _within(item, options) for item in value)
    return any(same(value, option) for option in options)


def same(value: object, option: str | Decimal | bool) -> bool:  # noqa: FBT001 - an option may be a boolean
    """Equality as JSON has it: 1 is 1.0, true is not 1 (as it would be in Python)."""
    if isinstance(option, bool) or isinstance(value, bool):
        return value is option
    return value == option if isinstance(option, str) or number(value) else False


def begins(value: str, prefix: str) -> bool:
    """Whether a text begins so, however a server reads it: one that steps up is inside no place."""
    return value.startswith(prefix) and not climbs(value)


def number(value: object) -> TypeGuard[int | Decimal]:
    """Whether `value` is a number that was read exactly."""
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def wanted(bound: Bound) -> str | int | tuple[str, ...] | None:
    """What a missing argument would have to be, where one bound says it."""
    if bound.in_ is not None:
        return tuple(plain(option) for option in bound.in_)
    if bound.max is not None or bound.min is not None:
        return plain(bound.max if bound.max is not None else bound.min or Decimal(0))
    return bound.prefix if bound.prefix is not None else bound.max_length


def plain(value: str | Decimal | bool) -> str:  # noqa: FBT001 - an option may be a boolean
    """A bound's value as text that can be put back into arguments."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else value
