"""Reading one document of the declarative tree: every key is understood, every problem is named by its field.

A key that is not understood is an error, never ignored: a rule that its author believes in
and that nobody enforces is worse than none. All problems of a document are reported at once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from remit.kernel.clock import Instant, Micros, parse_date_end, parse_duration
from remit.kernel.errors import ConfigInvalid, Malformed, RemitError
from remit.kernel.names import check_name

T = TypeVar("T")
D = TypeVar("D")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2}))?\Z"
)
_LAST = 2**53  # canonical JSON takes no larger integer; as an instant, the year 2255


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: `field` is its path, such as `allow.1.when.amount.max`."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class SpecInvalid(ConfigInvalid):
    """A document with problems; the first stands in the public sentence, all are in `problems`."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(str(self.problems[0]), detail="\n".join(map(str, self.problems)))


def unavailable(what: str) -> ConfigInvalid:
    """What the contract names and this version does not do: refused, so that nobody counts on it."""
    return ConfigInvalid(f"{what} is not available in this version")


class Fields:
    """One object of a document. Problems are collected; `finish` raises them, and only after it are values whole."""

    def __init__(
        self,
        value: object,
        *,
        known: Collection[str],
        later: Collection[str] = (),
        path: str = "",
        problems: list[Problem] | None = None,
    ) -> None:
        self.problems: list[Problem] = [] if problems is None else problems
        self._path = path
        self._found: dict[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.problems.append(Problem(path, "an object is expected"))
        for key in self._found:
            if key in later:
                self.problem(key, f"{key} is not available in this version")
            elif key not in known:
                self.problem(str(key)[:80], f"unknown key; known are {', '.join(sorted(known))}")

    def problem(self, key: str, message: str) -> None:
        """Note a problem with the field `key`."""
        self.problems.append(Problem(self.at(key), message))

    def at(self, key: str) -> str:
        """The path of the field `key`."""
        return f"{self._path}.{key}" if self._path else key

    def has(self, key: str) -> bool:
        """Whether the field stands there."""
        return key in self._found

    def raw(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """The field as it stands there, unread."""
        return self._found.get(key)

    def take(self, key: str, read: Callable[[Any], T]) -> T:
        """A required field through `read`. After a problem the value is None, which `finish` keeps from anyone."""
        if key not in self._found:
            self.problem(key, "is missing")
        else:
            try:
                return read(self._found[key])
            except SpecInvalid as error:
                self.problems += [Problem(_join(self.at(key), each.field), each.message) for each in error.problems]
            except RemitError as error:
                self.problem(key, error.public)
        return cast("T", None)  # a problem was noted, so `finish` raises before anyone reads it

    def maybe(self, key: str, read: Callable[[Any], T], missing: D) -> T | D:
        """An optional field through `read`; `missing` where it does not stand."""
        return self.take(key, read) if key in self._found else missing

    def finish(self) -> None:
        """Raise what was found.

        Raises:
            SpecInvalid: There were problems.
        """
        if self.problems:
            raise SpecInvalid(self.problems)


def _join(path: str, field: str) -> str:
    return f"{path}.{field}" if path and field else path or field


def items(read: Callable[[Any], T], *, least: int = 1, most: int = 1000) -> Callable[[Any], tuple[T, ...]]:
    """A list whose every item goes through `read`."""

    def each(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Malformed("a list is expected")
        if not least <= len(value) <= most:
            raise Malformed(f"from {least} to {most} items are expected")
        found: list[T] = []
        problems: list[Problem] = []
        for at, item in enumerate(value):
            try:
                found.append(read(item))
            except SpecInvalid as error:
                problems += [Problem(_join(str(at), inner.field), inner.message) for inner in error.problems]
            except RemitError as error:
                problems.append(Problem(str(at), error.public))
        if problems:
            raise SpecInvalid(problems)
        return tuple(found)

    return each


def distinct(read: Callable[[Any], tuple[T, ...]]) -> Callable[[Any], tuple[T, ...]]:
    """A list in which nothing stands twice."""

    def each(value: object) -> tuple[T, ...]:
        found = read(value)
        if len(set(found)) != len(found):
            raise Malformed("something stands here twice")
        return found

    return each


def text(*, most: int) -> Callable[[Any], str]:
    """One line of text: from 1 to `most` characters, none of them a control character."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise Malformed("text is expected; put it in quotes")
        if not 0 < len(value) <= most or not value.strip():
            raise Malformed(f"from 1 to {most} characters are expected")
        if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in value):
            raise Malformed("a control character is not taken")
        return value

    return read


def name(what: str) -> Callable[[Any], str]:
    """A well-formed name."""
    return lambda value: check_name(value, what=what)


def choice(*known: str, later: Collection[str] = ()) -> Callable[[Any], str]:
    """One of the `known` words; one of the `later` words is refused as not available."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in later:
            raise unavailable(value)
        if not isinstance(value, str) or value not in known:
            raise Malformed(f"must be {' or '.join(known)}")
        return value

    return read


def whole(low: int, high: int) -> Callable[[Any], int]:
    """A whole number from `low` to `high`."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Malformed(f"a whole number from {low} to {high} is expected")
        return value

    return read


def end(value: object) -> Instant:
    """An end: a date (its 24:00 UTC) or an RFC 3339 time. Whether it is in the future, `now` decides elsewhere.

    Raises:
        Malformed: Neither, or later than the year 2255.
    """
    if not isinstance(value, str) or not _DATE.match(value):
        raise Malformed("a date YYYY-MM-DD, or an RFC 3339 time with offset, is expected")
    instant = parse_date_end(value)
    if not 0 <= instant < _LAST:
        raise Malformed("an end lies between 1970 and 2255")
    return instant


def duration(*, most: Micros) -> Callable[[Any], Micros]:
    """A duration such as `8h`, up to `most`."""

    def read(value: object) -> Micros:
        found = parse_duration(value)
        if found > most:
            raise Malformed("the duration is too long")
        return found

    return read
