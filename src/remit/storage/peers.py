"""The other nodes on one PostgreSQL: what they say of themselves, whether they live, and which one leads.

Nodes ask each other nothing. Each raises a number in its own row with every look at the feed;
who sees that number stand still knows, by its own monotonic clock, for how long at least the
other has not looked, and that after the staleness bound it decides nothing. That it is dead
takes more: a writer may wait for its turn, so a second number is raised by this thread. A node
is only judged while this one could read: an outage of the database is nobody's death.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from remit.kernel.errors import RemitError
from remit.logs import logger

if TYPE_CHECKING:
    import psycopg

_log = logger("remit.nodes")
CHANNEL: Final = "remit_feed"
_LEADER: Final = 0x52656D6B  # an advisory lock, held for as long as the connection lives
_EVERY: Final = 0.8  # seconds between two looks at the other nodes
_LEASE: Final = 3.0  # seconds without an answer after which a leader no longer counts itself one
_SOON: Final = 0.02  # the same, when somebody said something
_PATIENCE: Final = 0.25  # seconds that stopping may have to wait for it
_RETRY: Final = 0.5
DEAD_AFTER: Final = 10.0  # seconds of silence after which a node is given up: twice the staleness bound
_ROWS = "SELECT node, beat, alive, applied, held, covered, ended FROM nodes"
_ALIVE = """
UPDATE nodes SET alive = alive + 1
WHERE node = %s AND ended IS NULL AND set_config('synchronous_commit', 'off', true) = 'off'
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A row of `nodes`."""

    node: str
    beat: int
    alive: int
    applied: int
    held: int
    covered: int
    ended: int | None


@dataclass(frozen=True, slots=True)
class Sight:
    """What a node said last, and when that was seen first (seconds, monotonic)."""

    node: Node
    looked: float  # its number of looks
    lived: float  # either number

    def blind(self, now: float) -> float:
        """For how many seconds, at least, it has not looked at what changed."""
        return now - self.looked

    def silent(self, now: float) -> float:
        """For how many seconds, at least, there was no sign of it."""
        return now - self.lived


def sights(known: Mapping[str, Sight], rows: Iterable[Node], *, now: float) -> dict[str, Sight]:
    """What is known of the nodes after their rows were read at `now`. Pure."""
    found = {}
    for row in rows:
        before = known.get(row.node) or Sight(row, now, now)
        looked = before.looked if before.node.beat == row.beat else now
        lived = before.lived if (before.node.beat, before.node.alive) == (row.beat, row.alive) else now
        found[row.node] = Sight(row, looked, lived)
    return found


class Peers:
    """One thread that listens for changes, watches the other nodes, and leads if nobody else does.

    Without `connect` (SQLite) there is no other node, and this one leads.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]] | None = None) -> None:
        self._connect = connect
        self._node = ""
        self._nudge: Callable[[], None] = _nothing
        self._sights: dict[str, Sight] = {}
        self._leading = False
        self._answered = 0.0
        self._stopping = threading.Event()
        self._seen = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def shared(self) -> bool:
        """Whether there may be other nodes."""
        return self._connect is not None

    @property
    def leads(self) -> bool:
        """Whether what runs once in the deployment runs here. What it does must also stand two at once for a moment:
        a lost connection is noticed by both ends, and not in the same instant.
        """
        return not self.shared or (self._leading and time.monotonic() - self._answered < _LEASE)

    def others(self) -> list[Sight]:
        """The other nodes that are registered, those that were given up among them."""
        sights = self._sights
        return [each for name, each in sights.items() if name != self._node] if sights else []

    def wait(self, until: Callable[[], bool], seconds: float) -> None:
        """Wait until what the other nodes say makes that true, or for so long."""
        if self.others():
            with self._seen:
                self._seen.wait_for(until, seconds)

    def start(self, node: str, nudge: Callable[[], None]) -> None:
        """Begin; `nudge` is called whenever something may have changed."""
        self._node, self._nudge = node, nudge
        self._thread = threading.Thread(target=self._run, name="remit-feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and let another one lead."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_LEASE)

    def _run(self) -> None:
        assert self._connect is not None  # noqa: S101 - it is not started without
        while not self._stopping.is_set():
            try:
                with contextlib.closing(self._connect()) as connection:
                    self._listen(connection)
            except Exception as error:  # noqa: BLE001 - whatever it is: the poll goes on, and this comes back
                if not self._stopping.is_set():
                    detail = error.detail if isinstance(error, RemitError) else str(error)
                    _log.warning("not listening to the other nodes; their changes are polled", error=detail[:300])
            # Nobody is judged by what was not seen: with the next connection everyone's time begins anew.
            now = time.monotonic()
            self._leading, self._sights = False, {name: Sight(it.node, now, now) for name, it in self._sights.items()}
            self._stopping.wait(_RETRY)

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        self._watch(connection, anew=True)
        self._nudge()  # what was missed while nobody listened
        woken = False
        while not self._stopping.is_set():
            # What was said just after a look is looked at soon, not with the next regular one: a stop waits for it.
            for _ in connection.notifies(timeout=_SOON if woken else _PATIENCE, stop_after=1):
                woken = True
                self._nudge()
            if time.monotonic() - self._answered >= (_SOON if woken else _EVERY):
                self._watch(connection)
                woken = False

    def _watch(self, connection: psycopg.Connection[Any], *, anew: bool = False) -> None:
        """Read what the nodes say, and try to lead if this one does not."""
        asked = time.monotonic()
        if not self._leading:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LEADER,)).fetchone()
            self._leading = bool(row and row[0])
            if self._leading:
                _log.info("this node leads", node=self._node)
        connection.execute(_ALIVE, (self._node,))
        rows = [Node(*row) for row in connection.execute(_ROWS)]
        self._sights = sights({} if anew else self._sights, rows, now=time.monotonic())
        self._answered = asked
        with self._seen:
            self._seen.notify_all()


def _nothing() -> None:
    """Nobody wants to be woken."""
