"""Operations from an OpenAPI description, 3.0 or 3.1, as definitions that are pinned like a tool's. Pure.

Of an operation: path and query parameters, the JSON body's fields, its other media types, summary and description.
Header and cookie parameters are no arguments; servers, security and answers are not read: where an API is, and which
credential it gets, an operator says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from remit.catalog.openapi_schema import Reader
from remit.catalog.operation import BODY, COMMAS, MEDIA, METHODS, PLACES, QUERY
from remit.people.document import Problem, SpecInvalid

_VERSIONS: Final = ("3.0", "3.1")
_MAX_TEXT: Final = 1000


def definitions(description: object) -> list[dict[str, Any]]:
    """The definition of each operation that a description holds.

    Raises:
        SpecInvalid: It is no OpenAPI 3.0 or 3.1 description, or names what is not in it.
    """
    if not isinstance(description, dict) or not str(description.get("openapi", "")).startswith(_VERSIONS):
        raise SpecInvalid([Problem("openapi", "an OpenAPI description of version 3.0 or 3.1 is expected")])
    paths = description.get("paths")
    if not isinstance(paths, dict) or not paths:
        raise SpecInvalid([Problem("openapi.paths", "is missing: there is nothing to call")])
    return [each for path, item in paths.items() for each in _of_path(str(path), item, description)]


def _of_path(path: str, item: object, root: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    reader = Reader(root, at=f"openapi.paths.{path[:120]}")
    item = reader.resolved(item)
    if not isinstance(item, dict):
        raise reader.problem("an object is expected")
    for method in METHODS:
        said = item.get(method.lower())
        if isinstance(said, dict):
            shared = item.get("parameters", [])
            reader = Reader(root, at=f"openapi.paths.{path[:120]}.{method.lower()}")
            yield _Operation(reader, f"{method} {path}", said, shared).definition()


class _Operation:
    """One operation as it is read."""

    def __init__(self, reader: Reader, name: str, said: Mapping[str, Any], shared: object) -> None:
        self._reader, self._name, self._said = reader, name, said
        self._shared = shared if isinstance(shared, list) else []
        self._properties: dict[str, Any] = {}
        self._required: list[str] = []
        self._query: list[str] = []
        self._body: list[str] = []
        self._media: list[str] = []
        self._commas: list[str] = []
        self._closed = True

    def definition(self) -> dict[str, Any]:
        """Its definition."""
        self._parameters()
        self._request_body()
        schema: dict[str, Any] = {
            "type": "object",
            "properties": self._properties,
            "required": sorted(set(self._required)),
            "additionalProperties": not self._closed,
        }
        if defined := self._reader.defined():
            schema["$defs"] = defined
        places = {QUERY: sorted(self._query), MEDIA: sorted(self._media)}
        if self._closed:
            places[BODY] = sorted(self._body)
        if self._commas:
            places[COMMAS] = sorted(self._commas)
        found: dict[str, Any] = {"name": self._name, "inputSchema": schema}
        for word, member in (("title", "summary"), ("description", "description")):
            if isinstance(text := self._said.get(member), str) and text.strip():
                found[word] = text.strip()[:_MAX_TEXT]
        return found | {"_meta": {PLACES: places}}

    def _parameters(self) -> None:
        own = self._said.get("parameters", [])
        by_place: dict[tuple[str, str], Mapping[str, Any]] = {}
        for each in [*self._shared, *(own if isinstance(own, list) else [])]:  # an operation's own replace the path's
            said = self._reader.resolved(each)
            if not isinstance(said, dict) or not isinstance(name := said.get("name"), str):
                raise self._reader.problem("a parameter has a name and a place")
            by_place[str(said.get("in")), name] = said
        for (place, name), said in by_place.items():
            if place not in ("path", "query"):
                continue
            schema = self._reader.schema(said.get("schema", {}))
            if place == "query" and (name in self._properties or not self._takes(name, said, schema)):
                continue  # the path's parameter of that name stands, and nothing may come twice
            self._properties[name] = schema
            if place == "query":
                self._query.append(name)
            if place == "path" or said.get("required") is True:
                self._required.append(name)

    def _takes(self, name: str, said: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
        """Whether a query parameter is written so that it can be read: other ways than the usual are not taken."""
        kind = schema.get("type")
        if said.get("style", "form") != "form" or kind == "object":
            return False
        if kind == "array" and said.get("explode", True) is False:
            self._commas.append(name)
        return True

    def _request_body(self) -> None:
        body = self._reader.resolved(self._said.get("requestBody"))
        content = body.get("content") if isinstance(body, dict) else None
        content = content if isinstance(content, dict) else {}
        one = len(content) == 1  # with several types, the JSON body need not come
        for media, said in content.items():
            kind = str(media).partition(";")[0].strip().lower()
            if kind == "application/json" or kind.endswith("+json"):
                self._fields(said.get("schema") if isinstance(said, dict) else None, needed=one)
            else:
                self._media.append("*/*" if kind == "*/*" else kind)

    def _fields(self, schema: object, *, needed: bool) -> None:
        fields = self._reader.fields(schema)
        for name, each in fields.properties.items():
            if name not in self._properties:  # of the path or the query: nothing may come from two places
                self._properties[name] = each
                self._body.append(name)
                if needed and name in fields.required and self._body_needed():
                    self._required.append(name)
        self._closed = self._closed and fields.closed

    def _body_needed(self) -> bool:
        body = self._reader.resolved(self._said.get("requestBody"))
        return isinstance(body, dict) and body.get("required") is True
