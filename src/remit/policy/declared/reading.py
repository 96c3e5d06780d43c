"""From the files of a directory to what is declared: schema first, then what its words mean, then entities (pure).

The schema may say nothing of the namespace `Remit`. So nothing that an organisation declares can be an agent, a
boundary or a tool, and no question about those is ever answered from here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from remit.kernel.canonical import canonical
from remit.kernel.errors import ConfigInvalid
from remit.policy.declared import entity_file, schema_text, type_map
from remit.policy.declared.model import ActionType, Declaration, Declared, Entity, EntityType, Part
from remit.policy.declared.reach import row
from remit.policy.declared.types import EMPTY, Resolver, Uid
from remit.policy.ports import Engine
from remit.policy.schema import NAMESPACE

Files = Mapping[str, Declaration]
_COMMENT_OR_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*')
_OURS: Final = re.compile(rf"(?<![\w:])(?:namespace\s+{NAMESPACE}\b|{NAMESPACE}\s*::)")


class Parsed:
    """Entities of files that were read, each while its text and the types are the same."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[str, Mapping[str, EntityType], tuple[entity_file.Read, ...]]] = {}

    def of(self, file: str, text: str, types: Mapping[str, EntityType]) -> tuple[entity_file.Read, ...]:
        """The entities of a file."""
        known = self._files.get(file)
        if known is not None and known[0] == text and known[1] == types:
            return known[2]
        found = tuple(entity_file.read(file, text, types))
        self._files[file] = text, types, found
        return found

    def keep(self, files: Collection[str]) -> None:
        """Forget what is not among these."""
        self._files = {file: known for file, known in self._files.items() if file in files}


def read(files: Files, engine: Engine, *, serial: int = 0, parsed: Parsed | None = None) -> Declared:
    """Read everything declared; `parsed` is what was read of its entity files before.

    Raises:
        ConfigInvalid: A file is not understood, speaks of `Remit`, or names what is not declared; file and line.
    """
    schema = _schema({file: each.text for file, each in sorted(files.items()) if each.part is Part.SCHEMA}, engine)
    types, actions = _types(schema), _actions(schema)
    names = _names(files, types, actions)
    return Declared(
        schema=schema,
        entity_types=types,
        types={name: name for name in types} | dict(names.types),
        actions=_asked(schema, actions, names),
        entities=_entities(files, types, parsed or Parsed()),
        digest=digest(files),
        serial=serial,
    )


def unreadable(files: Files, *, fault: str, serial: int = 0) -> Declared:
    """Stored declarations that cannot be read. Nothing is decided about these types until they can."""
    return Declared(digest=digest(files), serial=serial, fault=fault)


def digest(files: Files) -> str:
    """SHA-256 over the files' names, parts and texts: what a decision names as the declarations it was made under."""
    return hashlib.sha256(canonical([[name, each.part.value, each.text] for name, each in sorted(files.items())])) \
        .hexdigest()  # fmt: skip


def check_entities(declared: Declared, engine: Engine) -> None:
    """Have the engine itself see that all entities conform to the schema.

    Raises:
        ConfigInvalid: One does not.
    """
    rows = [row((kind, name), each) for kind, held in declared.entities.items() for name, each in held.items()]
    if not rows:
        return
    try:
        engine.entities(rows, engine.schema(declared.schema))
    except ValueError:
        _find_stray(declared, rows, engine)


def _find_stray(declared: Declared, rows: list[dict[str, Any]], engine: Engine) -> None:
    """Name one entity that the engine does not take: it says of many that one is wrong, and not which."""
    schema = engine.schema(declared.schema)
    for each in rows:
        try:
            engine.entities([each], schema)
        except ValueError as error:
            uid = each["uid"]
            raise ConfigInvalid(f'entities: {uid["type"]}::"{uid["id"]}": {error}') from error
    raise ConfigInvalid("entities: two of them are in each other")


def _schema(texts: Mapping[str, str], engine: Engine) -> Mapping[str, Any]:
    if not texts:
        return {}
    for file, text in texts.items():
        _own(file, text)
    named = ", ".join(texts)
    try:
        printed = engine.spelling("\n".join(texts.values()))
        found = schema_text.read(printed)
        same = engine.spelling(found) == printed
    except ValueError as error:
        raise ConfigInvalid(f"{named}: {error}") from error
    if not same:
        raise ConfigInvalid(f"{named}: the schema uses something that is not known here")
    if any(name.split("::")[0] == NAMESPACE for name in found):
        raise ConfigInvalid(f"{named}: the namespace {NAMESPACE} is Remit's own")
    return found


def _own(file: str, text: str) -> None:
    """See that a schema leaves the namespace `Remit` alone, declared or merely named."""
    bare = _COMMENT_OR_TEXT.sub(lambda match: '""' if match[0][0] == '"' else "", text)
    if (found := _OURS.search(bare)) is not None:
        line = 1 + bare.count("\n", 0, found.start())
        raise ConfigInvalid(
            f"{file}:{line}: the namespace {NAMESPACE} is Remit's own: what is declared may not name it"
        )


def _types(schema: Mapping[str, Any]) -> dict[str, EntityType]:
    resolver, found = Resolver(schema), {}
    for namespace, own in schema.items():
        for name, said in own["entityTypes"].items():
            shape = resolver.type(said["shape"], namespace) if "shape" in said else EMPTY
            found[_full(namespace, name)] = EntityType(
                attributes=shape.attributes,
                required=shape.required,
                parents=frozenset(resolver.entity(each, namespace) for each in said.get("memberOfTypes", ())),
                ids=frozenset(said["enum"]) if "enum" in said else None,
                tags=resolver.type(said["tags"], namespace) if "tags" in said else None,
            )
    return found


def _actions(schema: Mapping[str, Any]) -> dict[Uid, ActionType]:
    resolver, found = Resolver(schema), {}
    parents = {
        (_full(namespace, "Action"), name): [_group(schema, namespace, each) for each in said.get("memberOf", ())]
        for namespace, own in schema.items()
        for name, said in own["actions"].items()
    }
    for namespace, own in schema.items():
        for name, said in own["actions"].items():
            uid = (_full(namespace, "Action"), name)
            context = said.get("appliesTo", {}).get("context")
            shape = EMPTY if context is None else resolver.type(context, namespace)
            found[uid] = ActionType(uid, tuple(_above(uid, parents)), shape)
    return found


def _group(schema: Mapping[str, Any], namespace: str, said: Mapping[str, str]) -> Uid:
    kind = said.get("type", "Action")
    if kind == "Action" and said["id"] in schema[namespace]["actions"]:
        kind = _full(namespace, "Action")
    return kind, said["id"]


def _above(uid: Uid, parents: Mapping[Uid, list[Uid]]) -> Iterator[Uid]:
    seen, waiting = {uid}, [uid]
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
                yield parent


def _names(files: Files, types: Mapping[str, EntityType], actions: Mapping[Uid, ActionType]) -> type_map.Names:
    found = [(file, each.text) for file, each in sorted(files.items()) if each.part is Part.AUTHZEN]
    if not found:
        return type_map.Names()
    if len(found) > 1:
        raise ConfigInvalid(f"{found[1][0]}: {found[0][0]} says what names mean; one file does")
    return type_map.read(*found[0], types=types, actions=actions)


def _asked(
    schema: Mapping[str, Any], actions: Mapping[Uid, ActionType], names: type_map.Names
) -> dict[tuple[str, str, str], ActionType]:
    """What a question's action may be, by its subject's type, its name and its resource's type."""
    resolver = Resolver(schema)
    found: dict[tuple[str, str, str], ActionType] = {}
    doubtful: dict[tuple[str, str, str], Uid] = {}
    for namespace, own in schema.items():
        for name, said in own["actions"].items():
            action = actions[_full(namespace, "Action"), name]
            also = [each for each, uid in names.actions.items() if uid == action.uid]
            for principal, resource in _pairs(resolver, namespace, said):
                if name not in names.actions:
                    first = found.setdefault((principal, name, resource), action)
                    if first is not action:
                        doubtful[principal, name, resource] = first.uid
                for each in also:
                    found[principal, each, resource] = action
    if doubtful:
        (principal, name, resource), uid = next(iter(doubtful.items()))
        raise ConfigInvalid(
            f"schema: two actions are called {name} for {principal} and {resource}",
            try_=f"say in remit.toml which one is meant: [authzen.actions] {name} = '{uid[0]}::\"{uid[1]}\"'",
        )
    return found


def _pairs(resolver: Resolver, namespace: str, said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    applies = said.get("appliesTo", {})
    for principal in applies.get("principalTypes", ()):
        for resource in applies.get("resourceTypes", ()):
            yield resolver.entity(principal, namespace), resolver.entity(resource, namespace)


def _entities(files: Files, types: Mapping[str, EntityType], parsed: Parsed) -> dict[str, dict[str, Entity]]:
    found: dict[str, dict[str, Entity]] = {}
    places: dict[Uid, str] = {}
    named: list[tuple[str, Uid]] = []
    for file, each in sorted(files.items()):
        if each.part is not Part.ENTITIES:
            continue
        for one in parsed.of(file, each.text, types):
            place = f"{file}:{one.line}"
            if one.uid in places:
                raise ConfigInvalid(f'{place}: {one.uid[0]}::"{one.uid[1]}" stands in {places[one.uid]} as well')
            places[one.uid] = place
            found.setdefault(one.uid[0], {})[one.uid[1]] = one.entity
            named += [(place, uid) for uid in one.named if types[uid[0]].required]
    parsed.keep(files)
    for place, uid in named:
        if uid not in places:
            raise ConfigInvalid(f'{place}: {uid[0]}::"{uid[1]}" is named here and stands nowhere')
    return {kind: dict(sorted(held.items())) for kind, held in found.items()}


def _full(namespace: str, name: str) -> str:
    return f"{namespace}::{name}" if namespace else name
