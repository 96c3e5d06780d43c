"""Schemas of an OpenAPI description as JSON Schema that stands by itself. Pure.

References are read in place as far as they go straight down, so that an object that lists its members takes no others;
what refers to itself, or stands in a combination, is kept under `$defs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remit.people.document import Problem, SpecInvalid

_PREFIX: Final = "#/components/schemas/"
_MAX_DEPTH: Final = 8  # of references read in place, one in another
_MAX_NODES: Final = 20_000  # of one operation: a description must not cost the server its memory
_COMBINED: Final = ("allOf", "anyOf", "oneOf")
_KEPT: Final = frozenset(
    {
        "type", "format", "enum", "const", "default", "title", "description", "multipleOf", "maximum", "minimum",
        "exclusiveMaximum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems",
        "uniqueItems", "maxProperties", "minProperties", "required",
    }
)  # fmt: skip


@dataclass(slots=True)
class Body:
    """The members of a body that is an object. `closed`: it takes no others."""

    properties: dict[str, Any] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    closed: bool = True


class Reader:
    """Reads the schemas of one operation.

    Args:
        root: The whole description.
        at: Where it stands, for problems.
    """

    def __init__(self, root: Mapping[str, Any], *, at: str) -> None:
        self._root, self._at = root, at
        self._defs: dict[str, Any] = {}
        self._left = _MAX_NODES
        self._within: list[str] = []  # the references that are being read in place

    def problem(self, message: str) -> SpecInvalid:
        """What is wrong, as an error to raise."""
        return SpecInvalid([Problem(self._at, message)])

    def resolved(self, value: object) -> Any:  # noqa: ANN401 - any JSON
        """`value`, or what it refers to in this description.

        Raises:
            SpecInvalid: The reference leads out of it, to nothing, or in a circle.
        """
        for _ in range(_MAX_DEPTH):
            if not isinstance(value, dict) or not isinstance(reference := value.get("$ref"), str):
                return value
            if not reference.startswith("#/"):
                raise self.problem(f"{reference[:120]} is another document: put all into one file")
            node: object = self._root
            for token in reference[2:].split("/"):
                key = token.replace("~1", "/").replace("~0", "~")
                node = node.get(key) if isinstance(node, dict) else None
            if node is None:
                raise self.problem(f"there is no {reference[:120]}")
            value = node
        raise self.problem("a reference refers to itself")

    def schema(self, value: object, depth: int = 0) -> dict[str, Any]:
        """A schema, its references read in place or kept under `$defs`."""
        self._left -= 1
        if self._left < 0:
            raise self.problem("its schemas are too large")
        reference = value.get("$ref") if isinstance(value, dict) else None
        if not isinstance(reference, str):
            return self._converted(value, depth) if isinstance(value, dict) else _of_boolean(value)
        if reference in self._within or depth >= _MAX_DEPTH or self._left < _MAX_NODES // 2:
            return self._defined(reference, value)
        found = self.resolved(value)
        self._within.append(reference)
        try:
            return self._converted(found, depth + 1) if isinstance(found, dict) else _of_boolean(found)
        finally:
            self._within.pop()

    def fields(self, value: object) -> Body:
        """The members of a JSON body: those of an object, of all parts of an `allOf`, of any of other combinations."""
        schema, body = self.resolved(value), Body()
        if not isinstance(schema, dict):
            return Body(closed=False)
        properties = schema.get("properties")
        for name, each in properties.items() if isinstance(properties, dict) else ():
            if not self._read_only(each):
                body.properties[name] = self.schema(each, 1)
        body.required = {each for each in _list(schema.get("required")) if isinstance(each, str)}
        self._combined(schema, body)
        more = schema.get("additionalProperties")
        if more is True or isinstance(more, dict) or (not body.properties and more is not False):
            body.closed = False
        body.required &= body.properties.keys()
        return body

    def defined(self) -> dict[str, Any]:
        """What is kept under `$defs`."""
        return dict(sorted(self._defs.items()))

    def _combined(self, schema: Mapping[str, Any], body: Body) -> None:
        for word in _COMBINED:
            parts = [self.fields(each) for each in _list(schema.get(word))]
            for part in parts:
                body.properties |= {name: each for name, each in part.properties.items() if name not in body.properties}
                body.closed = body.closed and (part.closed or word == "allOf")
            if parts and word == "allOf":
                body.required |= set().union(*(part.required for part in parts))
            elif parts:
                body.required |= set.intersection(*(part.required for part in parts))

    def _converted(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        found = {word: value for word, value in schema.items() if word in _KEPT}
        _old_bounds(found)
        if isinstance(properties := schema.get("properties"), dict):
            found["properties"] = {
                name: self.schema(each, depth) for name, each in properties.items() if not self._read_only(each)
            }
            found["required"] = [each for each in _list(found.get("required")) if each in found["properties"]]
        for word in ("items", "additionalProperties", "not"):
            if word in schema:
                said = schema[word]
                found[word] = said if isinstance(said, bool) else self.schema(said, depth)
        for word in _COMBINED:
            if parts := _list(schema.get(word)):
                found[word] = [self._kept(each, depth) for each in parts]
        if schema.get("nullable") is True and isinstance(kind := found.get("type"), str):  # 3.0's word
            found["type"] = [kind, "null"]
            if isinstance(found.get("enum"), list) and None not in found["enum"]:
                found["enum"] = [*found["enum"], None]
        return found

    def _kept(self, value: object, depth: int) -> dict[str, Any]:
        reference = value.get("$ref") if isinstance(value, dict) else None
        return self.schema(value, depth) if reference is None else self._defined(reference, value)

    def _defined(self, reference: str, value: object) -> dict[str, Any]:
        name = reference.removeprefix(_PREFIX).replace("/", ".").replace("~", ".")
        if name not in self._defs:
            self._defs[name] = {}  # one that refers to itself finds it there
            found = self.resolved(value)
            self._defs[name] = self._converted(found, _MAX_DEPTH) if isinstance(found, dict) else {}
        return {"$ref": f"#/$defs/{name}"}

    def _read_only(self, value: object) -> bool:
        found = self.resolved(value)
        return isinstance(found, dict) and found.get("readOnly") is True


def _old_bounds(schema: dict[str, Any]) -> None:
    """3.0 says `exclusiveMinimum: true` beside `minimum`, as JSON Schema did before draft 6."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(said := schema.get(exclusive), bool):
            del schema[exclusive]
            if said and bound in schema:
                schema[exclusive] = schema.pop(bound)


def _of_boolean(value: object) -> dict[str, Any]:
    return {"not": {}} if value is False else {}


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) else []
