"""A second reader of Cedar: says that one permit certainly allows a request, or that it cannot say (pure).

It reads the same three texts that the engine does: the permit in Cedar's own JSON, the schema, and the
request's context. It knows the part of the language that boundaries are compiled to. Whatever it does not
know, whatever is not exactly of the type that the schema gives it, and whatever does not come out as an
allow is no answer here: that is the engine's to judge. So it can be slower than it looks, and never wider.
"""

from __future__ import annotations

import datetime as dt
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

Value = Any  # str, int, a tagged tuple, a list of these (a set), or a dict (a record)
Expression = Callable[[Mapping[str, Value]], Value]  # of a request's context
Reader = Callable[[Any], Value]

VERSION: Final = 1  # raised with every change of what it reads or how
_LONG: Final = 1 << 63
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,4}\Z")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\Z")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
# Truth is tagged, because to Python `True == 1`, and to Cedar they are of two types.
_TRUE: Final = ("bool", True)
_FALSE: Final = ("bool", False)
_ORDERS: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_DECIMAL_ORDERS: Final = {
    "lessThan": operator.lt,
    "lessThanOrEqual": operator.le,
    "greaterThan": operator.gt,
    "greaterThanOrEqual": operator.ge,
}


class Unsure(Exception):
    """Not for this evaluator to say."""


class Test:
    """One permit against requests of one action."""

    __slots__ = ("_conditions", "_context", "_request")
    __test__ = False  # no test of pytest's

    def __init__(self, policy: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        """Compile `policy` (Cedar's JSON) for requests that `schema` (Cedar's JSON) knows.

        Raises:
            Unsure: It is no permit of the known kind.
        """
        if policy.get("effect") != "permit":
            raise Unsure("no permit")
        self._request = {name: _scope(policy.get(name)) for name in ("principal", "action", "resource")}
        self._context = _context_of(schema, self._request)
        self._conditions = []
        for condition in policy.get("conditions", ()):
            if condition.get("kind") != "when":
                raise Unsure("unless")
            self._conditions.append(_compile(condition["body"]))

    def allows(self, request: Mapping[str, Any], context: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Whether the permit certainly applies to `request` (principal, action, resource) with this context."""
        if request != self._request:
            return False
        try:
            read = self._context(context)
            for condition in self._conditions:
                if condition(read) is not _TRUE:
                    return False
        except Unsure:
            return False
        return True


# What a request is made of, by the schema -----------------------------------------------------


def _scope(node: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON value
    """The one entity that a scope names."""
    if not isinstance(node, dict) or node.keys() != {"op", "entity"} or node["op"] != "==":
        raise Unsure("a scope that is not one entity")
    entity = node["entity"]
    if not isinstance(entity, dict) or entity.keys() != {"type", "id"}:
        raise Unsure("a scope that is not one entity")
    return entity


def _context_of(schema: Mapping[str, Any], request: Mapping[str, Any]) -> Reader:
    """What reads the context of `request`; the request itself must be one that the schema knows."""
    if len(schema) != 1:
        raise Unsure("several namespaces")
    ((namespace, declared),) = schema.items()
    action = declared["actions"].get(request["action"]["id"], {}).get("appliesTo")
    if action is None or request["action"]["type"] != f"{namespace}::Action":
        raise Unsure("an action that is not declared")
    for name in ("principal", "resource"):
        if request[name]["type"] not in [f"{namespace}::{kind}" for kind in action[f"{name}Types"]]:
            raise Unsure("an action that does not apply")
    return _reader(action["context"], namespace)


def _reader(kind: Mapping[str, Any], namespace: str) -> Reader:
    name = kind["type"]
    if name == "Record":
        return _record(kind["attributes"], namespace)
    if name == "Set":
        element = _reader(kind["element"], namespace)
        return lambda value: [element(each) for each in _exactly(value, list)]
    if name == "Entity":
        return _entity(f"{namespace}::{kind['name']}")
    if name == "Extension":
        return {"decimal": decimal, "datetime": instant}[kind["name"]]
    return {"String": _text, "Long": _long, "Boolean": _bool}[name]


def _record(attributes: Mapping[str, Mapping[str, Any]], namespace: str) -> Reader:
    readers = {name: _reader(kind, namespace) for name, kind in attributes.items()}
    required = {name for name, kind in attributes.items() if kind.get("required", True)}

    def read(value: Any) -> Value:  # noqa: ANN401 - any JSON value
        if not required <= _exactly(value, dict).keys() <= readers.keys():
            raise Unsure("an attribute that is missing, or that is not declared")
        return {name: readers[name](member) for name, member in value.items()}

    return read


def _entity(kind: str) -> Reader:
    def read(value: Any) -> Value:  # noqa: ANN401 - any JSON value
        if _exactly(value, dict).keys() != {"type", "id"} or value["type"] != kind:
            raise Unsure("another entity")
        return ("entity", kind, _text(value["id"]))

    return read


def _exactly(value: Any, kind: type) -> Any:  # noqa: ANN401 - any JSON value
    if type(value) is not kind:
        raise Unsure("another type")
    return value


def _text(value: Any) -> Value:  # noqa: ANN401 - any JSON value
    return _exactly(value, str)


def _long(value: Any) -> Value:  # noqa: ANN401 - any JSON value
    if not -_LONG <= _exactly(value, int) < _LONG:
        raise Unsure("beyond 64 bits")
    return value


def _bool(value: Any) -> Value:  # noqa: ANN401 - any JSON value
    return _TRUE if _exactly(value, bool) else _FALSE


def decimal(value: Any) -> Value:  # noqa: ANN401 - any JSON value
    """Cedar's decimal from its literal: ten-thousandths."""
    if not _DECIMAL.match(_exactly(value, str)):
        raise Unsure("no decimal")
    whole, _, fraction = value.partition(".")
    units = int(whole + fraction.ljust(4, "0"))
    if not -_LONG <= units < _LONG:
        raise Unsure("beyond 64 bits")
    return ("decimal", units)


@lru_cache(maxsize=64)  # many calls are decided within one millisecond
def _milliseconds(text: str) -> int:
    return (dt.datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND


def instant(value: Any) -> Value:  # noqa: ANN401 - any JSON value
    """Cedar's datetime from the one spelling that is written here: milliseconds."""
    if not _TIME.match(_exactly(value, str)):
        raise Unsure("another spelling of a time")
    try:
        return ("datetime", _milliseconds(value))
    except ValueError as error:
        raise Unsure("no time") from error


# Expressions ----------------------------------------------------------------------------------


def _compile(node: Mapping[str, Any]) -> Expression:  # noqa: PLR0911 - one for each word
    if len(node) != 1:
        raise Unsure("no expression")
    ((word, parts),) = node.items()
    if word == "Var" and parts == "context":
        return lambda context: context
    if word in {".", "has"}:
        return _attribute(_compile(parts["left"]), parts["attr"], asked=word == "has")
    if word == "==":
        return _equal(_compile(parts["left"]), _compile(parts["right"]))
    if word in _ORDERS:
        return _ordered(_ORDERS[word], _compile(parts["left"]), _compile(parts["right"]))
    if word in _DECIMAL_ORDERS and len(parts) == 2:  # noqa: PLR2004 - a method's receiver and its one argument
        return _decimals(_DECIMAL_ORDERS[word], _compile(parts[0]), _compile(parts[1]))
    if word in {"contains", "containsAll"}:
        return _contains(_compile(parts["left"]), _compile(parts["right"]), several=word == "containsAll")
    if word == "like":
        return _begins(_compile(parts["left"]), _prefix(parts["pattern"]))
    constant = _constant(word, parts)
    return lambda _: constant


def _constant(word: str, parts: Any) -> Value:  # noqa: ANN401 - any JSON value
    if word == "Value":
        if isinstance(parts, dict):
            entity = parts["__entity"] if parts.keys() == {"__entity"} else {}
            return _entity(str(entity.get("type")))(entity)
        return {str: _text, int: _long, bool: _bool}.get(type(parts), decimal)(parts)
    if word == "Set":
        return [_constant(*next(iter(part.items()))) for part in parts]
    if word in {"decimal", "datetime"} and len(parts) == 1 and parts[0].keys() == {"Value"}:
        return (decimal if word == "decimal" else instant)(parts[0]["Value"])
    raise Unsure(f"not known here: {word}")


def _attribute(record: Expression, name: str, *, asked: bool) -> Expression:
    def get(context: Mapping[str, Value]) -> Value:
        members = record(context)
        if type(members) is not dict:
            raise Unsure("another type")
        if asked:
            return _TRUE if name in members else _FALSE
        if name not in members:
            raise Unsure("an attribute that is not there")
        return members[name]

    return get


def _scalar(value: Value) -> Value:
    if type(value) in {dict, list}:
        raise Unsure("records and sets are not compared here")
    return value


def _equal(left: Expression, right: Expression) -> Expression:
    return lambda context: _TRUE if _scalar(left(context)) == _scalar(right(context)) else _FALSE


def _ordered(order: Callable[[Any, Any], bool], left: Expression, right: Expression) -> Expression:
    def compare(context: Mapping[str, Value]) -> Value:
        one, other = left(context), right(context)
        if type(one) is int and type(other) is int:
            return _TRUE if order(one, other) else _FALSE
        return _TRUE if order(_units(one, "datetime"), _units(other, "datetime")) else _FALSE

    return compare


def _decimals(order: Callable[[Any, Any], bool], left: Expression, right: Expression) -> Expression:
    def compare(context: Mapping[str, Value]) -> Value:
        return _TRUE if order(_units(left(context), "decimal"), _units(right(context), "decimal")) else _FALSE

    return compare


def _units(value: Value, kind: str) -> int:
    if type(value) is not tuple or value[0] != kind:
        raise Unsure("another type")
    return int(value[1])


def _contains(options: Expression, asked: Expression, *, several: bool) -> Expression:
    def look(context: Mapping[str, Value]) -> Value:
        among, value = _exactly(options(context), list), asked(context)
        wanted = _exactly(value, list) if several else [_scalar(value)]
        return _TRUE if all(_scalar(each) in among for each in wanted) else _FALSE

    return look


def _prefix(pattern: Sequence[Any]) -> str:
    *literals, last = pattern or [None]
    if last != "Wildcard" or any(not isinstance(each, dict) or each.keys() != {"Literal"} for each in literals):
        raise Unsure("another pattern than a prefix")
    return "".join(each["Literal"] for each in literals)


def _begins(text: Expression, prefix: str) -> Expression:
    return lambda context: _TRUE if _text(text(context)).startswith(prefix) else _FALSE
