"""What a question of an enforcement point is about: an agent's call, in either spelling, or types of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from remit.enforcement import authzen
from remit.enforcement import authzen_coaz as coaz
from remit.enforcement.model import Point
from remit.enforcement.own_types import OwnTypes
from remit.enforcement.ports import Judges
from remit.enforcement.presented import TOKEN, Shown
from remit.kernel.names import DecisionId, PurposeName
from remit.policy.model import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Tells them apart.

    Args:
        purposes: The purposes of an agent; None if there is no such agent.
        judges: The policy room.
        own_types: Who answers what is about no agent.
        base: This deployment's URL.
        shown: Reads the agents' tokens that enforcement points show.
    """

    purposes: Callable[[str], Sequence[PurposeName] | None]
    judges: Judges
    own_types: OwnTypes
    base: str
    shown: Shown

    def about_agents(self, asked: authzen.Question) -> bool:
        """Whether it is about an agent's call. Nothing that is declared changes the answer."""
        return authzen.own(asked) or coaz.spoken(asked)

    def call(self, decision: DecisionId, asked: authzen.Question, point: Point) -> Call | None:
        """The agent's call that a question is about; None if there can be none.

        Raises:
            TokenUseless: A token was shown, and is good for no call here.
            Malformed: The request contradicts itself.
        """
        if not coaz.spoken(asked):
            if TOKEN in asked.sent.context:
                return self._shown(decision, asked, point)
            return authzen.call(asked, id=decision, point=point, purposes=self.purposes(asked.subject[1]))
        agent = coaz.agent_of(asked)
        meant = coaz.translated(asked, seen=self.judges.named(agent), base=self.base)
        if meant is None:
            return None
        call = authzen.call(meant, id=decision, point=point, purposes=self.purposes(agent))
        if call is None or asked.subject[1] == agent:
            return call
        return replace(call, subject=authzen.shown(asked.subject))

    def _shown(self, decision: DecisionId, asked: authzen.Question, point: Point) -> Call | None:
        """The call of whom a token names, as the agent would make it here."""
        caller = self.shown.caller(asked, point)
        call = authzen.call(asked, id=decision, point=point, purposes=(caller.purpose,))
        return None if call is None else replace(call, caller=caller)
