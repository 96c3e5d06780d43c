"""Which actions are used together (pure). They lapse together: a list of buckets is of no use without reading one.

Two actions belong together if they appear in the same runs: the Jaccard index of the runs of one and the
runs of the other is at least 80 %, over at least 20 runs of their purpose. Groups are what hangs together
so. Integers only, and the same whatever the order in which runs are given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import combinations
from typing import Final

ENOUGH_RUNS: Final = 20
_PERCENT: Final = 80


def groups_of(runs: Mapping[str, AbstractSet[str]]) -> dict[str, str]:
    """For each action that is in a group: the group, named by its first action.

    Args:
        runs: The actions that each run of one agent and purpose used.
    """
    if len(runs) < ENOUGH_RUNS:
        return {}
    count: dict[str, int] = defaultdict(int)
    both: dict[tuple[str, str], int] = defaultdict(int)
    for actions in runs.values():
        for action in actions:
            count[action] += 1
        for pair in combinations(sorted(actions), 2):
            both[pair] += 1
    root = {action: action for action in count}
    for (one, other), shared in sorted(both.items()):
        # Few runs say little: a pair that met once in one run each would be a perfect match.
        if count[one] + count[other] - shared >= ENOUGH_RUNS and _alike(count[one], count[other], shared):
            _join(root, one, other)
    members: dict[str, list[str]] = defaultdict(list)
    for action in sorted(root):
        members[_root(root, action)].append(action)
    return {action: found[0] for found in members.values() if len(found) > 1 for action in found}


def _alike(one: int, other: int, shared: int) -> bool:
    return shared * 100 >= _PERCENT * (one + other - shared)


def _root(root: Mapping[str, str], action: str) -> str:
    while root[action] != action:
        action = root[action]
    return action


def _join(root: dict[str, str], one: str, other: str) -> None:
    first, second = sorted((_root(root, one), _root(root, other)))
    root[second] = first


def others_of(groups: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """For each action of (action, group): the others of its group."""
    members: dict[str, list[str]] = defaultdict(list)
    for action, group in groups:
        members[group].append(action)
    return {
        action: tuple(sorted(each for each in found if each != action))
        for found in members.values()
        for action in found
    }
