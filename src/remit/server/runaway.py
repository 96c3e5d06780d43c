"""Stops an agent that is caught in a loop, says so to whoever answers for it, and leaves it to a person to go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from remit.agents.service import AgentService
from remit.agents.signals import Signal
from remit.enforcement.repeats import Repeats
from remit.kernel.canonical import canonical
from remit.kernel.clock import Clock, Instant, rfc3339
from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.people.change import Actor
from remit.people.notices import SqlNotices
from remit.policy.model import Answer, Call
from remit.storage.ports import Transaction, Writer

MACHINE: Final = Actor(by="remit")
_log = logger("remit.server")


@dataclass(slots=True, kw_only=True)
class Runaway:
    """Belongs to the event loop; what it changes, it changes in a thread.

    Args:
        repeats: Tells a loop.
        agents: Suspends and signals.
    """

    repeats: Repeats
    agents: Callable[[], AgentService]
    writer: Writer
    clock: Clock
    _under_way: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def saw(self, call: Call, answer: Answer, _view: Any, at: Instant) -> None:  # noqa: ANN401 - the pipeline's own
        """Take note of a committed decision."""
        agent = call.caller.agent
        if self.repeats.saw(call, answer, at) and agent not in self._under_way:
            task = asyncio.get_running_loop().create_task(self._stop(agent, call.action))
            self._under_way[agent] = task
            task.add_done_callback(lambda _: self._under_way.pop(agent, None))

    async def _stop(self, agent: str, action: str) -> None:
        try:
            await asyncio.to_thread(self.stop, agent, action)
        except RemitError as error:  # as many denials later it is tried again
            _log.error("an agent in a loop could not be suspended", agent=agent, error=error.public)

    def stop(self, agent: str, action: str) -> None:
        """Suspend it, at once; then say why. Blocks.

        Raises:
            RemitError: It could not be suspended, or that could not be said.
        """
        agents = self.agents()
        agents.suspend(agent, by=MACHINE)
        _log.warning("suspended: the same call over and over, though it was denied", agent=agent, action=action)
        said = {"what": "suspended", "reason": "loop", "action": action, "at": rfc3339(self.clock.now())}

        def tell(tx: Transaction) -> None:
            agents.signal_within(tx, agent, Signal.ANOMALY, about=f"loop: {action}", by=MACHINE)
            SqlNotices(tx.connection).put(agent, canonical(said).decode("utf-8"))

        self.writer.change(tell)
