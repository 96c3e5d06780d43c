"""`operations:` and `openapi:` of an HTTP server's document: what can be called, with which arguments. Pure.

An entry whose name holds no `*` declares an operation; one that does says something of all that it matches. With an
OpenAPI description the operations come from there, and an entry is a word about one of them, or one more operation
where it says its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from remit.catalog import openapi
from remit.catalog.operation import MEDIA, PLACES, alike, fault, parameter, split
from remit.kernel.errors import Malformed
from remit.people import document
from remit.people.document import Fields, Problem, SpecInvalid

KEYS: Final = frozenset({"arguments", "media"})  # beside what is said of tools too
_MEDIA = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}/(\*|[a-z0-9][a-z0-9.+-]{0,126})\Z")
_PATTERN = re.compile(r"(\*|[A-Z]+\*?) /[^\x00-\x20\x7f]{0,500}\Z")
_MAX_OPERATIONS: Final = 10_000

Declared = tuple[Mapping[str, Any], ...]


def declared(operations: object, description: object) -> Declared:
    """The definitions of a server's operations, in the order of their names.

    Args:
        operations: The member `operations`, whose entries' other keys somebody else reads; None where it is missing.
        description: What the file that `openapi` names says; None where there is none.

    Raises:
        SpecInvalid: What is written does not come to operations that a path tells apart.
    """
    entries = operations if isinstance(operations, dict) else {}
    found: dict[str, Mapping[str, Any]] = {}
    if description is not None:
        found = {each["name"]: each for each in openapi.definitions(description)}
    problems: list[Problem] = []
    for name, said in entries.items():
        at = f"operations.{name[:80]}"
        try:
            if (one := _entry(name, said, found, alone=description is None)) is not None:
                found[name] = one
        except SpecInvalid as error:
            problems += [Problem(f"{at}.{each.field}", each.message) for each in error.problems]
        except Malformed as error:
            problems.append(Problem(at, error.public))
    for one_of, other in alike(name for name in found if not fault(name)):
        problems.append(Problem("operations", f"no path tells {one_of} and {other} apart"))
    if len(found) > _MAX_OPERATIONS:
        problems.append(Problem("operations", f"more than {_MAX_OPERATIONS} operations"))
    if problems:
        raise SpecInvalid(problems)
    return tuple(found[name] for name in sorted(found))


def _entry(name: str, said: object, described: Collection[str], *, alone: bool) -> dict[str, Any] | None:
    """The definition that an entry comes to; None of a pattern, and of a word about what is described elsewhere."""
    if "*" in name:
        if not _PATTERN.match(name):
            raise Malformed("a pattern is METHOD /path with *, such as GET /**")
        return None
    if reason := fault(name):
        raise Malformed(reason)
    if isinstance(said, dict) and (alone or KEYS & said.keys()):
        return _definition(name, said)
    if not alone and name not in described:
        raise Malformed("the OpenAPI description has no such operation")
    return None


def _definition(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    fields = Fields({key: said[key] for key in KEYS & said.keys()}, known=KEYS)
    schema = fields.maybe("arguments", _schema, {"type": "object", "properties": {}})
    media = fields.maybe("media", document.distinct(document.items(_media, most=20)), ())
    fields.finish()
    _, segments = split(name)
    return {
        "name": name,
        "inputSchema": with_parameters(schema, [each for segment in segments if (each := parameter(segment))]),
        "_meta": {PLACES: {MEDIA: list(media)}},
    }


def with_parameters(schema: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """An arguments' schema in which the path's parameters are, and are required; text where it says nothing of them."""
    properties = schema.get("properties")
    known = dict(properties) if isinstance(properties, dict) else {}
    for name in names:
        known.setdefault(name, {"type": "string"})
    required = schema.get("required", [])
    named = [each for each in names if each not in required]
    # A schema that lists nothing lets everything through (JSON Schema), which the path's parameters must not change.
    opened = {} if isinstance(properties, dict) else {"additionalProperties": True}
    return {**opened, **schema, "type": "object", "properties": known, "required": [*required, *named]}


def _schema(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.get("type", "object") != "object":
        raise Malformed("a JSON Schema of type object is expected")
    if not isinstance(value.get("required", []), list) or not isinstance(value.get("properties", {}), dict):
        raise Malformed("properties is an object, and required a list")
    return value


def _media(value: object) -> str:
    if not isinstance(value, str) or not _MEDIA.match(value):
        raise Malformed("a media type in lower case is expected, such as text/csv or image/*")
    if is_json(value):
        raise Malformed("a JSON body holds arguments: describe it with arguments")
    return value


def is_json(media: str) -> bool:
    """Whether a media type is JSON, whose members are arguments."""
    kind = media.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
