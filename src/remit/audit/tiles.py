"""The tree in tiles of 256 hashes (C2SP tlog-tiles): names, growth, and hashes of ranges.

Pure. Tile (level, index) holds the roots of the complete subtrees of 256**level leaves at
positions index * 256 and on; the last tile of a level may be partial, and a partial tile is
a prefix of the later, wider one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from remit.audit.merkle import HASH, RangeHash, root_of, split
from remit.kernel.errors import IntegrityFailed, Malformed

WIDTH = 256
_BITS = 8
_MAX_LEVEL = 63
_GROUP = re.compile(r"[0-9]{3}\Z")
_PARTIAL = re.compile(r"[1-9][0-9]{0,2}\Z")

ReadTile = Callable[[int, int], bytes | None]
"""The hashes of tile (level, index), concatenated; None if there is none."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile as stored: up to 256 hashes of 32 bytes, concatenated."""

    level: int
    index: int
    hashes: bytes


def path(level: int, index: int, width: int = WIDTH) -> str:
    """The tile's C2SP path: `tile/0/x001/x234/067`, with `.p/5` for the first five hashes only."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:  # noqa: PLR2004 - three digits to a path element
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


def parse_path(text: str) -> tuple[int, int, int]:
    """(level, index, width) of a tile's path, in its one spelling; `path` backwards.

    Raises:
        Malformed: It is no tile's path.
    """
    parts = text.split("/")
    width = WIDTH
    if len(parts) > 3 and parts[-2].endswith(".p") and _PARTIAL.match(parts[-1]):  # noqa: PLR2004 - tile, level, index
        width = int(parts.pop())
        parts[-1] = parts[-1][:-2]
    head, groups = parts[:2], parts[2:]
    digits = [*(group[1:] for group in groups[:-1] if group[:1] == "x"), *groups[-1:]]
    if len(digits) != len(groups) or not digits or not all(_GROUP.match(group) for group in digits):
        raise Malformed("not the path of a tile")
    level, index = int(head[1]) if head[1].isascii() and head[1].isdigit() else -1, int("".join(digits))
    if not 0 <= level <= _MAX_LEVEL or width > WIDTH or path(level, index, width) != text:
        raise Malformed("not the path of a tile")
    return level, index, width


def cut(hashes: bytes) -> list[bytes]:
    """The hashes of a tile one by one.

    Raises:
        IntegrityFailed: It is not a whole number of 1 to 256 hashes.
    """
    if not hashes or len(hashes) % HASH or len(hashes) > HASH * WIDTH:
        raise IntegrityFailed("a tile is damaged", detail=f"{len(hashes)} bytes")
    return [hashes[at : at + HASH] for at in range(0, len(hashes), HASH)]


class Tree:
    """A growing tree: appends leaf hashes, remembers the right edge only, and says which tiles changed."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[list[bytes]] = [[]]  # per level, the hashes of its last, partial tile
        self._full: list[Tile] = []

    @classmethod
    def load(cls, size: int, tile: ReadTile) -> Tree:
        """The tree of `size` leaves from its stored tiles; the caller compares its root with a signed one.

        Raises:
            IntegrityFailed: A tile of the right edge is missing or too short.
        """
        tree = cls()
        tree.size = size
        tree._edge = []
        level, count = 0, size
        while count or not level:
            index, width = divmod(count, WIDTH)
            tree._edge.append(_prefix(tile, level, index, width))
            level, count = level + 1, count // WIDTH
        return tree

    def append(self, hashes: Iterable[bytes]) -> None:
        """Append leaf hashes."""
        edge = self._edge[0]
        before = len(edge)
        edge.extend(hashes)
        self.size += len(edge) - before
        if len(edge) >= WIDTH:
            self._close(0)

    def _close(self, level: int) -> None:
        """Cut full tiles off a level's edge and carry their roots up."""
        edge = self._edge[level]
        if level + 1 == len(self._edge):
            self._edge.append([])
        index = (self.size >> (_BITS * (level + 1))) - len(edge) // WIDTH
        while len(edge) >= WIDTH:
            tile = edge[:WIDTH]
            del edge[:WIDTH]
            self._full.append(Tile(level, index, b"".join(tile)))
            self._edge[level + 1].append(root_of(tile))
            index += 1
        if len(self._edge[level + 1]) >= WIDTH:
            self._close(level + 1)

    def take_full(self) -> list[Tile]:
        """The tiles that became full since this was last asked."""
        full, self._full = self._full, []
        return full

    def partial(self) -> list[Tile]:
        """The partial tiles of the right edge."""
        return [
            Tile(level, self.size >> (_BITS * (level + 1)), b"".join(edge))
            for level, edge in enumerate(self._edge)
            if edge
        ]

    def root(self) -> bytes:
        """The root over all leaves."""
        carried: list[bytes] = []
        for edge in self._edge:
            level = edge + carried
            carried = [root_of(level)] if level else []
        return carried[0] if carried else root_of([])


def _prefix(tile: ReadTile, level: int, index: int, width: int) -> list[bytes]:
    if not width:
        return []
    stored = tile(level, index)
    if stored is None or len(stored) < width * HASH:
        raise IntegrityFailed("a tile is missing or too short", detail=path(level, index, width))
    return cut(stored[: width * HASH])


def range_hash_from(tile: ReadTile) -> RangeHash:
    """A `RangeHash` over stored tiles, for the ranges that proofs ask for."""

    def range_hash(low: int, high: int) -> bytes:
        """The root over leaves low..high-1."""
        size = high - low
        if size & (size - 1) == 0 and low % size == 0:
            return _subtree(tile, size.bit_length() - 1, low // size)
        middle = low + split(size)
        return root_of([range_hash(low, middle), range_hash(middle, high)])

    return range_hash


def _subtree(tile: ReadTile, height: int, position: int) -> bytes:
    """The root of the complete subtree of 2**height leaves at `position`."""
    level, inside = divmod(height, _BITS)
    first = position << inside
    index, offset = divmod(first, WIDTH)
    return root_of(_prefix(tile, level, index, offset + (1 << inside))[offset:])
