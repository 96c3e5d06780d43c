"""The sequencer: gives entries their positions, grows the tree and signs it.

Order of durability (after Sunlight): entries are durable -> hashed -> checkpoint signed ->
positions, tiles and checkpoint committed in one transaction, by compare and swap. A signed
checkpoint whose swap failed is thrown away unseen, so two checkpoints of one log never
contradict each other. What is damaged is not signed over: the sequencer stops and says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from remit.audit import checkpoint
from remit.audit.checkpoint import Checkpoint, VerifierKey
from remit.audit.merkle import leaf_hashes
from remit.audit.ports import Keys
from remit.audit.sql import Bundle, SqlLog
from remit.audit.stored import read_bundle
from remit.audit.tiles import Tile, Tree
from remit.kernel.clock import Clock
from remit.kernel.errors import Conflict, IntegrityFailed, RemitError
from remit.logs import logger
from remit.storage.ports import Reader, Transaction, Writer

_INTERVAL = 0.5  # seconds between looks: a checkpoint follows growth within a second, and each look holds up calls
_MOST_BUNDLES = 512  # in one transaction, with the next: bounds how long it holds up decisions
_MOST_ENTRIES = 16_384
_PATIENCE = 10.0  # seconds that stopping waits for the last checkpoint
_log = logger("remit.audit")


class Sequencer:
    """One thread that follows the log. `run_once` may be called instead, from one thread at a time."""

    def __init__(
        self, writer: Writer, reader: Reader, keys: Keys, clock: Clock, *, leads: Callable[[], bool] = lambda: True
    ) -> None:
        """Prepare. `leads` says whether it is this node's turn; two at once would only be in each other's way."""
        self._writer = writer
        self._leads = leads
        self._reader = reader
        self._key = keys.log_key
        self._verifier = VerifierKey(self._key.origin, self._key.public)
        self._clock = clock
        self._tree: Tree | None = None  # None: read it (again) before going on
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.failure: RemitError | None = None
        """Why the log is not being signed now; None while it is."""

    def start(self) -> None:
        """Start following the log."""
        self._thread = threading.Thread(target=self._follow, name="remit-sequencer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Sign what is there, then stop. The writer must still take work."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def run_once(self) -> int:
        """Sequence and sign what waits now, up to a bound; how many entries that were.

        Raises:
            IntegrityFailed: A waiting bundle, or the tree so far, is damaged.
            Conflict: Another sequencer was faster; the next run continues from there.
            StorageUnavailable: Nothing was changed.
        """
        waiting = _bounded(self._reader.read(lambda connection: SqlLog(connection).waiting(_MOST_BUNDLES)))
        if not waiting:
            return 0
        tree = self._tree or self._reader.read(self._load)
        self._tree = None  # until this run is committed
        before = tree.size
        firsts = _extend(tree, waiting)
        note = checkpoint.sign(Checkpoint(self._verifier.name, tree.size, tree.root()), self._verifier, self._key.sign)
        changed = [*tree.take_full(), *tree.partial()]
        self._writer.change(lambda tx: self._commit(tx, firsts, changed, note, before))
        self._tree = tree
        return tree.size - before

    def _commit(
        self, tx: Transaction, firsts: Sequence[tuple[int, int]], changed: Sequence[Tile], note: str, before: int
    ) -> None:
        log = SqlLog(tx.connection)
        log.lock()
        log.publish(note, after=before, now=self._clock.now())
        log.place(firsts)
        log.keep(changed)

    def _load(self, connection: Connection) -> Tree:
        """The tree as it was last signed. Tiles that do not lead to the signed root are not built upon."""
        log = SqlLog(connection)
        note = log.checkpoint()
        if note is None:
            if log.holding(0, 1):
                raise IntegrityFailed("the log has positions and no checkpoint")
            return Tree()
        signed = checkpoint.verify(note, self._verifier)
        tree = Tree.load(signed.size, log.tile)
        if tree.root() != signed.root:
            raise IntegrityFailed("the log's tiles do not lead to its checkpoint", detail=f"size {signed.size}")
        return tree

    def _follow(self) -> None:
        while not self._stopping.wait(_INTERVAL):
            if self._leads():
                self._drain()
        if self._leads():
            self._drain()

    def _drain(self) -> None:
        try:
            while self.run_once():
                self.failure = None
            self.failure = None
        except Conflict as error:
            _log.warning("another sequencer extended the log", detail=error.detail)
        except RemitError as error:
            if self.failure is None or str(self.failure) != str(error):
                _log.error("the log is not being signed", error=str(error), detail=error.detail)
            self.failure = error
        except Exception as error:  # noqa: BLE001 - the thread must live to try again, and the failure be seen
            _log.exception("the log is not being signed")
            self.failure = RemitError("the log is not being signed", detail=repr(error))


def _bounded(waiting: Sequence[Bundle]) -> list[Bundle]:
    taken: list[Bundle] = []
    total = 0
    for bundle in waiting:
        total += bundle.count
        if taken and total > _MOST_ENTRIES:
            break
        taken.append(bundle)
    return taken


def _extend(tree: Tree, waiting: Sequence[Bundle]) -> list[tuple[int, int]]:
    """Append the bundles' leaves; (bundle, first position) of each."""
    firsts = []
    for bundle in waiting:
        headers, problem = read_bundle(bundle.headers, bundle.count)
        if problem:
            raise IntegrityFailed("a bundle of the log is damaged", detail=f"bundle {bundle.bundle}: {problem}")
        firsts.append((bundle.bundle, tree.size))
        tree.append(leaf_hashes(headers))
    return firsts
