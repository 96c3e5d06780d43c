"""`remit.toml`: which of an organisation's types and actions AuthZEN's words mean (pure)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remit.kernel.errors import ConfigInvalid
from remit.policy.declared.types import Uid
from remit.policy.schema import NAMESPACE

OWN: Final = frozenset({"agent", "server"})  # Remit's own types in AuthZEN
_TABLES: Final = ("types", "actions")
_ACTION: Final = re.compile(r'((?:[A-Za-z_]\w*::)*Action)::"((?:[^"\\])*)"\Z')


@dataclass(frozen=True, slots=True)
class Names:
    """AuthZEN's name of a type to an entity type, and of an action to an action."""

    types: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, Uid] = field(default_factory=dict)


def read(file: str, text: str, *, types: Collection[str], actions: Collection[Uid]) -> Names:
    """Read the map against what the schema declares.

    Raises:
        ConfigInvalid: It is no TOML, has keys that are not known, or names what is not declared.
    """
    tables = _tables(file, text)

    def wrong(key: str, said: str) -> ConfigInvalid:
        return ConfigInvalid(f"{file}:{_line(text, key)}: {said}")

    found_types: dict[str, str] = {}
    for name, target in tables["types"].items():
        if name in OWN:
            raise wrong(name, f"{name} is Remit's own type")
        if isinstance(target, str) and target.startswith(f"{NAMESPACE}::"):
            raise wrong(name, f"{target} is Remit's own: what is declared may not name it")
        if not isinstance(target, str) or target not in types:
            raise wrong(name, f"the schema declares no entity type {target!r}")
        found_types[name] = target
    found_actions: dict[str, Uid] = {}
    for name, target in tables["actions"].items():
        match = _ACTION.match(target) if isinstance(target, str) else None
        uid = (match[1], match[2]) if match else ("", "")
        if uid not in actions:
            raise wrong(name, f'the schema declares no action {target!r}; one is written NAMESPACE::Action::"name"')
        found_actions[name] = uid
    return Names(found_types, found_actions)


def _tables(file: str, text: str) -> dict[str, dict[str, Any]]:
    try:
        said = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        raise ConfigInvalid(f"{file}:{line[1] if line else 1}: not valid TOML: {error}") from error
    authzen = said.pop("authzen", {})
    if said or not isinstance(authzen, dict) or not authzen.keys() <= set(_TABLES):
        unknown = next(iter([*said, *(set(authzen) - set(_TABLES) if isinstance(authzen, dict) else ["authzen"])]))
        raise ConfigInvalid(f"{file}:{_line(text, unknown)}: known here are [authzen.types] and [authzen.actions]")
    tables = {name: authzen.get(name, {}) for name in _TABLES}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigInvalid(f"{file}:{_line(text, name)}: authzen.{name} is a table")
    return tables


def _line(text: str, key: str) -> int:
    """The first line that says `key`; good enough to find it."""
    return next((at for at, line in enumerate(text.split("\n"), start=1) if key in line), 1)
