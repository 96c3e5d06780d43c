"""The log, or a part of it, as one file with proofs: what one hands to somebody who has no access to the server.

    {"format": "remit-audit-export/v1", "key": verifier key, "checkpoint": signed note, "first": N, "count": N,
     "entries": [{"header": base64, "proof": [base64, ...]}, ...]}

Or chosen entries, wherever in the log they stand (`remit audit evidence`):

    {"format": "remit-audit-evidence/v1", "key": ..., "checkpoint": ...,
     "entries": [{"index": N, "header": base64, "proof": [base64, ...]}, ...]}

Every entry carries its inclusion proof under the one checkpoint. Names and hashes only: no
payloads are exported.

What is signed is the checkpoint, not the file. So every entry in it is shown to be the one that was
recorded at its place, and how many there are in all. `count` tells a file that lost its end from one
that was made so; whoever changes `count` as well is not found out, but the entries that are missing
are counted as NOT CHECKED, whoever left them out.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.audit.checkpoint import Checkpoint, CheckpointInvalid, parse_key
from remit.audit.checkpoint import verify as verify_note
from remit.audit.merkle import ProofInvalid, verify_inclusion
from remit.audit.report import Report, Status, Step
from remit.audit.stored import header
from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed

FORMAT = "remit-audit-export/v1"
EVIDENCE: Final = "remit-audit-evidence/v1"
_MEMBERS: Final = frozenset({"format", "key", "checkpoint", "first", "count", "entries"})
_CHOSEN: Final = frozenset({"format", "key", "checkpoint", "entries"})
_OK, _FAILED, _NOT_CHECKED = Status.OK, Status.FAILED, Status.NOT_CHECKED
Judged = tuple[Status, str]
Proven = tuple[bytes, Sequence[bytes]]
"""An entry's header, and its inclusion proof."""


@dataclass(frozen=True, slots=True)
class Export:
    """An export's contents; unchecked until `verify_export`."""

    key: str
    checkpoint: str
    first: int
    count: int  # how many entries it says it has
    entries: Sequence[Proven]
    chosen: Sequence[int] | None = None  # where each of them stands, if they are not consecutive

    @property
    def placed(self) -> Sequence[int]:
        """The position of each entry."""
        return range(self.first, self.first + len(self.entries)) if self.chosen is None else self.chosen

    def as_json(self) -> dict[str, Any]:
        """The file's JSON."""
        return {
            "format": FORMAT,
            "key": self.key,
            "checkpoint": self.checkpoint,
            "first": self.first,
            "count": self.count,
            "entries": entries_as_json(self.entries),
        }


def entries_as_json(entries: Sequence[Proven]) -> list[dict[str, Any]]:
    """Entries as they stand in an export."""
    return [{"header": _text(entry), "proof": [_text(hash_) for hash_ in proof]} for entry, proof in entries]


def entries_from_json(body: Mapping[str, Any]) -> list[Proven]:
    """The entries of an export, or of a page of one.

    Raises:
        Malformed: There are none, or they are no entries.
    """
    try:
        if any(set(entry) != {"header", "proof"} for entry in body["entries"]):
            raise Malformed("not an export of the log")
        return [(_bytes(entry["header"]), [_bytes(hash_) for hash_ in entry["proof"]]) for entry in body["entries"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed("not an export of the log", detail=repr(error)) from error


def read_export(content: bytes) -> Export:
    """Read an export file.

    Raises:
        Malformed: It is none, or has a member of another name: nothing in it is unread.
    """
    body = parse(content)
    if isinstance(body, dict) and body.get("format") == EVIDENCE:
        return _read_evidence(body)
    try:
        first, count = body["first"], body["count"]
        if body["format"] != FORMAT or set(body) != _MEMBERS:
            raise Malformed("not an export of the log")
        if type(first) is not int or type(count) is not int or first < 0 or count < 0:
            raise Malformed("not an export of the log")
        return Export(str(body["key"]), str(body["checkpoint"]), first, count, entries_from_json(body))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed("not an export of the log", detail=repr(error)) from error


def _read_evidence(body: Mapping[str, Any]) -> Export:
    try:
        rows = [dict(each) for each in body["entries"]]
        places = [each.pop("index") for each in rows]
        entries = entries_from_json({"entries": rows})
        if set(body) != _CHOSEN or not all(type(at) is int and at >= 0 for at in places):
            raise Malformed("not an export of the log")
        first = min(places, default=0)
        return Export(str(body["key"]), str(body["checkpoint"]), first, len(entries), entries, tuple(places))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed("not an export of the log", detail=repr(error)) from error


def verify_export(export: Export, *, kept: str | None = None, key: str | None = None) -> Report:
    """Verify a part of the log by its inclusion proofs; the steps have the numbers of `remit.audit.verify`.

    Args:
        export: What was exported.
        kept: A checkpoint kept elsewhere: it must be of the same key, and of the same root if it has the same size.
        key: The log's verifier key as it was kept elsewhere.
    """
    point, first, second = _signed(export, kept, key)
    bad: list[tuple[int, bool]] = []  # index, whether it is that one and not one behind it
    steps = [
        Step(1, "the key", *first),
        Step(2, "the checkpoint", *second),
        Step(3, "the entries", *_readable(export, bad)),
        Step(4, "the root", *_included(export, point, bad)),
        Step(7, "rollback and fork", *_same(export, point, kept, key)),
        Step(8, "the rest", *_rest(export, point)),
    ]
    index = min((index for index, _ in bad), default=None)
    return Report(
        steps=steps,
        size=point.size if point else 0,
        first=export.first,
        count=len(export.entries),
        root=point.root if point else b"",
        first_bad_index=index,
        exact=(index, True) in bad,
        checkpoint=export.checkpoint if point else None,
        chosen=export.chosen is not None,
    )


def _signed(export: Export, kept: str | None, key: str | None) -> tuple[Checkpoint | None, Judged, Judged]:
    """(1), (2) Whose signature counts, and that it is there."""
    try:
        told = parse_key(export.key)
        trusted = parse_key(key) if key else told
        if told != trusted:
            return None, (_FAILED, "the export shows another key than the one kept"), (_NOT_CHECKED, "no trusted key")
        if kept:
            verify_note(kept, trusted)
    except CheckpointInvalid as error:
        return None, (_FAILED, str(error)), (_NOT_CHECKED, "no trusted key")
    name = f"{trusted.name}, key {trusted.id.hex()}"
    first = (_OK, name) if kept or key else (_NOT_CHECKED, f"{name}; taken from the export itself")
    try:
        point = verify_note(export.checkpoint, trusted)
    except CheckpointInvalid as error:
        return None, first, (_FAILED, str(error))
    return point, first, (_OK, f"{point.size} entries, root {point.root.hex()[:16]}...")


def _readable(export: Export, bad: list[tuple[int, bool]]) -> Judged:
    """(3) Every entry is a canonical header, and there are as many as the file says. One without any shows nothing."""
    found = len(export.entries)
    if not found:
        return _FAILED, "there are no entries in it, so it shows nothing"
    if len(set(export.placed)) != found:
        return _FAILED, "two of its entries claim one place"
    for index, (entry, _) in zip(export.placed, export.entries, strict=True):
        try:
            header(entry)
        except Malformed as error:
            bad.append((index, True))
            return _FAILED, f"entry {index}: {error.public}"
    if found != export.count:
        bad.append((export.first + min(found, export.count), False))
        return _FAILED, f"{found} entries read; the file says that it has {export.count}"
    return _OK, f"{found} entries read"


def _included(export: Export, point: Checkpoint | None, bad: list[tuple[int, bool]]) -> Judged:
    """(4) Every entry stands at its position under the signed root."""
    if point is None:
        return _NOT_CHECKED, "there is no valid checkpoint to compare with"
    if not export.entries:
        return _NOT_CHECKED, "there are no entries to look for"
    for index, (entry, proof) in zip(export.placed, export.entries, strict=True):
        try:
            verify_inclusion(entry, index=index, size=point.size, proof=proof, root=point.root)
        except ProofInvalid as error:
            bad.append((index, True))
            return _FAILED, f"entry {index}: {error.public}"
    return _OK, f"{len(export.entries)} inclusion proofs lead to the signed root"


def _same(export: Export, point: Checkpoint | None, kept: str | None, key: str | None) -> Judged:
    """(7) A part of a log can only be compared with a kept checkpoint of its own size."""
    if point is None or kept is None:
        return _NOT_CHECKED, "rollback and fork: no checkpoint was kept to compare with"
    other = verify_note(kept, parse_key(key or export.key))
    if other.size != point.size:
        return _NOT_CHECKED, f"the kept checkpoint has {other.size} entries; verify the whole log for that"
    if other.root != point.root:
        return _FAILED, f"forked: another root was signed for {point.size} entries"
    return _OK, "the kept checkpoint is the same"


def _rest(export: Export, point: Checkpoint | None) -> Judged:
    """(8) What the checkpoint covers and the file does not show; who left it out, nothing can tell."""
    if point is None:
        return _NOT_CHECKED, "there is no valid checkpoint to say how many entries there are"
    if export.chosen is not None:
        left = point.size - len(export.entries)
        if left:
            return _NOT_CHECKED, f"{left} of {point.size} entries are not in this file; who chose these, it cannot say"
        return _OK, f"all {point.size} entries under the checkpoint are in this file"
    end = export.first + len(export.entries)
    missing = [(0, min(export.first, point.size)), (end, point.size)] if export.entries else [(0, point.size)]
    spans = [f"{first}..{behind - 1}" for first, behind in missing if first < behind]
    if spans:
        count = sum(max(behind - first, 0) for first, behind in missing)
        return _NOT_CHECKED, f"{count} of {point.size} entries are not in this file: {', '.join(spans)}"
    return _OK, f"all {point.size} entries under the checkpoint are in this file"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
