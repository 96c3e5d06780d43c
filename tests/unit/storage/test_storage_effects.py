from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import Instant
from remit.storage.effects import settle, wanted
from remit.storage.model import Committed, ConsumeProof, Effect, Entry, Release, Reserve, Work

NOON, LATER = Instant(0), Instant(10)
keys = st.sampled_from("abc")
small = st.integers(0, 6)
effects: st.SearchStrategy[Effect] = st.one_of(
    st.builds(ConsumeProof, keys, st.just(LATER)),
    st.builds(Reserve, keys, st.just(NOON), st.just(LATER), small, small),
    st.builds(Release, keys, st.just(NOON), small),
)
batches = st.lists(
    st.lists(effects, max_size=4).map(lambda chosen: Work((Entry("e", b""),), tuple(chosen))), max_size=6
)


class OneByOne:
    """The rules as they are told: one work after the other, each effect on the rows themselves."""

    def __init__(self) -> None:
        self.proofs: set[str] = set()
        self.used: dict[str, int] = {}

    def run(self, work: Work) -> Committed:
        failed: Effect | None = None
        for effect in work.effects:
            if isinstance(effect, ConsumeProof):
                if effect.key in self.proofs and failed is None:
                    failed = effect
                self.proofs.add(effect.key)
        if failed:
            return Committed(failed)
        before, counts = dict(self.used), []
        for effect in work.effects:
            if isinstance(effect, Reserve):
                if self.used.get(effect.key, 0) + effect.amount > effect.limit:
                    self.used = before
                    return Committed(effect)
                self.used[effect.key] = self.used.get(effect.key, 0) + effect.amount
                counts.append(self.used[effect.key])
            elif isinstance(effect, Release) and effect.key in self.used:
                self.used[effect.key] = max(0, self.used[effect.key] - effect.amount)
        return Committed(None, tuple(counts))


@given(st.lists(batches, max_size=3))
def test_a_batch_comes_to_what_its_works_come_to_one_by_one(sequence: list[list[Work]]) -> None:
    model = OneByOne()
    proofs: set[str] = set()
    used: dict[tuple[str, int], int] = {}
    for works in sequence:
        fresh = wanted(works).proofs.keys() - proofs
        proofs |= fresh
        settled = settle(works, fresh=fresh, used=used)
        used.update(settled.counters)
        assert settled.answers == [model.run(work) for work in works]
        assert {key: value for (key, _), value in used.items()} == model.used
        assert proofs == model.proofs


@given(batches)
def test_no_counter_is_ever_negative_or_pushed_over_the_limit_that_admitted_it(works: list[Work]) -> None:
    settled = settle(works, fresh=set(wanted(works).proofs), used={})
    assert min(settled.counters.values(), default=0) >= 0
    for work, answer in zip(works, settled.answers, strict=True):
        assert isinstance(answer, Committed)
        limits = [effect.limit for effect in work.effects if isinstance(effect, Reserve)]
        assert all(used <= limit for used, limit in zip(answer.used, limits, strict=False))


def test_a_negative_reservation_is_nobodys_but_its_own_failure() -> None:
    bad = Work((Entry("a", b""),), (Reserve("k", NOON, LATER, -1, 5),))
    good = Work((Entry("b", b""),), (Reserve("k", NOON, LATER, 1, 5),))
    settled = settle([bad, good], fresh=set(), used={("k", NOON): 3})
    assert isinstance(settled.answers[0], ValueError)
    assert settled.answers[1] == Committed(None, (4,))
    assert [entry.id for entry in settled.entries] == ["b"]
