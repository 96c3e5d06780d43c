"""A proof is drawn as it is computed, and one that does not hold says so."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from remit.audit.checkpoint import Checkpoint, VerifierKey, sign
from remit.audit.merkle import inclusion_proof, leaf_hash, leaf_hashes, range_hash_of, root_of
from remit.console.proof import checked, drawn, signers

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = VerifierKey("remit/test", _KEY.public_key().public_bytes_raw())


def proof(index: int, size: int) -> dict[str, Any]:
    """What the server answers for one entry of a log of `size`."""
    entries = [b"entry %d" % at for at in range(size)]
    hashes = leaf_hashes(entries)
    note = sign(Checkpoint(KEY.name, size, root_of(hashes)), KEY, _KEY.sign)
    given_ = inclusion_proof(index=index, size=size, range_hash=range_hash_of(hashes))
    return {
        "index": index, "size": size, "header": base64.b64encode(entries[index]).decode(), "checkpoint": note,
        "key": KEY.text(), "path": [{"given": each.hex()} for each in given_],
    }  # fmt: skip


@given(st.integers(1, 300).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_every_proof_is_drawn_up_to_the_root_that_was_signed(at: tuple[int, int]) -> None:
    said = proof(*at)
    assert checked(said).holds
    drawing = drawn(said)
    top = [box for box in drawing.boxes if box.kind == "root"]
    assert len(top) == 1
    assert sum(box.kind == "given" for box in drawing.boxes) == len(said["path"])
    assert all(0 <= box.x <= drawing.width and 0 <= box.y <= drawing.height for box in drawing.boxes)
    assert len({(box.x, box.y) for box in drawing.boxes}) == len(drawing.boxes), "nothing lies on another"


@given(st.integers(2, 200).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))), st.integers(0))
def test_one_bit_anywhere_and_it_does_not_hold(at: tuple[int, int], flip: int) -> None:
    said = proof(*at)
    step = said["path"][flip % len(said["path"])]
    raw = bytearray.fromhex(step["given"])
    raw[flip % 32] ^= 1
    step["given"] = raw.hex()
    assert not checked(said).holds


@pytest.mark.parametrize("member", ["header", "checkpoint", "key", "index", "path"])
def test_what_is_missing_or_of_another_is_no_proof(member: str) -> None:
    said = proof(3, 9)
    assert not checked({name: value for name, value in said.items() if name != member}).holds
    said[member] = {"index": 4, "path": [{"given": "zz"}]}.get(member, "x")
    assert not checked(said).holds


def test_who_else_signed_is_named() -> None:
    note = proof(0, 2)["checkpoint"] + f"— witness.example/w {base64.b64encode(bytes(76)).decode()}\n"
    assert signers(note) == ["remit/test", "witness.example/w"]
    assert checked({**proof(0, 2), "checkpoint": note}).witnesses == ("witness.example/w",)
    assert leaf_hash(b"entry 0")
