"""One pass over a log's entries, which gathers what the steps of a verification judge.

The tree is grown anew from the entries. A position that cannot be read is filled with a hash
that no entry has, so that everything behind it keeps its place and the first wrong position
shows in the tiles.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from remit.audit.contents import Contents
from remit.audit.hashes import Findings, compare
from remit.audit.merkle import HASH, leaf_hashes
from remit.audit.source import Source, Stretch
from remit.audit.stored import header
from remit.audit.tiles import Tile, Tree
from remit.kernel.errors import IntegrityFailed, Malformed

_UNREADABLE = bytes(HASH)
Named = tuple[str, str]  # what, name
_NO_LIMIT = 1 << 60
_MOST_MISSING = 1 << 20  # stand-ins for missing entries where no signed size says how many there are


@dataclass(slots=True)
class Walked:
    """What the pass found. Each `Findings` belongs to one step."""

    tree: Tree = field(default_factory=Tree)
    roots: dict[int, bytes] = field(default_factory=dict)  # at the sizes that were asked for
    bundles: Findings = field(default_factory=Findings)
    leaves: Findings = field(default_factory=Findings)  # entries that differ from their stored hash
    tiles: Findings = field(default_factory=Findings)  # other stored hashes that differ or are missing
    index: Findings = field(default_factory=Findings)
    indexed: bool = True  # whether the source could say where its index points
    payloads: Findings = field(default_factory=Findings)
    sealed: int | None = 0  # payloads seen; None: the source has none to show
    contents: Contents | None = None  # of the payloads, where the source could open them
    changes: dict[Named, Said] = field(default_factory=dict)  # the newest entry about each object
    change_ids: set[str] = field(default_factory=set)
    open: dict[str, None] = field(default_factory=dict)  # forwarded decisions without an outcome
    early: set[str] = field(default_factory=set)  # outcomes that stand before their decision
    decisions: int = 0
    beyond: int = 0  # entries with positions at or above the limit


@dataclass(frozen=True, slots=True)
class Said:
    """What an entry says of an object: the digest of its rows (None: an entry from before digests were kept)."""

    entry: str
    digest: str | None
    index: int


class Walk:
    """Reads `source` up to `limit` entries (None: no checkpoint says how many), noting the root at each of `sizes`."""

    def __init__(self, source: Source, *, limit: int | None, sizes: Collection[int]) -> None:
        self._source = source
        self._signed = limit is not None
        self._limit = _NO_LIMIT if limit is None else limit
        self._sizes = sorted({size for size in sizes if 0 < size <= self._limit})
        self.found = Walked()

    def run(self) -> Walked:
        """Read everything once."""
        found = self.found
        try:
            for stretch in self._source.stretches(self._limit if self._signed else None):
                self._stretch(stretch)
            for tile in found.tree.partial():
                self._compare(tile)
        except IntegrityFailed as error:
            found.bundles.add(found.tree.size, f"{error.public} ({error.detail})")
        if self._signed and found.tree.size < self._limit:
            found.bundles.add(
                found.tree.size, f"entries {found.tree.size} to {self._limit - 1} are missing: the log was cut short"
            )
        return found

    def _stretch(self, stretch: Stretch) -> None:
        found = self.found
        found.beyond += max(0, stretch.first + stretch.count - max(self._limit, stretch.first))
        if stretch.first >= self._limit:
            return
        if stretch.first > found.tree.size:
            missing = f"entries {found.tree.size} to {stretch.first - 1} are missing"
            found.bundles.add(found.tree.size, missing)
            self._append(self._unreadable(stretch.first - found.tree.size))
        if stretch.first < found.tree.size:
            found.bundles.add(stretch.first, f"two rows claim entry {stretch.first}")
        self._read(stretch)

    def _read(self, stretch: Stretch) -> None:
        """Take over the part of a stretch that continues the tree and lies below the limit."""
        found = self.found
        end = min(stretch.first + stretch.count, self._limit)
        start = min(found.tree.size, end)
        part = stretch.headers[start - stretch.first : max(end - stretch.first, 0)]
        hashes = leaf_hashes(part)
        if stretch.problem:
            # All entries may be readable and the row damaged all the same: then its last one stands for the row.
            index = stretch.first + min(len(stretch.headers), stretch.count - 1)
            found.bundles.add(index, f"{_named(stretch)}: {stretch.problem}")
        self._append([*hashes, *self._unreadable(end - start - len(hashes))])
        self._contents(stretch)
        self._headers(stretch, start, part)

    def _unreadable(self, count: int) -> list[bytes]:
        """Stand-ins for entries that cannot be read. A row's claims cost nothing unless a signed size bounds them."""
        if not self._signed and count > _MOST_MISSING:
            raise IntegrityFailed("a row of the log claims an absurd position", detail=f"{count} entries are missing")
        return [_UNREADABLE] * count

    def _append(self, hashes: list[bytes]) -> None:
        tree, at = self.found.tree, 0
        while self._sizes and self._sizes[0] <= tree.size + len(hashes) - at:
            upto = at + self._sizes[0] - tree.size
            tree.append(hashes[at:upto])
            at = upto
            self.found.roots[self._sizes.pop(0)] = tree.root()
        tree.append(hashes[at:])
        for tile in tree.take_full():
            self._compare(tile)

    def _compare(self, tile: Tile) -> None:
        if finding := compare(self._source, tile):
            exact = tile.level == 0 and finding.end == finding.index + 1
            (self.found.leaves if exact else self.found.tiles).put(finding)

    def _headers(self, stretch: Stretch, start: int, part: Collection[bytes]) -> None:
        found, known = self.found, {}
        for index, raw in enumerate(part, start):
            try:
                entry = header(raw)
            except Malformed as error:
                found.bundles.add(index, f"entry {index}: {error.public}")
                continue
            known[entry["id"]] = index
            self._outcome(entry)
            self._payload(stretch, index, entry)
            self._change(entry, index)
        places = self._source.places(known) if known else {}
        if places is None:
            found.indexed = False
            return
        for entry_id, index in known.items():
            if places.get(entry_id) != (stretch.bundle, index - stretch.first):
                found.index.add(index, f"the index does not point to entry {index} ({entry_id[:80]})")

    def _outcome(self, entry: dict[str, Any]) -> None:
        found = self.found
        if entry["kind"] == "decision" and entry.get("forwarded") is True:
            found.decisions += 1
            if entry["id"] in found.early:
                found.early.discard(entry["id"])
            else:
                found.open[entry["id"]] = None
        elif entry["kind"] == "outcome" and isinstance(decision := entry.get("decision"), str):
            if decision in found.open:
                del found.open[decision]
            else:  # on several nodes an outcome may get its position before its decision
                found.early.add(decision)

    def _change(self, entry: dict[str, Any], index: int) -> None:
        if entry["kind"] != "change":
            return
        self.found.change_ids.add(entry["id"])
        what, name, digest = entry.get("what"), entry.get("name"), entry.get("state")
        if isinstance(what, str) and isinstance(name, str):
            said = Said(entry["id"], digest if isinstance(digest, str) else None, index)
            self.found.changes[what, name] = said

    def _contents(self, stretch: Stretch) -> None:
        found, opened = self.found, self._source.contents(stretch)
        if opened is None:
            return
        found.contents = found.contents or Contents()
        found.contents.add(opened)
        for index, what in opened.wrong:
            found.payloads.add(index, what)

    def _payload(self, stretch: Stretch, index: int, entry: dict[str, Any]) -> None:
        found, slot = self.found, index - stretch.first
        if stretch.payloads is None or found.sealed is None:
            found.sealed = None
            return
        there = slot < len(stretch.payloads) and len(stretch.payloads[slot]) > 0
        found.sealed += there
        if found.contents is None and there != ("payload_commit" in entry):
            what = "has no payload any more" if not there else "has a payload that it does not commit to"
            found.payloads.add(index, f"entry {index} {what}")


def _named(stretch: Stretch) -> str:
    last = stretch.first + stretch.count - 1
    row = "" if stretch.bundle is None else f"bundle {stretch.bundle}, "
    return f"{row}entries {stretch.first} to {last}"
