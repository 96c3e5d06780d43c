"""What stands on what, and in which order it may go (pure).

    boundary <- activation <- activation that needs another <- run

`needs` says of each node what it needs: an activation its boundary and the activations without
which it is of no use (declared, or used together), a run the activations it works with. What
needs each other in a circle goes as one: none of it is of use without the rest.

Idleness takes leaves first: what something in use stands on stays. A withdrawal for safety
takes everything that stands on the root at once, the root first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

Needs = Mapping[str, Collection[str]]


def groups(nodes: Iterable[str], needs: Needs) -> list[tuple[str, ...]]:
    """The nodes in groups, leaves first: no group needs one that stands before it.

    A node is in a group with all that it needs and that needs it in turn. Each group is in byte
    order, and equal graphs give equal lists, in whatever order they were written down.
    """
    # Tarjan finds what is needed before what needs it; reversed, that is leaves first.
    return [tuple(sorted(each)) for each in reversed(_Circles(nodes, needs).found)]


def may_lapse(idle: Collection[str], standing: Iterable[str], needs: Needs) -> list[tuple[str, ...]]:
    """Those of the `idle` that may lapse now, in groups, leaves first.

    Args:
        idle: Activations whose time without use is over.
        standing: All activations that are in force, and all runs that are open; the idle ones may be among them.
        needs: What each needs. Nodes that are neither idle nor standing have gone, and hold nothing back.
    """
    waiting = set(idle)
    nodes = waiting | set(standing)
    dependants = _dependants(nodes, needs)
    gone: set[str] = set()
    free: list[tuple[str, ...]] = []
    for group in groups(nodes, needs):
        above = {each for member in group for each in dependants.get(member, ())} - set(group)
        if waiting.issuperset(group) and gone.issuperset(above):
            gone.update(group)
            free.append(group)
    return free


def closure(roots: Collection[str], nodes: Iterable[str], needs: Needs) -> list[tuple[str, ...]]:
    """The roots and everything among `nodes` that stands on them, in groups, roots first: what a withdrawal takes."""
    every = set(nodes) | set(roots)
    dependants = _dependants(every, needs)
    taken, look = set(roots), list(roots)
    while look:
        fresh = dependants.get(look.pop(), set()) - taken
        taken |= fresh
        look += fresh
    return groups(taken, needs)[::-1]


def mutual(together: Iterable[Collection[str]]) -> dict[str, frozenset[str]]:
    """`needs` of activations that are used together: each needs all others of its groups."""
    needs: dict[str, set[str]] = {}
    for group in together:
        for each in group:
            needs.setdefault(each, set()).update(group)
    return {each: frozenset(others - {each}) for each, others in needs.items()}


def joined(*parts: Needs) -> dict[str, frozenset[str]]:
    """All edges of several graphs."""
    every = sorted({node for part in parts for node in part})
    return {node: frozenset(each for part in parts for each in part.get(node, ())) for node in every}


def _dependants(nodes: Collection[str], needs: Needs) -> dict[str, set[str]]:
    """What stands on each node, itself left out."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        for needed in needs.get(node, ()):
            if needed in nodes and needed != node:
                found.setdefault(needed, set()).add(node)
    return found


class _Circles:
    """Tarjan's strongly connected components (SIAM J. Comput. 1, 1972), without recursion: chains may be long."""

    def __init__(self, nodes: Iterable[str], needs: Needs) -> None:
        self._known = set(nodes)
        self._needs = needs
        self._index: dict[str, int] = {}
        self._low: dict[str, int] = {}
        self._open: list[str] = []
        self._held: set[str] = set()
        self.found: list[list[str]] = []
        for node in sorted(self._known):
            if node not in self._index:
                self._walk(node)

    def _walk(self, root: str) -> None:
        path = [(root, iter(self._enter(root)))]
        while path:
            node, ways = path[-1]
            following = next(ways, None)
            if following is None:
                path.pop()
                self._leave(node)
                if path:
                    above = path[-1][0]
                    self._low[above] = min(self._low[above], self._low[node])
            elif following not in self._index:
                path.append((following, iter(self._enter(following))))
            elif following in self._held:
                self._low[node] = min(self._low[node], self._index[following])

    def _enter(self, node: str) -> list[str]:
        self._index[node] = self._low[node] = len(self._index)
        self._open.append(node)
        self._held.add(node)
        return sorted(each for each in self._needs.get(node, ()) if each in self._known)

    def _leave(self, node: str) -> None:
        if self._low[node] != self._index[node]:
            return
        group: list[str] = []
        while not group or group[-1] != node:
            group.append(self._open.pop())
        self._held.difference_update(group)
        self.found.append(group)
