"""Step 10 beside rates and budgets: windows, depth, volume, sequence, flow (pure).

Asked only where a rule, a rule beside it or the tool says something of the kind. In this order:
what needs no state; what was done before; where data goes, which a person may let pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from remit.access.conditions import Conditions
from remit.access.zones import version
from remit.kernel.clock import Instant
from remit.policy import conditions_denied as refuse
from remit.policy import flow, sequence
from remit.policy.model import Call, Denial
from remit.policy.view import Grant, ToolRecord
from remit.policy.windows import is_open, opens
from remit.storage.model import Effect, Mark


class Met(NamedTuple):
    """What must commit for the conditions to be met, and what is noted once the call came to ok."""

    effects: tuple[Effect, ...] = ()
    after: tuple[Mark, ...] = ()


def meet(
    grant: Grant, tool: ToolRecord, call: Call, mac: Callable[[bytes], str], *, now: Instant, approved: bool = False
) -> Met | Denial:
    """Whether the conditions are met as far as it can be told here, and what the writer has to see to.

    Args:
        grant: The rule, and what rules beside it ask of its action.
        tool: What is called.
        call: The call, with what the writer found otherwise than an earlier attempt proposed.
        mac: A keyed hash, the same on every node.
        now: When.
        approved: Whether a live approval of a person covers exactly this call; only flow looks at it.
    """
    conditions, found = grant.rule.conditions, list[Effect]()
    if conditions is not None:
        if (denial := _timeless(conditions, call, now) or _before(conditions, call, mac)) is not None:
            return denial
        found += sequence.effects(conditions, call, mac, boundary=grant.boundary.boundary, now=now)
    if tool.labels is not None:
        if flow.blocked(tool.labels, call, approved=approved):
            return refuse.flow_blocked(call)
        found += flow.effects(tool.labels, call, now=now, approved=approved)
    if grant.noted is None:
        return Met(tuple(found))
    admitted, after = sequence.marks(grant.noted, call, mac, now=now)
    return Met((*found, *admitted), after)


def facts(grant: Grant, call: Call) -> dict[str, Any]:
    """What the answer depends on that is not in the call as it was asked: for the payload of its entry."""
    zones = {"zones": version()} if grant.rule.conditions is not None and grant.rule.conditions.windows else {}
    return {**zones, **({"otherwise": sorted(call.otherwise)} if call.otherwise else {})}


def _timeless(conditions: Conditions, call: Call, now: Instant) -> Denial | None:
    """What needs no state."""
    if conditions.windows and not is_open(conditions.windows, now):
        return refuse.outside_window(opens(conditions.windows, now), now=now)
    if conditions.max_depth is not None and len(call.caller.links) > conditions.max_depth:
        return refuse.delegation_too_deep(len(call.caller.links), conditions.max_depth)
    if conditions.volume is not None and call.caller.pep:
        return refuse.not_counted_there(call)
    return None


def _before(conditions: Conditions, call: Call, mac: Callable[[bytes], str]) -> Denial | None:
    """What was done before, as far as the writer said."""
    ordered = conditions.requires_before or conditions.forbidden_after or conditions.per_run is not None
    if ordered and not sequence.run_of(call) and not call.hypothetical:
        return refuse.no_run(call)
    if (step := sequence.missing(conditions, call, mac)) is not None:
        return refuse.step_missing(call, step)
    if (action := sequence.hindered(conditions, call)) is not None:
        return refuse.step_forbids(call, action)
    return None
