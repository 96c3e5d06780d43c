"""How many examples a law is tried on: a third of them in `make test`, all in `make test-all`."""

from __future__ import annotations

import os

WHOLE = "REMIT_THOROUGH"  # set by `make test-all`


def examples(many: int) -> int:
    """How many of `many` to try here."""
    return many if os.environ.get(WHOLE) else many // 3
