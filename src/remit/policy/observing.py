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
from typing import Any, Final, NamedTuple

from remit.kernel.clock import Instant, rfc3339
from remit.kernel.errors import RemitError
from remit.kernel.names import DecisionId
from remit.logs import logger
from remit.policy.decide import decide
from remit.policy.declared.judge import Asked, Judge, Judgement
from remit.policy.flips import Count, Flip, Kind, Tally, concerns, concerns_own, flip, flip_own, merged
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

    def flip(self, beside: _Beside) -> Flip | None:
        """How the other set would turn it."""
        if not concerns(self.answer):
            return None
        view = dataclasses.replace(self.view, organisation=beside.organisation, slices=beside.slices)
        return flip(self.answer, decide(dataclasses.replace(self.call, proof=None), view, now=self.now).answer)

    def example(self) -> dict[str, Any]:
        """How it is named."""
        call = self.call
        return {
            "decision": call.id, "agent": call.caller.agent, "purpose": call.caller.purpose, "action": call.action,
            "at": rfc3339(self.now),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Judged:
    """A question about the organisation's own types, and the answer to it."""

    decision: DecisionId
    asked: Asked
    found: Judgement
    view: View
    now: Instant
    version: str

    def flip(self, beside: _Beside) -> Flip | None:
        """How the other set would turn it. What is declared is what is in force: a set is of policies alone."""
        stood = self.found
        if not concerns_own(stood.denial):
            return None
        other = beside.judge.judge(self.asked, self.view.declared, beside.organisation)
        return flip_own(stood.denial, other.denial, stood.policies, other.policies)

    def example(self) -> dict[str, Any]:
        """How it is named."""
        subject = self.asked.subject
        return {
            "decision": self.decision, "agent": f"{subject.type}:{subject.id}", "purpose": "",
            "action": self.asked.action, "at": rfc3339(self.now),
        }  # fmt: skip


class _Beside(NamedTuple):
    """A set that was read, and what decides by it."""

    candidate: Candidate
    organisation: Organisation
    slices: Slices
    judge: Judge


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
        self._ready: _Beside | None = None
        self._waiting: deque[_Decided | _Judged] = deque()
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
        if (candidate := self._candidate) is not None:
            self._wait(_Decided(call, answer, view, now, candidate.version))

    def judged(self, decision: DecisionId, asked: Asked, found: Judgement, view: View, now: Instant) -> None:
        """A question about the organisation's own types was answered."""
        if (candidate := self._candidate) is not None:
            self._wait(_Judged(decision, asked, found, view, now, candidate.version))

    def _wait(self, decided: _Decided | _Judged) -> None:
        if len(self._waiting) >= self._most:
            self._count(decided.version, decided.view.organisation.digest, (Kind.DROPPED, ""))
        else:
            self._waiting.append(decided)

    # in a thread of its own ------------------------------------------------------------------------

    def work(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Compare what waits now; how many that were. One thread at a time."""
        done = 0
        for _ in range(len(self._waiting)):  # what comes meanwhile waits: else, under load, nobody reads a count
            if stop():
                break
            decided = self._waiting.popleft()
            beside = self._beside()
            if beside is not None and beside.candidate.version == decided.version:
                self._compare(decided, beside)
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

    def _beside(self) -> _Beside | None:
        """The candidate, read once."""
        candidate = self._candidate
        if candidate is None:
            return None
        if self._ready is None or self._ready.candidate is not candidate:
            try:
                read = self._organisations.read(candidate.files, serial=1)
            except RemitError as error:
                _log.error("a policy set cannot be observed", version=candidate.version, error=error.public)
                self._candidate = None
                return None
            self._ready = _Beside(candidate, read, Slices(self._engine), Judge(self._engine))
        return self._ready

    def _compare(self, decided: _Decided | _Judged, beside: _Beside) -> None:
        base = decided.view.organisation.digest
        self._count(decided.version, base, (Kind.COMPARED, ""))
        try:
            found = decided.flip(beside)
        except Exception:  # noqa: BLE001 - whatever broke refuses a call that is decided for good
            _log.exception("a decision could not be compared", decision=decided.example()["decision"])
            found = Flip(Kind.BROKEN, "")
        if found is not None:
            self._count(decided.version, base, found, decided.example())

    def _count(self, version: str, base: str, key: tuple[Kind, str], *examples: Mapping[str, Any]) -> None:
        with self._lock:
            tally = self._tallies.setdefault((version, base), {})
            tally.setdefault(key, Count()).add(1, examples)
