"""Which of the organisation's policies an agent is told of, and whose text it may read (pure).

A denial names a policy and never shows it. The mandate may show one that speaks to this agent
alone, and only if it names nothing that the agent may not see.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from remit.catalog.model import Tier
from remit.policy import schema
from remit.policy.organisation import Policy

_ANNOTATION: Final = re.compile(r'\s*@\s*\w+\s*(?:\(\s*"(?:[^"\\]|\\.)*"\s*\))?')
_TEXT_OR_COMMENT: Final = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*')
Entity = tuple[str, str]


def told(policy: Policy, actions: Iterable[str], *, agent: str, seen: Collection[Entity]) -> dict[str, Any]:
    """What the mandate says of a policy that can apply to `actions`.

    Args:
        policy: A policy of the organisation.
        actions: The agent's own actions that it can apply to.
        agent: The agent's name.
        seen: Every entity that the agent may know of.
    """
    said: dict[str, Any] = {
        "id": policy.id,
        "title": policy.title,
        "effect": policy.cedar["effect"],
        "conditional": bool(policy.cedar.get("conditions")),
        "actions": sorted(actions),
    }
    named = set(_entities(policy.cedar))
    if _principals(policy.cedar) == {(schema.AGENT, agent)} and named <= set(seen):
        said["cedar"] = statement(policy.text)
    return said


def known_to(agent: str, *, owner: str, purposes: Iterable[str], actions: Collection[str], servers: Collection[str]) \
        -> frozenset[Entity]:  # fmt: skip
    """Every entity that an agent may know of: itself, and what its boundaries name."""
    groups = {f"server:{server}" for server in servers} | {f"tier:{tier.value}" for tier in Tier}
    methods = {f"{server}:{method}" for server in servers for method in schema.METHODS}
    return frozenset(
        {(schema.AGENT, agent), (schema.OWNER, owner)}
        | {(schema.PURPOSE, purpose) for purpose in purposes}
        | {(schema.SERVER, server) for server in servers}
        | {(schema.ACTION, action) for action in {*actions, *groups, *methods}}
    )


def statement(text: str) -> str:
    """A policy's text without annotations and comments: those are for whoever keeps it."""
    text = _TEXT_OR_COMMENT.sub(lambda match: match[1] or "", text)
    while (annotation := _ANNOTATION.match(text)) is not None:
        text = text[annotation.end() :]
    return "\n".join(line.rstrip() for line in text.strip().splitlines() if line.strip())


def _principals(cedar: Mapping[str, Any]) -> set[Entity]:
    """The entities that the principal's scope names."""
    return set(_entities(cedar.get("principal")))


def _entities(node: object) -> Iterator[Entity]:
    """Every entity named anywhere in Cedar's JSON; an entity type that is named counts as an entity without an id."""
    if isinstance(node, Mapping):
        kind, name = node.get("type"), node.get("id")
        if isinstance(kind, str) and isinstance(name, str):
            yield kind, name
        for key, member in node.items():
            if key == "entity_type" and member not in (schema.AGENT, schema.SERVER, schema.OWNER, schema.PURPOSE):
                yield str(member), ""
            yield from _entities(member)
    elif isinstance(node, list):
        for member in node:
            yield from _entities(member)
