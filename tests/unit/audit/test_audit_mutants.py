"""Examples that a changed line of the verifier taught: each of these fails when that line is changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.audit.conftest import TestProvider

from remit.audit.checkpoint import Checkpoint, VerifierKey, sign
from remit.audit.source_offline import open_offline
from remit.audit.verify import verify
from remit.kernel.errors import IntegrityFailed

if TYPE_CHECKING:
    from tests.unit.audit.conftest import Ledger

    from remit.audit.report import Report
    from remit.storage.model import Entry
    from remit.storage.ports import Transaction


def decision(ledger: Ledger, number: int = 1) -> Entry:
    return ledger.recorder.entry("decision", {"agent": "bot"}, about="agent:bot", payload={"n": number})


def run(ledger: Ledger, query: str, *values: object) -> None:
    def apply(tx: Transaction) -> None:
        tx.connection.exec_driver_sql(query, values)

    ledger.database.writer.change(apply)


def verified(ledger: Ledger, *, kept: str | None = None, unlocked: bool = True) -> Report:
    source = open_offline(Path(ledger.where).parent)
    try:
        if unlocked:
            source.unlock(TestProvider())
        return verify(source, kept=kept)
    finally:
        source.close()


def step(report: Report, number: int) -> tuple[str, str]:
    found = report.steps[number - 1]
    return found.status.value, found.detail


def signed(ledger: Ledger, size: int, root: bytes) -> str:
    key = ledger.keys.log_key
    return sign(Checkpoint(key.origin, size, root), VerifierKey(key.origin, key.public), key.sign)


def test_one_entry_behind_the_kept_checkpoint_is_not_checked(ledger: Ledger) -> None:
    ledger.grow(3)
    kept = ledger.note()
    ledger.grow(1)
    assert step(verified(ledger, kept=kept), 8) == (
        "not checked",
        "1 entries after the kept checkpoint, from 3 on: only the log's own key vouches for them",
    )
    assert step(verified(ledger, kept=ledger.note()), 8)[0] == "ok"


def test_a_log_that_is_one_entry_shorter_was_rolled_back(ledger: Ledger) -> None:
    ledger.grow(3)
    report = verified(ledger)
    longer = verified(ledger, kept=signed(ledger, report.size + 1, bytes(32)))
    assert step(longer, 7) == ("failed", "rolled back: the kept checkpoint has 4 entries, the log 3")
    assert (longer.first_bad_index, longer.exact) == (3, False)


def test_a_newest_checkpoint_over_other_entries_names_no_entry(ledger: Ledger) -> None:
    ledger.grow(3)
    kept = ledger.note()
    run(ledger, "UPDATE checkpoints SET note = ?", signed(ledger, 3, bytes(32)))
    report = verified(ledger, kept=kept)
    assert step(report, 4)[0] == "failed"
    assert (report.ok, report.first_bad_index, report.exact) == (False, None, False)


def test_entries_without_a_checkpoint_are_not_said_to_begin_wrong(ledger: Ledger) -> None:
    ledger.grow(3)
    run(ledger, "DELETE FROM checkpoints")
    report = verified(ledger)
    assert (report.first_bad_index, report.exact) == (0, False)


def test_payloads_are_opened_with_the_keys_only(ledger: Ledger) -> None:
    ledger.owner("agent:bot")
    ledger.record(decision(ledger), ledger.change("none"), decision(ledger))
    ledger.sequence()
    assert step(verified(ledger), 9) == ("ok", "2 payloads are the ones committed to")
    assert step(verified(ledger, unlocked=False), 9)[0] == "not checked"


def test_a_payload_whose_key_was_erased_is_not_checked(ledger: Ledger) -> None:
    ledger.owner("agent:bot")
    ledger.record(decision(ledger))
    ledger.sequence()
    ledger.database.writer.change(lambda tx: ledger.keys.erase_data_key(tx, "agent:bot"))
    status, detail = step(verified(ledger), 9)
    assert (status, "keys were erased" in detail) == ("not checked", True)
    ledger.owner("agent:bot")  # another key of theirs does not open it either
    assert step(verified(ledger), 9)[0] == "not checked"
    assert ledger.log.contents(0, 1).erased == 1


PAYLOADS: dict[str, str] = {
    "flipped": "",
    "gone": "DELETE FROM payloads",
    "its key is gone": "DELETE FROM data_keys WHERE owner = 'agent:bot'",
    "its key is another": "UPDATE data_keys SET wrapped = X'00' WHERE owner = 'agent:bot'",
}


@pytest.mark.parametrize("how", PAYLOADS)
def test_a_payload_that_does_not_open_is_named(ledger: Ledger, how: str) -> None:
    ledger.owner("agent:bot")
    ledger.record(ledger.change("none"), decision(ledger))
    ledger.sequence()
    if how == "flipped":
        ((sealed,),) = _rows(ledger, "SELECT sealed FROM payloads")
        run(ledger, "UPDATE payloads SET sealed = ?", sealed[:-1] + bytes([sealed[-1] ^ 1]))
    else:
        run(ledger, PAYLOADS[how])
    report = verified(ledger)
    assert (step(report, 9)[0], report.first_bad_index, report.exact) == ("failed", 1, True)


def test_payloads_that_changed_places_are_named_by_the_server_too(ledger: Ledger) -> None:
    ledger.owner("agent:bot")
    ledger.record(decision(ledger, 1))
    ledger.record(decision(ledger, 2))
    ledger.sequence()
    (one,), (two,) = _rows(ledger, "SELECT sealed FROM payloads ORDER BY bundle")
    run(ledger, "UPDATE payloads SET sealed = ? WHERE bundle = 1", two)
    run(ledger, "UPDATE payloads SET sealed = ? WHERE bundle = 2", one)
    assert [index for index, _ in ledger.log.contents(0, 10).wrong] == [0, 1]
    assert [index for index, _ in ledger.log.contents(1, 1).wrong] == [1], "a page of one"
    assert step(verified(ledger), 9)[0] == "failed"


def test_a_seal_that_is_wrong_by_itself_fails_the_state(ledger: Ledger) -> None:
    """The rows agree with the log, and a start would refuse all the same."""
    ledger.grow(2)
    run(ledger, "UPDATE meta SET value = 'AAAA' WHERE key = 'states'")
    assert step(verified(ledger, unlocked=False), 11)[0] == "ok"
    assert step(verified(ledger), 11)[0] == "failed"


def test_an_entry_is_found_offline_or_refused(ledger: Ledger) -> None:
    entries = [ledger.change("one"), ledger.change("two")]
    ledger.record(*entries)
    ledger.sequence()
    waits = ledger.change("waits")
    ledger.record(waits)
    source = open_offline(Path(ledger.where).parent)
    assert source.entry(entries[1].id) == (ledger.log.find(entries[1].id).header, 1)
    assert source.entry(waits.id)[1] is None
    source.close()
    for query in ("UPDATE entries SET slot = 0", "UPDATE entries SET slot = 9", "UPDATE entries SET bundle = 9"):
        run(ledger, query)
        source = open_offline(Path(ledger.where).parent)
        with pytest.raises(IntegrityFailed):
            source.entry(entries[1].id)
        source.close()
        run(ledger, "UPDATE entries SET slot = 1, bundle = 1 WHERE entry = ?", entries[1].id)


def _rows(ledger: Ledger, query: str) -> list[tuple[Any, ...]]:
    return ledger.database.reader.read(lambda connection: [tuple(row) for row in connection.exec_driver_sql(query)])
