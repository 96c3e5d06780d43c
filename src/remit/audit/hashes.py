"""What the stored hashes say: how they differ from a tree grown anew, and where they lead by themselves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from remit.audit.merkle import HASH
from remit.audit.source import Source
from remit.audit.tiles import WIDTH, Tile, Tree, cut, path


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a position, or somewhere in index..end-1."""

    index: int
    what: str
    end: int


@dataclass(slots=True)
class Findings:
    """What was found wrong in one respect: the lowest of it, and how many in all."""

    lowest: Finding | None = None
    count: int = 0

    def add(self, index: int, what: str, *, end: int = 0) -> None:
        """Note one more."""
        self.put(Finding(index, what, max(end, index + 1)))

    def put(self, finding: Finding) -> None:
        """Note one more."""
        self.count += 1
        if self.lowest is None or finding.index < self.lowest.index:
            self.lowest = finding


def compare(source: Source, tile: Tile) -> Finding | None:
    """How the stored tile differs from `tile`, which may be a prefix of it (the log may have grown)."""
    span = WIDTH**tile.level
    base = tile.index * WIDTH * span
    count = len(tile.hashes) // HASH
    name = path(tile.level, tile.index, count)
    stored = (source.tile(tile.level, tile.index) or b"")[: len(tile.hashes)]
    if stored == tile.hashes:
        return None
    if len(stored) != len(tile.hashes):
        return Finding(base, f"{name} is missing or too short", base + count * span)
    pairs = zip(cut(tile.hashes), cut(stored), strict=True)
    at = next(position for position, (new, old) in enumerate(pairs) if new != old)
    return Finding(base + at * span, f"{name} differs at hash {at}", base + (at + 1) * span)


@dataclass(slots=True)
class Stored:
    """Where the stored leaf hashes lead by themselves: roots at the sizes asked for, and tiles above that differ."""

    roots: dict[int, bytes] = field(default_factory=dict)
    above: Findings = field(default_factory=Findings)


def stored(source: Source, size: int, *, sizes: Collection[int]) -> Stored:
    """Grow a tree from the stored tiles of level 0, and compare the other levels with it."""
    found, tree = Stored(), Tree()
    wanted = sorted({at for at in (*sizes, size) if 0 < at <= size}, reverse=True)
    for index in range(-(-size // WIDTH)):
        width = min(WIDTH, size - index * WIDTH)
        row = source.tile(0, index)
        if row is None or len(row) < width * HASH:
            return found
        hashes, base = cut(row[: width * HASH]), tree.size
        while wanted and wanted[-1] <= base + width:
            tree.append(hashes[tree.size - base : wanted[-1] - base])
            found.roots[wanted.pop()] = tree.root()
        tree.append(hashes[tree.size - base :])
        _judge(found, source, tree.take_full())
    _judge(found, source, tree.partial())
    return found


def _judge(found: Stored, source: Source, tiles: list[Tile]) -> None:
    for tile in tiles:
        if tile.level and (finding := compare(source, tile)):
            found.above.put(finding)
