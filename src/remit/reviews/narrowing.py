"""A boundary's document without some of its actions (pure)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Final

from remit.access.draft import Clause, Draft, Version
from remit.access.model import Rule
from remit.catalog.pattern import matches
from remit.kernel.names import ActionName

_BOUNDS: Final = tuple(each.name for each in fields(Rule) if each.name != "action")


def without(version: Version, taken: Collection[ActionName]) -> Draft | None:
    """The document of the version in force without the actions `taken`; None if none would be left.

    A clause none of whose actions goes stays as it was written, but for what it needs of them. A pattern
    that loses one becomes the actions that are left of it, each by its name: a pattern would bring the
    lost one back.
    """
    rules = version.rules or {}
    left = [action for action in sorted(rules) if action not in taken]
    if not left:
        return None
    exact = {clause.pattern for clause in version.draft.allow if clause.exact}
    clauses: dict[str, Clause] = {}
    for clause in version.draft.allow:
        mine = [action for action in rules if _stands_for(clause, action, exact)]
        # One that is taken by its own name may match a pattern as well, which would then let it in.
        if mine and not any(_matched(clause, action) for action in taken):
            clauses[clause.pattern] = _freed(clause, taken)
            continue
        for action in mine:
            if action not in taken:
                clauses.setdefault(action, _freed(_named(rules[action]), taken))
    return replace(version.draft, allow=tuple(clauses.values()))


def _freed(clause: Clause, taken: Collection[ActionName]) -> Clause:
    """What is gone is needed no more."""
    return replace(clause, needs=tuple(each for each in clause.needs if each not in taken))


def _matched(clause: Clause, action: ActionName) -> bool:
    return clause.pattern == action if clause.exact else matches(clause.pattern, action)


def _stands_for(clause: Clause, action: ActionName, exact: Collection[str]) -> bool:
    """As `access/expand` reads it: an exact action wins over a pattern."""
    return _matched(clause, action) and (clause.exact or action not in exact)


def _named(rule: Rule) -> Clause:
    return Clause(pattern=rule.action, **{name: getattr(rule, name) for name in _BOUNDS})
