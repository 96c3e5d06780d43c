"""What a test would say of a request: a quick guess, to find requests that are worth asking the engine about (pure).

It decides nothing. What it says is asked of the engine again before anybody is told; where it cannot say, it says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from remit.policy.normal import ORDERS, Term

Request = Mapping[str, Any]
"""principal, action, resource: `("entity", kind, id)`; context: a record; entities: attributes; parents: ancestors."""

ERROR: Final = "error"
UNKNOWN: Final = "unknown"


class _Failed(Exception):
    """The engine would end with an error."""


class _Unknown(Exception):
    """Not known here."""


def stopped(tests: Iterable[Term], request: Request) -> bool | str:
    """True, False or `error`, as the tests of a policy would say one after the other; `unknown` if they cannot here."""
    for test in tests:
        try:
            value = _value(test, request)
        except _Failed:
            return ERROR
        except _Unknown:
            return UNKNOWN
        if value is not True:
            return False
    return True


def _value(term: Term, request: Request) -> Any:  # noqa: ANN401, C901, PLR0911 - any value; one for each word
    word = term[0]
    if word == "lit":
        return _literal(term)
    if word == "var":
        return request[term[1]]
    if word == "&&":
        return all(_truth(each, request) for each in term[1:])
    if word == "||":
        return any(_truth(each, request) for each in term[1:])
    if word == "!":
        return not _truth(term[1], request)
    if word == ".":
        return _attribute(_value(term[1], request), term[2], request)
    if word == "has":
        return term[2] in _record(_value(term[1], request), request)
    if word == "set":
        return tuple(_value(each, request) for each in term[1])
    if word == "==":
        return _same(_value(term[1], request), _value(term[2], request))
    if word in ORDERS:
        return _ordered(word, _value(term[1], request), _value(term[2], request))
    return _rest(term, request)


def _rest(term: Term, request: Request) -> Any:  # noqa: ANN401 - any value
    word = term[0]
    if word == "in":
        return _within(_value(term[1], request), _value(term[2], request), request)
    if word == "is":
        found = _value(term[1], request)
        return isinstance(found, tuple) and found[:2] == ("entity", term[2])
    if word == "like":
        return _like(_value(term[1], request), term[2])
    if word == "isEmpty":
        return not _value(term[1], request)
    if word in {"contains", "containsAll", "containsAny"}:
        among, asked = _value(term[1], request), _value(term[2], request)
        if word == "contains":
            return any(_same(each, asked) for each in among)
        every = all if word == "containsAll" else any
        return every(any(_same(each, one) for each in among) for one in asked)
    raise _Unknown


def _literal(term: Term) -> Any:  # noqa: ANN401 - any value
    kind, value = term[1], term[2]
    if kind == "entity":
        return ("entity", *value)
    return (kind, value) if kind in {"decimal", "datetime"} else value


def _truth(term: Term, request: Request) -> bool:
    value = _value(term, request)
    if not isinstance(value, bool):
        raise _Failed
    return value


def _record(found: Any, request: Request) -> Mapping[str, Any]:  # noqa: ANN401 - any value
    if isinstance(found, Mapping):
        return found
    if isinstance(found, tuple) and found[:1] == ("entity",):
        attributes: Mapping[str, Any] = request["entities"].get(found[1:], {})
        return attributes
    raise _Failed


def _attribute(found: Any, name: str, request: Request) -> Any:  # noqa: ANN401 - any value
    record = _record(found, request)
    if name not in record:
        raise _Failed
    return record[name]


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any value
    return type(one) is type(other) and bool(one == other)


def _ordered(word: str, one: Any, other: Any) -> bool:  # noqa: ANN401 - any value
    if isinstance(one, tuple) and isinstance(other, tuple) and one[0] == other[0]:
        one, other = one[1], other[1]
    if type(one) is not int or type(other) is not int:
        raise _Failed
    return {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[word]


def _within(one: Any, other: Any, request: Request) -> bool:  # noqa: ANN401 - any value
    named = other if other and isinstance(other[0], tuple) else (other,)
    return one in named or bool(request["parents"].get(one[1:], frozenset()) & {each[1:] for each in named})


def _like(text: Any, pattern: tuple[str | None, ...]) -> bool:  # noqa: ANN401 - any value
    if not isinstance(text, str):
        raise _Failed
    if not pattern or pattern[-1] is not None or None in pattern[:-1]:
        raise _Unknown
    return text.startswith("".join(each for each in pattern if each is not None))
