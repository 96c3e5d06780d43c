"""The state beside the log: what stands in the database, and what the newest entries say. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from remit.audit.objects import GONE
from remit.audit.source import State
from remit.audit.standing import Standing, Wrong
from remit.audit.walk import Said, Walked


@dataclass(slots=True)
class Compared:
    """`wrong` is not as recorded; `later` was recorded after the checkpoint, where the log proves nothing yet."""

    same: int = 0
    wrong: list[Wrong] = field(default_factory=list)
    later: list[str] = field(default_factory=list)


def compare(state: State, walked: Walked) -> Compared:
    """Every object that stands in the database or in the log."""
    found, said = Compared(), dict(walked.changes)
    for each in state.objects:
        entry = said.pop((each.what, each.name), None)
        if not state.settled and _later(each, entry, walked):
            if each.kept and each.kept.digest != each.digest:
                found.wrong.append(Wrong(each.what, each.name, _how(each, None)))
            else:
                found.later.append(f"{each.what} {each.name}")
        elif how := _wrong(each, entry):
            found.wrong.append(Wrong(each.what, each.name, how))
        else:
            found.same += 1
    for (what, name), entry in said.items():
        if entry.digest is not None:  # None: no object of the state, or an entry from before digests were kept
            found.wrong.append(Wrong(what, name, f"is missing, with what entry {entry.index} left of it"))
    return found


def _later(each: Standing, entry: Said | None, walked: Walked) -> bool:
    """Whether the newest entry about an object claims to stand behind what was walked."""
    newest = each.kept.entry if each.kept else None
    return newest is not None and newest not in walked.change_ids and newest != (entry and entry.entry)


def _wrong(each: Standing, entry: Said | None) -> str:
    if entry is None or entry.digest is None:
        return "stands there, and no entry says what it is" if each.digest != GONE or entry is None else ""
    if each.digest != entry.digest:
        return _how(each, entry.index)
    if each.kept is None or (each.kept.digest, each.kept.entry) != (entry.digest, entry.entry):
        return f"has another record of its state than entry {entry.index}"
    return ""


def _how(each: Standing, index: int | None) -> str:
    left = "its last entry" if index is None else f"entry {index}"
    return f"is missing: {left} left it there" if each.digest == GONE else f"is not as {left} left it"
