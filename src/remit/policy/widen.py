"""Do other policies of the organisation let through anything that those in force do not. Pure.

A permit that is added, a forbid that is removed, and a forbid that is changed in any way, since
whether another condition forbids more or less is not decided here: the answer errs towards yes.
Names, titles, comments and the file a policy stands in say nothing about what it holds.
"""

from __future__ import annotations

from remit.kernel.canonical import encode
from remit.policy.organisation import Organisation, Policy


def widenings(before: Organisation, after: Organisation) -> list[str]:
    """Why `after` widens what is in force, one line a reason; empty if it only forbids more or permits less."""
    forbidden = {_meaning(policy) for policy in after.policies if policy.forbids}
    permitted = {_meaning(policy) for policy in before.policies if not policy.forbids}
    lost = [policy for policy in before.policies if policy.forbids and _meaning(policy) not in forbidden]
    gained = [policy for policy in after.policies if not policy.forbids and _meaning(policy) not in permitted]
    reasons = [f"the forbid {policy.id} is removed or changed" for policy in lost]
    return reasons + [f"the permit {policy.id} is added" for policy in gained]


def _meaning(policy: Policy) -> bytes:
    """A policy without its annotations, in Cedar's own JSON, which the parser writes in one way only."""
    return encode({name: value for name, value in sorted(policy.cedar.items()) if name != "annotations"})
