"""A person who looks at a boundary is told what of it is used like a clock, unless its owner said that it would be."""

from __future__ import annotations

from tests.interaction.apply_world import DANA, Rig, Tree
from tests.interaction.reviews_world import World

from remit.kernel.clock import DAY


def asked(world: World, **used: list[int]) -> object:
    for tool, days in used.items():
        for ago in days:
            world.use(tool, ago)
    return world.ask("pay", kind="boundary_due", about="pay", facts={}).facts.get("used_like_a_clock")


def test_it_is_a_fact_of_the_question(applied: Rig, tree: Tree) -> None:
    world = World(applied, tree)
    world.rig.clock.at += 60 * DAY
    found = asked(world, list_payees=list(range(10)), list_invoices=[0, 1, 2, 5, 6, 20, 21, 22, 30])
    assert found == ["payments/list_payees"]
    assert world.ask("list_payees").facts.get("used_like_a_clock") is None, "of an entitlement nothing is said of it"


def test_what_was_declared_is_none(rig: Rig, tree: Tree) -> None:
    tree.boundary["allow"][0]["cadence"] = "1d"
    rig.apply(tree, by=DANA, approve=True)
    world = World(rig, tree)
    world.rig.clock.at += 60 * DAY
    assert asked(world, list_payees=list(range(10)), transfer=[1, 2, 3]) is None
