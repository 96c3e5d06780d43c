"""The way from an entry up to the signed root, hash by hash: what a proof gives, and what one computes. Pure.

The arithmetic is `merkle`'s (RFC 9162 section 2.1.3); here every hash has its place, so that it can be drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from remit.audit.merkle import ProofInvalid, node_hash, split


@dataclass(frozen=True, slots=True)
class Rung:
    """One step up. `given` covers the entries low..high-1 and stands left or right; `made` is both, hashed."""

    given: bytes
    low: int
    high: int
    left: bool  # whether what is given stands to the left
    made: bytes
    made_low: int
    made_high: int


def rungs(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes]) -> list[Rung]:
    """The steps from the leaf hash of entry `index` upwards; the last one's `made` is the root that the proof has.

    Raises:
        ProofInvalid: There is no such leaf, or the proof has not as many hashes as the tree is high there.
    """
    if not 0 <= index < size:
        raise ProofInvalid("there is no such entry under that checkpoint", detail=f"index {index}, size {size}")
    spans = []
    low, high = 0, size
    while high - low > 1:
        middle = low + split(high - low)
        if index < middle:
            spans.append((middle, high, False, low, high))
            high = middle
        else:
            spans.append((low, middle, True, low, high))
            low = middle
    if len(spans) != len(proof):
        raise ProofInvalid("the proof is not as long as the tree is high", detail=f"{len(proof)} hashes")
    running, found = leaf, []
    for given, (low, high, left, made_low, made_high) in zip(proof, reversed(spans), strict=True):
        running = node_hash(given, running) if left else node_hash(running, given)
        found.append(Rung(given, low, high, left, running, made_low, made_high))
    return found
