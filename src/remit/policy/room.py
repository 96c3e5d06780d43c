"""What a rule leaves one argument: the bounds on it as one value, and how two of them compare (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from remit.access.model import Bound, Rule
from remit.policy.constraints import begins, counted, number, same

Option = str | Decimal | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """All bounds of one rule on one argument. Never null: a bounded argument is required.

    `options` beside `number` or `text` are those that are left of them; alone, they are also
    what each member of a list may be.
    """

    number: bool = False
    text: bool = False
    low: Decimal | None = None
    high: Decimal | None = None
    prefix: str | None = None
    length: int | None = None
    options: tuple[Option, ...] | None = None
    empty: bool = False  # nothing fits

    @property
    def scalar(self) -> bool:
        """Whether no list fits."""
        return self.number or self.text

    def holds(self, value: object) -> bool:
        """Whether a value that is no list fits."""
        if self.empty or value is None or (self.number and not _in_range(value, self.low, self.high)):
            return False
        if self.text and not (
            isinstance(value, str)
            and (self.prefix is None or begins(value, self.prefix))
            and (self.length is None or len(value) <= self.length)
        ):
            return False
        return self.options is None or any(same(value, option) for option in self.options)


def rooms_of(rule: Rule) -> dict[str, Room]:
    """What `rule` leaves each argument that it bounds or counts, in its order."""
    found: dict[str, Room] = {}
    bounds = (*rule.when, *(Bound(argument=name, min=Decimal(0)) for name in counted(rule)))
    for bound in bounds:
        found[bound.argument] = _within(found.get(bound.argument, Room()), bound)
    return found


def _within(room: Room, bound: Bound) -> Room:
    """`room` with one more bound."""
    high, low = (v for v in (bound.max, bound.min))
    prefix, clash = _longer(room.prefix, bound.prefix)
    found = replace(
        room,
        number=room.number or high is not None or low is not None,
        text=room.text or bound.prefix is not None or bound.max_length is not None,
        high=min((v for v in (room.high, high) if v is not None), default=None),
        low=max((v for v in (room.low, low) if v is not None), default=None),
        prefix=prefix,
        length=min((v for v in (room.length, bound.max_length) if v is not None), default=None),
        options=_both(room.options, bound.in_),
        empty=room.empty or clash,
    )
    return _settled(found)


def _settled(room: Room) -> Room:
    """Options judged by the other bounds; what contradicts itself is empty."""
    inverted = room.low is not None and room.high is not None and room.low > room.high
    if room.empty or inverted or (room.number and room.text):
        return Room(empty=True)
    if room.options is None or not room.scalar:
        return room
    left = tuple(option for option in room.options if room.holds(option))
    return replace(room, options=left) if left else Room(empty=True)


def implies(one: Room, other: Room) -> bool:
    """Whether whatever fits `one` fits `other`; False where that cannot be told."""
    if one.empty:
        return True  # not also where they are equal: to Python 0 and false are
    if other.empty or (other.number and not one.number) or (other.text and not one.text):
        return False
    if one.options is not None:
        return all(other.holds(option) for option in one.options)
    return (
        other.options is None
        and (other.high is None or (one.high is not None and one.high <= other.high))
        and (other.low is None or (one.low is not None and one.low >= other.low))
        and (other.length is None or (one.length is not None and one.length <= other.length))
        and (other.prefix is None or (one.prefix is not None and one.prefix.startswith(other.prefix)))
    )


def either(rooms: Sequence[Room]) -> tuple[Room, ...]:
    """The same union with fewer rooms: what another one covers goes, ranges that meet become one."""
    left: list[Room] = []
    for room in rooms:
        if not any(implies(room, kept) for kept in left):
            left = [kept for kept in left if not implies(kept, room)] + [room]
    return _ranges(left)


def _ranges(rooms: list[Room]) -> tuple[Room, ...]:
    ranges = [room for room in rooms if room.number and room.options is None]
    others = [room for room in rooms if room not in ranges]
    merged: list[Room] = []
    for room in sorted(ranges, key=lambda each: (each.low is not None, each.low or 0)):
        last = merged[-1] if merged else None
        if last is None or (last.high is not None and room.low is not None and room.low > last.high):
            merged.append(room)
        else:
            high = None if last.high is None or room.high is None else max(last.high, room.high)
            merged[-1] = replace(last, high=high)
    return (*merged, *others)


def covers(one: Mapping[str, Room], other: Mapping[str, Room]) -> bool:
    """Whether arguments that fit all of `other` fit all of `one`."""
    return all(name in other and implies(other[name], room) for name, room in one.items())


def _in_range(value: Any, low: Decimal | None, high: Decimal | None) -> bool:  # noqa: ANN401 - any JSON value
    return number(value) and (high is None or value <= high) and (low is None or value >= low)


def _longer(one: str | None, other: str | None) -> tuple[str | None, bool]:
    """The prefix that has both, and whether none can."""
    first, second = one or "", other or ""
    longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
    return (None if one is None and other is None else longer), not longer.startswith(shorter)


def _both(one: tuple[Option, ...] | None, other: tuple[Option, ...] | None) -> tuple[Option, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    return tuple(option for option in one if any(same(option, each) for each in other))
