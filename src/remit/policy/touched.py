"""Whether a change of policies and boundaries can have anything to do with one call (pure).

Of the policies a decision reads those alone whose scope can apply to it, and of the agents the caller and those for
whom it acts. Where these are the same, so is the decision: a replay need not make it a second time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from remit.policy.methods import target
from remit.policy.model import Call
from remit.policy.organisation import Organisation, scope
from remit.policy.schema import groups_of
from remit.policy.slices import Recent
from remit.policy.view import AgentRecord, View


@dataclass(frozen=True, slots=True)
class Touched:
    """What differs between two views that are alike but for their policies and their agents' boundaries.

    Args:
        was: The one.
        would: The other.
    """

    was: View
    would: View
    _asked: Recent = field(default_factory=Recent)  # an agent may make up any number of actions

    def __call__(self, call: Call) -> bool:
        """Whether `call` may be decided otherwise on the one than on the other."""
        return any(self._of(agent, call) for agent in (call.caller.agent, *(each.agent for each in call.caller.links)))

    def _of(self, agent: str, call: Call) -> bool:
        key = (agent, call.action)
        known: bool | None = self._asked.get(key)
        if known is None:
            known = self._looked(agent, call)
            self._asked.put(key, known)
        return known

    def _looked(self, agent: str, call: Call) -> bool:
        record = self.was.agents.get(agent)
        if record is not self.would.agents.get(agent):
            return True
        before, after = self.was.organisation, self.would.organisation
        if before is after or record is None:
            return False
        if (before.fault, after.fault) != (None, None):
            return True
        return _applying(before, record, call, self.was) != _applying(after, record, call, self.was)


def _applying(organisation: Organisation, record: AgentRecord, call: Call, view: View) -> dict[str, tuple[str, object]]:
    """What a decision can read of the policies: by its name, the text and the title of each that can apply."""
    # A method that a boundary grants is in the group of its tier, as a tool is; asked for otherwise, it is not. What is
    # looked at is the more of the two.
    called = target(view.servers.get(call.server), call.action)
    within = scope(
        agent=record.agent.agent, owner=record.agent.owner, server=call.server, action=call.action,
        groups=groups_of(call.server, None if called is None else called.tier),
    )  # fmt: skip
    return {each.id: (each.text, each.title) for each in organisation.within(within)}
