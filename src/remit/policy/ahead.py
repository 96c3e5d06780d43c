"""Validating policies while they are read: the one holds nobody up, and together they take as long as the longer one.

Nothing but the yes of a validation is used. Whatever else comes of it, what was not found to fit is validated again,
after reading, by whoever says what is wrong with it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from remit.policy.ports import Engine
from remit.policy.statements import Statement


class Ahead:
    """Validates the statements of files in a thread of its own, for as long as a `with` block takes, or longer.

    Args:
        engine: Validates.
        divided: The statements of policy files, which need not be readable.
        catalog: The schema of all that can be called.
        known: Statements that are known to fit it.
    """

    def __init__(
        self,
        engine: Engine,
        divided: Mapping[str, Sequence[Statement]],
        catalog: Mapping[str, Any],
        known: Collection[str],
    ) -> None:
        self._engine = engine
        self._divided = divided
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
            each.text for _, found in sorted(self._divided.items()) for each in found if each.text not in self._known
        ]
        try:
            if new and not self._engine.faults("\n".join(new), self._engine.schema(self._catalog)):
                self.fitting = frozenset(new)
        except ValueError:
            return  # whoever reads them says what is wrong
