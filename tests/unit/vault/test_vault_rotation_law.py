"""Whatever a provider does and whoever is killed: calls have a key that works, and every rotation ends.

The real steps, engine and rotator, over a database in memory and a provider that loses, breaks, refuses and lies.
"""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.thorough import WHOLE, examples
from tests.unit.vault.rotation_world import CHOSEN, DANA, FIRST, NAME, PROPOSED, Trouble, World

from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.keys.secret import Secret
from remit.vault.document import Cause
from remit.vault.rotation import ENDED

pytestmark = pytest.mark.timeout(900)  # all of its examples take minutes
TROUBLES = st.lists(st.sampled_from(list(Trouble)), max_size=4)
LEFT = re.compile(r"left while its provider refused: version (\d+) may work there")
KILLS = st.lists(st.sampled_from([Trouble.NONE, Trouble.KILLED_BEFORE, Trouble.KILLED_AFTER]), max_size=4)


class Rotating(RuleBasedStateMachine):
    """Two nodes of which either may die at any instant."""

    world: World

    @initialize(
        settings_=st.sampled_from([CHOSEN, PROPOSED]),
        drain=st.sampled_from([0, SECOND, MINUTE]),
        hands=st.sampled_from([0, 0, 1]),
    )
    def begin(self, settings_: dict[str, Any], drain: int, hands: int) -> None:
        self.world = World(settings_, drain=drain)
        self.hands, self.wrong = hands, list[str]()
        self.by_hand = False
        self.world.wire.before_delete = self.deletes

    def deletes(self, key: str) -> None:
        """The invariant that matters most, at the very instant at which it could break."""
        # Kept, not raised: the engine takes what a provider raises for its answer.
        wire, lent = self.world.wire, self.world.lent()
        if key == lent:
            self.wrong.append("what calls use is taken away")
        if lent not in wire.checked | {FIRST}:
            self.wrong.append("calls use what was never seen to work")

    @rule(cause=st.sampled_from([Cause.ASKED, Cause.EXPOSURE, Cause.OWNER_CHANGE]))
    def ask(self, cause: Cause) -> None:
        self.world.ask(cause)

    @rule(node=st.sampled_from([0, 1]), troubles=TROUBLES, kills=KILLS)
    def tick(self, node: int, troubles: list[Trouble], kills: list[Trouble]) -> None:
        self.world.wire.troubles[:] = troubles
        self.world.troubles[:] = kills
        self.world.tick(node)

    @rule(by=st.sampled_from([SECOND, 20 * SECOND, 20 * MINUTE]))
    def time_passes(self, by: int) -> None:
        self.world.clock.at += by

    @rule()
    def a_freeze_falls(self) -> None:
        self.world.frozen = Instant(self.world.clock.at)

    @precondition(lambda self: self.hands and not self.by_hand)
    @rule()
    def a_person_sets_a_key(self) -> None:
        """They changed it there as well, as whoever sets one by hand has."""
        world = self.world
        self.by_hand = True
        world.wire.live["hand"] = ("a-key-set-by-hand", "by hand")
        world.wire.checked.add("a-key-set-by-hand")
        now = world.clock.now()
        world.writer.change(lambda tx: world.vault.put(tx, NAME, Secret("a-key-set-by-hand"), now=now))
        world.writer.change(world.document)

    @invariant()
    def calls_have_a_key_that_works(self) -> None:
        if hasattr(self, "world"):
            assert self.world.lent() in self.world.wire.works()
            assert not self.wrong

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.settle()
        self.calls_have_a_key_that_works()
        ended = [each.rotation for each in world.listing()]
        assert all(each.step in ENDED for each in ended)
        held = world.vault.find(NAME)
        assert held is not None
        # What a provider refused to take away until a person went on stays, and is named (`rotation_wanted.leaves`).
        left = {int(found[1]) for each in ended if (found := LEFT.match(each.said))}
        assert set(held.held) - left == {held.active}
        if not self.by_hand:  # what a person replaced is theirs to remove
            assert world.lent() in world.wire.works()
            assert len(world.wire.works()) <= 1 + len(left), [each.step for each in ended]
        assert all(each["by"] in {DANA.by, "remit"} for each in world.records.said if each["kind"] == "change")
        said = str(world.records.said)
        assert not any(value in said for value in (FIRST, world.lent(), "key-number-"))


TestRotating = Rotating.TestCase
TestRotating.settings = settings(
    max_examples=examples(2000) if os.environ.get(WHOLE) else 100, stateful_step_count=25, deadline=None
)
