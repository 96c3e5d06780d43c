"""The proof of one entry, as it is drawn: from the entry at the bottom up to the signed root at the top. Pure.

Everything that is drawn is computed here again from the entry's own bytes, and compared with the signed checkpoint: a
picture of a proof that does not hold says so.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.audit.checkpoint import CheckpointInvalid, parse_key, verify
from remit.audit.merkle import ProofInvalid, leaf_hash, verify_consistency, verify_inclusion
from remit.audit.path import Rung, rungs

WIDTH: Final = 640
STEP: Final = 62  # from one row to the next
_TOP, _WIDE, _HIGH = 14, 172, 40
_MIDDLE, _LEFT, _RIGHT = 234, 12, 456
_DASH: Final = "— "


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One hash. `kind`: entry, made, given or root."""

    kind: str
    x: int
    y: int
    hash: str
    covers: str

    @property
    def middle(self) -> int:
        """Where a line to it ends."""
        return self.x + _WIDE // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Boxes and lines (x1, y1, x2, y2) in a field of that size."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[tuple[int, int, int, int], ...]
    wide: int = _WIDE
    high: int = _HIGH


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Whether a proof holds. `said`: in one sentence, with what fails if it does not."""

    holds: bool
    said: str
    signer: str = ""
    key_id: str = ""
    witnesses: tuple[str, ...] = ()


def checked(proof: Mapping[str, Any]) -> Checked:
    """Verify the proof that `/v1/entries/ID/proof` answered, as anybody would who has the entry and the key."""
    try:
        key = parse_key(str(proof["key"]))
        point = verify(str(proof["checkpoint"]), key)
        header = base64.b64decode(str(proof["header"]), validate=True)
        hashes = [bytes.fromhex(each["given"]) for each in proof["path"]]
        verify_inclusion(header, index=int(proof["index"]), size=point.size, proof=hashes, root=point.root)
    except (CheckpointInvalid, ProofInvalid) as error:
        return Checked(holds=False, said=error.public)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return Checked(holds=False, said="the proof cannot be read")
    said = (
        f"the entry's bytes and {len(hashes)} hashes lead to the root that {key.name} signed for {point.size} entries"
    )
    return Checked(
        holds=True, said=said, signer=key.name, key_id=key.id.hex(),
        witnesses=tuple(name for name in signers(str(proof["checkpoint"])) if name != key.name),
    )  # fmt: skip


def continues(said: Mapping[str, Any]) -> Checked:
    """Verify what `/v1/checkpoints/consistency` answered: both signatures, and the hashes between."""
    try:
        key = parse_key(str(said["key"]))
        old, new = verify(str(said["old"]), key), verify(str(said["new"]), key)
        hashes = [bytes.fromhex(each) for each in said["proof"]]
        verify_consistency(old=old.size, new=new.size, proof=hashes, old_root=old.root, new_root=new.root)
    except (CheckpointInvalid, ProofInvalid) as error:
        return Checked(holds=False, said=error.public)
    except (KeyError, TypeError, ValueError):
        return Checked(holds=False, said="the proof cannot be read")
    sentence = (
        f"the log of {new.size} entries begins with the {old.size} that were signed before, entry for entry: "
        f"{len(hashes)} hashes show it"
    )
    return Checked(holds=True, said=sentence, signer=key.name, key_id=key.id.hex())


def signers(note: str) -> list[str]:
    """The names that stand beside the signatures of a note."""
    lines = note.partition("\n\n")[2].splitlines()
    return [line.removeprefix(_DASH).partition(" ")[0] for line in lines if line.startswith(_DASH)]


def drawn(proof: Mapping[str, Any]) -> Drawing:
    """The drawing: what one computes in the middle, what the proof gives beside it.

    Raises:
        ProofInvalid, ValueError, KeyError: It is no proof.
    """
    index, leaf = int(proof["index"]), leaf_hash(base64.b64decode(str(proof["header"]), validate=True))
    hashes = [bytes.fromhex(each["given"]) for each in proof["path"]]
    steps = rungs(leaf, index=index, size=int(proof["size"]), proof=hashes)
    bottom = _TOP + STEP * len(steps)
    boxes = [Box(kind="entry", x=_MIDDLE, y=bottom, hash=leaf.hex(), covers=_span(index, index + 1))]
    lines: list[tuple[int, int, int, int]] = []
    for number, step in enumerate(steps):
        below, above = bottom - STEP * number, bottom - STEP * (number + 1)
        beside = _given(step, below)
        top = Box(
            kind="root" if number == len(steps) - 1 else "made", x=_MIDDLE, y=above, hash=step.made.hex(),
            covers=_span(step.made_low, step.made_high),
        )  # fmt: skip
        lines += [(each.middle, below, top.middle, above + _HIGH) for each in (boxes[-1], beside)]
        boxes += [beside, top]
    if not steps:
        boxes = [Box(kind="root", x=_MIDDLE, y=_TOP, hash=leaf.hex(), covers=_span(0, 1))]
    return Drawing(width=WIDTH, height=bottom + _HIGH + _TOP, boxes=tuple(boxes), lines=tuple(lines))


def _given(step: Rung, y: int) -> Box:
    return Box(
        kind="given", x=_LEFT if step.left else _RIGHT, y=y, hash=step.given.hex(), covers=_span(step.low, step.high)
    )


def _span(low: int, high: int) -> str:
    return f"entry {low}" if high - low == 1 else f"entries {low}–{high - 1}"  # noqa: RUF001 - a range
