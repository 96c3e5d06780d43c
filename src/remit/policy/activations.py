"""The activations that this node knows, by agent: loaded on an agent's first call, then kept up to date.

Like the counters they are no part of the view that is swapped: use changes them with every
call. What is wrong here cannot allow anything twice, because the writer checks the serial.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from remit.access.activation import Activation, ActivationKey, Usage
from remit.kernel.clock import DAY, Instant, Micros


class Vain(NamedTuple):
    """Calls of one entitlement on one day that came to nothing, and the first and the last of them."""

    denied: int
    errors: int
    first: Instant
    last: Instant


class Seen(NamedTuple):
    """What was used, and what came to nothing, since the last time somebody asked."""

    days: Mapping[tuple[ActivationKey, int], tuple[int, Instant, Instant]]  # by UTC day: uses, the first and the last
    runs: Mapping[tuple[ActivationKey, str], int]  # by run: the UTC day of its first use
    vain: Mapping[tuple[ActivationKey, int], Vain]  # by UTC day


class Activations:
    """Activations in memory. Reads need no lock: each is one operation on a dict.

    Args:
        covered: The coverage clock: microseconds for which the record of use is complete.
        reading: What it shows when a use is seen, which is later where other nodes have not written theirs yet.
    """

    def __init__(
        self, covered: Callable[[], Micros] = lambda: Micros(0), reading: Callable[[], Micros] | None = None
    ) -> None:
        self.covered = covered
        self._reading = reading or covered
        self._agents: dict[str, dict[ActivationKey, Activation]] = {}
        self._together: dict[str, Mapping[ActivationKey, tuple[ActivationKey, ...]]] = {}
        self._dirty: dict[ActivationKey, None] = {}
        self._days: dict[tuple[ActivationKey, int], tuple[int, Instant, Instant]] = {}
        self._runs: dict[tuple[ActivationKey, str], int] = {}
        self._vain: dict[tuple[ActivationKey, int], Vain] = {}
        self._lock = threading.Lock()

    def knows(self, agent: str) -> bool:
        """Whether an agent's activations were loaded."""
        return agent in self._agents

    def load(self, agent: str, read: Callable[[], Iterable[Activation]], *, again: bool = False) -> None:
        """Load an agent's activations if they are not here; with `again`, only if they are."""
        with self._lock:
            known = self._agents.get(agent)
            if (known is None) is again:
                return
            self._agents[agent] = {each.key: _newest(each, (known or {}).get(each.key)) for each in read()}

    def forget(self) -> None:
        """Let go of everything: it is loaded again when it is asked for. Use that was not written is kept."""
        with self._lock:
            unwritten = {key.agent for key in self._dirty}
            self._agents = {agent: held for agent, held in self._agents.items() if agent in unwritten}

    def held(self) -> list[str]:
        """The agents whose activations are here."""
        return list(self._agents)

    def let_go(self, agent: str) -> None:
        """Forget one agent's: what is stored of it cannot be read."""
        with self._lock:
            self._agents.pop(agent, None)

    def find(self, key: ActivationKey) -> Activation | None:
        """The activation, or None if it was never started (or its agent's are not loaded)."""
        held = self._agents.get(key.agent)
        return None if held is None else held.get(key)

    def of(self, agent: str) -> list[Activation]:
        """Every activation of one agent that is loaded."""
        return list(self._agents.get(agent, {}).values())

    def group(self, agent: str, together: Mapping[ActivationKey, tuple[ActivationKey, ...]]) -> None:
        """Say which of an agent's entitlements are used together: each, and the others of its group."""
        with self._lock:
            if together:
                self._together[agent] = together
            else:
                self._together.pop(agent, None)

    def together(self, key: ActivationKey) -> list[Activation]:
        """What is used together with `key`, apart from itself."""
        groups = self._together.get(key.agent)
        if groups is None:
            return []
        return [found for each in groups.get(key, ()) if (found := self.find(each)) is not None]

    def put(self, activation: Activation) -> None:
        """A transition was committed."""
        with self._lock:
            held = self._agents.get(activation.key.agent)
            if held is not None:
                held[activation.key] = _newest(activation, held.get(activation.key))

    def used(self, key: ActivationKey, at: Instant, run: str = "") -> None:
        """A justified use was recorded, of a run."""
        covered, day = self._reading(), at // DAY
        with self._lock:
            uses, first, last = self._days.get((key, day), (0, at, at))
            self._days[key, day] = (uses + 1, min(first, at), max(last, at))
            if run:
                self._runs.setdefault((key, run), day)
            held = self._agents.get(key.agent)
            if held is not None and (known := held.get(key)) is not None:
                held[key] = replace(known, usage=known.usage.after(at, covered))
                self._dirty[key] = None

    def denied(self, key: ActivationKey, at: Instant) -> None:
        """A call was refused. It is counted for its day and is no use: nothing that `used` keeps is changed."""
        self._in_vain((key, at // DAY), Vain(1, 0, at, at))

    def failed(self, key: ActivationKey, at: Instant) -> None:
        """A call was let through and came to an error. It is no use either."""
        self._in_vain((key, at // DAY), Vain(0, 1, at, at))

    def _in_vain(self, of: tuple[ActivationKey, int], more: Vain) -> None:
        with self._lock:
            self._vain[of] = _both(self._vain.get(of), more)

    def take_unwritten(self) -> list[Activation]:
        """The activations whose use is not in the database yet; the caller writes it, or calls `unwritten`."""
        with self._lock:
            keys, self._dirty = self._dirty, {}
        return [found for key in keys if (found := self.find(key)) is not None]

    def take_seen(self) -> Seen:
        """What was called since the last time, by day and by run; the caller writes it, or calls `unwritten`."""
        with self._lock:
            seen = Seen(self._days, self._runs, self._vain)
            self._days, self._runs, self._vain = {}, {}, {}
        return seen

    def unwritten(self, activations: Iterable[Activation], seen: Seen) -> None:
        """Writing failed: try again with the next ones."""
        with self._lock:
            self._dirty |= dict.fromkeys(each.key for each in activations)
            for at, (uses, first, last) in seen.days.items():
                more, earliest, latest = self._days.get(at, (0, first, last))
                self._days[at] = (uses + more, min(first, earliest), max(last, latest))
            self._runs = {**self._runs, **seen.runs}
            for of, vain in seen.vain.items():
                self._vain[of] = _both(self._vain.get(of), vain)


def _both(known: Vain | None, more: Vain) -> Vain:
    if known is None:
        return more
    denied, errors = known.denied + more.denied, known.errors + more.errors
    return Vain(denied, errors, min(known.first, more.first), max(known.last, more.last))


def _newest(found: Activation, known: Activation | None) -> Activation:
    """The newer transition, with the newer use: what is stored may be behind what this node saw."""
    if known is None:
        return found
    newer = found if found.serial >= known.serial else known
    usage: Usage = max(found.usage, known.usage, key=lambda usage: (usage.last, usage.days, usage.covered))
    return newer if newer.usage == usage else replace(newer, usage=usage)
