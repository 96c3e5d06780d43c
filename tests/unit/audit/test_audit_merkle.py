"""The tree against a naive reference written from RFC 9162's recursive definitions, and the traps."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.audit.merkle import (
    EMPTY,
    ProofInvalid,
    consistency_proof,
    inclusion_proof,
    leaf_hashes,
    node_hash,
    range_hash_of,
    root,
    root_of,
    split,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = [f"entry {number}".encode() for number in range(70)]


def naive_root(entries: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, letter by letter."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


def prove(entries: list[bytes], index: int) -> list[bytes]:
    return inclusion_proof(index=index, size=len(entries), range_hash=range_hash_of(leaf_hashes(entries)))


def connect(entries: list[bytes], old: int) -> list[bytes]:
    return consistency_proof(old=old, new=len(entries), range_hash=range_hash_of(leaf_hashes(entries)))


@pytest.mark.requirement("log:tree")
@given(st.lists(st.binary(max_size=20), max_size=80))
def test_the_root_is_the_rfcs(entries: list[bytes]) -> None:
    assert root(entries) == naive_root(entries)


def test_known_roots() -> None:
    assert root([]) == EMPTY == bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    assert root([b""]) == bytes.fromhex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")


@pytest.mark.requirement("log:tree")
def test_a_node_does_not_pass_as_an_entry() -> None:
    left, right = leaf_hashes(ENTRIES[:2])
    assert root([left + right]) != node_hash(left, right)


@pytest.mark.requirement("log:inclusion")
@given(st.data(), st.integers(1, len(ENTRIES)))
def test_every_entry_is_proved_and_nothing_else(data: st.DataObject, size: int) -> None:
    entries = ENTRIES[:size]
    index = data.draw(st.integers(0, size - 1))
    proof = prove(entries, index)
    verify_inclusion(entries[index], index=index, size=size, proof=proof, root=root(entries))
    lies: list[dict[str, Any]] = [
        {"leaf": b"another"},
        {"index": index + 1},
        {"index": index - 1},
        {"size": size + 1},
        {"size": 2 * size},
        {"proof": [*proof, EMPTY]},
        {"root": EMPTY},
    ]
    lies += [{"proof": proof[:-1]}, {"proof": proof[1:]}, {"proof": [EMPTY, *proof[1:]]}] if proof else []
    for lie in lies:
        claim: dict[str, Any] = {"leaf": entries[index], "index": index, "size": size, "proof": proof}
        claim |= {"root": root(entries)} | lie
        if lie.keys() == {"size"} and _same_path(index, size, claim["size"]):
            continue  # the root does not commit to the size; the signed checkpoint does
        with pytest.raises(ProofInvalid):
            verify_inclusion(claim.pop("leaf"), **claim)


def _same_path(index: int, size: int, other: int) -> bool:
    def turns(total: int) -> list[bool]:
        low, high, path = 0, total, []
        while high - low > 1:
            middle = low + split(high - low)
            path.append(index < middle)
            low, high = (low, middle) if index < middle else (middle, high)
        return path[::-1]

    return turns(size) == turns(other)


@pytest.mark.requirement("log:consistency")
@given(st.integers(1, len(ENTRIES)), st.integers(0, len(ENTRIES)))
def test_growth_is_proved(old: int, more: int) -> None:
    new = min(old + more, len(ENTRIES))
    proof = connect(ENTRIES[:new], old)
    roots = {"old_root": root(ENTRIES[:old]), "new_root": root(ENTRIES[:new])}
    verify_consistency(old=old, new=new, proof=proof, **roots)
    for lie in ({"old_root": EMPTY}, {"new_root": EMPTY}, {"proof": [*proof, EMPTY]}, {"old": 0}, {"old": new + 1}):
        claim: dict[str, Any] = {"old": old, "new": new, "proof": proof, **roots} | lie
        with pytest.raises(ProofInvalid):
            verify_consistency(**claim)
    if proof:
        for cut in (proof[:-1], proof[1:], [EMPTY, *proof[1:]]):
            with pytest.raises(ProofInvalid):
                verify_consistency(old=old, new=new, proof=cut, **roots)


@pytest.mark.requirement("log:consistency")
@given(st.integers(2, len(ENTRIES)), st.data())
def test_a_rewritten_past_is_found(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    changed = data.draw(st.integers(0, old - 1))
    rewritten = [*ENTRIES[:changed], b"rewritten", *ENTRIES[changed + 1 : new]]
    with pytest.raises(ProofInvalid):
        verify_consistency(
            old=old,
            new=new,
            proof=connect(rewritten, old),
            old_root=root(ENTRIES[:old]),
            new_root=root(rewritten),
        )


@pytest.mark.requirement("log:inclusion")
def test_a_lying_size_is_refused() -> None:
    with pytest.raises(ProofInvalid):
        verify_inclusion(b"only entry", index=0, size=2, proof=[], root=root([b"only entry"]))


@pytest.mark.parametrize("index", [-1, 1, 2])
def test_an_index_outside_is_refused(index: int) -> None:
    with pytest.raises(ProofInvalid):
        verify_inclusion(b"only entry", index=index, size=1, proof=[], root=root([b"only entry"]))
    with pytest.raises(ProofInvalid):
        prove([b"only entry"], index)


@pytest.mark.parametrize("new", [0, 1, 5])
def test_an_empty_tree_is_consistent_with_nothing(new: int) -> None:
    with pytest.raises(ProofInvalid):
        verify_consistency(old=0, new=new, proof=[], old_root=EMPTY, new_root=root(ENTRIES[:new]))
    with pytest.raises(ProofInvalid):
        connect(ENTRIES[:new], 0)


def test_two_roots_of_one_size_are_a_fork() -> None:
    with pytest.raises(ProofInvalid):
        verify_consistency(old=3, new=3, proof=[], old_root=root(ENTRIES[:3]), new_root=root(ENTRIES[1:4]))


def test_a_hash_of_another_width_is_refused() -> None:
    left, right = leaf_hashes(ENTRIES[:2])
    with pytest.raises(ProofInvalid, match="32 bytes"):
        verify_inclusion(ENTRIES[0], index=0, size=2, proof=[right + left], root=root_of([left, right]))


@pytest.mark.parametrize(("size", "at"), [(2, 1), (3, 2), (4, 2), (5, 4), (8, 4), (9, 8)])
def test_the_cut_is_the_largest_power_of_two_below(size: int, at: int) -> None:
    assert split(size) == at


def test_a_lying_size_is_refused_in_growth_too() -> None:
    old_root, new_root = root(ENTRIES[:1]), root(ENTRIES[:2])
    proof = connect(ENTRIES[:2], 1)
    verify_consistency(old=1, new=2, proof=proof, old_root=old_root, new_root=new_root)
    with pytest.raises(ProofInvalid):
        verify_consistency(old=1, new=3, proof=proof, old_root=old_root, new_root=new_root)


@pytest.mark.parametrize(("old", "new"), [(3, 5), (6, 7), (1, 2), (4, 8)])
def test_growth_without_a_proof_is_refused(old: int, new: int) -> None:
    with pytest.raises(ProofInvalid):
        verify_consistency(old=old, new=new, proof=[], old_root=root(ENTRIES[:old]), new_root=root(ENTRIES[:new]))
