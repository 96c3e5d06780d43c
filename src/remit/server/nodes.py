"""One of several nodes: what it settles of those that died, and whether a stop holds on the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from remit.audit.recovery import settle
from remit.audit.service import Recorder
from remit.freezes.containment import BOUND, GATEWAY, Acknowledgements, Containment
from remit.kernel.clock import Clock
from remit.logs import logger
from remit.storage.database import Database
from remit.storage.node_sql import Signs, SqlNodes
from remit.storage.peers import DEAD_AFTER, Peers, Sight
from remit.storage.ports import Transaction

_FILE: Final = "node"
NOTHING_SEEN: Final = 2**62  # a reading of the coverage clock: there is no use that is not written down
_log = logger("remit.nodes")
Replay = Callable[[Transaction, Sequence[Mapping[str, Any]]], None]
Stop = Callable[[], bool]


@dataclass(slots=True, kw_only=True)
class Nodes:
    """This process among the nodes of one database. With SQLite there is nothing to do.

    Args:
        data: This process's own directory, which no other process uses while it runs.
        database: What is shared.
        records: Makes entries.
        clock: Says when.
        replay: Writes, within a change, uses that a node may not have written.
    """

    data: Path
    database: Database
    records: Recorder
    clock: Clock
    replay: Replay = field(default=lambda _tx, _uses: None)

    def settle_own(self) -> int:
        """Settle what the process before this one left in the same directory: it is dead, for its lock is ours."""
        node, before = self.database.node, node_before(self.data)
        if node is None:
            return 0
        lost = self._settle(before, seen=None) if before else 0
        (self.data / _FILE).write_text(node + "\n", encoding="ascii")
        return lost

    def tick(self, stop: Stop = lambda: False) -> int:
        """Settle what dead nodes left; how many that were. For the leader, each second."""
        done, now = 0, time.monotonic()
        for each in self.database.peers.others():
            given_up = each.node.ended is not None
            if stop() or (not given_up and each.silent(now) <= DEAD_AFTER):
                continue
            self._settle(each.node.node, seen=(each.node.beat, each.node.alive))
            done += 1
        return done

    def flushed(self, reading: int) -> None:
        """All use seen until the coverage clock showed `reading` is written down."""
        node = self.database.node
        if node is not None:
            self.database.writer.change(lambda tx: SqlNodes(tx.connection).flushed(node, reading))

    def leave(self) -> None:
        """This process ends, and left nothing: it is no node any more."""
        node = self.database.node
        if node is not None:
            self.database.writer.change(lambda tx: SqlNodes(tx.connection).forget(node))

    def _settle(self, node: str, *, seen: Signs | None) -> int:
        lost = settle(
            self.database.writer, self.database.reader, self.records, node, settler=self.database.node or "",
            seen=seen, now=self.clock.now(), replay=self.replay,
        )  # fmt: skip
        if lost is not None:
            _log.warning("a node that died is settled", node=node, calls_without_outcome=lost)
        return lost or 0


def written(others: Iterable[Sight]) -> int | None:
    """The lowest reading of the coverage clock at which another node wrote down the use it saw. Pure."""
    return min((each.node.covered for each in others), default=None)


def flushes(others: Iterable[Sight]) -> tuple[tuple[str, int], ...]:
    """What changes with every time that another node writes down the use it saw. Pure."""
    return tuple(sorted([(each.node.node, each.node.covered) for each in others]))


def standing(others: Iterable[Sight], *, epoch: int, now: float, points: bool) -> Containment:
    """Where the other nodes stand about a stop that took effect at `epoch`. Pure.

    A node confirms once its view, and every enforcement point that hangs on it, has applied that. One that has not
    looked for the staleness bound decides nothing by itself; a point that it let go on just before has as long again.
    """
    confirmed, expired, pending = [], [], []
    for each in others:
        name = each.node.node
        if each.node.held >= epoch:
            confirmed.append(name)
        elif each.node.ended is not None or each.blind(now) > (2 * BOUND if points else BOUND):
            expired.append(name)
        else:
            pending.append(name)
    return Containment(confirmed=tuple(confirmed), expired=tuple(expired), pending=tuple(pending))


def applied(others: Iterable[Sight], *, epoch: int, now: float) -> bool:
    """Whether every other node has what was so at `epoch`, or is silent for so long that it does nothing. Pure."""
    return all(each.node.applied >= epoch or each.node.ended is not None or each.blind(now) > BOUND for each in others)


def together(here: Containment, elsewhere: Containment) -> Containment:
    """One statement about both. A point that is silent here may hang on another node, which answers for it."""
    return Containment(
        confirmed=(*here.confirmed, *elsewhere.confirmed),
        expired=(*here.expired, *elsewhere.expired),
        pending=(*here.pending, *elsewhere.pending),
    )


def contained(peers: Peers, here: Acknowledgements, *, epoch: int) -> Containment:
    """Where this node's enforcement points, and the other nodes, stand about a stop that took effect at `epoch`."""
    now, found = time.monotonic(), here.of(epoch)
    points = found.confirmed != (GATEWAY,) or bool(found.expired or found.pending)
    return together(found, standing(peers.others(), epoch=epoch, now=now, points=points))


def node_before(data: Path) -> str:
    """The node that used this directory last; "" if none did."""
    file = data / _FILE
    return file.read_text(encoding="ascii").strip() if file.exists() else ""


def admins(tx: Transaction, node: str | None, token_hash: str, *, before: str) -> Collection[str]:
    """Note which admin token stands in this node's directory; those of the other nodes, which go on working."""
    return () if node is None else SqlNodes(tx.connection).administered(node, token_hash, before=before)
