"""Statements are compiled once for all databases of a test run, not once for the engine of each.

The key of a compiled statement holds the dialect it was compiled for; dialects of one class compile alike here, where
all are of one version and none is configured.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache

_kept: LRUCache[Any, Any] = LRUCache(5000)
_new_engine = Engine.__init__


def _sharing(engine: Engine, *arguments: Any, **options: Any) -> None:
    _new_engine(engine, *arguments, **options)
    engine.update_execution_options(compiled_cache=_kept)


def share() -> None:
    """From now on."""
    Engine.__init__ = _sharing  # type: ignore[method-assign, assignment]
    DefaultDialect.__hash__ = lambda dialect: hash(type(dialect))  # type: ignore[method-assign, assignment]
    DefaultDialect.__eq__ = lambda dialect, other: type(dialect) is type(other)  # type: ignore[method-assign]
