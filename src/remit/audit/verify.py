"""Verification of the log, in numbered steps, by somebody who trusts neither server nor database.

     1  the key             whose signature counts
     2  the checkpoint      is signed by that key
     3  the entries         every one can be read, positions are dense
     4  the root            the tree over the entries has the checkpoint's root; else the first bad one is named
     5  the tiles           the stored hashes are those of the entries
     6  the index           finds every entry where it stands
     7  rollback and fork   the log continues a checkpoint kept outside of it
     8  the rest            entries behind what was kept outside, or that no checkpoint covers yet
     9  the payloads        are the ones that entries commit to
    10  the outcomes        every forwarded call has one
    11  the state           every object in the database is as its newest entry left it

Rollback and fork can only be seen against what an attacker does not hold. Without a kept
checkpoint step 7 says NOT CHECKED, and so does step 1, because the key is then the source's
own word. Step 9 needs the data keys: a keyfile, or a server that looks for itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from remit.audit.checkpoint import Checkpoint, CheckpointInvalid, VerifierKey, parse, parse_key
from remit.audit.checkpoint import verify as verify_note
from remit.audit.hashes import Findings, Stored, stored
from remit.audit.recorded import compare
from remit.audit.report import Report, Status, Step
from remit.audit.source import Source
from remit.audit.walk import Walk, Walked
from remit.kernel.errors import IntegrityFailed

_SHOWN = 3
_NAMED = 10
_OK, _FAILED, _NOT_CHECKED = Status.OK, Status.FAILED, Status.NOT_CHECKED
Judged = tuple[Status, str]


@dataclass(slots=True)
class _Case:
    """What is known before the entries are read, and which positions were found bad."""

    source: Source
    key: VerifierKey | None = None
    note: str | None = None
    point: Checkpoint | None = None  # from `note`, if the key signed it
    kept: Checkpoint | None = None  # from the kept note, if the key signed it
    earlier: Sequence[Checkpoint] = ()
    bad: list[tuple[int, bool]] = field(default_factory=list)  # index, whether it is that one and not one behind it
    by_hashes: Stored | None = None  # where the stored hashes lead, once something differs

    def sizes(self) -> list[int]:
        """The sizes at which signed roots are known."""
        return [point.size for point in (self.kept, *self.earlier) if point is not None]

    def authentic(self) -> Stored | None:
        """The stored leaf hashes, if they lead to the signed root: then they tell which entry is wrong."""
        if self.point is None:
            return None
        if self.by_hashes is None:
            self.by_hashes = stored(self.source, self.point.size, sizes=self.sizes())
        return self.by_hashes if self.by_hashes.roots.get(self.point.size) == self.point.root else None


def verify(source: Source, *, kept: str | None = None, key: str | None = None) -> Report:
    """Verify a whole log.

    Args:
        source: Where it is read.
        kept: A checkpoint that was kept outside the data directory.
        key: The log's verifier key as it was kept outside; without it, the source's own word.
    """
    case = _Case(source)
    first = _attempt(lambda: _key(case, key, kept))
    second, walked = _read(case, kept)
    if case.note is None and walked.tree.size:
        # A log's first checkpoint appears together with its first positions: that was while it was read.
        second, walked = _read(case, kept)
    judged = [
        ("the key", first),
        ("the checkpoint", second),
        ("the entries", _attempt(lambda: _entries(case, walked))),
        ("the root", _attempt(lambda: _root(case, walked))),
        ("the tiles", _attempt(lambda: _tiles(case, walked))),
        ("the index", _attempt(lambda: _index(case, walked))),
        ("rollback and fork", _attempt(lambda: _continues(case, walked, kept))),
        ("the rest", _attempt(lambda: _rest(case))),
        ("the payloads", _attempt(lambda: _payloads(case, walked))),
        ("the outcomes", _attempt(lambda: _outcomes(walked))),
        ("the state", _attempt(lambda: _state(case, walked))),
    ]
    index = min((index for index, _ in case.bad), default=None)
    return Report(
        steps=[Step(number, name, *result) for number, (name, result) in enumerate(judged, 1)],
        size=case.point.size if case.point else 0,
        first=0,
        count=walked.tree.size,
        root=case.point.root if case.point else b"",
        first_bad_index=index,
        exact=(index, True) in case.bad,
        checkpoint=case.note if case.point else None,
    )


def _read(case: _Case, kept: str | None) -> tuple[Judged, Walked]:
    """Step 2, and one pass over the entries up to the checkpoint it found."""
    judged = _attempt(lambda: _checkpoint(case, kept))
    limit = case.point.size if case.point else None
    return judged, Walk(case.source, limit=limit, sizes=case.sizes()).run()


def _attempt(step: Callable[[], Judged]) -> Judged:
    """A step that cannot even be made has failed."""
    try:
        return step()
    except IntegrityFailed as error:
        return _FAILED, f"{error.public} ({error.detail})"


def _key(case: _Case, pinned: str | None, kept: str | None) -> Judged:
    """(1) Whose signature counts: the pinned key, or the one that also signed the kept checkpoint."""
    try:
        told = parse_key(case.source.key())
        case.key = parse_key(pinned) if pinned else told
    except (CheckpointInvalid, IntegrityFailed) as error:
        return _FAILED, str(error)
    name = f"{case.key.name}, key {case.key.id.hex()}"
    if told != case.key:
        return _FAILED, f"the source shows another key ({told.name}, {told.id.hex()}) than the one kept: {name}"
    if kept:
        try:
            case.kept = verify_note(kept, case.key)
        except CheckpointInvalid as error:
            return _FAILED, f"the kept checkpoint was not signed by this log's key: {error} ({name})"
        return _OK, f"{name}; it signed the kept checkpoint"
    if pinned:
        return _OK, f"{name}; it is the one kept"
    return _NOT_CHECKED, f"{name}; taken from the log itself, compared with nothing kept outside"


def _checkpoint(case: _Case, kept: str | None) -> Judged:
    """(2) The newest checkpoint is signed by the key."""
    if case.key is None:
        return _FAILED, "there is no key to check it with"
    case.note = case.source.checkpoint()
    if case.note is None:
        return (_FAILED if kept else _NOT_CHECKED), "the log has no checkpoint"
    try:
        case.point = verify_note(case.note, case.key)
    except CheckpointInvalid as error:
        return _FAILED, str(error)
    case.earlier = _earlier(case.source, case.key, case.point)
    return _OK, f"{case.point.size} entries, root {case.point.root.hex()[:16]}..."


def _earlier(source: Source, key: VerifierKey, newest: Checkpoint) -> list[Checkpoint]:
    """Older checkpoints that count: signed, and not beyond the newest."""
    found = []
    for note in source.earlier():
        with contextlib.suppress(CheckpointInvalid):
            found.append(verify_note(note, key))
    return [point for point in found if point.size <= newest.size]


def _entries(case: _Case, walked: Walked) -> Judged:
    """(3) Every bundle can be read, every entry is a canonical header, positions are dense."""
    if case.point and walked.beyond:
        walked.bundles.add(
            case.point.size, f"{walked.beyond} entries have positions beyond the checkpoint: a newer one was removed"
        )
    if not case.point and walked.tree.size:
        said = f"{walked.tree.size} entries have positions and no valid checkpoint covers them"
        walked.bundles.add(0, said, end=walked.tree.size)
    return _judge(case, walked.bundles, f"{walked.tree.size} entries read")


def _root(case: _Case, walked: Walked) -> Judged:
    """(4) The tree over the entries has the checkpoint's root; if not, the first bad entry is found and named."""
    if case.point is None:
        return _NOT_CHECKED, "there is no valid checkpoint to compare with"
    if walked.tree.size == case.point.size and walked.tree.root() == case.point.root:
        return _OK, f"{case.point.size} leaf hashes lead to the signed root"
    index, exact, what = _first_wrong(case, walked, case.point.size)
    if index is not None:
        case.bad.append((index, exact))
    return _FAILED, what


def _first_wrong(case: _Case, walked: Walked, size: int) -> tuple[int | None, bool, str]:
    """The first entry that is not the one that was signed, as exactly as the stored hashes allow."""
    wrong, above = walked.leaves.lowest, walked.tiles.lowest
    if wrong and case.authentic():
        return wrong.index, True, f"entry {wrong.index} is not the one that was signed"
    if wrong and not (above and above.end <= wrong.index):
        return wrong.index, False, f"wrong from entry {wrong.index} on ({wrong.what})"
    if above:
        return above.index, False, f"wrong between entries {above.index} and {above.end - 1} ({above.what})"
    if walked.tree.size < size:
        return walked.tree.size, True, f"the log ends at entry {walked.tree.size}; {size} were signed"
    low, high = _narrowed(case, walked)
    if low >= high:
        return None, False, "every entry is as a signed checkpoint has it; the newest checkpoint is of other entries"
    # Never exact: whoever has the log's key may have signed the earlier checkpoints too.
    return low, False, f"entries were changed together with their hashes, the first between {low} and {high - 1}"


def _narrowed(case: _Case, walked: Walked) -> tuple[int, int]:
    """Between which sizes the log went wrong, by the signed checkpoints that still hold and those that do not."""
    low, high = 0, case.point.size if case.point else walked.tree.size
    known = [*case.earlier, *([case.kept] if case.kept else [])]
    for point in sorted(known, key=lambda point: point.size):
        if walked.roots.get(point.size) != point.root:
            return low, min(high, point.size)
        low = point.size
    return low, high


def _tiles(case: _Case, walked: Walked) -> Judged:
    """(5) The stored hashes are those of the entries that were signed, at every level."""
    if walked.leaves.lowest is None and walked.tiles.lowest is None:
        return _OK, "every stored hash is that of its entries"
    whole = case.point is not None and (walked.tree.size, walked.tree.root()) == (case.point.size, case.point.root)
    if not whole and (authentic := case.authentic()):
        # The entries differ (step 4), and these hashes are how one knows.
        return _judge(case, authentic.above, "the stored hashes lead to the signed root")
    found = [finding for finding in (walked.leaves.lowest, walked.tiles.lowest) if finding]
    case.bad.extend((finding.index, finding.end == finding.index + 1) for finding in found if whole)
    return _FAILED, "; ".join(finding.what for finding in found)


def _index(case: _Case, walked: Walked) -> Judged:
    """(6) The index finds every entry where it stands, and nothing else."""
    rows = case.source.index_rows() if walked.indexed else None
    if rows is None:
        return _NOT_CHECKED, "only the data directory shows the index"
    total = walked.tree.size + walked.beyond
    if walked.index.lowest is None and walked.bundles.lowest is None and rows != total:
        return _FAILED, f"the index has {rows} rows for {total} entries"
    return _judge(case, walked.index, f"{rows} rows point where they should")


def _continues(case: _Case, walked: Walked, kept: str | None) -> Judged:
    """(7) The log continues the kept checkpoint: not shorter (rolled back), not different (forked)."""
    if kept is None:
        return _NOT_CHECKED, "rollback and fork: no checkpoint was kept outside the log"
    if case.kept is None:
        return _FAILED, f"the kept checkpoint ({_described(kept)}) is of another log or key"
    if case.point is None or case.point.size < case.kept.size:
        size = case.point.size if case.point else 0
        case.bad.append((size, False))  # whether those before are the same, a shorter log does not show
        return _FAILED, f"rolled back: the kept checkpoint has {case.kept.size} entries, the log {size}"
    found = walked.roots.get(case.kept.size)
    if found != case.kept.root and (authentic := case.authentic()):
        # Entries are damaged (step 4), but the signed tree can still be compared.
        found = authentic.roots.get(case.kept.size)
    if found != case.kept.root:
        case.bad.append((_narrowed(case, walked)[0], False))
        return _FAILED, f"forked: the log's first {case.kept.size} entries are not those of the kept checkpoint"
    return _OK, f"the log continues the kept checkpoint of {case.kept.size} entries"


def _described(note: str) -> str:
    try:
        point = parse(note)
    except CheckpointInvalid:
        return "unreadable"
    return f"{point.origin}, {point.size} entries"


def _rest(case: _Case) -> Judged:
    """(8) What nothing kept outside covers: entries after the kept checkpoint, and those that wait for one.

    Whoever holds the log's key can sign other entries behind the kept checkpoint, and nothing here would show it.
    """
    said = []
    if case.kept and case.point and case.point.size > case.kept.size:
        count, first = case.point.size - case.kept.size, case.kept.size
        said.append(
            f"{count} entries after the kept checkpoint, from {first} on: only the log's own key vouches for them"
        )
    if waiting := case.source.waiting():
        said.append(f"{waiting} entries after the checkpoint")
    if said:
        return _NOT_CHECKED, "; ".join(said)
    return _OK, "no entries after the checkpoint"


def _payloads(case: _Case, walked: Walked) -> Judged:
    """(9) Payloads are the ones that entries commit to; without the data keys only their presence is seen."""
    if walked.contents is not None:
        opened, erased = walked.contents.opened, walked.contents.erased
        status, said = _judge(case, walked.payloads, f"{opened} payloads are the ones committed to")
        if status is _OK and erased:
            return _NOT_CHECKED, f"{said}; {erased} cannot be read any more, because their keys were erased"
        return status, said
    if walked.sealed is None:
        return _NOT_CHECKED, "only the data directory, or the server itself, shows the sealed payloads"
    if not walked.sealed and walked.payloads.lowest is None:
        return _OK, "no entry has a payload"
    status, said = _judge(case, walked.payloads, f"{walked.sealed} sealed payloads are in place")
    return (_NOT_CHECKED, f"{said}; what is in them needs --keyfile") if status is _OK else (status, said)


def _outcomes(walked: Walked) -> Judged:
    """(10) Every forwarded call has an outcome, or is listed. A call in flight has none yet: that is no failure."""
    if not walked.open:
        return _OK, f"{walked.decisions} forwarded calls, each with an outcome"
    shown = ", ".join([*walked.open][:_SHOWN]) + (", ..." if len(walked.open) > _SHOWN else "")
    return _OK, f"{walked.decisions} forwarded calls, {len(walked.open)} without an outcome so far: {shown}"


def _state(case: _Case, walked: Walked) -> Judged:
    """(11) Every object is as its newest entry left it. Whoever can write to the database can widen there, unlogged."""
    state = case.source.state()
    if state is None:
        return _NOT_CHECKED, "only the data directory, or the server itself, shows the state"
    found = compare(state, walked)
    if found.wrong or state.seal:
        return _FAILED, _listed([*map(str, found.wrong), *([state.seal] if state.seal and not found.wrong else [])])
    if found.later:
        return (
            _NOT_CHECKED,
            f"changed after the checkpoint: {_listed(found.later)}; {found.same} others are as recorded",
        )
    return _OK, f"{found.same} objects are as their newest entries left them"


def _listed(said: Sequence[str]) -> str:
    more = f" (and {len(said) - _NAMED} more)" if len(said) > _NAMED else ""
    return "; ".join(said[:_NAMED]) + more


def _judge(case: _Case, findings: Findings, fine: str) -> Judged:
    if findings.lowest is None:
        return _OK, fine
    case.bad.append((findings.lowest.index, findings.lowest.end == findings.lowest.index + 1))
    more = f" (and {findings.count - 1} more)" if findings.count > 1 else ""
    return _FAILED, findings.lowest.what + more
