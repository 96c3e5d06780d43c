"""Where other nodes stand: who confirmed a stop, who has refused by itself, whose use is written down (pure)."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from remit.freezes.containment import BOUND, Containment
from remit.server import nodes
from remit.storage.peers import Node, Sight, sights

EPOCH = 9
NOW = 1000.0


def node(name: str = "nod_1", *, beat: int = 1, alive: int = 1, held: int = 0, covered: int = 0) -> Node:
    return Node(name, beat, alive, held, held, covered, None)


def sight(it: Node, *, blind: float = 0.0) -> Sight:
    return Sight(it, NOW - blind, NOW)


def standing(*others: Sight, points: bool = False) -> Containment:
    return nodes.standing(others, epoch=EPOCH, now=NOW, points=points)


def test_a_node_confirms_with_all_that_hangs_on_it() -> None:
    found = standing(sight(node("nod_1", held=EPOCH)), sight(node("nod_2", held=EPOCH - 1)))
    assert (found.confirmed, found.expired, found.pending) == (("nod_1",), (), ("nod_2",))
    assert not found.contained


def test_a_node_that_does_not_look_refuses_by_itself_after_the_bound() -> None:
    behind = node(held=EPOCH - 1)
    assert standing(sight(behind, blind=BOUND)).pending == ("nod_1",)
    assert standing(sight(behind, blind=BOUND + 0.1)).expired == ("nod_1",)


def test_a_point_that_it_let_go_on_has_as_long_again() -> None:
    behind = node(held=EPOCH - 1)
    assert standing(sight(behind, blind=BOUND + 0.1), points=True).pending == ("nod_1",)
    assert standing(sight(behind, blind=2 * BOUND + 0.1), points=True).expired == ("nod_1",)


def test_what_was_given_up_records_nothing_and_so_lets_nothing_through() -> None:
    gone = Node("nod_1", 1, 1, 0, 0, 0, 5)
    assert standing(Sight(gone, NOW, NOW)).expired == ("nod_1",)


def test_both_statements_become_one() -> None:
    here = Containment(confirmed=("gateway",), expired=("pep",), pending=())
    there = Containment(confirmed=("nod_1",), expired=(), pending=("nod_2",))
    found = nodes.together(here, there)
    assert (found.confirmed, found.expired, found.pending) == (("gateway", "nod_1"), ("pep",), ("nod_2",))


def test_use_is_written_down_as_far_as_the_slowest_has() -> None:
    assert nodes.written([]) is None
    assert nodes.written([sight(node(covered=7)), sight(node("nod_2", covered=5))]) == 5


def test_every_flush_of_another_shows() -> None:
    before = nodes.flushes([sight(node(covered=7)), sight(node("nod_2", covered=5))])
    assert before == nodes.flushes([sight(node("nod_2", covered=5)), sight(node(covered=7, beat=9))])
    assert before != nodes.flushes([sight(node(covered=7)), sight(node("nod_2", covered=6))])


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.1, 3)), max_size=20))
def test_silence_is_counted_from_the_last_sign(steps: list[tuple[bool, bool, float]]) -> None:
    now, looked, lived, it, known = 0.0, 0.0, 0.0, node(), dict[str, Sight]()
    known = sights(known, [it], now=now)
    for looks, lives, pause in steps:
        now += pause
        it = node(beat=it.beat + looks, alive=it.alive + lives)
        looked, lived = now if looks else looked, now if looks or lives else lived
        known = sights(known, [it], now=now)
        assert known["nod_1"].blind(now) == now - looked
        assert known["nod_1"].silent(now) == now - lived


def test_who_is_gone_is_forgotten() -> None:
    known = sights({}, [node(), node("nod_2")], now=1.0)
    assert set(sights(known, [node("nod_2")], now=2.0)) == {"nod_2"}


def test_the_directory_says_which_node_used_it_before(tmp_path: Path) -> None:
    assert nodes.node_before(tmp_path) == ""
    (tmp_path / "node").write_text("nod_7\n", encoding="ascii")
    assert nodes.node_before(tmp_path) == "nod_7"


def test_a_change_is_everywhere_once_every_node_that_decides_has_it() -> None:
    behind, up = node("nod_1", held=EPOCH - 1), node("nod_2", held=EPOCH)

    def applied(*others: Sight) -> bool:
        return nodes.applied(others, epoch=EPOCH, now=NOW)

    assert applied()
    assert applied(sight(up))
    assert not applied(sight(up), sight(behind))
    assert not applied(sight(behind, blind=BOUND))
    assert applied(sight(behind, blind=BOUND + 0.1))  # it decides nothing until it has looked
    assert applied(Sight(Node("nod_1", 1, 1, 0, 0, 0, 5), NOW, NOW))
