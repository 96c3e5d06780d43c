"""A narrower boundary from what was really used, and what it would have refused (pure).

Two parts of one history: a boundary is proposed from the older part, and judged on the newer
one with the rules that judge calls. Nothing here applies anything: a person reads the
proposal, and `remit apply` takes it as the narrowing that it is. For an agent without a
boundary the same makes a first draft, which its owner approves.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from remit.access import spec
from remit.access.draft import Clause
from remit.access.fit import misfits
from remit.access.model import Bound, Boundary, Rule
from remit.access.needs import closure
from remit.catalog.model import Tier
from remit.certification.posture.privilege import WEIGHT
from remit.certification.rightsizing.document import boundary_document, duration
from remit.certification.rightsizing.generalise import Dial, Scope, bounds
from remit.certification.rightsizing.proposal import Observed, Proposal, Refusal, Row, Target
from remit.kernel.clock import Instant
from remit.kernel.errors import ConfigInvalid
from remit.kernel.names import ActionName, split_action
from remit.policy.constraints import violations

MOST_ACTIONS: Final = 1000  # a boundary's document names no more

Schema = Callable[[ActionName], Mapping[str, Any] | None]


def cut_at(calls: Iterable[Observed], *, hold_out: int) -> Instant | None:
    """When the newest `hold_out` per cent of the calls begin; None if none is held out. One call is always learned."""
    times = sorted(call.at for call in calls)
    first = max(1, -(-len(times) * (100 - hold_out) // 100))
    return times[first] if first < len(times) else None


def rightsize(  # noqa: PLR0913 - each is one input of the rule
    calls: Iterable[Observed],
    *,
    target: Target,
    boundary: Boundary | None,
    dial: Dial,
    cut: Instant | None,
    tier: Callable[[ActionName], Tier],
    schema: Schema = lambda _action: None,
    known: Collection[ActionName] = (),
) -> Proposal:
    """Propose a boundary from the calls before `cut`, and judge it on those from `cut` on.

    With a boundary in force the proposal only narrows it, and lets pass every learned call that
    it lets pass. Rates, budgets, approvals, first use and TTL stay as they are.

    Args:
        calls: What was used; calls of others than the target's agent and purpose are left out.
        target: What is proposed.
        boundary: The one in force, or None for a first draft.
        dial: How far to generalise.
        cut: Divides learned (before) from held out; None learns from all.
        tier: The tier of an action.
        schema: The input schema of an action where it is known: no bound is proposed that does not fit it.
        known: Actions that exist, for a first draft of scope `server`.

    Raises:
        ConfigInvalid: More was used than one boundary can name.
    """
    mine = sorted((call for call in calls if (call.agent, call.purpose) == (target.agent, target.purpose)), key=_order)
    rules = None if boundary is None else boundary.rules
    inside = [call for call in mine if rules is None or refusal(rules, call) is None]
    learned = [call for call in inside if cut is None or call.at < cut]
    held = inside[len(learned) :]
    proposed = _rules(learned, rules, dial, schema=schema, known=known)
    ends = target.ends if boundary is None else min(target.ends, boundary.not_after)
    document = boundary_document(target.boundary, target.agent, target.purpose, proposed.values(), ends)
    if target.review_every is not None:
        document["review_every"] = duration(target.review_every)
    draft = spec.boundary(document) if proposed else None
    after = (
        {} if draft is None else {ActionName(each.pattern): each.rule(ActionName(each.pattern)) for each in draft.allow}
    )
    refusals = tuple(found for call in held if (found := refusal(after, call)) is not None)
    return Proposal(
        target=target,
        draft=draft,
        document=document if draft else None,
        rows=_rows(rules or {}, after, learned, held, refusals, tier),
        refusals=refusals,
        learned=len(learned),
        held=len(held),
        outside=len(mine) - len(inside),
        unread=sum(call.arguments is None for call in inside),
        weight_before=_weight(rules or {}, tier),
        weight_after=_weight(after, tier),
    )


def _order(call: Observed) -> tuple[Instant, ActionName]:
    return call.at, call.action


def _rules(
    learned: Sequence[Observed],
    rules: Mapping[ActionName, Rule] | None,
    dial: Dial,
    *,
    schema: Schema,
    known: Collection[ActionName],
) -> dict[ActionName, Rule]:
    by_action: dict[ActionName, list[Mapping[str, Any] | None]] = defaultdict(list)
    for call in learned:
        by_action[call.action].append(call.arguments)
    actions = set(by_action)
    if rules is not None:  # what is used stays with what it needs
        around = closure({action: rule.needs for action, rule in rules.items()})
        actions |= {each for action in by_action for each in around.get(action, ()) if each in rules}
    if dial.scope is Scope.SERVER:
        servers = {split_action(action)[0] for action in actions}
        actions |= {action for action in (known if rules is None else rules) if split_action(action)[0] in servers}
    if len(actions) > MOST_ACTIONS:
        raise ConfigInvalid(
            f"{len(actions)} actions were used, and a boundary names at most {MOST_ACTIONS}",
            try_="divide the work into several purposes",
        )
    found = {}
    for action in sorted(actions):
        old = None if rules is None else rules[action]
        when = _fitting(action, bounds(by_action.get(action, ()), old, dial), old, schema(action))
        found[action] = replace(old or Rule(action=action), when=when)
    return found


def _fitting(
    action: ActionName, when: Sequence[Bound], old: Rule | None, schema: Mapping[str, Any] | None
) -> tuple[Bound, ...]:
    """Without what the tool's schema does not have: such a bound stays as it is in force, or is none."""
    if schema is None:
        return tuple(when)
    before = {} if old is None else {bound.argument: bound for bound in old.when}
    fits = {
        bound.argument
        for bound in when
        if not any(misfits(Clause(pattern=action, when=(bound,)), schema, field="", action=action))
    }
    chosen = (bound if bound.argument in fits else before.get(bound.argument) for bound in when)
    return tuple(bound for bound in chosen if bound is not None)


def refusal(rules: Mapping[ActionName, Rule], call: Observed) -> Refusal | None:
    """What `rules` have against a call, or None; a call whose arguments are not known is judged by its action alone."""
    rule = rules.get(call.action)
    if rule is None:
        return Refusal(action=call.action, at=call.at, code="not_granted")
    wrong = () if call.arguments is None else violations(rule, call.arguments)
    return Refusal(action=call.action, at=call.at, code="constraint_violated", violations=wrong) if wrong else None


def _rows(
    before: Mapping[ActionName, Rule],
    after: Mapping[ActionName, Rule],
    learned: Sequence[Observed],
    held: Sequence[Observed],
    refusals: Sequence[Refusal],
    tier: Callable[[ActionName], Tier],
) -> tuple[Row, ...]:
    in_learned, in_held = Counter(call.action for call in learned), Counter(call.action for call in held)
    refused = Counter(each.action for each in refusals)
    return tuple(
        Row(
            action=action,
            tier=tier(action),
            learned=in_learned[action],
            held=in_held[action],
            kept=action in after,
            when=after[action].when if action in after else (),
            refused=refused[action],
        )
        for action in sorted({*before, *after, *in_held})
    )


def _weight(rules: Iterable[ActionName], tier: Callable[[ActionName], Tier]) -> int:
    return sum(WEIGHT[tier(action)] for action in rules)
