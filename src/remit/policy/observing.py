"""A policy set beside the one in force: live decisions are decided against it too, off their path.

What was decided is put into a queue, which costs a decision nothing that can be measured; a thread takes
it out again. A queue that is full drops what comes, and counts it.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.clock import Instant, rfc3339
from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.policy.decide import decide
from remit.policy.flips import Count, Kind, Tally, concerns, flip, merged
from remit.policy.model import Answer, Call
from remit.policy.organisation import Organisation
from remit.policy.organisations import Organisations
from remit.policy.ports import Engine
from remit.policy.slices import Slices
from remit.policy.view import View

MOST: Final = 4096  # decisions that wait
_BREATH: Final = 0.0001  # seconds between two of them, in which the event loop gets what it needs
_log = logger("remit.policy")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A set that is observed."""

    version: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Decided:
    call: Call
    answer: Answer
    view: View
    now: Instant
    version: str


class Observing:
    """Compares what was decided with what another set would say.

    Args:
        organisations: Reads sets.
        engine: Decides.
        most: How many decisions may wait.
    """

    def __init__(self, organisations: Organisations, engine: Engine, *, most: int = MOST) -> None:
        self._organisations = organisations
        self._engine = engine
        self._most = most
        self._candidate: Candidate | None = None
        self._ready: tuple[Candidate, Organisation, Slices] | None = None
        self._waiting: deque[_Decided] = deque()
        self._tallies: dict[tuple[str, str], Tally] = {}  # by version, and digest of what was in force
        self._lock = threading.Lock()  # of the tallies

    @property
    def candidate(self) -> Candidate | None:
        """What is observed now."""
        return self._candidate

    def take(self, candidate: Candidate | None) -> None:
        """Observe this from now on; None: nothing. Quick: it is read by whoever works next."""
        self._candidate = candidate

    # on the event loop ---------------------------------------------------------------------------

    def saw(self, call: Call, answer: Answer, view: View, now: Instant) -> None:
        """A decision was committed."""
        candidate = self._candidate
        if candidate is None:
            return
        if len(self._waiting) >= self._most:
            self._count(candidate.version, view.organisation.digest, (Kind.DROPPED, ""))
        else:
            self._waiting.append(_Decided(call, answer, view, now, candidate.version))

    # in a thread of its own ------------------------------------------------------------------------

    def work(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Compare what waits now; how many that were. One thread at a time."""
        done = 0
        for _ in range(len(self._waiting)):  # what comes meanwhile waits: else, under load, nobody reads a count
            if stop():
                break
            decided = self._waiting.popleft()
            beside = self._beside()
            if beside is not None and beside[0].version == decided.version:
                self._compare(decided, beside[1], beside[2])
            done += 1
            time.sleep(_BREATH)
        return done

    def taken(self) -> dict[tuple[str, str], Tally]:
        """What was counted since this was asked last, by version and digest of what was in force."""
        with self._lock:
            tallies, self._tallies = self._tallies, {}
        return tallies

    def again(self, tallies: Mapping[tuple[str, str], Tally]) -> None:
        """It could not be written down: it is counted on."""
        with self._lock:
            for key, tally in tallies.items():
                self._tallies[key] = merged([tally, self._tallies.get(key, {})])

    def _beside(self) -> tuple[Candidate, Organisation, Slices] | None:
        """The candidate, read once."""
        candidate = self._candidate
        if candidate is None:
            return None
        if self._ready is None or self._ready[0] is not candidate:
            try:
                read = self._organisations.read(candidate.files, serial=1)
            except RemitError as error:
                _log.error("a policy set cannot be observed", version=candidate.version, error=error.public)
                self._candidate = None
                return None
            self._ready = candidate, read, Slices(self._engine)
        return self._ready

    def _compare(self, decided: _Decided, candidate: Organisation, slices: Slices) -> None:
        call, answer, view = decided.call, decided.answer, decided.view
        base = view.organisation.digest
        self._count(decided.version, base, (Kind.COMPARED, ""))
        if not concerns(answer):
            return
        beside = dataclasses.replace(view, organisation=candidate, slices=slices)
        try:
            other = decide(dataclasses.replace(call, proof=None), beside, now=decided.now).answer
        except Exception:  # noqa: BLE001 - whatever broke refuses a call that is decided for good
            _log.exception("a decision could not be compared", decision=call.id)
            self._count(decided.version, base, (Kind.BROKEN, ""), _example(decided))
            return
        found = flip(answer, other)
        if found is not None:
            self._count(decided.version, base, found, _example(decided))

    def _count(self, version: str, base: str, key: tuple[Kind, str], *examples: Mapping[str, Any]) -> None:
        with self._lock:
            tally = self._tallies.setdefault((version, base), {})
            tally.setdefault(key, Count()).add(1, examples)


def _example(decided: _Decided) -> dict[str, Any]:
    call = decided.call
    return {
        "decision": call.id,
        "agent": call.caller.agent,
        "purpose": call.caller.purpose,
        "action": call.action,
        "at": rfc3339(decided.now),
    }
