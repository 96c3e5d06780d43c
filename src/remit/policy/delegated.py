"""What an agent has while it acts for another: what is left of that one's boundaries, and nothing of its own.

Worked out from the boundaries in force whenever they change, so that what is narrowed, ended, frozen or withdrawn
at the root is so at every leaf with the next call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from remit.access.attenuate import attenuated, further
from remit.access.draft import Clause
from remit.access.model import Boundary, Rule
from remit.access.spec import clauses
from remit.attestation.model import Caller
from remit.kernel.canonical import parse
from remit.kernel.names import ActionName, split_action
from remit.policy.limits import Limit, limits_of
from remit.policy.slices import Recent
from remit.policy.view import AgentRecord, Grant, Reach, View, asked_of, grant_of

_kept = Recent(4096)  # by the records that it was worked out from


def acting(view: View, caller: Caller) -> AgentRecord | None:
    """The record that a caller's calls are judged by; None if it, or one for whom it acts, is not registered."""
    own = view.agents.get(caller.agent)
    if own is None or not caller.links:
        return own
    root = view.agents.get(caller.principal)
    if root is None:
        return None
    allows = tuple(link.allow for link in caller.links)
    chain = [own, *(each for link in caller.links if (each := view.agents.get(link.agent)) is not None)]
    key = (tuple(each.serial for each in chain), caller.purpose, caller.delegation, allows)
    found: AgentRecord | None = _kept.get(key)
    if found is None:
        # As risky as the riskiest of them: whoever is in between could have handed on what it should not.
        found = AgentRecord(own.agent, risk=max((each.risk for each in chain), key=lambda risk: risk.value))
        found.has(_reach(root, caller, [handed(each) for each in allows]))
        _kept.put(key, found)
    return found


@lru_cache(maxsize=4096)
def handed(allow: str) -> tuple[Clause, ...] | None:
    """What a link hands on; None: everything."""
    return clauses(parse(allow)) if allow else None


def _reach(root: AgentRecord, caller: Caller, asked: Sequence[tuple[Clause, ...] | None]) -> Reach:
    grants: dict[tuple[str, ActionName], list[Grant]] = {}
    servers: dict[str, dict[str, Boundary]] = {}
    kept = [each for each in root.boundaries if not each.break_glass and each.purpose == caller.purpose]
    handed_on = [replace(each, agent=caller.agent, rules=_left(each, asked)) for each in kept]
    # Of one another's actions the root's rules ask, and what was handed on with them.
    noted = asked_of([*root.boundaries, *handed_on])
    for boundary, left in zip(kept, handed_on, strict=True):
        for action, rule in left.rules.items():
            limits = (*limits_of(boundary, rule), *_own(caller, boundary, action, asked))
            key = (boundary.purpose, action)
            grants.setdefault(key, []).append(grant_of(left, rule, limits, noted.get(key)))
            servers.setdefault(split_action(action)[0], {})[boundary.boundary] = left
    return Reach(
        frozenset(action for _, action in grants),
        {server: tuple(named.values()) for server, named in servers.items()},  # type: ignore[misc]
        {key: tuple(found) for key, found in grants.items()},  # type: ignore[misc]
        {},
        {},
    )


def _left(boundary: Boundary, asked: Sequence[tuple[Clause, ...] | None]) -> Mapping[ActionName, Rule]:
    """The rules of a boundary that are left at the end of the chain."""
    rules = boundary.rules
    for each in asked:
        rules = attenuated(rules, each)
    return rules


def _own(
    caller: Caller, boundary: Boundary, action: ActionName, asked: Sequence[tuple[Clause, ...] | None]
) -> list[Limit]:
    """Rates and budgets that were handed on: counted for all who act through the same hand, beside the boundary's."""
    found: list[Limit] = []
    for link, each in zip(caller.links, asked, strict=True):
        for clause in further(action, each):
            rule = Rule(action=action, rate=clause.rate, budget=clause.budget)
            through = f"{link.agent} {link.run} "
            found += [
                replace(limit, key=limit.key.replace(" ", f" {through}", 1)) for limit in limits_of(boundary, rule)
            ]
    return found
