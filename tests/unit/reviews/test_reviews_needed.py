"""What a narrowing leaves: not only what is used, but what that cannot do without."""

from __future__ import annotations

import pytest

from remit.access.model import Boundary, BoundaryState, Rule
from remit.catalog.model import Tier
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.reviews.effect import Used
from remit.reviews.model import Kind
from remit.reviews.subject import Subject

THIS_DAY = 20_000


def narrowed(used: set[str], **needs: tuple[str, ...]) -> set[str]:
    """What goes of a boundary with the actions a, b, c and d, of which these are used."""
    names = [ActionName(f"s/{each}") for each in "abcd"]
    rules = {
        name: Rule(action=name, needs=tuple(ActionName(f"s/{each}") for each in needs.get(name[-1], ())))
        for name in names
    }
    boundary = Boundary(
        boundary=BoundaryName("b"), agent=AgentName("bot"), purpose=PurposeName("work"), version=1, rules=rules,
        not_after=Instant(THIS_DAY * DAY + DAY), state=BoundaryState.ACTIVE, approved_by=None, approved_at=None,
    )  # fmt: skip
    found = [Used(name, Tier.LOW, THIS_DAY - 100, uses_90=int(name[-1] in used)) for name in names]
    subject = Subject(
        kind=Kind.BOUNDARY_DUE, boundaries=(boundary,), keys=(), used=tuple(found), started={}, whole=True,
        this_day=THIS_DAY,
    )  # fmt: skip
    return {each.action[-1] for each in subject.narrowing()}


@pytest.mark.parametrize(
    ("used", "needs", "goes"),
    [
        ({"a"}, {}, {"b", "c", "d"}),
        ({"a"}, {"a": ("b",)}, {"c", "d"}),
        ({"a"}, {"a": ("b",), "b": ("c",)}, {"d"}),
        ({"a"}, {"c": ("b",)}, {"b", "c", "d"}),  # who needs it goes itself
        ({"a", "d"}, {"a": ("b",), "d": ("c",)}, set()),
    ],
)
def test_what_is_needed_by_what_stays_stays(used: set[str], needs: dict[str, tuple[str, ...]], goes: set[str]) -> None:
    assert narrowed(used, **needs) == goes
