"""Do other policies of the organisation let through anything that those in force do not (pure).

Each policy that is not in both sets is judged by its structure. "It only forbids more" is said where that is
proved (`implied`), for whatever may be asked; everything else may widen, until a request shows that it does
(`flips`) or nobody can tell. Names, titles, comments and the file a policy stands in say nothing about what it
holds. A permit of the organisation never lets an agent through by itself: a boundary does, and it takes a
forbid away from in front of it to widen an agent's access. But it answers for types of the organisation's own,
and so one that is added is a widening like a forbid that is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from remit.kernel.canonical import encode
from remit.kernel.names import split_action
from remit.policy.implied import Groups, Tested, applies, errs, holds, stops, ways
from remit.policy.normal import Term, scope, tests
from remit.policy.organisation import Organisation, Policy

_ACTION: Final = ("var", "action")
_PRINCIPAL: Final = ("var", "principal")
ByPrincipal = dict[Term | None, list[Policy]]  # policies by the one principal that they name, if it is one


@dataclass(frozen=True, slots=True)
class Change:
    """A policy that differs. `widens` and `narrows`: it is not proved that it does not."""

    before: Policy | None
    after: Policy | None
    widens: bool
    narrows: bool

    @property
    def policy(self) -> Policy:
        """As it is to be; one that goes, as it was."""
        found = self.after or self.before
        if found is None:
            raise ValueError("a change of nothing")
        return found

    @property
    def what(self) -> str:
        """`the forbid NAME is removed`."""
        policy = self.policy
        how = "changed" if self.before and self.after else "added" if self.after else "removed"
        return f"the {'forbid' if policy.forbids else 'permit'} {policy.id} is {how}"


@dataclass(slots=True)
class Side:
    """The policies of one side, by what they hold; tests are worked out for those that are asked about.

    `validated` says of a policy whether it validates strictly against the catalog that calls are made in: then
    nothing but what the validator leaves open can be an error.
    """

    policies: Sequence[Policy]
    validated: Callable[[Policy], bool]
    groups: Groups
    _tested: dict[str, Tested] = field(default_factory=dict)
    _by_action: dict[tuple[str, bool], ByPrincipal] | None = None
    _scopes: dict[tuple[tuple[str, ...], bool], list[ByPrincipal]] = field(default_factory=dict)

    def tested(self, policy: Policy) -> Tested:
        """A policy of this side, with its tests."""
        found = self._tested.get(policy.id)
        if found is None:
            valid = partial(self.validated, policy)
            found = self._tested[policy.id] = Tested(tests(policy.cedar), valid, self.groups)
        return found

    def about(self, asked: Sequence[Term], *, forbids: bool) -> Iterator[Tested]:
        """The forbids, or the permits, whose scope may take in all that is `asked` about.

        Of two that each name one principal the other's says nothing of this one's: else a thousand policies, one for
        each agent, would be compared a million times.
        """
        scopes, one = self._about(_actions(asked), forbids=forbids), _principal(asked)
        several = (each.get(who, ()) for each in scopes for who in ((None, one) if one is not None else each))
        found = {policy.id: policy for policies in several for policy in policies}
        return (self.tested(policy) for policy in found.values())

    def _about(self, actions: tuple[str, ...], *, forbids: bool) -> list[ByPrincipal]:
        """What may take in all of `actions`; worked out once for all that name these."""
        found = self._scopes.get((actions, forbids))
        if found is None:
            by_action = self._indexed()
            names = {name for action in actions for name in (action, *self.groups(action))}
            keys = (("", forbids), *((name, forbids) for name in sorted(names)))
            found = self._scopes[actions, forbids] = [by_action[key] for key in keys if key in by_action]
        return found

    def _indexed(self) -> dict[tuple[str, bool], ByPrincipal]:
        if self._by_action is None:
            self._by_action = {}
            for policy in self.policies:
                within = scope(policy.cedar)
                for name in _actions(within) or ("",):
                    held = self._by_action.setdefault((name, policy.forbids), {})
                    held.setdefault(_principal(within), []).append(policy)
        return self._by_action


def _never(_policy: Policy) -> bool:
    return False


def changes(
    before: Organisation,
    after: Organisation,
    *,
    validated: Callable[[Policy], bool] = _never,
    groups: Groups | None = None,
) -> list[Change]:
    """Every policy that is not the same in both, in the order of their files and names; what goes comes first.

    Args:
        before: The policies as they are.
        after: As they are to be.
        validated: Whether a policy validates against the catalog. Without one, more is left open.
        groups: The action groups that an action is in, as far as they are known.
    """
    first, second = (Side(each.policies, validated, groups or named_groups) for each in (before, after))
    found = []
    for was, now in _pairs(before, after):
        widens = _lets_through(was, now, first, second)
        narrows = widens or _lets_through(now, was, second, first)
        found.append(Change(was, now, widens, narrows))
    return found


def _pairs(before: Organisation, after: Organisation) -> list[tuple[Policy | None, Policy | None]]:
    """What each policy that differs was, and what it is to be: of the same name."""
    old, new = _apart(before.policies, after.policies)
    later = {policy.id: policy for policy in new}
    return [*((policy, later.pop(policy.id, None)) for policy in old), *((None, policy) for policy in later.values())]


def widenings(
    before: Organisation,
    after: Organisation,
    *,
    validated: Callable[[Policy], bool] = _never,
    groups: Groups | None = None,
) -> list[str]:
    """Why a second person must agree, one line a reason; empty where it is proved that nothing is let through.

    The arguments are those of `changes`.
    """
    first, second = (Side(each.policies, validated, groups or named_groups) for each in (before, after))
    return [
        Change(was, now, widens=True, narrows=True).what
        for was, now in _pairs(before, after)
        if _lets_through(was, now, first, second)
    ]


def named_groups(action: str) -> frozenset[str]:
    """The groups that an action is in by its name alone."""
    if "/" not in action or action.startswith(("server:", "tier:")):
        return frozenset()
    return frozenset({f"server:{split_action(action)[0]}"})


def _apart(before: Sequence[Policy], after: Sequence[Policy]) -> tuple[list[Policy], list[Policy]]:
    """The policies of each side whose like is not on the other."""
    old, new = [(_meaning(policy), policy) for policy in before], [(_meaning(policy), policy) for policy in after]
    known, kept = {meaning for meaning, _ in old}, {meaning for meaning, _ in new}
    return (
        [policy for meaning, policy in old if meaning not in kept],
        [policy for meaning, policy in new if meaning not in known],
    )


def _meaning(policy: Policy) -> bytes:
    """A policy without its annotations, in Cedar's own JSON, which the parser writes in one way only."""
    return encode({name: value for name, value in sorted(policy.cedar.items()) if name != "annotations"})


def _lets_through(was: Policy | None, now: Policy | None, first: Side, second: Side) -> bool:
    """Whether, from `first` to `second`, this change may let anything through; False is proved."""
    if was is not None and not _still_stopped(first.tested(was), was, now, second):
        return True
    return now is not None and not now.forbids and not _was_permitted(second.tested(now), was, first)


def _still_stopped(gone: Tested, was: Policy, now: Policy | None, second: Side) -> bool:
    """Whether all that a policy stopped is stopped by another one now. A permit stops what it errs on."""
    if not was.forbids:
        return errs(gone, second.tested(now) if now is not None and not now.forbids else None)
    own = second.tested(now) if now is not None and now.forbids else None
    if own is not None and stops(gone, own):
        return True
    if any(other is not own and stops(gone, other) for other in second.about(gone.tests, forbids=True)):
        return True
    # Each way in which it applied may be forbidden by another policy now.
    options = ways(gone.tests)
    divided = len(options) > 1 and all(
        any(holds(way, other.tests, gone.groups) for other in second.about(way, forbids=True)) for way in options
    )
    return divided and errs(gone, None)


def _was_permitted(permit: Tested, was: Policy | None, first: Side) -> bool:
    """Whether all that a permit of now permits was permitted."""
    if was is not None and not was.forbids and applies(permit, first.tested(was)):
        return True
    return any(applies(permit, other) for other in first.about(permit.tests, forbids=False))


def _principal(found: Iterable[Term]) -> Term | None:
    """The one principal that tests are restricted to; None if it is not one, or not said so plainly."""
    named = (test[2] for test in found if test[0] == "==" and test[1] == _PRINCIPAL and test[2][0] == "lit")
    return next(named, None)


def _actions(found: Iterable[Term]) -> tuple[str, ...]:
    """The actions that tests are restricted to; empty if they are not."""
    for test in found:
        if test[0] in {"==", "in"} and test[1] == _ACTION:
            named = test[2][1] if test[2][0] == "set" else (test[2],)
            return tuple(str(each[2][1]) for each in named if each[:2] == ("lit", "entity"))
    return ()
