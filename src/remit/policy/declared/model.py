"""What an organisation declared of its own types: a schema, entities, and what AuthZEN's words mean in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from remit.policy.declared.types import Type, Uid

NOTHING_DECLARED: Final = hashlib.sha256(b"[]").hexdigest()


class Part(StrEnum):
    """What a file of declarations is."""

    SCHEMA = "schema"  # Cedar's schema language
    ENTITIES = "entities"  # Cedar's entity JSON, a list
    AUTHZEN = "authzen"  # `remit.toml`


class Declaration(NamedTuple):
    """One file."""

    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class Entity:
    """One stored entity, as Cedar's JSON reads its parts against the schema."""

    attributes: Mapping[str, Any]
    parents: tuple[Uid, ...]
    tags: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EntityType:
    """One declared type: what it is made of, and the only ids it has if it is enumerated."""

    attributes: Mapping[str, Type]
    required: frozenset[str]
    parents: frozenset[str]  # types that its entities may be in, directly
    ids: frozenset[str] | None = None
    tags: Type | None = None


@dataclass(frozen=True, slots=True)
class ActionType:
    """One declared action: the groups it is in, however far up, and what a question about it may carry."""

    uid: Uid
    groups: tuple[Uid, ...]
    context: Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Everything declared, ready to be asked about.

    `types` and `actions` are by AuthZEN's words: a type's name, and (subject's entity type, action's name,
    resource's entity type). `schema` is Cedar's JSON.
    """

    schema: Mapping[str, Any] = field(default_factory=dict)
    entity_types: Mapping[str, EntityType] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[tuple[str, str, str], ActionType] = field(default_factory=dict)
    entities: Mapping[str, Mapping[str, Entity]] = field(default_factory=dict)  # by type and id
    digest: str = NOTHING_DECLARED
    serial: int = 0
    fault: str | None = None  # stored text that cannot be read: then nothing is decided about these types

    def ids(self, name: str) -> Sequence[str]:
        """The ids of what is stored of a type, or is declared of an enumerated one, in order; `name` is AuthZEN's."""
        kind = self.types.get(name, "")
        declared = self.entity_types.get(kind)
        if declared is not None and declared.ids is not None:
            return sorted(declared.ids)
        return tuple(self.entities.get(kind, ()))

    def entity(self, uid: Uid) -> Entity | None:
        """A stored entity."""
        return self.entities.get(uid[0], {}).get(uid[1])


NOTHING: Final = Declared()
