"""A rule of a boundary, compiled to a Cedar permit in Cedar's JSON (pure).

The structure decides together with this permit: both must agree before a call is allowed.
What Cedar cannot say of an argument (its length, or anything of one that policies cannot
read) is left to the structure alone, and the permit is then marked as not exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any

from remit.access.model import Bound, Boundary, Rule
from remit.kernel.clock import rfc3339
from remit.policy import schema
from remit.policy.constraints import counted
from remit.policy.shape import Kind, Shape, decimal_text

_DECIMAL_LIMIT = Decimal(10) ** 14
_PLACES = Decimal("0.0001")
_LAST = 253_402_300_799_000  # milliseconds; 9999-12-31: Cedar's dates have four digits of year
_NEVER: dict[str, Any] = {"Value": False}
Expression = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Permit:
    """A compiled rule. `exact`: it says all that the rule says of the arguments."""

    policy: dict[str, Any]
    exact: bool


def permit(boundary: Boundary, rule: Rule, *, server: str, shape: Shape) -> Permit:
    """Compile `rule` of `boundary` for a tool on `server` whose arguments policies read as `shape`."""
    conditions = [
        {"==": {"left": _context("purpose"), "right": _entity(schema.PURPOSE, boundary.purpose)}},
        {"<": {"left": _context("now"), "right": {"datetime": [{"Value": cedar_time(boundary.not_after, up=True)}]}}},
    ]
    exact = True
    for bound in rule.when:
        said, whole = _bound(bound, shape)
        conditions += said
        exact = exact and whole
    for name in counted(rule):
        said, whole = _bound(Bound(argument=name, min=Decimal(0)), shape)
        conditions += said
        exact = exact and whole
    policy = {
        "effect": "permit",
        "principal": {"op": "==", "entity": {"type": schema.AGENT, "id": boundary.agent}},
        "action": {"op": "==", "entity": {"type": schema.ACTION, "id": rule.action}},
        "resource": {"op": "==", "entity": {"type": schema.SERVER, "id": server}},
        "conditions": [{"kind": "when", "body": condition} for condition in conditions],
        "annotations": {"id": boundary.boundary, "version": str(boundary.version)},
    }
    return Permit(policy, exact)


def cedar_time(instant: int, *, up: bool = False) -> str:
    """An instant as Cedar's datetime, in milliseconds; rounded up for an end, down for the present."""
    millis = min(-(-instant // 1000) if up else instant // 1000, _LAST)
    return _written(millis)


@lru_cache(maxsize=64)  # many calls are decided within one millisecond
def _written(millis: int) -> str:
    return f"{rfc3339(millis * 1000)[:23]}Z"


def _bound(bound: Bound, shape: Shape) -> tuple[list[Expression], bool]:
    """The conditions of one bound, and whether they say all of it."""
    member = shape.members.get(bound.argument)
    if member is None:
        return [], False
    argument = {".": {"left": _context("input"), "attr": bound.argument}}
    conditions: list[Expression] = [{"has": {"left": _context("input"), "attr": bound.argument}}]
    kind = member.shape.kind
    if bound.max is not None:
        conditions.append(_compare(kind, argument, bound.max, "lessThanOrEqual", "<="))
    if bound.min is not None:
        conditions.append(_compare(kind, argument, bound.min, "greaterThanOrEqual", ">="))
    if bound.in_ is not None:
        conditions.append(_member_of(kind, argument, bound.in_))
    if bound.prefix is not None:
        pattern = [*({"Literal": char} for char in bound.prefix), "Wildcard"]
        conditions.append({"like": {"left": argument, "pattern": pattern}} if kind is Kind.STRING else _NEVER)
    return conditions, bound.max_length is None


def _compare(kind: Kind, argument: Expression, limit: Decimal, function: str, operator: str) -> Expression:
    rounding = ROUND_FLOOR if operator == "<=" else ROUND_CEILING
    if kind is Kind.LONG:
        whole = int(limit.to_integral_value(rounding))
        return {operator: {"left": argument, "right": {"Value": max(-(2**63), min(2**63 - 1, whole))}}}
    if kind is not Kind.DECIMAL:
        return _NEVER
    # Every readable argument lies inside these, so a wider limit is as good as the widest.
    clamped = max(-_DECIMAL_LIMIT, min(_DECIMAL_LIMIT, limit)).quantize(_PLACES, rounding)
    return {function: [argument, {"decimal": [{"Value": decimal_text(clamped)}]}]}


def _member_of(kind: Kind, argument: Expression, options: tuple[str | Decimal | bool, ...]) -> Expression:
    literals = [literal for option in options if (literal := _literal(kind, option)) is not None]
    several = kind in {Kind.STRINGS, Kind.LONGS}
    if not literals and not several:
        return _NEVER
    word = "containsAll" if several else "contains"
    return {word: {"left": {"Set": literals}, "right": argument}}


def _literal(kind: Kind, option: str | Decimal | bool) -> Expression | None:  # noqa: FBT001 - an option may be a boolean
    """`option` as a literal of the argument's type; None if the argument can never be equal to it."""
    if isinstance(option, bool):
        return {"Value": option} if kind is Kind.BOOL else None
    if isinstance(option, str):
        return {"Value": option} if kind in {Kind.STRING, Kind.STRINGS} else None
    if kind in {Kind.LONG, Kind.LONGS}:
        whole = option == option.to_integral_value() and -(2**63) <= option < 2**63
        return {"Value": int(option)} if whole else None
    fits = kind is Kind.DECIMAL and abs(option) < _DECIMAL_LIMIT and option == option.quantize(_PLACES)
    return {"decimal": [{"Value": decimal_text(option.quantize(_PLACES))}]} if fits else None


def _context(name: str) -> Expression:
    return {".": {"left": {"Var": "context"}, "attr": name}}


def _entity(kind: str, name: str) -> Expression:
    return {"Value": {"__entity": {"type": kind, "id": name}}}
