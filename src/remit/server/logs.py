"""The operator's log: JSON lines on stderr. Private detail goes here and never into an answer."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO, cast

from remit.logs import structlog


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
