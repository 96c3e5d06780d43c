"""What an agent's document asks of a token's claims (pure). It was compiled when the agent was applied.

A condition is `[path, how, value]`: the path of a claim, `is`, `like` or `unlike`, and what it is compared with. A
claim that is not there holds no condition but `unlike`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

IS: Final = "is"
LIKE: Final = "like"
UNLIKE: Final = "unlike"
_MOST: Final = 2048  # characters of a claim that a pattern is tried on


def holds(claims: Mapping[str, Any], conditions: Sequence[Any]) -> bool:
    """Whether every one of `conditions` is true of `claims`; of none: False, for nothing was proved."""
    return bool(conditions) and all(_one(claims, path, how, value) for path, how, value in conditions)


def fits(pattern: str, text: str) -> bool:
    """Whether `text` is one of what `pattern` stands for: `*` is anything but `/`, `**` anything."""
    return len(text) <= _MOST and _compiled(pattern).fullmatch(text) is not None


def _one(claims: Mapping[str, Any], path: Sequence[str], how: str, value: Any) -> bool:  # noqa: ANN401 - a JSON value
    found: Any = claims
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    if how == IS:
        # `1 == True` in Python, and no issuer means that.
        return found is not None and type(found) is type(value) and bool(found == value)
    if how == LIKE:
        return isinstance(found, str) and fits(value, found)
    if how == UNLIKE:
        return found is None or (isinstance(found, str) and len(found) <= _MOST and not fits(value, found))
    return False


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*+)", pattern)
    return re.compile("".join(_part(part) for part in parts), re.DOTALL)


def _part(part: str) -> str:
    return {"*": "[^/]*", "**": ".*"}.get(part, re.escape(part))
