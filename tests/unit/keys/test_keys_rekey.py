"""A re-key beside everything else that is done with keys: a machine against a model, then examples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select, update
from tests.unit.keys.rekey_world import NOW, Cabinet, Change, Node, World

from remit.kernel.errors import Conflict, IntegrityFailed, KeyfileWrong, NotFound
from remit.keys.generations import data_key_place
from remit.keys.rekey import progress
from remit.keys.rotation import TOKEN, KeyState
from remit.keys.seal import seal
from remit.keys.service import DERIVED, KeyRing
from remit.keys.signing import new_signing_key
from remit.keys.sql import SqlKeys, WrappedDataKey
from remit.storage.schema import data_keys, roots, signing_keys

NODES = st.sampled_from([0, 1])
OWNERS = st.sampled_from([f"agent:a{number}" for number in range(6)])
OWN = {"operators", DERIVED}


class Rekeys(RuleBasedStateMachine):
    """Two nodes on one database. Changes take turns; what a node is told comes when it comes."""

    @initialize(old=st.booleans())
    def begins(self, old: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
        self.world = World(old=old)
        self.keys: dict[str, bytes] = {}
        self.signing = {record.kid for record in self.world.nodes[0].ring.records}
        ring = self.world.nodes[0].ring
        self.derived, self.log = ring.derive("mac"), ring.log_key.public

    def node(self, number: int) -> Node:
        return self.world.nodes[number]

    @rule(number=NODES, owner=OWNERS)
    def makes_or_uses(self, number: int, owner: str) -> None:
        node = self.node(number)
        newest = self.world.live()[-1]
        key = self.world.change(node, lambda tx: node.ring.ensure_data_key(tx, owner))
        if owner not in self.keys:
            assert self.world.generations()[owner] == newest
        assert self.keys.setdefault(owner, bytes(key)) == key

    @rule(number=NODES, owner=OWNERS)
    def erases(self, number: int, owner: str) -> None:
        node = self.node(number)
        self.world.change(node, lambda tx: node.ring.erase_data_key(tx, owner))
        self.keys.pop(owner, None)

    @rule(number=NODES)
    @precondition(lambda self: len(self.signing) < 6)
    def makes_a_signing_key(self, number: int) -> None:
        node = self.node(number)
        made = self.world.change(
            node,
            lambda tx: node.ring.make_signing_key(
                tx, use=TOKEN, algorithm="ES256", state=KeyState.VERIFY_ONLY, now=NOW
            ),
        )
        self.signing.add(made.kid)

    @rule(number=NODES, told=st.booleans())
    def begins_a_rekey(self, number: int, told: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
        node, live = self.node(number), self.world.live()
        if told:
            node.hear()
        root = node.rekey.prepared()
        try:
            self.world.change(node, lambda tx: node.rekey.begin(tx, root, now=NOW))
        except Conflict:
            assert len(live) > 1 or not told, "nothing stands in its way"
            assert self.world.live() == live
        else:
            assert self.world.live() == [*live, live[0] + 1]

    @rule(number=NODES, most=st.integers(1, 4))
    def makes_a_batch(self, number: int, most: int) -> None:
        node = self.node(number)
        node.made = node.rekey.batch(self.world.connection, most)

    @rule(number=NODES)
    @precondition(lambda self: any(node.made for node in self.world.nodes))
    def stores_a_batch_however_old_it_is(self, number: int) -> None:
        node = self.node(number)
        if node.made is not None:
            before = self.world.everything()
            changed = self.world.change(node, lambda tx: node.rekey.store(tx, node.made))
            assert 0 <= changed <= len(node.made.keys)
            assert self.world.everything() == before

    @rule(number=NODES)
    def ends(self, number: int) -> None:
        node, live = self.node(number), self.world.live()
        rest = progress(self.world.connection).left
        ended = self.world.change(node, lambda tx: node.rekey.end(tx, now=NOW))
        assert ended == (live[-1] if len(live) > 1 and not rest else None)
        assert self.world.live() == ([live[-1]] if ended else live)

    @rule(number=NODES)
    def is_told(self, number: int) -> None:
        self.node(number).hear()

    @rule(number=NODES)
    def crashes_and_comes_back(self, number: int) -> None:
        self.node(number).reopen()

    @rule(other=st.integers(1, 3))
    def is_rewrapped_while_all_are_stopped(self, other: int) -> None:
        provider = Cabinet(other)
        ring = KeyRing.open(self.world.connection, self.world.provider)
        ring.rewrap(Change(self.world.connection), provider)
        self.world.provider = provider
        for node in self.world.nodes:
            node.provider = provider
            node.reopen()

    @rule(number=NODES, owner=OWNERS)
    def loads(self, number: int, owner: str) -> None:
        ring = self.node(number).ring
        if owner in self.keys:
            assert ring.load_data_key(self.world.connection, owner) == self.keys[owner]
        else:
            with pytest.raises(NotFound):
                ring.load_data_key(self.world.connection, owner)

    @invariant()
    def every_live_key_opens_to_the_same_bytes_and_no_erased_one(self) -> None:
        everything = self.world.everything()
        assert {owner: key for owner, key in everything.items() if owner not in OWN} == self.keys
        ring = KeyRing.open(self.world.connection, self.world.provider)
        assert {record.kid for record in ring.records} == self.signing
        assert set(ring.token_keys._held.verifying) == {r.kid for r in ring.records if r.use == TOKEN}
        for each in (ring, *(node.ring for node in self.world.nodes)):
            assert each.derive("mac") == self.derived
            assert each.log_key.public == self.log

    @invariant()
    def nothing_is_sealed_by_a_root_that_is_gone(self) -> None:
        live = self.world.live()
        assert set(self.world.generations().values()) <= set(live)
        assert 1 <= len(live) <= 2

    @invariant()
    def a_node_has_what_it_was_told(self) -> None:
        for node in self.world.nodes:
            if not node.untold:
                live = self.world.live()
                assert node.ring.roots.live == tuple(live)
                assert (node.ring.roots.first() is None) == (1 not in live), "what is retired is forgotten"
                assert {owner: node.ring.data_key(owner) for owner in self.keys} == self.keys

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()


Rekeys.TestCase.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
TestRekeys = Rekeys.TestCase


@pytest.fixture(params=["new", "old"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(old=request.param == "old")
    for owner in ("agent:a", "agent:b"):
        made.change(made.nodes[0], lambda tx, owner=owner: made.nodes[0].ring.ensure_data_key(tx, owner))
    made.nodes[1].hear()
    yield made
    made.close()


def begun(world: World, *, most: int = 0) -> Node:
    """A re-key that has got as far as `most` keys, signing keys first."""
    node = world.nodes[0]
    root = node.rekey.prepared()
    world.change(node, lambda tx: node.rekey.begin(tx, root, now=NOW))
    if most:
        for _ in range(2):  # signing keys are a batch of their own
            batch = node.rekey.batch(world.connection, most)
            world.change(node, lambda tx, batch=batch: node.rekey.store(tx, batch))
    return node


def test_a_whole_rekey_changes_no_key(world: World) -> None:
    before, ring = world.everything(), world.nodes[0].ring
    jwks, derived = ring.token_keys.jwks(), ring.derive("mac")
    world.rekeyed(world.nodes[0])
    after = world.everything()
    assert {owner: after[owner] for owner in before} == before
    assert set(world.generations().values()) == {2}
    rows = world.connection.execute(select(roots).order_by(roots.c.generation)).all()
    assert [(row.generation, row.wrapped is None, row.retired) for row in rows] == [(1, True, NOW), (2, False, None)]
    again = KeyRing.open(world.connection, world.provider)
    assert (again.token_keys.jwks(), again.derive("mac")) == (jwks, derived)
    assert progress(world.connection).left == 0
    world.rekeyed(world.nodes[0])
    assert set(world.generations().values()) == {3}
    assert KeyRing.open(world.connection, world.provider).derive("mac") == derived


def test_what_is_derived_has_a_key_of_its_own_from_then_on(world: World) -> None:
    old = DERIVED not in world.generations()
    root = world.nodes[0].ring.roots.first()
    assert root is not None
    begun(world)
    assert (world.everything()[DERIVED] == root.reveal()) == old


@pytest.mark.parametrize("generation", [None, 2, 3])
@pytest.mark.parametrize("owner", ["agent:a", "agent:b", "operators"])
def test_a_key_opens_under_no_generation_but_its_own(world: World, owner: str, generation: int | None) -> None:
    begun(world, most=2)
    at = world.generations()
    row = data_keys.c.owner == owner
    assert len(set(at.values())) == 2, "some are done, some are not"
    world.connection.execute(update(data_keys).where(row).values(generation=generation))
    if (generation or 1) == at[owner]:
        assert KeyRing.open(world.connection, world.provider).data_key(owner)
        return
    with pytest.raises(IntegrityFailed):
        KeyRing.open(world.connection, world.provider)


def test_a_seal_opens_in_no_other_row(world: World) -> None:
    world.rekeyed(world.nodes[0])
    wrapped = world.connection.execute(select(data_keys.c.wrapped).where(data_keys.c.owner == "agent:a")).scalar_one()
    world.connection.execute(update(data_keys).where(data_keys.c.owner == "agent:b").values(wrapped=wrapped))
    with pytest.raises(IntegrityFailed):
        KeyRing.open(world.connection, world.provider)


@pytest.mark.parametrize("generation", [None, 2, 3])
def test_neither_does_a_signing_key(world: World, generation: int | None) -> None:
    begun(world, most=9)
    world.connection.execute(update(signing_keys).where(signing_keys.c.use == "log").values(generation=generation))
    if generation == 2:
        assert KeyRing.open(world.connection, world.provider)
        return
    with pytest.raises(IntegrityFailed):
        KeyRing.open(world.connection, world.provider)


def test_a_root_key_opens_as_no_other_generation(world: World) -> None:
    begun(world)
    first, second = world.connection.execute(select(roots.c.wrapped).order_by(roots.c.generation)).scalars()
    for generation, wrapped in ((1, second), (2, first)):
        with world.connection.begin_nested() as savepoint:
            row = roots.c.generation == generation
            world.connection.execute(update(roots).where(row).values(wrapped=wrapped))
            with pytest.raises(KeyfileWrong):
                KeyRing.open(world.connection, world.provider)
            savepoint.rollback()


def test_a_node_that_was_not_told_seals_under_the_newest_root(world: World) -> None:
    begun(world)
    late = world.nodes[1]
    assert late.ring.roots.live == (1,)
    world.change(late, lambda tx: late.ring.ensure_data_key(tx, "agent:late"))
    assert world.generations()["agent:late"] == 2


def test_what_was_erased_while_its_batch_was_made_stays_erased(world: World) -> None:
    node = begun(world)
    signing = node.rekey.batch(world.connection)
    world.change(node, lambda tx: node.rekey.store(tx, signing))
    batch = node.rekey.batch(world.connection)
    world.change(world.nodes[1], lambda tx: world.nodes[1].ring.erase_data_key(tx, "agent:a"))
    stored = world.change(node, lambda tx: node.rekey.store(tx, batch))
    assert stored == len(batch.keys) - 1
    assert "agent:a" not in world.everything()
    assert world.nodes[0].ring.erased(world.connection, "agent:a")


@pytest.mark.parametrize("kind", ["data", "signing"])
def test_it_does_not_end_while_one_key_is_left(world: World, kind: str) -> None:
    node, rows = begun(world, most=99), SqlKeys(world.connection)
    old = node.ring.roots.reading(world.connection)(1)
    assert progress(world.connection).left == 0
    if kind == "data":
        sealed = seal(old, bytes(32), aad=data_key_place("agent:c", 1, 1))
        rows.put_data_key(WrappedDataKey("agent:c", 1, 1, sealed), now=NOW)
    else:
        state = KeyState.VERIFY_ONLY
        rows.put_signing_key(
            new_signing_key(old, generation=1, use=TOKEN, algorithm="ES256", state=state, now=NOW)
        )  # fmt: skip
    assert progress(world.connection).left == 1
    assert world.change(node, lambda tx: node.rekey.end(tx, now=NOW)) is None
    assert world.live() == [1, 2]
    batch = node.rekey.batch(world.connection)
    assert world.change(node, lambda tx: node.rekey.store(tx, batch)) == 1
    assert world.change(node, lambda tx: node.rekey.end(tx, now=NOW)) == 2


def test_a_second_one_waits_for_the_first(world: World) -> None:
    node = begun(world)
    with pytest.raises(Conflict, match="under way"):
        node.rekey.check_begin()
    root = node.rekey.prepared()
    with pytest.raises(Conflict, match="meanwhile"):
        world.change(node, lambda tx: node.rekey.begin(tx, root, now=NOW))


def test_of_two_that_begin_at_once_one_is_too_late(world: World) -> None:
    here, there = world.nodes
    root, other = here.rekey.prepared(), there.rekey.prepared()
    world.change(here, lambda tx: here.rekey.begin(tx, root, now=NOW))
    with pytest.raises(Conflict):
        world.change(there, lambda tx: there.rekey.begin(tx, other, now=NOW))
    there.hear()
    world.change(there, lambda tx: there.ring.ensure_data_key(tx, "agent:c"))
    assert set(world.everything()) >= {"agent:a", "agent:b", "agent:c"}


def test_a_node_whose_keyfile_opens_nothing_any_more_makes_no_root(world: World) -> None:
    node, other = world.nodes
    world.change(node, lambda tx: node.ring.rewrap(tx, Cabinet(7)))
    root = other.rekey.prepared()
    with pytest.raises(Conflict, match="another keyfile"):
        world.change(other, lambda tx: other.rekey.begin(tx, root, now=NOW))
    assert KeyRing.open(world.connection, Cabinet(7)).data_key("agent:a")


def test_both_roots_are_rewrapped(world: World) -> None:
    node = begun(world, most=2)
    world.change(node, lambda tx: node.ring.rewrap(tx, Cabinet(7)))
    with pytest.raises(KeyfileWrong):
        KeyRing.open(world.connection, world.provider)
    assert KeyRing.open(world.connection, Cabinet(7)).data_key("agent:a") == node.ring.data_key("agent:a")


def test_a_provider_that_does_not_open_what_it_wraps_makes_no_root(world: World) -> None:
    class Broken(Cabinet):
        def wrap(self, plaintext: bytes, *, aad: bytes) -> bytes:
            return super().wrap(plaintext[::-1], aad=aad)

    node = world.nodes[0]
    node.ring.roots._provider = Broken()
    with pytest.raises(IntegrityFailed, match="open again"):
        node.rekey.prepared()


def test_a_root_that_was_rolled_back_seals_nothing(world: World) -> None:
    node, root = world.nodes[0], world.nodes[0].rekey.prepared()
    with world.connection.begin_nested() as savepoint:
        node.rekey.begin(Change(world.connection), root, now=NOW)
        savepoint.rollback()
    world.change(node, lambda tx: node.ring.ensure_data_key(tx, "agent:c"))
    assert world.generations()["agent:c"] == 1
    world.rekeyed(world.nodes[1])
    node.hear()
    assert node.ring.load_data_key(world.connection, "agent:c") == world.everything()["agent:c"]


def test_without_the_first_root_nothing_is_derived_from_nothing(world: World) -> None:
    world.rekeyed(world.nodes[0])
    world.connection.execute(update(data_keys).where(data_keys.c.owner == DERIVED).values(wrapped=None))
    with pytest.raises(IntegrityFailed, match="derive"):
        KeyRing.open(world.connection, world.provider)
