"""What people reach through agents: owners and stand-ins, then and now."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.certification.posture.growth import Tally
from remit.certification.posture.reach import Through, people
from remit.certification.posture.row import Row


def row(owner: str, *stand_ins: str, direct: int = 0, latent: int = 0) -> Row:
    sums = Tally(direct_weight=direct, latent_weight=latent)
    return Row(sums=sums, table="t", owner=owner, stand_ins=stand_ins)


def test_owners_and_stand_ins_are_told_apart() -> None:
    lee, dana = people([row("dana", "lee", direct=10, latent=3), row("lee", direct=1)], [])
    assert (dana.person, dana.owns, dana.stands_in, dana.gained) == ("dana", Through(1, 10, 3), Through(), 13)
    assert (lee.person, lee.owns, lee.stands_in, lee.weight) == ("lee", Through(1, 1, 0), Through(1, 10, 3), 14)
    assert lee.gained == 14


def test_who_gained_most_comes_first() -> None:
    now = [row("dana", direct=100), row("lee", direct=60), row("mo", direct=5)]
    then = [row("dana", direct=99), row("lee", direct=10), row("mo", direct=50)]
    assert [(each.person, each.gained) for each in people(now, then)] == [("lee", 50), ("dana", 1), ("mo", -45)]


def test_taking_an_agent_over_is_a_gain_and_giving_it_away_a_loss() -> None:
    found = {each.person: each for each in people([row("lee", direct=7, latent=2)], [row("dana", direct=7, latent=2)])}
    assert (found["lee"].gained, found["dana"].gained, found["dana"].owns) == (9, -9, Through())


def test_an_owner_who_is_their_own_backup_counts_once() -> None:
    (dana,) = people([row("dana", "dana", direct=4)], [])
    assert dana.weight == 4


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99), st.integers(0, 99)), max_size=9))
def test_owners_together_reach_what_the_agents_do(agents: list[tuple[str, int, int]]) -> None:
    rows = [row(owner, direct=direct, latent=latent) for owner, direct, latent in agents]
    found = people(rows, rows)
    assert sum(each.owns.weight for each in found) == sum(direct + latent for _, direct, latent in agents)
    assert {each.gained for each in found} <= {0}
