"""Two texts beside each other, line by line, as a page shows them. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_AROUND: Final = 3  # lines that did not change, shown around those that did
_MOST: Final = 20_000  # lines of a file that are compared; what is longer is shown as taken out and put in


@dataclass(frozen=True, slots=True)
class Pair:
    """One row: a line of each side with its number, None where that side has none. `how`: same, changed, gone, new."""

    how: str
    old: int | None
    was: str
    new: int | None
    now: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One file that differs. `parts` are stretches of rows; what is between them is the same on both sides."""

    file: str
    how: str  # added, removed, changed
    parts: Sequence[Sequence[Pair]]


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[Changed]:
    """The files that differ, by name. The rows of `changed` files, put together, give both texts where they differ."""
    found = []
    for file in sorted(old.keys() | new.keys()):
        was, now = old.get(file), new.get(file)
        if was != now:
            how = "added" if was is None else "removed" if now is None else "changed"
            found.append(Changed(file, how, list(beside((was or "").splitlines(), (now or "").splitlines()))))
    return found


def beside(old: Sequence[str], new: Sequence[str]) -> Iterator[list[Pair]]:
    """Stretches of lines that differ, with some lines around them."""
    if len(old) > _MOST or len(new) > _MOST:
        yield [*_rows("replace", old, new, 0, 0)]
        return
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(_AROUND):
        yield [row for how, at, end, to, until in group for row in _rows(how, old[at:end], new[to:until], at, to)]


def _rows(how: str, old: Sequence[str], new: Sequence[str], at: int, to: int) -> Iterator[Pair]:
    for step in range(max(len(old), len(new))):
        has, gets = step < len(old), step < len(new)
        word = "same" if how == "equal" else "changed" if has and gets else "gone" if has else "new"
        yield Pair(
            word,
            at + step + 1 if has else None, old[step] if has else "",
            to + step + 1 if gets else None, new[step] if gets else "",
        )  # fmt: skip
