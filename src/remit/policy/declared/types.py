"""Cedar's types as a schema gives them, and JSON values made to fit them (pure).

What a schema does not know is left out; what it knows and what is of another type is a violation. Numbers are
exact: a whole one for Long, up to four digits after the point for decimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from remit.policy.model import Violation

_LONG: Final = 1 << 63
_DIGITS: Final = 4
_PLAIN: Final = {"String": "String", "Long": "Long", "Bool": "Boolean", "Boolean": "Boolean"}
_EXTENSIONS: Final = {"decimal": "decimal", "datetime": "datetime", "duration": "duration", "ipaddr": "ip"}
_MOST: Final = 20  # violations that are told
Uid = tuple[str, str]  # an entity: its type and its id


@dataclass(frozen=True, slots=True)
class Type:
    """A type: `kind` is String, Long, Boolean, Set, Record, Entity or Extension."""

    kind: str
    of: str = ""  # an entity's type, or an extension's constructor
    element: Type | None = None
    attributes: Mapping[str, Type] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


EMPTY: Final = Type("Record")


class Resolver:
    """Names of a schema in Cedar's JSON, as Cedar resolves them: the namespace's own first, then the unnamed one's."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def entity(self, name: str, namespace: str) -> str:
        """The full name of an entity type."""
        if "::" not in name and namespace and name in self._schema.get(namespace, {}).get("entityTypes", {}):
            return f"{namespace}::{name}"
        return name

    def type(self, said: Mapping[str, Any], namespace: str) -> Type:
        """A type as the schema writes it."""
        kind = said["type"]
        if kind == "Set":
            return Type("Set", element=self.type(said["element"], namespace))
        if kind == "Record":
            return self.record(said, namespace)
        return self._named(said["name"], namespace)

    def record(self, said: Mapping[str, Any], namespace: str) -> Type:
        """A record."""
        attributes = {name: self.type(each, namespace) for name, each in said.get("attributes", {}).items()}
        required = frozenset(name for name, each in said["attributes"].items() if each.get("required", True))
        return Type("Record", attributes=attributes, required=required)

    def _named(self, name: str, namespace: str) -> Type:
        parent, _, last = name.rpartition("::")
        for within in dict.fromkeys([parent] if parent else [namespace, ""]):
            own = self._schema.get(within, {})
            if last in own.get("commonTypes", {}):
                return self.type(own["commonTypes"][last], within)
            if last in own.get("entityTypes", {}):
                return Type("Entity", f"{within}::{last}" if within else last)
        if last in _PLAIN:
            return Type(_PLAIN[last])
        return Type("Extension", _EXTENSIONS[last])


class Fitting:
    """Makes values fit, and keeps what does not.

    Args:
        types: What entity types are called by whoever sends values, beside their own names.
    """

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types
        self.violations: list[Violation] = []
        self.named: list[Uid] = []  # the entities that the values name

    def record(self, sent: Mapping[str, Any], wanted: Type, path: str) -> dict[str, Any]:
        """What the type knows of a record; what it requires and what is missing is a violation."""
        fitted = {}
        for name in sorted(wanted.attributes):
            at = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            if name in sent:
                fitted[name] = self.value(sent[name], wanted.attributes[name], at)
            elif name in wanted.required:
                self._wrong(at, "required")
        return fitted

    def value(self, sent: Any, wanted: Type, path: str) -> Any:  # noqa: ANN401, PLR0911 - any JSON value; one for each kind
        """A value in Cedar's JSON; what comes back for a violation is of no use."""
        kind = wanted.kind
        if kind == "Record" and isinstance(sent, dict):
            return self.record(sent, wanted, path)
        if kind == "Set" and isinstance(sent, list) and wanted.element is not None:
            return [self.value(each, wanted.element, f"{path}/{at}") for at, each in enumerate(sent)]
        if kind == "Entity" and (uid := self._uid(sent)) is not None and uid[0] == wanted.of:
            self.named.append(uid)
            return {"__entity": {"type": uid[0], "id": uid[1]}}
        if kind == "Extension" and (text := _argument(sent, wanted.of)) is not None:
            return {"__extn": {"fn": wanted.of, "arg": text}}
        if kind == "String" and isinstance(sent, str):
            return sent
        if kind == "Boolean" and isinstance(sent, bool):
            return sent
        if kind == "Long" and type(sent) is int and -_LONG <= sent < _LONG:
            return sent
        return self._wrong(path, "type", wanted.of or kind)

    def _uid(self, sent: object) -> Uid | None:
        if isinstance(sent, dict) and sent.keys() == {"__entity"}:
            sent = sent["__entity"]
        if not isinstance(sent, dict) or not isinstance(sent.get("type"), str) or not isinstance(sent.get("id"), str):
            return None
        return self._types.get(sent["type"], sent["type"]), sent["id"]

    def _wrong(self, path: str, constraint: str, limit: str | None = None) -> None:
        if len(self.violations) < _MOST:
            self.violations.append(Violation(path=path, constraint=constraint, limit=limit))


def _argument(sent: object, constructor: str) -> str | None:
    """What an extension's value is made of."""
    if isinstance(sent, dict) and sent.keys() == {"__extn"} and isinstance(sent["__extn"], dict):
        found = sent["__extn"]
        sent = found.get("arg") if found.get("fn") == constructor else None
    if isinstance(sent, str):
        return sent
    if constructor != "decimal" or isinstance(sent, bool):
        return None
    if isinstance(sent, int):
        return f"{sent}.0"
    if not isinstance(sent, Decimal):
        return None
    exponent = sent.as_tuple().exponent
    return f"{sent:f}" if isinstance(exponent, int) and -_DIGITS <= exponent < 0 else None
