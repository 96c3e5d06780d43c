"""The rule of rotation: the life of a key, played with every mishap of time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import DAY, SECOND, Instant
from remit.keys import rotation
from remit.keys.rotation import TOKEN, KeyRecord, KeyState, Schedule
from remit.policy.mandate import LIFETIME as MANDATE_LIFETIME
from remit.policy.view import STALE_AFTER
from remit.tokens.http import _SHORT
from remit.tokens.model import TOKEN_LIFETIME

ORDER = list(KeyState)
NOON = Instant(1_800_000_000 * SECOND)


def key(kid: str, state: KeyState, since: int = 0) -> KeyRecord:
    return KeyRecord(
        kid=kid, use=TOKEN, algorithm="ES256", state=state, created=Instant(since), since=Instant(since)
    )  # fmt: skip


@dataclass
class Deployment:
    """Keys, tokens and verifiers' caches; every second is one step."""

    schedule: Schedule
    life: int
    cache: int
    now: int = 0
    keys: list[KeyRecord] = field(default_factory=lambda: [key("k0", KeyState.ACTIVE)])
    tokens: list[tuple[str, int]] = field(default_factory=list)  # kid, expires
    cached: tuple[int, frozenset[str]] = (0, frozenset({"k0"}))  # a verifier's JWKS: read at, kids
    born: int = 1

    def published(self) -> frozenset[str]:
        return frozenset(each.kid for each in self.keys if each.state in rotation.PUBLISHED)

    def move(self, moves: tuple[rotation.Move, ...], *, distrusted: bool = False) -> None:
        for one in moves:
            (at,) = [n for n, each in enumerate(self.keys) if each.kid == one.kid]
            before = self.keys[at]
            self.keys[at] = rotation.moved(before, one.to, now=Instant(self.now), distrusted=distrusted)
            step = ORDER.index(one.to) - ORDER.index(before.state)
            assert step == 1 or (distrusted and step > 0)

    def make(self, state: KeyState) -> None:
        self.keys.append(key(f"k{self.born}", state, self.now))
        self.born += 1

    def tick(self) -> None:
        self.move(rotation.due(self.keys, self.schedule, now=Instant(self.now)))
        if rotation.begins(self.keys, self.schedule, now=Instant(self.now)):
            self.make(rotation.born(self.keys))

    def begin(self) -> None:
        if rotation.pending(self.keys) is None:
            self.make(KeyState.PENDING)

    def emergency(self) -> None:
        self.move(rotation.emergency(self.keys), distrusted=True)
        self.make(KeyState.ACTIVE)
        dead = {each.kid for each in self.keys if each.distrusted}
        self.tokens = [one for one in self.tokens if one[0] not in dead]  # said plainly: they die at once
        self.cached = (self.now, self.published())  # a verifier that meets an unknown kid reads again

    def issue(self) -> None:
        signing = rotation.active(self.keys)
        assert signing is not None
        self.tokens.append((signing.kid, self.now + self.life))

    def check(self) -> None:
        assert [each.state for each in self.keys].count(KeyState.ACTIVE) == 1
        assert [each.state for each in self.keys].count(KeyState.PENDING) <= 1
        live = {kid for kid, expires in self.tokens if expires > self.now}
        assert live <= self.published()
        if self.now - self.cached[0] >= self.cache:
            self.cached = (self.now, self.published())
        assert live <= self.cached[1], "a verifier that reads the JWKS as seldom as it may does not know a token's key"


steps = st.lists(
    st.one_of(
        st.sampled_from(["tick", "issue", "begin", "emergency"]), st.integers(min_value=1, max_value=40).map(str)
    ),
    max_size=60,
)


@given(
    steps=steps, every=st.integers(20, 120), life=st.integers(1, 20), cache=st.integers(1, 20),
    more=st.integers(0, 20), missed=st.booleans(),
)  # fmt: skip
def test_one_key_signs_and_every_live_token_has_its_key_in_every_cache(
    *, steps: list[str], every: int, life: int, cache: int, more: int, missed: bool
) -> None:
    world = Deployment(Schedule(every=every, publish=cache + more, linger=life + cache + more), life, cache)
    for step in steps:
        if step.isdigit():
            for _ in range(int(step)):
                world.now += 1
                if not missed:  # else the server was down, and only the next tick catches up
                    world.tick()
                world.check()
        else:
            getattr(world, step)()
            world.check()


@pytest.mark.parametrize(("publish", "linger", "holds"), [(10, 30, True), (9, 30, False), (10, 18, False)])
def test_a_wait_that_is_too_short_would_break_it(*, publish: int, linger: int, holds: bool) -> None:
    """The law above can fail: with a cache of 10 and a life of 20, either wait a little shorter is found."""
    world = Deployment(Schedule(every=1000, publish=publish, linger=linger), life=20, cache=10)
    if holds:
        _played(world)
    else:
        with pytest.raises(AssertionError):
            _played(world)


def _played(world: Deployment) -> None:
    for now in range(200):
        world.now = now
        world.tick()
        world.issue()
        if now == 0:
            world.begin()
        world.check()


@given(st.sampled_from(ORDER), st.sampled_from(ORDER))
def test_no_state_is_gone_back_to(state: KeyState, to: KeyState) -> None:
    before = key("k", state)
    if ORDER.index(to) > ORDER.index(state):
        assert rotation.moved(before, to, now=NOON).state is to
    else:
        with pytest.raises(ValueError, match="does not become"):
            rotation.moved(before, to, now=NOON)


def test_a_key_is_published_long_enough_before_it_signs_and_kept_long_enough_after() -> None:
    schedule = Schedule()
    cached = int(_SHORT["Cache-Control"].rpartition("=")[2]) * SECOND
    assert schedule.publish >= cached + STALE_AFTER + 60 * SECOND
    assert schedule.linger >= max(TOKEN_LIFETIME, MANDATE_LIFETIME) + STALE_AFTER + 60 * SECOND
    assert schedule.every == 90 * DAY


def test_to_the_microsecond() -> None:
    schedule = Schedule(every=100, publish=10, linger=20)
    keys = [key("old", KeyState.ACTIVE), key("new", KeyState.PENDING, 50)]
    assert rotation.due(keys, schedule, now=Instant(59)) == ()
    assert [(one.kid, one.to) for one in rotation.due(keys, schedule, now=Instant(60))] == [
        ("old", KeyState.VERIFY_ONLY),
        ("new", KeyState.ACTIVE),
    ]
    going = [key("old", KeyState.VERIFY_ONLY, 60), key("new", KeyState.ACTIVE, 60)]
    assert rotation.due(going, schedule, now=Instant(79)) == ()
    assert [one.kid for one in rotation.due(going, schedule, now=Instant(80))] == ["old"]
    assert not rotation.begins(going, schedule, now=Instant(159))
    assert rotation.begins(going, schedule, now=Instant(160))
    assert not rotation.begins([*going, key("next", KeyState.PENDING, 160)], schedule, now=Instant(160))


def test_where_nothing_signs_a_key_is_due_and_signs_at_once() -> None:
    """A use that is newer than its database; and what an emergency leaves."""
    schedule = Schedule()
    for left in ([], [key("gone", KeyState.RETIRED)], [key("going", KeyState.VERIFY_ONLY)]):
        assert rotation.begins(left, schedule, now=Instant(0))
        assert rotation.born(left) is KeyState.ACTIVE
    coming = [key("coming", KeyState.PENDING)]
    assert not rotation.begins(coming, schedule, now=NOON), "one is enough"
    signing = [key("signing", KeyState.ACTIVE)]
    assert rotation.born(signing) is KeyState.PENDING
    assert rotation.born([*signing, *coming]) is KeyState.PENDING


@given(steps=steps)
def test_a_use_that_begins_with_no_key_has_one_with_the_first_tick(steps: list[str]) -> None:
    world = Deployment(Schedule(every=60, publish=10, linger=20), life=5, cache=5, keys=[])
    world.tick()
    assert [each.state for each in world.keys] == [KeyState.ACTIVE]
    world.cached = (0, world.published())
    for step in steps:
        if step.isdigit():
            for _ in range(int(step)):
                world.now += 1
                world.tick()
                world.check()
        else:
            getattr(world, step)()
            world.check()


def test_the_uses_that_rotate_are_tokens_and_events_and_never_the_log() -> None:
    assert rotation.ROTATING == ("token", "set")
    assert rotation.LOG not in rotation.ROTATING


def test_an_emergency_leaves_nothing_that_may_have_been_read() -> None:
    keys = [key(state.value, state) for state in ORDER]
    assert {one.kid for one in rotation.emergency(keys)} == {"pending", "active", "verify_only"}
    gone = rotation.moved(keys[1], KeyState.RETIRED, now=NOON, distrusted=True)
    assert (gone.since, gone.distrusted) == (NOON, True)


def test_a_clock_that_went_back_makes_no_state_longer() -> None:
    late = replace(key("k", KeyState.PENDING), since=NOON)
    assert rotation.moved(late, KeyState.ACTIVE, now=Instant(NOON - 1)).since == NOON


@pytest.mark.parametrize("name", ["every", "publish", "linger"])
def test_no_wait_is_nothing(name: str) -> None:
    with pytest.raises(ValueError, match="for some time"):
        Schedule(**{name: 0})
