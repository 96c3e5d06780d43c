"""What a decision did not come to read, and another one on other policies would (pure).

A call that a policy forbids is refused before its entitlement is looked at. Whether it would be let through without
that policy can only be said later if the entitlement is kept as it was then.
"""

from __future__ import annotations

from remit.policy.approved import APPROVED, asked_of, bound_to
from remit.policy.circumstances import Read
from remit.policy.delegated import acting
from remit.policy.entitlement import key_of
from remit.policy.limits import window_of
from remit.policy.model import Call
from remit.policy.setting import Moment, run_opened, setting_in, tier_of
from remit.policy.view import View


def completed(call: Call, read: Read, view: View) -> Read:
    """`read`, with the entitlement and the counters of every boundary that names the action.

    Once: a call that finds its approval used when it is to be committed was decided on what was known before.
    """
    if not call.entitled or read.complete:
        return read
    read.complete = True
    if read.setting is None:
        _entitlement(call, read, view)
    record = acting(view, call.caller)
    for grant in () if record is None else record.reach.grants.get((call.caller.purpose, call.action), ()):
        for limit in grant.limits:
            if limit.key not in read.used:
                read.used[limit.key] = view.counters.used(limit.key, window_of(limit, read.now))
    if known := view.approvals.get(asked_of(call)):
        # Of what was asked about other arguments, only that a person said yes to it can ever speak (`approved.py`).
        binding = view.mac(bound_to(call))
        read.approvals = tuple(
            (each, each.used or view.consumed.get(each.request, ""))
            for each in known
            if each.binding == binding or each.state == APPROVED
        )
    return read


def _entitlement(call: Call, read: Read, view: View) -> None:
    key, known = key_of(call), view.activations
    root = view.agents.get(key.agent)
    if root is None or not known.knows(key.agent):
        return
    at = Moment(read.now, known.covered(), run_opened(call.caller, root.agent))
    holder = root.holder(owner_active=True)
    read.setting = setting_in(view, key, tier=tier_of(view, call.action), grant=None, holder=holder, at=at)
    read.activation = known.find(key)
