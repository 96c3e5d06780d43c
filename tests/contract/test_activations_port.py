"""Starting entitlements inside a group commit, and their rows: memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_row import row_of
from remit.access.activation_seal import ActivationSeal, Unsealed
from remit.access.activation_sql import Resealed, SqlActivations
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.errors import IntegrityFailed
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.people.notices import SqlNotices
from remit.storage.database import Database
from remit.storage.memory import MemoryWriter
from remit.storage.model import Activate, Committed, ConsumeProof, Effect, Entry, Reserve, Work
from remit.storage.ports import Transaction
from remit.storage.schema import activations

NOON = Instant(1_700_000_000_000_000)
FAR = Instant(4_000_000_000_000_000)


def activation(action: str = "s/t", serial: int = 1, **changes: object) -> Activation:
    parts: dict[str, object] = {
        "key": ActivationKey(AgentName("bot"), PurposeName("work"), ActionName(action), "s"),
        "boundary": BoundaryName("b"),
        "boundary_version": 2,
        "agent_version": "1",
        "state": ActivationState.ACTIVE,
        "since": NOON,
        "started": NOON,
        "by": "",
        "serial": serial,
        "usage": Usage(NOON, Micros(7), 2, (3,)),
    }
    return Activation(**(parts | changes))  # type: ignore[arg-type]


def start(it: Activation, expected: int, notice: str | None = None) -> Activate:
    return Activate(it.key, expected, row_of(it, due=NOON + DAY), notice)


def work(name: str, *effects: Effect) -> Work:
    return Work((Entry(f"dec_{name}", name.encode()),), effects, lambda _: (Entry(f"ref_{name}", b"no"),))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def submit(
    request: pytest.FixtureRequest, tmp_path: Path, opened: Callable[[Path | str], Database]
) -> Callable[..., list[Committed]]:
    if request.param == "memory":
        memory = MemoryWriter()
        return lambda *works: [memory.submit(each).result() for each in works]
    database = opened(tmp_path / "remit.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url"))

    def batch(*works: Work) -> list[Committed]:
        futures = database.writer.change(lambda _: [database.writer.submit(each) for each in works])
        return [future.result(timeout=10) for future in futures]

    return batch


def test_of_two_that_start_the_same_the_first_has_it(submit: Callable[..., list[Committed]]) -> None:
    one = start(activation(), 0)
    first, second = submit(work("a", one), work("b", one))
    assert first.failed is None
    assert second.failed == one
    assert submit(work("c", one))[0].failed == one
    assert submit(work("d", start(activation(serial=2), 1)))[0].failed is None


def test_a_start_that_fails_undoes_what_was_reserved_and_keeps_the_proof_used(
    submit: Callable[..., list[Committed]],
) -> None:
    proof, reserve = ConsumeProof("p", FAR), Reserve("k", NOON, FAR, 3, 5)
    late = start(activation(serial=9), 8)
    assert submit(work("a", proof, reserve, late))[0].failed == late
    assert submit(work("b", proof))[0].failed == proof
    assert submit(work("c", Reserve("k", NOON, FAR, 5, 5)))[0].used == (5,)


def test_a_reservation_that_fails_starts_nothing(submit: Callable[..., list[Committed]]) -> None:
    over = Reserve("k", NOON, FAR, 9, 5)
    assert submit(work("a", over, start(activation(), 0)))[0].failed == over
    assert submit(work("b", start(activation(), 0)))[0].failed is None


def test_rows_come_back_as_they_were(any_database: Database) -> None:
    it = activation()
    any_database.writer.submit(work("a", start(it, 0, '{"what":"start"}'))).result()
    read = any_database.reader.read
    assert read(lambda c: SqlActivations(c).of_agent("bot")) == [it]
    assert read(lambda c: SqlActivations(c).of_agent("other")) == []
    assert read(lambda c: SqlActivations(c).find(it.key)) == it
    (notice,) = read(lambda c: SqlNotices(c).newest(["bot"], most=9, unseen=True))
    assert notice.said == {"what": "start"}
    assert any_database.writer.change(lambda tx: SqlNotices(tx.connection).see(["bot"], now=NOON)) == 1
    assert read(lambda c: SqlNotices(c).newest(["bot"], most=9, unseen=True)) == []


def test_due_and_order(any_database: Database) -> None:
    for at, action in enumerate(("s/b", "s/a", "s/c")):
        it = activation(action)
        effect = Activate(it.key, 0, row_of(it, due=NOON + at))
        any_database.writer.submit(work(action, effect)).result()
    read = any_database.reader.read
    assert [e.action for e in read(lambda c: SqlActivations(c).due(Instant(NOON + 1), 9))] == ["s/b", "s/a"]
    assert [e.action for e in read(lambda c: SqlActivations(c).after(("", "", "", ""), 2))] == ["s/a", "s/b"]
    last = activation("s/b").key
    assert [e.action for e in read(lambda c: SqlActivations(c).after(last, 9))] == ["s/c"]


def test_a_place_that_was_held_and_not_taken_is_no_activation(any_database: Database) -> None:
    any_database.writer.submit(work("a", start(activation(serial=2), 1))).result()
    assert any_database.reader.read(lambda c: SqlActivations(c).of_agent("bot")) == []


def test_use_is_written_without_a_transition_and_never_backwards(any_database: Database) -> None:
    it = activation()
    any_database.writer.submit(work("a", start(it, 0))).result()
    newer, older = Usage(Instant(NOON + 5), Micros(9), 3, (1, 2)), Usage(Instant(NOON - 5), Micros(1))
    for usage in (newer, older):
        any_database.writer.change(lambda tx, usage=usage: SqlActivations(tx.connection).use(it.key, usage, due=1))  # type: ignore[misc]
    found = any_database.reader.read(lambda c: SqlActivations(c).find(it.key))
    assert found is not None
    assert (found.usage, found.serial) == (newer, 1)


def test_a_transition_needs_the_serial_that_was_read(any_database: Database) -> None:
    it = activation()

    def put(expected: int, serial: int) -> bool:
        return any_database.writer.change(
            lambda tx: SqlActivations(tx.connection).put(activation(serial=serial), expected=expected, due=1)
        )

    assert put(0, 1)
    assert not put(0, 2)
    assert put(1, 2)
    found = any_database.reader.read(lambda c: SqlActivations(c).find(it.key))
    assert found is not None
    assert found.serial == 2


SEAL = ActivationSeal(b"k" * 32)


def test_what_the_writer_seals_is_read_with_the_seal_and_what_is_edited_is_not(any_database: Database) -> None:
    good, bad = activation("s/a"), activation("s/b")
    any_database.writer.seal = SEAL.close
    for it in (good, bad):
        any_database.writer.submit(work(it.key.action, start(it, 0))).result()
    read = any_database.reader.read
    assert read(lambda c: SqlActivations(c, SEAL).of_agent("bot")) == [good, bad]
    assert read(lambda c: SqlActivations(c).unsealed()) is None

    def edit(tx: Transaction) -> None:
        of = activations.c.action == "s/b"
        (body,) = tx.connection.execute(select(activations.c.body).where(of)).one()
        tx.connection.execute(update(activations).where(of).values(body=body.replace('"by":""', '"by":"dana"')))

    any_database.writer.change(edit)
    for ask in (lambda c: SqlActivations(c, SEAL).of_agent("bot"), lambda c: SqlActivations(c, SEAL).find(bad.key)):
        with pytest.raises(IntegrityFailed, match="s/b"):
            read(ask)
    assert read(lambda c: list(SqlActivations(c, SEAL).some([good.key, bad.key]))) == [(good, NOON + DAY)]
    start_ = ("", "", "", "")
    resealed = any_database.writer.change(lambda tx: SqlActivations(tx.connection, SEAL).reseal(start_, 9))
    assert resealed == ([good.key, bad.key], [(bad.key, "sealed")])
    assert [each.by for each in read(lambda c: SqlActivations(c, SEAL).of_agent("bot"))] == ["", "dana"]


def test_a_transition_of_a_service_is_sealed_and_a_row_without_a_seal_is_found(any_database: Database) -> None:
    it = activation()
    any_database.writer.change(lambda tx: SqlActivations(tx.connection, SEAL).put(it, expected=0, due=1))
    read = any_database.reader.read
    assert read(lambda c: SqlActivations(c, SEAL).find(it.key)) == it
    other = activation("s/z")
    any_database.writer.change(lambda tx: SqlActivations(tx.connection).put(other, expected=0, due=1))
    assert read(lambda c: SqlActivations(c).unsealed()) == other.key
    with pytest.raises(IntegrityFailed):
        read(lambda c: SqlActivations(c, SEAL).find(other.key))


def test_many_are_postponed_at_once(any_database: Database) -> None:
    for action in ("s/a", "s/b", "s/c"):
        any_database.writer.submit(work(action, start(activation(action), 0))).result()
    later = [(activation("s/a").key, 5), (activation("s/c").key, 7)]
    any_database.writer.change(lambda tx: SqlActivations(tx.connection).postpone(later))
    keys = [activation(action).key for action in ("s/a", "s/b", "s/c")]
    found = any_database.reader.read(lambda c: {a.key.action: due for a, due in SqlActivations(c).some(keys)})
    assert found == {"s/a": 5, "s/b": NOON + DAY, "s/c": 7}
    assert any_database.reader.read(lambda c: SqlActivations(c).keys_of("bot")) != []


BODY = '{"agent_version":"1","boundary":"b","boundary_version":2,"by":"","since":1,"started":1,"state":"active"}'
DAMAGE: dict[str, dict[str, str]] = {
    "gaps": {"gaps": "x"},
    "an empty body": {"body": ""},
    "no JSON": {"body": "{"},
    "no object": {"body": "[]"},
    "an unknown state": {"body": BODY.replace("active", "asleep")},
    "a missing member": {"body": BODY.replace('"by":"",', "")},
    "another type": {"body": BODY.replace('"since":1', '"since":"1"')},
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("seal", [Unsealed(), SEAL], ids=["unsealed", "sealed"])
def test_a_damaged_row_is_named_and_accepted_as_suspended(any_database: Database, damage: str, seal: Unsealed) -> None:
    good, bad = activation("s/a"), activation("s/b")
    any_database.writer.seal = seal.close
    for it in (good, bad):
        any_database.writer.submit(work(it.key.action, start(it, 0))).result()
    edit = update(activations).where(activations.c.action == "s/b").values(DAMAGE[damage])
    any_database.writer.change(lambda tx: tx.connection.execute(edit) and None)
    read = any_database.reader.read
    for ask in (lambda c: SqlActivations(c, seal).of_agent("bot"), lambda c: SqlActivations(c, seal).find(bad.key)):
        with pytest.raises(IntegrityFailed, match="s/b"):
            read(ask)
    assert read(lambda c: [it for it, _ in SqlActivations(c, seal).some([good.key, bad.key])]) == [good]

    def accept(tx: Transaction) -> tuple[list[ActivationKey], list[Resealed]]:
        return SqlActivations(tx.connection, seal).reseal(("", "", "", ""), 9)

    assert any_database.writer.change(accept) == ([good.key, bad.key], [(bad.key, "suspended")])
    assert any_database.writer.change(accept)[1] == []
    found = read(lambda c: SqlActivations(c, seal).find(bad.key))
    assert found is not None
    assert (found.state, found.serial, found.by) == (ActivationState.SUSPENDED, 1, "")
    assert read(lambda c: SqlActivations(c).due(Instant(1), 9)) == [bad.key]


@pytest.mark.parametrize("serial", [0, -1])
def test_a_held_place_that_says_something_is_found_and_emptied(any_database: Database, serial: int) -> None:
    it = activation()
    any_database.writer.submit(work("a", start(activation(serial=2), 1))).result()
    read = any_database.reader.read
    assert read(lambda c: SqlActivations(c).unsealed()) is None, "a place that is only held is none"
    edit = update(activations).values(serial=serial, body=SEAL.close(it.key, 1, BODY))
    any_database.writer.change(lambda tx: tx.connection.execute(edit) and None)
    assert read(lambda c: SqlActivations(c).unsealed()) == it.key
    first = ("", "", "", "")
    resealed = any_database.writer.change(lambda tx: SqlActivations(tx.connection, SEAL).reseal(first, 9))
    assert resealed == ([it.key], [(it.key, "emptied")])
    assert read(lambda c: SqlActivations(c).unsealed()) is None
    assert any_database.writer.submit(work("b", start(it, 0))).result().failed is None
