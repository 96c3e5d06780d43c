"""Tiles: C2SP paths, growth in any steps, loading the right edge, proofs from stored tiles."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.audit.merkle import (
    HASH,
    consistency_proof,
    inclusion_proof,
    leaf_hashes,
    range_hash_of,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from remit.audit.tiles import WIDTH, Tree, cut, parse_path, path, range_hash_from
from remit.kernel.errors import IntegrityFailed, Malformed

ENTRIES = [str(number).encode() for number in range(WIDTH * WIDTH + 3 * WIDTH + 7)]
HASHES = leaf_hashes(ENTRIES)


def grown(size: int, *, step: int = 10_000) -> tuple[Tree, dict[tuple[int, int], bytes]]:
    tree, stored = Tree(), {}
    for at in range(0, size, step):
        tree.append(HASHES[at : min(at + step, size)])
        for tile in [*tree.take_full(), *tree.partial()]:
            stored[tile.level, tile.index] = tile.hashes
    return tree, stored


@pytest.mark.requirement("log:tiles")
@pytest.mark.parametrize(
    ("level", "index", "width", "text"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (3, 999, 5, "tile/3/999.p/5"),
        (1, 1000, 255, "tile/1/x001/000.p/255"),
    ],
)
def test_paths_are_c2sps(level: int, index: int, width: int, text: str) -> None:
    assert path(level, index, width) == text
    assert parse_path(text) == (level, index, width)


@pytest.mark.parametrize(
    "text",
    [
        "tile/0/0",
        "tile/0/1000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/64/000",
        "tile/-1/000",
        "tile/00/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/05",
        "tile/0/000.p/",
        "tile/0/../000",
        "tile/0",
        "tile/entries/000",
        "tiles/0/000",
        "",
    ],
)
def test_other_spellings_of_a_path_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_path(text)


@given(st.lists(st.integers(0, 700), max_size=8))
def test_growth_in_any_steps_is_the_same_tree(steps: list[int]) -> None:
    tree, at = Tree(), 0
    for step in steps:
        tree.append(HASHES[at : at + step])
        at += step
        assert tree.root() == root_of(HASHES[:at])
    assert tree.size == at
    flat = b"".join(tile.hashes for tile in tree.take_full() if tile.level == 0)
    flat += b"".join(tile.hashes for tile in tree.partial() if tile.level == 0)
    assert flat == b"".join(HASHES[:at])


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65535, 65536, 65537, len(HASHES)])
def test_the_edge_is_loaded_from_tiles(size: int) -> None:
    tree, stored = grown(size)
    assert tree.root() == root_of(HASHES[:size])
    loaded = Tree.load(size, lambda level, index: stored.get((level, index)))
    more = HASHES[:300]
    loaded.append(more)
    tree.append(more)
    tree.take_full()
    assert loaded.root() == tree.root() == root_of(HASHES[:size] + more)
    assert loaded.partial() == tree.partial()


@pytest.mark.requirement("log:tiles")
def test_every_tile_is_named_once_and_right() -> None:
    _, stored = grown(len(HASHES))
    assert sorted(stored) == [*((0, index) for index in range(260)), (1, 0), (1, 1), (2, 0)]
    for (level, index), hashes in stored.items():
        for position, hash_ in enumerate(cut(hashes)):
            span = WIDTH**level
            low = (index * WIDTH + position) * span
            assert level == 0 or hash_ == root_of(HASHES[low : low + span])


@pytest.mark.requirement("log:tiles")
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.data())
def test_proofs_come_from_tiles(size: int, data: st.DataObject) -> None:
    tree, stored = grown(size)
    ranges = range_hash_from(lambda level, index: stored.get((level, index)))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index=index, size=size, range_hash=ranges)
    assert proof == inclusion_proof(index=index, size=size, range_hash=range_hash_of(HASHES))
    verify_inclusion(ENTRIES[index], index=index, size=size, proof=proof, root=tree.root())
    old = data.draw(st.integers(1, size))
    steps = consistency_proof(old=old, new=size, range_hash=ranges)
    verify_consistency(old=old, new=size, proof=steps, old_root=root_of(HASHES[:old]), new_root=tree.root())


def test_a_missing_or_short_tile_is_found() -> None:
    _, stored = grown(300)
    with pytest.raises(IntegrityFailed, match="tile"):
        Tree.load(300, lambda _level, _index: None)
    stored[0, 1] = stored[0, 1][:-1]
    with pytest.raises(IntegrityFailed, match="tile"):
        Tree.load(300, lambda level, index: stored.get((level, index)))


@pytest.mark.parametrize("length", [0, 1, HASH - 1, HASH * WIDTH + HASH])
def test_a_tile_is_whole_hashes(length: int) -> None:
    with pytest.raises(IntegrityFailed):
        cut(bytes(length))
