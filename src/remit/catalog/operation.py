"""HTTP operations: which template a request's path fits, and what stands in its place of parameters. Pure.

An operation is named `METHOD /template`; a segment of a template is text, or one `{parameter}`. At each segment text
is tried before a parameter, so that a path has one reading; a parameter takes no value that differs from a text beside
it in case alone; two templates of one method that differ in nothing but the names of parameters are refused where they
are declared.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remit.catalog.model import Tool
from remit.kernel.names import ToolName, well_formed_operation

# A definition's `_meta`: where each argument goes that stands in no path, and which bodies are taken as they are.
PLACES: Final = "dev.remit/http"
QUERY, BODY, MEDIA, COMMAS = "query", "body", "media", "commas"
CONNECT: Final = ToolName("CONNECT /")  # the one operation of a server that is tunnelled to; no request is it
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
_PARAMETER = re.compile(r"\{([^{}/]{1,100})\}\Z")


def split(name: str) -> tuple[str, tuple[str, ...]]:
    """An operation's method, and the segments of its template."""
    method, _, template = name.partition(" /")
    return method, tuple(template.split("/"))


def parameter(segment: str) -> str | None:
    """The name of the parameter that a template's segment is; None if it is text."""
    match = _PARAMETER.match(segment)
    return match[1] if match else None


def fault(name: object) -> str:
    """Why an operation cannot be declared under this name; empty if it can."""
    if not isinstance(name, str) or not well_formed_operation(name):
        return "an operation is METHOD /template, such as GET /repos/{owner}/{repo}"
    method, segments = split(name)
    if method not in METHODS:
        return f"{method} is no method that is served; those are {', '.join(METHODS)}"
    names = [found for segment in segments if (found := parameter(segment)) is not None]
    if len(set(names)) != len(names):
        return "a parameter stands in the template twice"
    if any(parameter(segment) is None and {"{", "}"} & set(segment) for segment in segments):
        return "a segment of a template is text, or one {parameter}"
    return ""


def form(name: str) -> tuple[str, ...]:
    """What two operations share that could not be told apart by a path."""
    method, segments = split(name)
    return (method, *("{}" if parameter(each) is not None else each for each in segments))


def alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of operations that no path tells apart."""
    seen: dict[tuple[str, ...], str] = {}
    return [(other, name) for name in sorted(names) if (other := seen.setdefault(form(name), name)) != name]


@dataclass(slots=True)
class _Node:
    """What may follow a path's beginning."""

    texts: dict[str, _Node] = field(default_factory=dict)
    read: dict[str, list[_Node]] = field(default_factory=dict)  # the same, by how the most careless server reads them
    any: _Node | None = None
    ends: dict[str, Operation] = field(default_factory=dict)  # by method


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as it is matched: its name, the names of its path's parameters in order, its places."""

    name: ToolName
    method: str
    segments: tuple[str, ...]
    parameters: tuple[str, ...]
    query: frozenset[str] | None  # names that come in the query; None where any may
    body: frozenset[str] | None  # names that come in a JSON body; None where any may
    commas: frozenset[str]  # names in the query whose values are parted by commas
    media: tuple[str, ...]  # media types of bodies that are no JSON and hold no arguments
    types: Mapping[str, Any]  # the schema of each argument, as the definition has it

    def path(self, values: Mapping[str, str]) -> list[str]:
        """The segments of a path, with each parameter's value in its place."""
        names = ((segment, parameter(segment)) for segment in self.segments)
        return [segment if name is None else values[name] for segment, name in names]


class Routes:
    """The operations of one server."""

    __slots__ = ("_root",)

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._root = _Node()
        for tool in tools:
            if not fault(tool.name):
                self._add(operation(tool))

    def find(self, method: str, segments: Sequence[str]) -> tuple[Operation, dict[str, str]] | None:
        """The operation that a request is, and the values of its path's parameters; None if it is none.

        Args:
            method: The request's method, as it is.
            segments: The path's segments, decoded.
        """
        found = _walk(self._root, method, segments, 0, [])
        if found is None:
            return None
        end, values = found
        if values and self._is_closer_to_another(end, method, segments):
            return None
        return end, dict(zip(end.parameters, values, strict=True))

    def _is_closer_to_another(self, found: Operation, method: str, segments: Sequence[str]) -> bool:
        """Whether a careless server takes a value of `found`'s parameters for the text of another operation.

        Attack: `/admin/Keys` is `/{kind}/{id}` where only `/admin/keys` is declared beside it, and Express answers as
        that; so is `/users/export/` where `/users/{id}/` is.
        """
        paths = [segments, segments[:-1]] if segments and not segments[-1] else [segments]
        others = (_careless(self._root, method, path, 0) for path in paths)
        return any(other is not None and _has_text_for(other, found) for other in others)

    def _add(self, added: Operation) -> None:
        node = self._root
        for segment in added.segments:
            if parameter(segment) is None:
                known = node.texts.get(segment)
                if known is None:
                    known = node.texts[segment] = _Node()
                    node.read.setdefault(_read(segment), []).append(known)
                node = known
            else:
                node.any = node = node.any or _Node()
        node.ends.setdefault(added.method, added)


def operation(tool: Tool) -> Operation:
    """A tool of an HTTP server, as requests are matched with it."""
    method, segments = split(tool.name)
    schema, meta = tool.definition.get("inputSchema"), tool.definition.get("_meta")
    places = meta.get(PLACES) if isinstance(meta, Mapping) else None
    places = places if isinstance(places, Mapping) else {}
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return Operation(
        name=tool.name,
        method=method,
        segments=segments,
        parameters=tuple(found for each in segments if (found := parameter(each)) is not None),
        query=_names(places, QUERY),
        body=_names(places, BODY),
        commas=_names(places, COMMAS) or frozenset(),
        media=tuple(str(each) for each in places.get(MEDIA, ())),
        types=properties if isinstance(properties, Mapping) else {},
    )


def _names(places: Mapping[str, Any], place: str) -> frozenset[str] | None:
    said = places.get(place)
    return frozenset(map(str, said)) if isinstance(said, (list, tuple)) else None


def _read(segment: str) -> str:
    """A segment as it is compared where case, compatibility forms and what stands at its ends do not count."""
    return unicodedata.normalize("NFKC", segment).casefold().strip(" .")


def _walk(
    node: _Node, method: str, segments: Sequence[str], at: int, values: list[str]
) -> tuple[Operation, list[str]] | None:
    """The first end that fits, text before parameters. No node is visited twice, so it costs no more than there are."""
    if at == len(segments):
        end = node.ends.get(method)
        return None if end is None else (end, values)
    segment = segments[at]
    below = node.texts.get(segment)
    if below is not None and (found := _walk(below, method, segments, at + 1, values)) is not None:
        return found
    if node.any is None or not segment:  # an empty segment is no value
        return None
    if below is None and not {_read(segment), _read(segment.rpartition(".")[0])}.isdisjoint(node.read):
        # Many servers' routes ignore case (Express, ASP.NET): `/users/Export` is `/users/export` there, and no user;
        # some take an extension for a format (Rails): `/users/export.json` is that too.
        return None
    return _walk(node.any, method, segments, at + 1, [*values, segment])


def _careless(node: _Node, method: str, segments: Sequence[str], at: int) -> Operation | None:
    """The first end that fits for who compares texts carelessly: the very text, then others, then values."""
    if at == len(segments):
        return node.ends.get(method)
    exact = node.texts.get(segments[at])
    alike = [each for each in node.read.get(_read(segments[at]), ()) if each is not exact]
    for below in [*([] if exact is None else [exact]), *alike, *([node.any] if node.any and segments[at] else [])]:
        if (found := _careless(below, method, segments, at + 1)) is not None:
            return found
    return None


def _has_text_for(other: Operation, found: Operation) -> bool:
    """Whether `other` has a text in the place of one of `found`'s parameters."""
    pairs = zip(other.segments, found.segments, strict=False)
    return any(parameter(theirs) is None and parameter(ours) is not None for theirs, ours in pairs)
