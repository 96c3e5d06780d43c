"""Whether other rules widen, asked once: while they are observed, so that whoever enforces them waits less, or not.

An answer is about the very rules before and after, and the very catalog. Whoever asks about others has them compared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from remit.catalog.model import Server
from remit.policy.rules import Rules

Question = tuple[Rules, Rules, tuple[Server, ...]]  # before, after, and what is in the catalog


class Foreseen:
    """Keeps the last answer, and who still works on it. Any thread.

    Args:
        compare: Why the rules after may let through what those before do not. May raise; what it raises is not kept.
    """

    def __init__(self, compare: Callable[[Question], list[str]]) -> None:
        self._compare = compare
        self._last: tuple[Question, Future[list[str]]] | None = None

    def reasons(self, question: Question) -> list[str]:
        """The answer; waited for where a thread works on it.

        Raises:
            Exception: As `compare`.
        """
        known = self._known(question)
        if known is not None:
            return list(known.result())
        return list(self._answer(question, self._new(question)).result())

    def ahead(self, question: Question) -> None:
        """Have a thread of its own work on it, if nobody does."""
        if self._known(question) is not None:
            return
        found = self._new(question)
        thread = threading.Thread(
            target=self._answer, args=(question, found), name="policies are compared", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread can be had: nobody may wait for one
            self._answer(question, found)

    def _known(self, question: Question) -> Future[list[str]] | None:
        last = self._last  # read once: another thread may ask about other rules while these are compared
        return last[1] if last is not None and last[0] == question else None

    def _new(self, question: Question) -> Future[list[str]]:
        found = Future[list[str]]()
        self._last = question, found
        return found

    def _answer(self, question: Question, found: Future[list[str]]) -> Future[list[str]]:
        try:
            found.set_result(self._compare(question))
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits must not wait for ever
            found.set_exception(error)
            last = self._last
            if last is not None and last[1] is found:
                self._last = None
        return found
