"""Two nodes on one PostgreSQL: the same proof once, the same budget once, epochs without gaps, no deadlock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import func, insert, select, update

from remit.kernel.clock import Instant
from remit.storage.database import Database
from remit.storage.model import Committed, ConsumeProof, Entry, Renew, Reserve, Work
from remit.storage.ports import Transaction
from remit.storage.schema import counters, epoch, instances, meta, proofs, runs

FAR = Instant(4_000_000_000_000_000)
ROUNDS = 60


def storm(database: Database, node: int, done: list[Committed], order: Sequence[str], start: threading.Barrier) -> None:
    """The same proofs and counters on both nodes, met in opposite orders, with changes in between."""

    def change(tx: Transaction, number: int) -> None:
        tx.connection.execute(insert(meta).values(key=f"{node}-{number}", value="x"))
        tx.touch("freezes")

    start.wait()
    for number in range(ROUNDS):
        works = [
            Work(
                (Entry(f"dec_{node}_{number}_{key}", b"h"),),
                (ConsumeProof(f"{key}-{number}", FAR), Reserve(key, Instant(0), FAR, 1, ROUNDS // 2)),
            )
            for key in order
        ]
        futures = [database.writer.submit(work) for work in works]
        database.writer.change(lambda tx, number=number: change(tx, number))  # type: ignore[misc]
        done += [future.result(timeout=30) for future in futures]


def test_two_nodes_share_proofs_budgets_and_epochs(postgres_url: str, opened: Callable[[Path | str], Database]) -> None:
    nodes = [opened(postgres_url), opened(postgres_url)]
    done: list[list[Committed]] = [[], []]
    start = threading.Barrier(2)
    threads = [
        threading.Thread(target=storm, args=(nodes[node], node, done[node], "abcdef"[:: 1 - 2 * node], start))
        for node in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(answers) for answers in done] == [6 * ROUNDS] * 2  # nobody was refused for a deadlock
    every = [answer for answers in done for answer in answers]
    assert sum(not isinstance(answer.failed, ConsumeProof) for answer in every) == 6 * ROUNDS
    assert sum(answer.failed is None for answer in every) == 6 * (ROUNDS // 2)
    numbers = sorted(answer.used[0] for answer in every if answer.failed is None)
    assert numbers == sorted([*range(1, ROUNDS // 2 + 1)] * 6)
    found = nodes[0].reader.read(
        lambda c: (
            c.execute(select(func.count()).select_from(proofs)).scalar_one(),
            set(c.execute(select(counters.c.used)).scalars()),
            c.execute(select(epoch.c.value)).scalar_one(),
        )
    )
    assert found == (6 * ROUNDS, {ROUNDS // 2}, 2 * ROUNDS)


def test_a_run_that_both_nodes_write_to_keeps_nobody_waiting(
    postgres_url: str, opened: Callable[[Path | str], Database]
) -> None:
    """One node renews runs as works while the other saves the same ones in changes, in the opposite order."""
    renewing, changing = opened(postgres_url), opened(postgres_url)
    names = [f"run_{number:02}" for number in range(24)]
    renewing.writer.change(lambda tx: _open(tx, names))
    done: list[Committed] = []
    over = threading.Event()

    def renew() -> None:
        at = 0
        while not over.is_set():
            at += 1
            works = [Work((Entry(f"tok_{at:05}_{name}", b"h"),), (_renewal(name),), lambda _: ()) for name in names]
            done.extend(future.result(timeout=30) for future in [renewing.writer.submit(work) for work in works])

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        for _ in range(ROUNDS):
            changing.writer.change(lambda tx: _save(tx, names[::-1]))
    finally:
        over.set()
        thread.join()
    # A deadlock would have refused works of the one or changes of the other.
    assert len(done) % len(names) == 0
    assert {type(answer.failed) for answer in done} <= {type(None), Renew}
    assert any(answer.failed is None for answer in done)


def test_a_run_that_another_node_is_changing_is_passed_over(
    postgres_url: str, opened: Callable[[Path | str], Database]
) -> None:
    """Neither waited for (nodes would wait for each other) nor written to as it was before."""
    renewing, changing = opened(postgres_url), opened(postgres_url)
    renewing.writer.change(lambda tx: _open(tx, ["run_1", "run_2"]))
    work = [Work((Entry(f"tok_{name}", b"h"),), (_renewal(name),), lambda _: ()) for name in ("run_1", "run_2")]

    def change(tx: Transaction) -> list[Committed]:
        _save(tx, ["run_1"])
        return [renewing.writer.submit(each).result(timeout=10) for each in work]

    held, free = changing.writer.change(change)
    assert (held.failed, free.failed) == (_renewal("run_1"), None)
    after = Work((Entry("tok_after", b"h"),), (_renewal("run_1"),), lambda _: ())
    assert renewing.writer.submit(after).result(timeout=10).failed is None


def _open(tx: Transaction, names: Sequence[str]) -> None:
    for name in names:
        run = {"run": name, "agent": "a", "instance": f"of {name}", "purpose": "p", "opened": 0}
        tx.connection.execute(insert(runs).values(**run, ends=FAR, token_expires=FAR))
        seen = {"agent": "a", "instance": f"of {name}", "credential": "c", "first_seen": 0, "last_seen": 0}
        tx.connection.execute(insert(instances).values(**seen))


def _save(tx: Transaction, names: Sequence[str]) -> None:
    """As a token's change does it: the run, then its instance, one token after the other."""
    for name in names:
        tx.connection.execute(update(runs).where(runs.c.run == name).values(token_expires=FAR))
        tx.connection.execute(update(instances).where(instances.c.instance == f"of {name}").values(last_seen=1))


def _renewal(name: str) -> Renew:
    return Renew(
        run=name, ends=FAR, live=Instant(0), expires=FAR, agent="a", instance=f"of {name}", credential="c",
        seen=Instant(2),
    )  # fmt: skip
