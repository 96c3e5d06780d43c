"""Which calls to try on a policy that changed: those at the edges of what it says (pure, in a fixed order).

Everything that its tests compare with something is a dimension; the values of a dimension are what it is
compared with, its neighbours on both sides, something else, and nothing at all. No chance is in it: equal
policies are tried with equal calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Final

from remit.kernel.clock import Instant
from remit.policy.normal import ORDERS, Term, json_value, place
from remit.policy.shape import Kind, Shape
from remit.policy.trial import Trial

MOST: Final = 20_000  # calls guessed at for one policy and one place to try it in
_ABSENT: Final = object()
MEMBER: Final = "member"  # the kind of a literal that a set is asked for
_COMPARES: Final = frozenset({"==", "in", "contains", "containsAll", "containsAny", *ORDERS})
_SETS: Final = frozenset({"contains", "containsAll", "containsAny"})
Place = tuple[str, ...]


def compared(tests: Iterable[Term]) -> dict[Place, list[Term]]:
    """What tests compare with which literals, in the order in which they stand."""
    found: dict[Place, list[Term]] = {}
    for test in tests:
        _collect(test, found)
    return found


def _collect(term: Any, found: dict[Place, list[Term]]) -> None:  # noqa: ANN401 - a term, or a part of one
    if not isinstance(term, tuple) or not term:
        return
    word = term[0]
    if word in _COMPARES:
        for one, other in ((term[1], term[2]), (term[2], term[1])):
            if (at := place(one)) is not None:
                found.setdefault(at, []).extend(_literals(other, member=word in _SETS and one is term[1]))
    elif word == "like" and (at := place(term[1])) is not None:
        prefix = "".join(each or "" for each in term[2])
        found.setdefault(at, []).extend([("lit", "string", prefix), ("lit", "string", prefix + "x")])
    elif word in {"has", "."} and (at := place((".", term[1], term[2]))) is not None:
        found.setdefault(at, [])
    for each in term[1:]:
        for one in each if _several(each) else (each,):
            _collect(one, found)


def _several(part: Any) -> bool:  # noqa: ANN401 - a part of a term
    """Whether it is the members of a set."""
    return isinstance(part, tuple) and bool(part) and isinstance(part[0], tuple)


def _literals(other: Term, *, member: bool) -> list[Term]:
    literals = [each for each in (other[1] if other[0] == "set" else (other,)) if each[0] == "lit"]
    return [("lit", MEMBER, each[2]) for each in literals] if member else literals


def calls(base: Trial, about: Mapping[Place, Sequence[Term]]) -> Iterator[Trial]:
    """Calls like `base`, with every combination of values at the edges of what is compared; the simplest first."""
    dimensions = [dimension for at, literals in about.items() if (dimension := _dimension(base, at, literals))]
    most = len(dimensions) and max(2, int(_root(MOST, len(dimensions))))
    for choice in product(*(values[:most] for _, values in dimensions)):
        trial, arguments, dead = base, dict(base.arguments), False
        for (at, _), value in zip(dimensions, choice, strict=True):
            if at[1] == "input":
                arguments, dead = _put(arguments, at[2:], value)
                if dead:
                    break
            else:
                trial = _otherwise(trial, at[1], value)
        if not dead:
            yield replace(trial, arguments=arguments)


def _otherwise(trial: Trial, name: str, value: Any) -> Trial:  # noqa: ANN401 - of the type of that name
    if name == "now":
        return replace(trial, now=Instant(value))
    return replace(trial, run=value) if name == "run" else replace(trial, instance=value)


def _root(value: int, of: int) -> int:
    """The largest whole number whose `of`-th power is not above `value`."""
    found = 1
    while (found + 1) ** of <= value:
        found += 1
    return found


def _dimension(base: Trial, at: Place, literals: Sequence[Term]) -> tuple[Place, list[Any]] | None:
    if at[0] != "context" or len(at) < 2:  # noqa: PLR2004 - the context as a whole
        return None
    if at[1] == "input" and len(at) > 2:  # noqa: PLR2004 - an argument
        shape = _shape_at(base.shape, at[2:])
        return None if shape is None or shape.kind is Kind.RECORD else (at, _arguments(shape, literals))
    if at[1:] in {("run",), ("instance",)}:
        return at, list(dict.fromkeys([*(each[2] for each in literals), "other"]))
    if at[1:] == ("now",):
        times = [each[2] * 1000 + step for each in literals if each[1] == "datetime" for step in (-1000, 0, 1000)]
        return at, list(dict.fromkeys([base.now, *times]))
    return None


def _arguments(shape: Shape, literals: Sequence[Term]) -> list[Any]:
    """What an argument of this type may be, for a policy that compares it with `literals`."""
    values: list[Any] = []
    for each in literals:
        values += _near(each)
    several = shape.kind in {Kind.STRINGS, Kind.LONGS}
    if shape.kind is Kind.BOOL:
        values = [True, False]
    elif several:
        values = [[value] for value in values] + [[]]
    else:
        values.append("other" if shape.kind is Kind.STRING else 1)
    unique: list[Any] = []
    for value in [*values, _ABSENT]:
        if value not in unique:
            unique.append(value)
    return unique


def _near(literal: Term) -> list[Any]:
    kind, value = literal[1], literal[2]
    if kind in {"long", "decimal"}:
        return [json_value(("lit", kind, value + step)) for step in (0, -1, 1)]
    return [value]


def _shape_at(shape: Shape, path: Place) -> Shape | None:
    for name in path:
        member = shape.members.get(name)
        if member is None:
            return None
        shape = member.shape
    return shape


def _put(
    arguments: dict[str, Any],
    path: Place,
    value: Any,  # noqa: ANN401 - any JSON value
) -> tuple[dict[str, Any], bool]:
    """`arguments` with one of them set or taken out; True where there is no place for it any more."""
    name, *rest = path
    if not rest:
        found = {key: each for key, each in arguments.items() if key != name}
        return (found if value is _ABSENT else found | {name: value}), False
    inner = arguments.get(name)
    if inner is not None and not isinstance(inner, dict):
        return arguments, True
    below, dead = _put(dict(inner or {}), tuple(rest), value)
    return arguments | {name: below}, dead
