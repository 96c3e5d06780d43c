"""A rotation from its beginning to its end, against a provider in memory that does what it is told to."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.vault.rotation_world import CHOSEN, FIRST, NAME, PROPOSED, Trouble, World

from remit.kernel.clock import HOUR, MINUTE, Instant
from remit.kernel.names import SecretName
from remit.keys.secret import Secret
from remit.vault.document import Cause
from remit.vault.model import Material
from remit.vault.rotation import Step
from remit.vault.rotation_wanted import PAUSE
from remit.vault.rotator import Plan
from remit.vault.rotators.http import left
from remit.vault.rotators.http_settings import settings


@pytest.mark.parametrize("settings", [CHOSEN, PROPOSED], ids=["chosen", "proposed"])
def test_a_key_is_replaced(settings: dict[str, Any]) -> None:
    world = World(settings)
    world.ask()
    world.tick()
    assert [each.rotation.step for each in world.listing()] == [Step.DRAIN]
    assert world.lent() != FIRST
    assert world.wire.works() == {FIRST, world.lent()}
    world.settle()
    assert world.wire.works() == {world.lent()}
    assert [each.rotation.step for each in world.listing()] == [Step.DONE]
    held = world.vault.find(NAME)
    assert held is not None
    assert set(held.held) == {2}


def steps(world: World) -> list[Step]:
    return [each.rotation.step for each in world.listing()]


def told(world: World) -> list[str]:
    return [each.rotation.said for each in world.listing()]


@pytest.mark.parametrize("settings", [CHOSEN, PROPOSED], ids=["chosen", "proposed"])
@pytest.mark.parametrize("trouble", [Trouble.UNANSWERED, Trouble.BROKEN, Trouble.KILLED_AFTER, Trouble.LOST])
def test_what_an_attempt_left_is_removed(settings: dict[str, Any], trouble: Trouble) -> None:
    world = World(settings)
    world.ask()
    world.wire.troubles[:] = [Trouble.NONE, trouble] if settings is CHOSEN else [trouble]  # the list, then the making
    world.tick()
    world.settle()
    assert steps(world) == [Step.DONE]
    assert world.wire.works() == {world.lent()} != {FIRST}
    assert world.wire.made == (0 if settings is PROPOSED else 1 if trouble is Trouble.LOST else 2)


def test_what_was_made_so_late_that_nobody_waited_is_removed_at_the_end() -> None:
    world = World(CHOSEN)
    world.ask()
    world.tick()
    rotation = world.listing()[0].rotation.rotation
    world.wire.live["late"] = ("a-key-made-too-late", f"{rotation}.1")
    world.wire.live["theirs"] = ("a-key-of-somebody", "by hand")
    world.settle()
    assert world.wire.works() == {world.lent(), "a-key-of-somebody"}


def test_a_provider_that_only_says_yes_is_found_out_and_told() -> None:
    world = World(CHOSEN)
    world.ask()
    for _ in range(40):
        world.wire.troubles[:] = [Trouble.LIES] * 8 if steps(world) != [Step.CREATE] else []
        world.tick()
        world.clock.at += MINUTE
    assert world.wire.works() == {FIRST, world.lent()}
    assert steps(world)[0] in {Step.REVOKE, Step.CONFIRM}
    (incident,) = [each for each in world.records.said if each["kind"] == "incident"]
    assert (incident["what"], incident["version"], incident["owner"]) == ("rotation_unconfirmed", 1, "dana")
    world.settle()
    assert world.wire.works() == {world.lent()}


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_provider_that_says_no_leaves_everything_as_it_was(at: int) -> None:
    world = World(CHOSEN, every=MINUTE)
    world.clock.at += MINUTE  # old enough: it begins by itself
    world.wire.troubles[:] = [Trouble.NONE] * at + [Trouble.SAYS_NO]
    world.tick()
    world.settle()
    assert steps(world) == [Step.UNDONE]
    assert world.lent() == FIRST
    assert world.wire.works() == {FIRST}
    world.tick()
    assert steps(world) == [Step.UNDONE]  # not at once again
    world.clock.at += PAUSE
    world.tick()
    assert steps(world) == [Step.DRAIN, Step.UNDONE]


def test_a_key_that_is_none_is_never_used() -> None:
    world = World(CHOSEN)
    world.ask()
    world.wire.troubles[:] = [Trouble.NONE, Trouble.LIES]
    world.tick()
    assert (steps(world), world.lent()) == ([Step.UNDONE], FIRST)


def test_a_value_that_its_document_would_show_is_never_used() -> None:
    """Attributes are listed, logged and on pages."""
    world = World(CHOSEN | {"attributes_at": {"id": "/key"}})
    world.ask()
    world.tick()
    assert (steps(world), world.lent()) == ([Step.UNDONE], FIRST)
    assert "key-number" not in repr(world.records.said)


def test_an_exposure_takes_the_drain_away() -> None:
    world = World(CHOSEN, drain=HOUR)
    world.ask()
    world.tick()
    assert steps(world) == [Step.DRAIN]
    world.ask(Cause.EXPOSURE)
    world.tick()
    assert steps(world) == [Step.DONE]
    assert world.wire.works() == {world.lent()}


def test_an_exposed_version_is_replaced_without_being_asked() -> None:
    world = World(CHOSEN, drain=HOUR)
    exposed = world.writer.change(lambda tx: world.vault.versions.find(tx, NAME, 1))
    world.writer.change(lambda tx: world.vault.versions.expose(tx, exposed, "a scanner", now=world.clock.now()))
    world.tick()
    assert [(each.rotation.step, each.rotation.cause) for each in world.listing()] == [(Step.DONE, Cause.EXPOSURE)]
    assert world.wire.works() == {world.lent()}


def test_a_freeze_rotates_once() -> None:
    world = World(CHOSEN, drain=0)
    world.frozen = world.clock.now()
    world.clock.at += 1
    for _ in range(3):
        world.tick()
        world.clock.at += MINUTE
    assert [(each.rotation.step, each.rotation.cause) for each in world.listing()] == [(Step.DONE, Cause.FREEZE)]


def test_an_event_that_its_document_does_not_name_changes_nothing() -> None:
    world = World(CHOSEN, on=(Cause.EXPOSURE,))
    world.frozen = world.clock.now()
    world.tick()
    world.ask(Cause.OWNER_CHANGE)
    assert steps(world) == []


def test_a_value_that_a_person_set_meanwhile_stays() -> None:
    world = World(CHOSEN)
    world.ask()
    world.wire.troubles[:] = [Trouble.NONE, Trouble.NONE, Trouble.LOST]  # it waits for a key that is being verified
    world.tick()
    assert steps(world) == [Step.VERIFY]
    world.wire.live["hand"] = ("a-key-set-by-hand", "by hand")
    world.writer.change(lambda tx: world.vault.put(tx, NAME, Secret("a-key-set-by-hand"), now=world.clock.now()))
    world.settle()
    assert (steps(world), world.lent()) == ([Step.UNDONE], "a-key-set-by-hand")
    assert world.wire.works() == {FIRST, "a-key-set-by-hand"}


def test_a_key_of_which_nothing_is_known_is_not_taken_for_gone() -> None:
    settings = {name: each for name, each in CHOSEN.items() if name != "by_hand"}
    world = World(settings)
    world.wire.live["hand"] = ("a-key-set-by-hand", "by hand")
    world.writer.change(lambda tx: world.vault.put(tx, NAME, Secret("a-key-set-by-hand"), now=world.clock.now()))
    world.ask()
    for _ in range(5):
        world.tick()
        world.clock.at += MINUTE
    assert steps(world) == [Step.CONFIRM]
    assert "by_hand" in told(world)[0]
    del world.wire.live["hand"]
    world.settle()
    assert steps(world) == [Step.DONE]


def test_nothing_is_said_of_a_value() -> None:
    world = World(CHOSEN)
    world.ask()
    world.settle()
    assert not any(value in str(world.records.said) for value in (FIRST, world.lent()))
    kinds = [(each["what"], each["change"]) for each in world.records.said]
    assert kinds.count(("secret", "rotate")) == 5  # reserved, filled, drains, is used, is gone
    assert [each["step"] for each in world.records.said if each["what"] == "rotation"] == [
        "create", "create", "create", "verify", "promote", "drain", "revoke", "confirm",
    ]  # fmt: skip


def test_an_attempt_that_comes_late_removes_nothing_that_a_later_one_made() -> None:
    listed = [{"id": f"k{at}", "label": f"rot_1.{at}"} for at in range(1, 5)]
    said = settings(CHOSEN).leftovers
    assert said is not None
    for attempt in range(1, 5):
        late = Plan(
            rotation="rot_1", secret=SecretName("api-key"), version=2, settings=CHOSEN, admin=never,
            started=Instant(0), current=None, known=({"id": "k1"},), attempt=attempt,
        )  # fmt: skip
        assert [each["id"] for each in left({"keys": listed}, said, late)] == [f"k{at}" for at in range(2, attempt)]


def never(name: str) -> Material:
    raise AssertionError("nobody is asked")
