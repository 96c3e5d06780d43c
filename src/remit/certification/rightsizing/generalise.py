"""From the arguments of calls that were made to bounds that let them pass, and as little else as the dial says (pure).

One value says little about the next: how far a bound reaches beyond what was seen is the
dial. A bound is proposed only on an argument that stood in every one of the calls, because a
bounded argument is required. Numbers stay exact; headroom is whole per cent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any, Final

from remit.access.climbing import climbs
from remit.access.model import Bound, Rule
from remit.policy.arguments import exact
from remit.policy.constraints import number, same

_LIMIT: Final = Decimal(10) ** 14  # a boundary's document takes no larger number
_PLACES: Final = 4
_MAX_TEXT: Final = 1000
_REPEATS: Final = 2  # a list of values is believed once each was seen so often on average
_SHORTEST: Final = 4  # characters of a prefix that says something
_FEW: Final = 3  # texts that must share a prefix before it is believed
_SEPARATORS: Final = frozenset("/.:-_@ #?&=,;|\\")

Option = str | Decimal | bool


class Scope(StrEnum):
    """How far a proposal reaches beyond what was used.

    exact: the actions used, every argument held to what it was. tool: the actions used, an
    argument held where its values repeat, share a beginning, or are numbers. server: every
    action there is on the servers used, arguments as they are in force.
    """

    EXACT = "exact"
    TOOL = "tool"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """How bounds are made of what was used."""

    scope: Scope = Scope.TOOL
    headroom: int = 20  # per cent that a number may go beyond what was seen
    values: int = 8  # up to so many different values are named one by one
    bounds: bool = True  # False: actions only, arguments as they are in force


def bounds(calls: Sequence[Mapping[str, Any] | None], old: Rule | None, dial: Dial) -> tuple[Bound, ...]:
    """The bounds of one action. Every call that `old` let pass and that is among `calls` passes them too.

    Args:
        calls: The arguments of each call; None where they are not known, and then nothing is bounded anew.
        old: The rule in force, which every call passes; its bounds only ever get narrower.
        dial: How far to generalise.
    """
    before = {} if old is None else {bound.argument: bound for bound in old.when}
    known = [call for call in calls if call is not None]
    if not dial.bounds or dial.scope is Scope.SERVER or not known or len(known) < len(calls):
        return tuple(before.values())
    always = [name for name in sorted(known[0]) if all(call.get(name) is not None for call in known)]
    found = (
        _narrowed(name, before.get(name), [call[name] for call in known], dial)
        for name in dict.fromkeys([*before, *(name for name in always if 0 < len(name) <= _MAX_TEXT)])
    )
    return tuple(bound for bound in found if bound is not None)


def _narrowed(argument: str, old: Bound | None, values: Sequence[Any], dial: Dial) -> Bound | None:
    """What was learned, inside what is in force."""
    learned = _learned(argument, values, dial)
    if old is None or learned is None:
        return learned if old is None else old
    among = old.in_
    if among is not None and learned.in_ is not None:
        # In the spelling that a person approved.
        among = tuple(each for each in among if any(same(value, each) for value in learned.in_))
    return Bound(
        argument=argument,
        max=_first(min, old.max, learned.max),
        min=_first(max, old.min, learned.min),
        in_=among if among is not None else learned.in_,
        prefix=max(old.prefix or "", learned.prefix or "", key=len) or None,
        max_length=old.max_length,
    )


def _first(pick: Any, *limits: Decimal | None) -> Decimal | None:  # noqa: ANN401 - min or max
    known = [limit for limit in limits if limit is not None]
    return pick(known) if known else None


def _learned(argument: str, values: Sequence[Any], dial: Dial) -> Bound | None:
    """A bound that all of `values` pass; None if nothing can be said of them."""
    if all(number(value) for value in values):
        return _numbers(argument, values, dial)
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    options = _options(flat)
    if options and len(options) <= dial.values and _believed(len(flat), len(options), dial):
        return Bound(argument=argument, in_=options)
    if all(isinstance(value, str) for value in values):
        return _beginning(argument, values, dial)
    return None


def _believed(seen: int, different: int, dial: Dial) -> bool:
    return dial.scope is Scope.EXACT or seen >= _REPEATS * different


def _options(values: Iterable[Any]) -> tuple[Option, ...]:
    """Each different value once, in a fixed order; none if one of them cannot be named in a boundary, or kinds mix."""
    found: set[tuple[str, Any]] = set()
    for value in values:
        if isinstance(value, bool):
            found.add(("bool", value))
        elif isinstance(value, str) and len(value) <= _MAX_TEXT:
            found.add(("text", value))
        elif number(value) and (plain := _plain(value)) is not None:
            found.add(("number", plain))
        else:
            return ()
    if len({kind for kind, _ in found}) != 1:
        return ()
    return tuple(value for _, value in sorted(found))


def _numbers(argument: str, values: Sequence[int | Decimal], dial: Dial) -> Bound | None:
    known = [plain for value in values if (plain := _plain(value)) is not None]
    if len(known) < len(values):
        return None
    places = Decimal(1).scaleb(-max(_places(value) for value in known))
    high, low, beyond = max(known), min(known), Decimal(dial.headroom).scaleb(-2)
    most: Decimal = (high + abs(high) * beyond).quantize(places, ROUND_CEILING)
    least: Decimal = (low - abs(low) * beyond).quantize(places, ROUND_FLOOR)
    if low >= 0:
        # Less of something than was ever used is refused only where each argument is held to what it was.
        least = max(least, Decimal(0)) if dial.scope is Scope.EXACT else Decimal(0)
    if most >= _LIMIT or least <= -_LIMIT:
        return None
    return Bound(argument=argument, max=most, min=least)


def _plain(value: int | Decimal) -> Decimal | None:
    """`value` as a boundary's document may write it; None if it may not."""
    plain = Decimal(value)
    return plain if exact(value) and abs(plain) < _LIMIT else None


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return min(_PLACES, max(0, -exponent)) if isinstance(exponent, int) else 0


def _beginning(argument: str, values: Sequence[str], dial: Dial) -> Bound | None:
    """What all texts begin with."""
    different = sorted(set(values))
    if any(map(climbs, different)):
        return None  # such a text is inside no prefix, and what was used must stay allowed
    first, last = different[0], different[-1]
    at = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    prefix = first[: min(at, _MAX_TEXT)]
    if dial.scope is not Scope.EXACT:
        # Up to the last separator: what follows is shared by chance (`INV-2026-01` of `-012` and `-017`).
        cut = max((at for at, char in enumerate(prefix) if char in _SEPARATORS), default=-1)
        prefix = prefix[: cut + 1] if len(different) >= _FEW else ""
    return Bound(argument=argument, prefix=prefix) if len(prefix) >= _SHORTEST else None
