"""The activations that this node knows, by agent: loaded on an agent's first call, then kept up to date.

Like the counters they are no part of the view that is swapped: use changes them with every
call. What is wrong here cannot allow anything twice, because the writer checks the serial.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from remit.access.activation import Activation, ActivationKey, Usage
from remit.kernel.clock import Instant, Micros


class Activations:
    """Activations in memory. Reads need no lock: each is one operation on a dict.

    Args:
        covered: The coverage clock: microseconds for which the record of use is complete.
    """

    def __init__(self, covered: Callable[[], Micros] = lambda: Micros(0)) -> None:
        self.covered = covered
        self._agents: dict[str, dict[ActivationKey, Activation]] = {}
        self._dirty: dict[ActivationKey, None] = {}
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

    def put(self, activation: Activation) -> None:
        """A transition was committed."""
        with self._lock:
            held = self._agents.get(activation.key.agent)
            if held is not None:
                held[activation.key] = _newest(activation, held.get(activation.key))

    def used(self, key: ActivationKey, at: Instant) -> None:
        """A justified use was recorded."""
        covered = self.covered()
        with self._lock:
            held = self._agents.get(key.agent)
            if held is not None and (known := held.get(key)) is not None:
                held[key] = replace(known, usage=known.usage.after(at, covered))
                self._dirty[key] = None

    def take_unwritten(self) -> list[Activation]:
        """The activations whose use is not in the database yet; the caller writes it, or calls `unwritten`."""
        with self._lock:
            keys, self._dirty = self._dirty, {}
        return [found for key in keys if (found := self.find(key)) is not None]

    def unwritten(self, activations: Iterable[Activation]) -> None:
        """Writing failed: try again with the next ones."""
        with self._lock:
            self._dirty |= dict.fromkeys(each.key for each in activations)


def _newest(found: Activation, known: Activation | None) -> Activation:
    """The newer transition, with the newer use: what is stored may be behind what this node saw."""
    if known is None:
        return found
    newer = found if found.serial >= known.serial else known
    usage: Usage = max(found.usage, known.usage, key=lambda usage: (usage.last, usage.days, usage.covered))
    return newer if newer.usage == usage else replace(newer, usage=usage)
