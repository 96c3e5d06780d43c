"""Entity files: Cedar's entity JSON, a list in each file, read against the schema with the line of every entity."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from remit.kernel.canonical import parse
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.policy.declared.model import Entity, EntityType
from remit.policy.declared.types import Fitting, Type, Uid
from remit.policy.schema import NAMESPACE

_KNOWN: Final = frozenset({"uid", "attrs", "parents", "tags"})
_decoder = json.JSONDecoder()
_SPACE: Final = " \t\r\n"


class Read(NamedTuple):
    """One entity of a file, where it stands, and the entities that its attributes name."""

    uid: Uid
    entity: Entity
    line: int
    named: tuple[Uid, ...]


def read(file: str, text: str, types: Mapping[str, EntityType]) -> Iterator[Read]:
    """The entities of a file.

    Raises:
        ConfigInvalid: It is no list of entities, or one does not fit the schema; names file and line.
    """
    for line, raw in _elements(file, text):
        try:
            yield _entity(_strictly(raw), types, line)
        except ValueError as error:
            raise ConfigInvalid(f"{file}:{line}: {error}", detail=f"entity file {file}") from error


def _strictly(raw: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return parse(raw)
    except Malformed as error:
        raise ValueError(error.public) from error


def _elements(file: str, text: str) -> Iterator[tuple[int, str]]:
    """Each element of the list, as text, and the line it begins on."""
    at, line = _skip(text, 0), 1 + text.count("\n", 0, _skip(text, 0))
    if text[at : at + 1] != "[":
        raise ConfigInvalid(f"{file}:{line}: a list of entities is expected")
    start, at = at, _skip(text, at + 1)
    if text[at : at + 1] == "]":
        _ended(file, text, at)
        return
    while True:
        line += text.count("\n", start, at)
        start = at
        try:
            end = _decoder.raw_decode(text, at)[1]
        except (ValueError, RecursionError) as error:
            where = line + text.count("\n", start, getattr(error, "pos", start))
            raise ConfigInvalid(f"{file}:{where}: not valid JSON") from error
        yield line, text[at:end]
        at = _skip(text, end)
        if text[at : at + 1] == "]":
            _ended(file, text, at)
            return
        if text[at : at + 1] != ",":
            raise ConfigInvalid(f"{file}:{line + text.count(chr(10), start, at)}: not valid JSON")
        at = _skip(text, at + 1)


def _ended(file: str, text: str, at: int) -> None:
    if text[at + 1 :].strip(_SPACE):
        raise ConfigInvalid(f"{file}:{1 + text.count(chr(10), 0, at)}: there is something after the list")


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _entity(said: object, types: Mapping[str, EntityType], line: int) -> Read:
    if not isinstance(said, dict) or not said.keys() <= _KNOWN or "uid" not in said:
        raise ValueError("an entity is an object with uid, attrs, parents and tags")
    uid = _uid(said["uid"], "uid")
    kind = types.get(uid[0])
    if kind is None:
        raise ValueError(f"the schema declares no entity type {uid[0]}")
    if kind.ids is not None and uid[1] not in kind.ids:
        raise ValueError(f"{uid[0]} is enumerated, and has no {uid[1]!r}")
    parents = _parents(said.get("parents", []), uid, kind)
    fitting = Fitting({})
    attributes = _object(said, "attrs")
    if unknown := sorted(attributes.keys() - kind.attributes.keys()):
        raise ValueError(f"the schema declares no attribute {unknown[0]!r} of {uid[0]}")
    fitted = fitting.record(attributes, Type("Record", attributes=kind.attributes, required=kind.required), "/attrs")
    tags = _tags(_object(said, "tags"), kind, fitting, uid)
    if fitting.violations:
        first = fitting.violations[0]
        what = "is missing" if first.constraint == "required" else f"is no {first.limit}"
        raise ValueError(f"{first.path} {what}")
    for kind_of, _ in fitting.named:
        _ours(kind_of)
    return Read(uid, Entity(fitted, parents, tags), line, tuple(fitting.named))


def _tags(sent: Mapping[str, Any], kind: EntityType, fitting: Fitting, uid: Uid) -> dict[str, Any]:
    if not sent:
        return {}
    if kind.tags is None:
        raise ValueError(f"the schema declares no tags of {uid[0]}")
    return {name: fitting.value(each, kind.tags, f"/tags/{name}") for name, each in sent.items()}


def _parents(said: object, uid: Uid, kind: EntityType) -> tuple[Uid, ...]:
    if not isinstance(said, list):
        raise ValueError("parents is a list")  # noqa: TRY004 - all that is wrong with a file is one error
    found = tuple(_uid(each, "a parent") for each in said)
    for parent, _ in found:
        if parent not in kind.parents:
            raise ValueError(f"the schema says of no {uid[0]} that it is in a {parent}")
    return found


def _object(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{name} is an object")  # noqa: TRY004 - as above
    return found


def _uid(said: object, what: str) -> Uid:
    if isinstance(said, dict) and said.keys() == {"__entity"}:
        said = said["__entity"]
    if (
        not isinstance(said, dict)
        or said.keys() != {"type", "id"}
        or not all(isinstance(each, str) for each in said.values())
    ):
        raise ValueError(f"{what} is an object with type and id")
    _ours(said["type"])
    return said["type"], said["id"]


def _ours(kind: str) -> None:
    """An organisation says nothing about Remit's own: else a file could stand in for what a person approved."""
    if kind == NAMESPACE or kind.startswith(f"{NAMESPACE}::"):
        raise ValueError(f"{kind} is Remit's own: what is declared may not name it")
