"""The operator's log: JSON lines on stderr. Private detail goes here and never into an answer."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO, cast

from remit.logs import structlog

KNOWN: Final = frozenset({
    # structlog's own
    "event", "exc_info", "exception", "level", "stack", "stack_info", "timestamp",
    # what lines of ours are about; none of them is ever the value of anything secret
    "about", "action", "agent", "agents", "applied", "calls_without_outcome", "changed", "code", "count", "decision",
    "delivery", "detail", "door", "entitlements", "error", "freeze", "generation", "how", "key", "method", "node",
    "objects", "outcome", "path", "pid", "policy", "program", "reason", "secret", "server", "state", "system", "text",
    "title", "trust", "uid", "use", "version", "way", "what", "why", "rotation", "lease", "step", "kind", "name",
    "instance", "purpose", "scope", "run",
})  # fmt: skip
"""The fields that a line may have. What is not here loses its value: to add a field is to look at what stands in it."""
DROPPED: Final = "(dropped: no known field)"
_PLAIN: Final = (str, int, float, bool, type(None))


def only_known(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what an unknown field says, and what is no plain value: nobody looked at what a whole object shows.

    An allow-list, because a list of what is forbidden forgets the field that somebody adds next (two leaks of raw
    bodies in another vault's log came that way: CVE-2025-62513, CVE-2025-62705).
    """
    for name, value in line.items():
        if name not in KNOWN:
            line[name] = DROPPED
        elif not isinstance(value, _PLAIN) and name not in {"exc_info", "stack_info"}:
            line[name] = (
                [each if isinstance(each, _PLAIN) else DROPPED for each in value]
                if isinstance(value, (list, tuple))
                else DROPPED
            )
    return line


class _Stderr:
    """Stderr that loses lines sooner than it fails: it may be a file on the very disk that is full.

    An error raised here would come up in the middle of refusing a call, or end the writer's thread.
    """

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure() -> None:
    """Set up logging for a server process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            only_known,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Stderr())),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")
