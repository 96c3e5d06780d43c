"""A replay of what a data directory or database holds, without its server, in as many processes as there are cores."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remit.access.activation_seal import UNSEALED
from remit.audit.bodies import body_of
from remit.audit.opened import CHANGE, decisions, headers
from remit.audit.source_offline import OfflineSource, open_offline
from remit.keys.ports import Provider
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.history import Change, Past, change_in
from remit.policy.simulate import Part, Range, Simulation, part_from, report
from remit.server.stored import StoredFacts
from remit.server.what_if import Asked, base_of, candidate_of

_PIECE: Final = 10_000  # entries that one process takes at a time
_YOUNG: Final = 20_000  # objects made between two looks for cycles


@dataclass(frozen=True, slots=True)
class Work:
    """What every process is told.

    Args:
        where: A data directory, or the URL of a database.
        provider: Makes what opens its keys.
        asked: What would stand instead.
        within: Which decisions.
    """

    where: Path | str
    provider: Callable[[], Provider | None]
    asked: Asked
    within: Range


@dataclass(frozen=True, slots=True)
class _Log:
    """The changes in a log, and its pieces: (first position, the one behind, entries)."""

    changes: list[Change]
    pieces: list[tuple[int, int]]


class _Reader:
    """One process's own view of the database."""

    def __init__(self, work: Work, changes: Sequence[Change] | None) -> None:
        self.source = _opened(work)
        self.log = _walk(self.source) if changes is None else _Log(list(changes), [])
        engine, rows = CompiledEngine(CedarEngine()), self.source.rows
        past = Past(
            self.log.changes,
            body=lambda digest: body_of(rows, digest),
            source=StoredFacts(UNSEALED),
            engine=engine,
            mac=self.source.mac,
        )
        now = past.newest() if work.asked.anything else None
        candidate, self.candidate = (None, None) if now is None else candidate_of(work.asked, rows, now, engine)
        self.simulation = Simulation(past, work.within, candidate)

    def run(self, piece: tuple[int, int]) -> Part:
        """One piece of the log."""
        part = Part()
        for stretch in self.source.between(*piece, payloads=True):
            for entry in decisions(stretch, self.source.data_key):
                self.simulation.take(part, entry)
        return part


def simulate(
    work: Work, *, processes: int = 1, plan: str | None = None, progress: Callable[[int, int], None] = lambda *_: None
) -> dict[str, Any]:
    """The report on every decision in the range.

    Args:
        work: What is asked of what.
        processes: How many work at once. The report is the same, byte for byte.
        plan: The digest of what was in force when the plan was made.
        progress: Is told how many entries of how many were gone through.

    Raises:
        Conflict: The plan is stale.
        IntegrityFailed: The log or the state as it was is damaged.
        RemitError: As `open_offline`, `candidate_of`.
    """
    reader = _Reader(work, None)
    try:
        base = base_of(reader.source.rows, plan)
        whole, end = Part(), reader.log.pieces[-1][1] if reader.log.pieces else 0
        for (_, behind), part in zip(reader.log.pieces, _parts(work, reader, processes), strict=True):
            whole.add(part)
            progress(behind, end)
        return report(whole, base=base, within=work.within, candidate=reader.candidate)
    finally:
        reader.source.close()


def _parts(work: Work, reader: _Reader, processes: int) -> Iterator[Part]:
    if processes == 1 or len(reader.log.pieces) == 1:
        yield from map(reader.run, reader.log.pieces)
        return
    # Spawned: a process that was forked would share the database's open file with this one.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _begin, (work, reader.log.changes)) as pool:
        yield from map(part_from, pool.imap(_piece, reader.log.pieces))


_here: list[_Reader] = []  # in a process of the pool: its reader


def _begin(work: Work, changes: Sequence[Change]) -> None:
    gc.set_threshold(_YOUNG, 5, 1_000_000)  # nearly all of it is freed at once, or stays
    _here.append(_Reader(work, changes))
    gc.freeze()


def _piece(piece: tuple[int, int]) -> dict[str, Any]:
    return _here[0].run(piece).body()


def _opened(work: Work) -> OfflineSource:
    source = open_offline(work.where)
    provider = work.provider()
    if provider is not None:
        source.unlock(provider)
    return source


def _walk(source: OfflineSource) -> _Log:
    """Once through all headers: for the changes, and where the log can be divided."""
    found, pieces, began, behind = _Log([], []), [], 0, 0
    for stretch in source.between(0, payloads=False):
        for at, _, said in headers(stretch, CHANGE):
            if (change := change_in(at, said)) is not None:
                found.changes.append(change)
        behind = stretch.first + stretch.count
        if behind - began >= _PIECE:
            pieces.append((began, behind))
            began = behind
    if behind > began:
        pieces.append((began, behind))
    found.pieces.extend(pieces)
    return found
