"""An agent that asks the very same thing again and again, whatever it is told: a loop that nobody watches.

Only what was denied counts. To ask again and be let through may be somebody's work, and is what limits are for; to be
told no, how long to wait, and to ask the same at once, hundreds of times, is nobody's.
"""

from __future__ import annotations

from typing import Final

from remit.kernel.clock import SECOND, Instant
from remit.policy.model import Answer, Call, Code

WINDOW: Final = 10 * SECOND
_MOST_KNOWN: Final = 4096  # different questions; the one that was first asked longest ago is forgotten first
# These have stopped the agent already, or are of Remit itself.
_STOPPED: Final = frozenset({Code.REVOKED, Code.AGENT_SUSPENDED, Code.ENFORCEMENT_UNAVAILABLE, Code.REPLAYED_PROOF})
_Question = tuple[str, str, int]


class Repeats:
    """Counts denials of the same question, in memory: a node that restarts begins anew."""

    def __init__(self, most: int) -> None:
        """`most`: so many within `WINDOW` are a loop."""
        self._most = most
        self._seen: dict[_Question, tuple[Instant, int]] = {}

    def saw(self, call: Call, answer: Answer, at: Instant) -> bool:
        """Take note of one answer; true once the same question was denied so often, and then again as often later."""
        if answer.denial is None or answer.denial.code in _STOPPED or _only_named(call):
            return False
        question = (call.caller.agent, call.action, hash(repr(call.arguments)))
        since, count = self._seen.pop(question, (at, 0))
        if not since <= at < since + WINDOW:
            since, count = at, 0
        if count + 1 >= self._most:
            return True
        if len(self._seen) >= _MOST_KNOWN:
            del self._seen[next(iter(self._seen))]
        self._seen[question] = (since, count + 1)
        return False


def _only_named(call: Call) -> bool:
    """Whether nobody showed that it is this agent's: else whoever can make an enforcement point ask stops any agent."""
    caller = call.caller
    return bool(caller.pep) and not (caller.pep_instance or caller.cooperative)
