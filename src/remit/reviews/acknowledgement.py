"""What a named person acknowledges: every boundary in force, as one digest (pure).

    statement  canonical JSON (RFC 8785): [{"approved_at","approved_by","boundary","rules","version"}, ...] by name
    digest     hex SHA-256 of it

`rules` is the text as stored, which names every action with what bounds it. So an auditor makes the
digest again from the boundaries' table or a pack of it, without this code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from remit.access.codec import rules_text
from remit.access.model import Boundary
from remit.kernel.canonical import canonical

SHORTEST: Final = 8  # characters of a digest that a person types


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different from the last time, by name."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    ended: tuple[str, ...]


def statement(boundaries: Iterable[Boundary]) -> list[dict[str, Any]]:
    """Every boundary in force, in byte order of their names."""
    return [
        {
            "boundary": each.boundary,
            "version": each.version,
            "approved_by": each.approved_by,
            "approved_at": each.approved_at,
            "rules": rules_text(each.rules),
        }
        for each in sorted(boundaries, key=lambda each: each.boundary)
    ]


def digest_of(said: object) -> str:
    """Hex SHA-256 of the canonical JSON."""
    return sha256(canonical(said)).hexdigest()


def kept(said: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What is kept of a statement, so that the next one can say what changed: name -> `VERSION DIGEST`."""
    return {each["boundary"]: f"{each['version']} {digest_of(dict(each))}" for each in said}


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> Changes:
    """From what was kept to what is."""
    return Changes(
        added=tuple(sorted(now.keys() - before.keys())),
        changed=tuple(sorted(name for name in now.keys() & before.keys() if now[name] != before[name])),
        ended=tuple(sorted(before.keys() - now.keys())),
    )


def typed(said: str, digest: str) -> bool:
    """Whether what a person typed is the digest, or at least its first eight characters."""
    return len(said) >= SHORTEST and digest.startswith(said.lower())
