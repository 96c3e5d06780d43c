"""A changed tool in words: what a person reads before saying yes. Pure.

A hash says that something differs, and JSON pointers say where. What a person must not miss is what it means: another
description (which a model obeys), an argument more, a rename (one tool gone, one come, the schema the same: no pin of
either has changed), a name that another server has already (a model takes one for the other).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from remit.catalog import disguise
from remit.catalog.model import PinState, Server, Tool

_SHAPE: Final = ("inputSchema", "outputSchema")
# Texts about a schema; generators put the tool's own name in.
_WORDS: Final = ("title", "description")
_LONGEST: Final = 300


def told(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What changed from one pinned definition to another, a line for each; hidden characters are written out."""
    for field, what in (("title", "title"), ("description", "description")):
        if before.get(field) != after.get(field):
            yield f"the {what} was {_said(before.get(field))}, and is {_said(after.get(field))}"
    for field, what in (("inputSchema", "argument"), ("outputSchema", "result's member")):
        yield from _schema(_object(before.get(field)), _object(after.get(field)), what)
    yield from _members(_object(before.get("annotations")), _object(after.get("annotations")), "annotation")
    yield from _members(_object(before.get("_meta")), _object(after.get("_meta")), "_meta")


def renamed_from(server: Server, tool: Tool) -> str | None:
    """The tool that `tool` was before, if a server dropped one with the same schemas and now lists this one."""
    if tool.pin or tool.state is not PinState.PENDING:
        return None
    shape = _shape(tool)
    gone = (each for each in server.tools.values() if each.state is PinState.GONE)
    return next((each.name for each in gone if _shape(each) == shape), None)


def shadowed(server: Server, tool: Tool, others: Iterable[Server]) -> list[str]:
    """The tools of other servers, `server/tool`, whose name is this one's, or looks like it."""
    looks = disguise.skeleton(tool.name)
    return [
        f"{other.server}/{disguise.visible(name)}"
        for other in sorted(others, key=lambda each: each.server)
        if other.server != server.server
        for name in other.tools
        if disguise.skeleton(name) == looks
    ]


def _shape(tool: Tool) -> tuple[object, ...]:
    """What makes a tool the same under another name: what it takes and gives, without the words about it.

    Where it takes nothing that says little, so that there the description counts.
    """
    definition = tool.definition
    takes = _object(_object(definition.get("inputSchema")).get("properties"))
    return *(_wordless(definition.get(field)) for field in _SHAPE), None if takes else definition.get("description")


def _wordless(schema: object) -> object:
    if isinstance(schema, Mapping):
        words = {key for key in _WORDS if isinstance(schema.get(key), str)}
        return {key: _wordless(member) for key, member in schema.items() if key not in words}
    return [_wordless(member) for member in schema] if isinstance(schema, list) else schema


def _schema(before: Mapping[str, Any], after: Mapping[str, Any], what: str) -> Iterator[str]:
    old, new = _object(before.get("properties")), _object(after.get("properties"))
    must, musts = _names(before.get("required")), _names(after.get("required"))
    for name in sorted(old.keys() | new.keys()):
        shown = disguise.visible(name)
        if name not in old:
            yield f"{what} {shown} was added: {_kind(new[name])}{', required' if name in musts else ''}"
        elif name not in new:
            yield f"{what} {shown} was removed: it was {_kind(old[name])}"
        else:
            if _kind(old[name]) != _kind(new[name]):
                yield f"{what} {shown} was {_kind(old[name])}, and is {_kind(new[name])}"
            elif old[name] != new[name]:
                yield f"{what} {shown} is described otherwise: it was {_said(old[name])}, and is {_said(new[name])}"
            if (name in must) != (name in musts):
                yield f"{what} {shown} is {'required' if name in musts else 'not required'} now"
    kept = ("properties", "required")
    rest = {k: v for k, v in before.items() if k not in kept}, {k: v for k, v in after.items() if k not in kept}
    yield from _members(*rest, f"rule of the {what}s")


def _members(before: Mapping[str, Any], after: Mapping[str, Any], what: str) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            was, now = _said(before.get(name)), _said(after.get(name))
            yield f"{what} {disguise.visible(name)} was {was}, and is {now}"


def _kind(schema: object) -> str:
    said = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(said, list):
        return " or ".join(str(each) for each in said)
    return str(disguise.visible(said)) if isinstance(said, str) else "of any type"


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(value: object) -> frozenset[str]:
    return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()


def _said(value: object) -> str:
    if value is None:
        return "not there"
    text = f"'{disguise.visible(value)}'" if isinstance(value, str) else repr(disguise.visible(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
