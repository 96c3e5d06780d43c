"""The boundaries of everybody as pages list them: from memory, and made into text only where they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from remit.access.model import Boundary
from remit.console.desk import Look
from remit.kernel.clock import rfc3339

_SAID: Final[Mapping[str, Callable[[Boundary], Any]]] = {
    "boundary": lambda it: it.boundary,
    "agent": lambda it: it.agent,
    "purpose": lambda it: it.purpose,
    "version": lambda it: it.version,
    "state": lambda it: it.state.value,
    "approved_by": lambda it: it.approved_by,
    "not_after": lambda it: rfc3339(it.not_after),
}


class Bounded(Mapping[str, Any]):
    """One boundary in force as a row of a table. A member is worked out when it is asked for: of a hundred thousand
    rows a page shows fifty, and sorts the others by one member.
    """

    __slots__ = ("_it",)

    def __init__(self, it: Boundary) -> None:
        self._it = it

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a cell
        return _SAID[name](self._it)

    def __iter__(self) -> Iterator[str]:
        return iter(_SAID)

    def __len__(self) -> int:
        return len(_SAID)


def boundaries(look: Look) -> list[Mapping[str, Any]]:
    """What waits, and what is in force, agent by agent and by name: so it need not be sorted. Raises RemitError."""
    waits: list[Mapping[str, Any]] = list(look.get("/v1/boundaries", waiting="true")["boundaries"])
    return waits + [Bounded(each) for record in look.view.agents.values() for each in record.boundaries]
