"""The Merkle tree of RFC 9162 section 2.1 with SHA-256: roots, proofs, and their checks.

Pure. The traps this file is written around: a naive verifier takes a proof whose `size`
lies, an index at or beyond the size, and a consistency proof from an empty tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from remit.kernel.errors import RemitError

HASH = 32
EMPTY = sha256(b"").digest()

RangeHash = Callable[[int, int], bytes]
"""The root over the leaves lo..hi-1, where hi > lo."""


class ProofInvalid(RemitError):
    """A proof does not show what it was given for."""

    code = "integrity_failed"


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry: SHA-256(0x00 || entry). The prefix keeps a node from passing as an entry."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of each."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes (or over the roots of equal, complete subtrees, of which the last may be partial).

    Pairing level by level and carrying an odd last one up gives the tree of RFC 9162
    section 2.1.1, because that splits at the largest power of two below the size.
    """
    if not hashes:
        return EMPTY
    level = list(hashes)
    while len(level) > 1:
        odd = level[-1:] if len(level) & 1 else []
        pairs = iter(level)
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
        level += odd
    return level[0]


def root(entries: Iterable[bytes]) -> bytes:
    """The root over entries."""
    return root_of(leaf_hashes(entries))


def split(size: int) -> int:
    """The largest power of two below `size` (at least 2): where RFC 9162 section 2.1.1 cuts a tree."""
    return 1 << ((size - 1).bit_length() - 1)


def range_hash_of(hashes: Sequence[bytes]) -> RangeHash:
    """A `RangeHash` over leaf hashes held in memory."""
    return lambda lo, hi: root_of(hashes[lo:hi])


def inclusion_proof(*, index: int, size: int, range_hash: RangeHash) -> list[bytes]:
    """The sibling hashes from leaf `index` up to the root over `size` leaves (RFC 9162 section 2.1.3.1).

    Raises:
        ProofInvalid: There is no such leaf.
    """
    if not 0 <= index < size:
        raise ProofInvalid("there is no such entry under that checkpoint", detail=f"index {index}, size {size}")
    path = []
    low, high = 0, size
    while high - low > 1:
        middle = low + split(high - low)
        if index < middle:
            path.append(range_hash(middle, high))
            high = middle
        else:
            path.append(range_hash(low, middle))
            low = middle
    path.reverse()
    return path


def consistency_proof(*, old: int, new: int, range_hash: RangeHash) -> list[bytes]:
    """The hashes that show that the tree of `old` leaves is a prefix of that of `new` (RFC 9162 section 2.1.4.1).

    Raises:
        ProofInvalid: `old` is 0 (an empty tree proves nothing) or beyond `new`.
    """
    if not 0 < old <= new:
        raise ProofInvalid("no consistency proof between those sizes", detail=f"{old} to {new}")
    path = []
    low, high, whole = 0, new, True  # whole: the old tree is exactly low..old, so its root is known already
    while old != high:
        middle = low + split(high - low)
        if old <= middle:
            path.append(range_hash(middle, high))
            high = middle
        else:
            path.append(range_hash(low, middle))
            low, whole = middle, False
    if not whole:
        path.append(range_hash(low, high))
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` is entry `index` of the log whose root is `root`.

    Implements RFC 9162 section 2.1.3.2 with SHA-256.

    Args:
        leaf: The entry's bytes, before the 0x00 leaf prefix.
        index: Position of the entry, counted from 0.
        size: Number of entries under `root`; at least index + 1.
        proof: Sibling hashes, 32 bytes each, from the leaf upwards.
        root: Root hash from a checkpoint whose signature was already checked.

    Raises:
        ProofInvalid: The entry is not at that place under that root.
    """
    if not 0 <= index < size:
        raise ProofInvalid("the index is not below the size", detail=f"index {index}, size {size}")
    _check_widths(proof)
    node, last, running = index, size - 1, leaf_hash(leaf)
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the proof is longer than the tree is high")
        if node & 1 or node == last:
            running = node_hash(sibling, running)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            running = node_hash(running, sibling)
        node, last = node >> 1, last >> 1
    # Both: a proof that ends early would let a lying size pass with an inner node as the root.
    if last != 0 or running != root:
        raise ProofInvalid("the entry is not at that place under that root", detail=f"index {index}, size {size}")


def verify_consistency(*, old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the log of `new` entries under `new_root` begins with the `old` entries under `old_root`.

    Implements RFC 9162 section 2.1.4.2. Equal sizes need an empty proof and equal roots.

    Raises:
        ProofInvalid: It does not, or `old` is 0 or beyond `new` (an empty tree is consistent with
            everything, so a proof from it says nothing).
    """
    if not 0 < old <= new:
        raise ProofInvalid("no consistency between those sizes", detail=f"{old} to {new}")
    _check_widths(proof)
    if old == new:
        if proof or old_root != new_root:
            raise ProofInvalid("two roots of one size", detail=f"size {old}")
        return
    path = list(proof)
    if old & (old - 1) == 0:  # the old tree is a complete subtree: its root is the first hash
        path.insert(0, old_root)
    if not path:
        raise ProofInvalid("the proof is empty")
    if _replay(path, old=old, new=new) != (old_root, new_root):
        raise ProofInvalid("the log does not continue what was seen before", detail=f"{old} to {new}")


def _replay(path: Sequence[bytes], *, old: int, new: int) -> tuple[bytes, bytes]:
    """Both roots as the proof has them (steps 3-7)."""
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_running = new_running = path[0]
    for hash_ in path[1:]:
        if last == 0:
            raise ProofInvalid("the proof is longer than the tree is high")
        if node & 1 or node == last:
            old_running, new_running = node_hash(hash_, old_running), node_hash(hash_, new_running)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_running = node_hash(new_running, hash_)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the proof ends below the root")
    return old_running, new_running


def _check_widths(proof: Sequence[bytes]) -> None:
    # A hash of another width could be read as (part of) two hashes: a second preimage.
    if any(len(hash_) != HASH for hash_ in proof):
        raise ProofInvalid("a hash in the proof is not 32 bytes")
