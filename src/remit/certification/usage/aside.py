"""Slow work beside the certification loop: one piece after the other on a thread that ends when nothing is left."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from remit.kernel.errors import RemitError
from remit.logs import logger

_log = logger("remit.certification")
Work = Callable[[], object]


class Aside:
    """Any thread may hand work in. What fails is logged: whoever handed it in finds out by what was not written."""

    def __init__(self) -> None:
        self._waiting: deque[Work] = deque()
        self._lock = threading.Lock()
        self._runs = False

    def __len__(self) -> int:
        return len(self._waiting)

    def __call__(self, work: Work) -> None:
        """Do `work` after what waits already."""
        with self._lock:
            self._waiting.append(work)
            if self._runs:
                return
            self._runs = True
        # A server that stops does not wait for another system that does not answer.
        threading.Thread(target=self._run, name="remit-withdrawals", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._runs = False
                    return
                work = self._waiting.popleft()
            try:
                work()
            except RemitError as error:
                _log.warning("not withdrawn", error=error.public, detail=error.detail)
            except Exception:  # noqa: BLE001 - the next piece of work is another's
                _log.exception("not withdrawn")
