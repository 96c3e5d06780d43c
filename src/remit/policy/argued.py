"""Which calls the organisation's forbids judge by their arguments (pure).

A forbid of an argument must see it: what goes where nobody here looks is not what was decided. Attack: a policy forbids
`to == "mallory"`, and a server reads `to` in a form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.attestation.model import Caller
from remit.kernel.names import ActionName, split_action
from remit.policy.methods import target
from remit.policy.organisation import scope
from remit.policy.schema import groups_of
from remit.policy.view import View

_CONTEXT: Final = {"Var": "context"}
_INPUT: Final = "input"
_STEPS: Final = frozenset({".", "has"})


def argued(view: View, caller: Caller, action: ActionName) -> bool:
    """Whether a forbid that can apply to the caller's calls of an action, or to whom it acts for, reads arguments."""
    if view.organisation.fault is not None:
        return True
    server, _, _ = split_action(action)
    called = target(view.servers.get(server), action)
    groups = groups_of(server, None if called is None else called.tier)
    for name in (caller.agent, *(link.agent for link in caller.links)):
        record = view.agents.get(name)
        if record is None:
            return True
        owner = record.agent.owner
        within = scope(agent=record.agent.agent, owner=owner, server=server, action=action, groups=groups)
        if any(each.forbids and reads_arguments(each.cedar) for each in view.organisation.within(within)):
            return True
    return False


def reads_arguments(cedar: Mapping[str, Any]) -> bool:
    """Whether a policy, as Cedar's JSON, may read `context.input`. Of the context as a whole it is a part."""
    return any(_reads(condition) for condition in cedar.get("conditions", ()))


def _reads(node: object) -> bool:
    if isinstance(node, Mapping):
        if node == _CONTEXT:
            return True
        for name, inside in node.items():
            if name in _STEPS and isinstance(inside, Mapping) and inside.get("left") == _CONTEXT:
                if inside.get("attr") == _INPUT:
                    return True
            elif _reads(inside):
                return True
        return False
    return isinstance(node, (list, tuple)) and any(map(_reads, node))
