"""Validating policies while they are read: the one holds nobody up, and together they take as long as the longer one.

Nothing but the yes of a validation is used. Whatever else comes of it, what was not found to fit is validated again,
after reading, by whoever says what is wrong with it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Self

from remit.policy.organisation import statements
from remit.policy.ports import Engine


class Ahead:
    """Validates the statements of files in a thread of its own, for as long as a `with` block takes, or longer.

    Args:
        engine: Validates.
        files: Policy files, which need not be readable.
        catalog: The schema of all that can be called.
        known: Statements that are known to fit it.
    """

    def __init__(
        self, engine: Engine, files: Mapping[str, str], catalog: Mapping[str, Any], known: Collection[str]
    ) -> None:
        self._engine = engine
        self._files = files
        self._catalog = catalog
        self._known = known
        self._thread = threading.Thread(target=self._validate, name="policies are validated", daemon=True)
        self.fitting: frozenset[str] = frozenset()
        """The statements that fit, once the block is left: all that were new, or none."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join()

    def _validate(self) -> None:
        new = [
            text for _, file in sorted(self._files.items()) for _, text in statements(file) if text not in self._known
        ]
        try:
            if new and not self._engine.faults("\n".join(new), self._engine.schema(self._catalog)):
                self.fitting = frozenset(new)
        except ValueError:
            return  # whoever reads them says what is wrong
