"""What a verifier needs from wherever a log is kept. Nothing it answers is believed unchecked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from remit.audit.contents import Contents
from remit.audit.standing import Standing


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive entries as one row holds them, and how much of it could be read."""

    first: int  # the position it claims
    count: int  # how many entries it claims
    headers: Sequence[bytes]  # those that could be read, from the first on
    problem: str = ""  # why not all could be read, or why the row is wrong
    bundle: int | None = None  # the row's number, where the source knows it
    payloads: Sequence[bytes] | None = None  # each sealed payload (b"": none), where the source has them


@dataclass(frozen=True, slots=True)
class State:
    """What stands in the database beside its log: every object, and what the seals over them say."""

    objects: Iterable[Standing]
    seal: str | None  # what is wrong with the seals ("": nothing); None: the keys are not known here
    settled: bool  # whether every entry there is has a position, so that none about an object can be newer


class Source(Protocol):
    """Where a log is read: a running server, or a data directory."""

    def key(self) -> str:
        """The log's verifier key in its text form."""
        ...

    def checkpoint(self) -> str | None:
        """The newest checkpoint, or None. Asked first; what comes later may have grown."""
        ...

    def earlier(self) -> Sequence[str]:
        """Older checkpoints that the source still has."""
        ...

    def stretches(self, until: int | None) -> Iterator[Stretch]:
        """What has a position, in order of positions; what begins at `until` or later may be left out."""
        ...

    def tile(self, level: int, index: int) -> bytes | None:
        """The stored hashes of a tile, or None."""
        ...

    def waiting(self) -> int:
        """How many entries have no position yet."""
        ...

    def places(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]] | None:
        """Where the index says that entries stand (bundle, slot); None if this source cannot say."""
        ...

    def contents(self, stretch: Stretch) -> Contents | None:
        """What a stretch's payloads turn out to be once opened; None if this source cannot open them."""
        ...

    def state(self) -> State | None:
        """Every object as it stands, asked last; None if this source does not show it."""
        ...

    def index_rows(self) -> int | None:
        """How many entries the index knows of those that have a position; None if this source cannot say."""
        ...
