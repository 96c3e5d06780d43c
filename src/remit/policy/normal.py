"""A policy in normal form: the tests it makes, one after the other, whichever way they are written (pure).

Cedar's JSON becomes tuples that are equal where two spellings mean the same: `unless` and `!` are pushed
inwards, a literal stands on the right, `500 < x` is `x > 500`, and of numbers, decimals and times the value
counts and not the spelling. The order of tests is kept, because a test that fails with an error ends them.
What is not known here stays as it stands, and is equal to itself alone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from remit.kernel.canonical import encode
from remit.policy.evaluate import Unsure, decimal

Term = tuple[Any, ...]

TRUE: Final[Term] = ("lit", "bool", True)
FALSE: Final[Term] = ("lit", "bool", False)
_FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
NEGATED: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_METHODS: Final = {
    "lessThan": "<",
    "lessThanOrEqual": "<=",
    "greaterThan": ">",
    "greaterThanOrEqual": ">=",
}
ORDERS: Final = frozenset(_FLIPPED)
_LITERALS: Final = frozenset({"Value", "decimal", "datetime"})
_NUMBERS: Final = frozenset({"long", "datetime"})  # what `<` compares; decimals have methods
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?(Z|[+-][0-9]{4}))?\Z", re.ASCII
)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def tests(policy: Mapping[str, Any]) -> tuple[Term, ...]:
    """What must be true of a request for `policy` (Cedar's JSON) to apply, in the order in which it is looked at."""
    found = list(scope(policy))
    for condition in policy.get("conditions", ()):
        body = term_of(condition["body"])
        found += conjuncts(body if condition["kind"] == "when" else negation(body))
    return tuple(found)


def scope(policy: Mapping[str, Any]) -> tuple[Term, ...]:
    """The tests of a policy's scope alone, which come before its conditions."""
    return tuple(
        [term for name in ("principal", "action", "resource") for term in _scope(name, policy.get(name) or {})]
    )


def _scope(name: str, said: Mapping[str, Any]) -> Iterator[Term]:
    variable, op = ("var", name), said.get("op")
    if op == "All":
        return
    if op == "==" and "entity" in said:
        yield ("==", variable, _entity(said["entity"]))
    elif op == "in" and ("entity" in said or "entities" in said):
        named = said["entities"] if "entities" in said else [said["entity"]]
        yield ("in", variable, ("set", tuple(sorted({_entity(each) for each in named}))))
    elif op == "is" and "entity_type" in said:
        yield ("is", variable, said["entity_type"])
        if "in" in said:
            yield ("in", variable, ("set", (_entity(said["in"]["entity"]),)))
    else:
        yield ("raw", encode(dict(said)).decode())


def _entity(said: Mapping[str, Any]) -> Term:
    return ("lit", "entity", (str(said.get("type")), str(said.get("id"))))


def conjuncts(term: Term) -> list[Term]:
    """The parts of an `&&`, in order; a term that is none is its only part."""
    return (
        [] if term == TRUE else [part for each in term[1:] for part in conjuncts(each)] if term[0] == "&&" else [term]
    )


def disjuncts(term: Term) -> list[Term]:
    """The parts of an `||`, in order."""
    return [part for each in term[1:] for part in disjuncts(each)] if term[0] == "||" else [term]


def negation(term: Term) -> Term:
    """`!term`: an error where `term` is one, and reached in the same order."""
    word = term[0]
    if term in {TRUE, FALSE}:
        return FALSE if term == TRUE else TRUE
    if word == "!":
        return negated if (negated := term[1])[0] in _TRUTHS else ("!", term)
    if word in {"&&", "||"}:
        return ("||" if word == "&&" else "&&", *(negation(each) for each in term[1:]))
    if word in NEGATED:
        return (NEGATED[word], *term[1:])
    return ("!", term)


# What is a boolean whenever it is no error: only of these is `!!x` the same as `x`.
_TRUTHS: Final = frozenset({"&&", "||", "!", "==", *ORDERS, "in", "is", "has", "contains", "containsAll", "like"})


def term_of(node: Any) -> Term:  # noqa: ANN401, PLR0911 - any JSON value; one for each word
    """An expression of Cedar's JSON in normal form."""
    if not isinstance(node, dict) or len(node) != 1:
        return ("raw", encode(node).decode())
    ((word, parts),) = node.items()
    if word in _LITERALS and (constant := _literal(word, parts)) is not None:
        return constant
    if word == "Var":
        return ("var", parts)
    if word in {"&&", "||"}:
        return _joined(word, term_of(parts["left"]), term_of(parts["right"]))
    if word == "!":
        return negation(term_of(parts["arg"]))
    if word in {".", "has"}:
        return (word, term_of(parts["left"]), parts["attr"])
    if word in {"==", "!="}:
        equal = ("==", *_literal_last(term_of(parts["left"]), term_of(parts["right"])))
        return equal if word == "==" else negation(equal)
    if word in ORDERS and _are(both := (term_of(parts["left"]), term_of(parts["right"])), _NUMBERS):
        return _order(word, *both)
    if word in _METHODS and len(parts) == 2:  # noqa: PLR2004 - a method's receiver and its one argument
        both = (term_of(parts[0]), term_of(parts[1]))
        return _order(_METHODS[word], *both, "decimal") if _are(both, {"decimal"}) else _other(word, parts)
    return _other(word, parts)


def _joined(word: str, left: Term, right: Term) -> Term:
    flat = conjuncts(("&&", left, right)) if word == "&&" else disjuncts(("||", left, right))
    if len(flat) == 1 and flat[0][0] not in _TRUTHS:
        return (word, TRUE, flat[0])  # an error where it is no boolean
    return (word, *flat) if len(flat) > 1 else flat[0] if flat else TRUE


def _other(word: str, parts: Any) -> Term:  # noqa: ANN401, PLR0911 - any JSON value; one for each word
    if word == "in":
        right = term_of(parts["right"])
        return ("in", term_of(parts["left"]), ("set", (right,)) if right[:2] == ("lit", "entity") else right)
    if word == "is" and "in" not in parts:
        return ("is", term_of(parts["left"]), parts["entity_type"])
    if word in {"contains", "containsAll", "containsAny"}:
        return (word, term_of(parts["left"]), term_of(parts["right"]))
    if word == "like":
        return ("like", term_of(parts["left"]), tuple(_glob(each) for each in parts["pattern"]))
    if word == "isEmpty":
        return ("isEmpty", term_of(parts["arg"]))
    if word == "Set":
        members = [term_of(each) for each in parts]
        plain = all(each[0] == "lit" for each in members)
        return ("set", tuple(sorted(set(members), key=repr)) if plain else tuple(members))
    return ("raw", encode({word: parts}).decode())


def _glob(part: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """One character, or None for what stands for any text."""
    return part["Literal"] if isinstance(part, Mapping) else None


def _are(terms: tuple[Term, Term], kinds: Collection[str]) -> bool:
    """Whether those that are literals are of what is compared so. All others are an error, and not for here."""
    return all(each[0] != "lit" or each[1] in kinds for each in terms)


def _order(word: str, left: Term, right: Term, kind: str = "") -> Term:
    if left[0] == "lit" and right[0] != "lit":
        word, left, right = _FLIPPED[word], right, left
    return (word, left, right, kind or (right[1] if right[0] == "lit" else ""))


def _literal_last(left: Term, right: Term) -> tuple[Term, Term]:
    return (right, left) if left[0] == "lit" and right[0] != "lit" else (left, right)


def _literal(word: str, parts: Any) -> Term | None:  # noqa: ANN401 - any JSON value
    if word == "Value":
        if isinstance(parts, Mapping):
            return _entity(parts["__entity"]) if parts.keys() == {"__entity"} else None
        kind = {str: "string", int: "long", bool: "bool"}.get(type(parts))
        return None if kind is None else ("lit", kind, parts)
    if word in {"decimal", "datetime"} and len(parts) == 1 and isinstance(parts[0], Mapping):
        return _extension(word, parts[0].get("Value"))
    return None


def _extension(word: str, text: object) -> Term | None:
    """A decimal in ten-thousandths, a time in milliseconds; None where the text is for Cedar alone to read."""
    try:
        if word == "decimal":
            return ("lit", word, decimal(text)[1])
        if not _TIME.match(str(text)):
            return None
        when = dt.datetime.fromisoformat(str(text))
    except (Unsure, ValueError):
        return None
    whole = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return ("lit", word, (whole - _EPOCH) // dt.timedelta(milliseconds=1))


def place(term: Term) -> tuple[str, ...] | None:
    """`context.input.amount` as its parts; None of what is no chain of attributes."""
    names: list[str] = []
    while term[0] == ".":
        names.append(term[2])
        term = term[1]
    return (term[1], *reversed(names)) if term[0] == "var" else None


def json_value(literal: Term) -> Any:  # noqa: ANN401 - any JSON value
    """A literal as the argument that it would be equal to."""
    kind, value = literal[1], literal[2]
    if kind == "decimal":
        return Decimal(value).scaleb(-4)
    return value
