"""A test of policies, as its file says it: one question, and the answer that is expected (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from remit.kernel.clock import Instant, parse_date_end
from remit.kernel.errors import Malformed
from remit.kernel.names import split_action
from remit.people import document
from remit.people.document import Fields, Problem, SpecInvalid
from remit.policy.case_fields import an_object, expected, text
from remit.policy.own_case import OwnCase, is_own, own_case

_TYPES: Final = ("string", "number", "integer", "boolean", "array", "object")
MAYBE: Final = "optional "  # before the type of an argument that may be left out
_FIELDS: Final = {
    "name", "agent", "owner", "purpose", "action", "arguments", "run", "instance", "at", "expect", "policy",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test. Without a purpose, the agent's own; without `at`, the moment at which it is run."""

    name: str
    agent: str
    owner: str | None
    purpose: str | None
    action: str
    arguments: Mapping[str, Any]
    expect: str  # allow, deny, or a denial code
    policy: str | None  # which policy must be the one that forbids
    run: str = "run"
    instance: str = "instance"
    at: Instant | None = None
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What one file says: tests, and what the tools that they call take (by action)."""

    cases: tuple[Case | OwnCase, ...]
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def suite(spec: object, *, file: str, lines: Mapping[str, int]) -> Suite:
    """Read a file's object.

    Raises:
        SpecInvalid: It has problems.
    """
    fields = Fields(spec, known={"tools", "tests"})
    tools = fields.maybe("tools", _tools, {})
    cases: list[Case | OwnCase] = []
    listed = fields.raw("tests")
    if not isinstance(listed, list) or not listed:
        fields.problem("tests", "a list of tests is expected")
        listed = []
    for at, each in enumerate(listed):
        try:
            read = own_case if is_own(each) else _case
            cases.append(read(each, file=file, line=lines.get(f"tests.{at}", 0)))
        except SpecInvalid as error:
            fields.problems += [Problem(f"tests.{at}.{one.field}", one.message) for one in error.problems]
    fields.finish()
    return Suite(cases=tuple(cases), tools=tools)


def _case(spec: object, *, file: str, line: int) -> Case:
    fields = Fields(spec, known=_FIELDS)
    found = Case(
        name=fields.take("name", text),
        agent=fields.take("agent", document.name("an agent")),
        owner=fields.maybe("owner", document.name("an owner"), None),
        purpose=fields.maybe("purpose", document.name("a purpose"), None),
        action=fields.take("action", _action),
        arguments=fields.maybe("arguments", an_object, {}),
        expect=fields.take("expect", expected),
        policy=fields.maybe("policy", text, None),
        run=fields.maybe("run", text, "run"),
        instance=fields.maybe("instance", text, "instance"),
        at=fields.maybe("at", _at, None),
        file=file,
        line=line,
    )
    fields.finish()
    return found


def input_schema(types: Mapping[str, Any]) -> dict[str, Any]:
    """`{amount: number, note: optional string}` as a JSON Schema; a whole one (with `properties`) as it is."""
    if "properties" in types:
        return dict(types)
    return {
        "type": "object",
        "properties": {name: {"type": kind.removeprefix(MAYBE)} for name, kind in types.items()},
        "required": [name for name, kind in types.items() if not kind.startswith(MAYBE)],
    }


def inferred(arguments: Mapping[str, Any]) -> dict[str, str]:
    """The types of arguments as they are written in tests, where nothing says what a tool takes, nor that it must."""
    return {name: MAYBE + _kind(value) for name, value in arguments.items()}


def _kind(value: object) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | Decimal():
            return "number"
        case list():
            return "array"
        case Mapping():
            return "object"
        case _:
            return "string"


def _tools(value: object) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for action, types in an_object(value).items():
        _action(action)
        types_ = an_object(types)
        if "properties" not in types_ and not all(_is_type(each) for each in types_.values()):
            raise Malformed(f"what {action} takes is argument: type, a type being one of {', '.join(_TYPES)}")
        found[action] = types_
    return found


def _is_type(value: object) -> bool:
    return isinstance(value, str) and value.removeprefix(MAYBE) in _TYPES


def _action(value: object) -> str:
    found = text(value)
    split_action(found)
    return found


def _at(value: object) -> Instant:
    return parse_date_end(text(value))
