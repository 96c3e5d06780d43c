"""The state beside the log: sealed with every change, checked without reading the log, compared with it by verify."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert

from remit.audit import states
from remit.audit.objects import GONE, OBJECTS, digest
from remit.audit.recorded import compare
from remit.audit.seal import StateKeys, Total, read_total, tag
from remit.audit.source import State
from remit.audit.source_offline import open_offline
from remit.audit.standing import Standing
from remit.audit.verify import verify
from remit.audit.walk import Said, Walked
from remit.kernel.errors import IntegrityFailed
from remit.storage.every_table import metadata
from remit.storage.schema import policies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection
    from tests.unit.audit.conftest import Ledger

    from remit.audit.report import Report
    from remit.storage.ports import Transaction

KEYS = StateKeys(rows=b"r" * 32, total=b"t" * 32)


def put(ledger: Ledger, file: str, text: str | None, *, inside: Sequence[str] = ()) -> str:
    """Bring a policy file to `text` (None: take it out) by a change with its entry; the entry's id."""
    entry = ledger.recorder.entry("change", {"what": "policy", "name": file, "change": "x"})

    def apply(tx: Transaction) -> None:
        tx.connection.execute(delete(policies).where(policies.c.file == file))
        if text is not None:
            tx.connection.execute(insert(policies).values(file=file, text=text))
        for statement in inside:
            tx.connection.exec_driver_sql(statement)
        tx.record(entry)

    ledger.database.writer.change(apply)
    return entry.id


def behind(ledger: Ledger, *statements: str | tuple[object, ...]) -> None:
    """What somebody does with the database alone."""

    def apply(tx: Transaction) -> None:
        for statement in statements:
            query, *values = (statement,) if isinstance(statement, str) else statement
            tx.connection.exec_driver_sql(str(query), tuple(values))

    ledger.database.writer.change(apply)


def problem(ledger: Ledger) -> str:
    return ledger.database.reader.read(ledger.states.check).problem


def rows(ledger: Ledger, query: str) -> list[tuple[Any, ...]]:
    def read(connection: Connection) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in connection.exec_driver_sql(query)]

    return ledger.database.reader.read(read)


def verified(ledger: Ledger) -> Report:
    ledger.sequence()
    source = open_offline(Path(ledger.where).parent)
    try:
        return verify(source)
    finally:
        source.close()


def state_step(ledger: Ledger) -> tuple[str, str]:
    step = verified(ledger).steps[-1]
    assert (step.number, step.name) == (11, "the state")
    return step.status.value, step.detail


def test_every_column_of_every_table_is_in_the_digest() -> None:
    for parts in OBJECTS.values():
        for part in parts:
            table = metadata.tables[part.table]
            assert sorted(part.columns) == sorted(column.name for column in table.columns)
            assert part.key in table.columns
            booleans = [column.name for column in table.columns if str(column.type) == "BOOLEAN"]
            assert booleans == [part.flag] * len(booleans)


def test_a_digest_depends_on_object_and_rows_and_not_on_their_order() -> None:
    assert digest("server", "a", []) == GONE
    assert digest("server", "a", [b"1", b"2"]) == digest("server", "a", [b"2", b"1"])
    different = {digest("server", "a", [b"1"]), digest("server", "b", [b"1"]), digest("tool", "a", [b"1"])}
    assert len(different | {digest("server", "a", [b"1", b"1"])}) == 4


def test_a_null_column_is_left_out_and_a_boolean_is_a_number() -> None:
    (part,) = OBJECTS["owner"]
    assert (
        part.encoded(("o", True, "b", None))
        == part.encoded(("o", 1, "b", None))
        == b'["owners",{"active":1,"body":"b"}]'
    )


def test_a_change_says_what_its_object_is_now(either: Ledger) -> None:
    entry = put(either, "a.cedar", "permit(principal, action, resource);")
    said = either.log.find(entry).header["state"]
    assert rows(either, "SELECT what, name, digest, entry FROM states") == [("policy", "a.cedar", said, entry)]
    assert problem(either) == ""
    other = put(either, "a.cedar", "forbid(principal, action, resource);")
    assert either.log.find(other).header["state"] not in {said, GONE}
    gone = put(either, "a.cedar", None)
    assert either.log.find(gone).header["state"] == GONE
    assert problem(either) == ""


def test_an_entry_about_no_object_has_no_digest(ledger: Ledger) -> None:
    entry = ledger.change("about nothing that is kept")
    ledger.record(entry)
    assert "state" not in ledger.log.find(entry.id).header
    assert problem(ledger) == ""


def test_two_changes_of_one_object_in_one_change_count_once(ledger: Ledger) -> None:
    entries = [ledger.recorder.entry("change", {"what": "policy", "name": "a"}) for _ in range(2)]

    def apply(tx: Transaction) -> None:
        for number, entry in enumerate(entries):
            tx.connection.execute(delete(policies))
            tx.connection.execute(insert(policies).values(file="a", text=str(number)))
            tx.record(entry)

    ledger.database.writer.change(apply)
    assert problem(ledger) == ""
    assert rows(ledger, "SELECT entry FROM states") == [(entries[1].id,)]
    assert state_step(ledger)[0] == "ok"


EDITS = {
    "a changed row": (
        "UPDATE policies SET text = 'permit(principal,action,resource);' WHERE file = 'b'",
        "policy b is not",
    ),
    "a new row": ("INSERT INTO policies VALUES ('c', 'permit')", "policy c stands there"),
    "a row taken out": ("DELETE FROM policies WHERE file = 'b'", "policy b is missing"),
    "a risk nobody set": ("INSERT INTO risks VALUES ('bot', 1, 1, NULL)", "risk bot stands there"),
    "an operator's token": ("INSERT INTO operators VALUES ('x', 'dana', 'owner', 0, 1)", "operator_token dana"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_no_entry_says_is_found_and_named(ledger: Ledger, edit: str) -> None:
    put(ledger, "a", "one")
    put(ledger, "b", "two")
    statement, named = EDITS[edit]
    behind(ledger, statement)
    assert named in problem(ledger)
    status, detail = state_step(ledger)
    assert status == "failed"
    assert named.split(" is ")[0].split(" stands")[0] in detail
    assert "policy a" not in problem(ledger) + detail


def test_a_row_put_back_together_with_its_record_is_found(ledger: Ledger) -> None:
    put(ledger, "a", "wide")
    old = rows(ledger, "SELECT digest, entry, seal FROM states")[0]
    put(ledger, "a", "narrow")
    put(ledger, "b", "other")
    behind(
        ledger,
        "UPDATE policies SET text = 'wide' WHERE file = 'a'",
        ("UPDATE states SET digest = ?, entry = ?, seal = ? WHERE name = 'a'", *old),
    )
    assert "put back from an earlier time" in problem(ledger)
    assert state_step(ledger) == ("failed", "policy a is not as entry 1 left it")


def test_a_row_taken_out_together_with_its_record_is_found(ledger: Ledger) -> None:
    put(ledger, "a", "forbid")
    put(ledger, "b", "other")
    behind(ledger, "DELETE FROM policies WHERE file = 'a'", "DELETE FROM states WHERE name = 'a'")
    assert "added or taken out" in problem(ledger)
    assert state_step(ledger) == ("failed", "policy a is missing, with what entry 0 left of it")


def test_a_record_that_was_made_without_the_key_is_found(ledger: Ledger) -> None:
    put(ledger, "a", "one")
    behind(ledger, "INSERT INTO policies VALUES ('c', 'permit')")
    (now,) = [each.digest for each in _standings(ledger) if each.name == "c"]
    behind(ledger, ("INSERT INTO states VALUES ('policy', 'c', ?, 'chg_x', X'00')", now))
    assert "policy c has a record of its state that was not made here" in problem(ledger)
    behind(ledger, "UPDATE states SET what = 'nothing known' WHERE name = 'c'", "DELETE FROM policies WHERE file = 'c'")
    assert "added or taken out" in problem(ledger)


def _standings(ledger: Ledger) -> list[Standing]:
    from remit.audit.standing import standings  # noqa: PLC0415
    from remit.audit.states import rows_of  # noqa: PLC0415

    return ledger.database.reader.read(lambda connection: list(standings(rows_of(connection))))


def test_the_whole_state_put_back_shows_against_the_log(ledger: Ledger) -> None:
    put(ledger, "a", "wide")
    old = rows(ledger, "SELECT value FROM meta WHERE key = 'states'")[0][0]
    record = rows(ledger, "SELECT digest, entry, seal FROM states")[0]
    put(ledger, "a", "narrow")
    behind(
        ledger,
        "UPDATE policies SET text = 'wide'",
        ("UPDATE states SET digest = ?, entry = ?, seal = ?", *record),
        ("UPDATE meta SET value = ? WHERE key = 'states'", old),
    )
    assert "of another time than the log" in problem(ledger)


def test_a_record_of_an_earlier_entry_is_not_taken_for_a_later_one(ledger: Ledger) -> None:
    """While entries wait, a record may name one of them; but not one that has a place already."""
    put(ledger, "a", "wide")
    old = rows(ledger, "SELECT digest, entry, seal FROM states")[0]
    put(ledger, "a", "narrow")
    ledger.sequence()
    ledger.record(ledger.change("waits"))
    behind(
        ledger,
        "UPDATE policies SET text = 'wide'",
        ("UPDATE states SET digest = ?, entry = ?, seal = ?", *old),
    )
    source = open_offline(Path(ledger.where).parent)
    step = verify(source).steps[-1]
    source.close()
    assert (step.status.value, step.detail) == ("failed", "policy a is not as entry 1 left it")


def test_a_state_that_was_emptied_is_not_taken_for_a_new_one(ledger: Ledger) -> None:
    put(ledger, "a", "one")
    behind(ledger, "DELETE FROM policies", "DELETE FROM states", "DELETE FROM meta WHERE key = 'states'")
    ledger.database.writer.change(ledger.states.begin)
    assert problem(ledger) == "the state has no seal"


@pytest.mark.parametrize("text", ["", "AAAA", "no base64"])
def test_a_seal_that_is_damaged_or_gone_is_found(ledger: Ledger, text: str) -> None:
    put(ledger, "a", "one")
    behind(ledger, ("UPDATE meta SET value = ? WHERE key = 'states'", text))
    assert problem(ledger)
    behind(ledger, "DELETE FROM meta WHERE key = 'states'")
    assert problem(ledger) == "the state has no seal"
    ledger.database.writer.change(ledger.states.begin)
    assert problem(ledger) == "the state has no seal", "only a state with nothing in it is sealed for the asking"


def test_nothing_is_recorded_over_what_strayed(ledger: Ledger) -> None:
    put(ledger, "a", "one")
    behind(
        ledger, "UPDATE policies SET text = 'permit' WHERE file = 'a'", "INSERT INTO policies VALUES ('c', 'permit')"
    )
    for file in ("a", "c"):
        with pytest.raises(IntegrityFailed, match=f"policy {file} is not as its last entry left it"):
            put(ledger, file, "two")
    put(ledger, "b", "a new object is no stray")
    assert "policy a" in problem(ledger)


def test_a_change_goes_through_although_the_seal_is_broken(ledger: Ledger) -> None:
    """A stop must work even then; the next start will not."""
    put(ledger, "a", "one")
    behind(ledger, "UPDATE meta SET value = 'AAAA' WHERE key = 'states'")
    put(ledger, "b", "two")
    assert problem(ledger)


def test_what_was_accepted_is_sealed_anew(ledger: Ledger) -> None:
    put(ledger, "a", "one")
    behind(ledger, "UPDATE policies SET text = 'two'", "DELETE FROM meta WHERE key = 'states'")
    strays = ledger.database.reader.read(ledger.states.strays)
    assert list(strays) == [("policy", "a")]
    ledger.states.accepting = True
    put(ledger, "a", "two")
    ledger.database.writer.change(ledger.states.reseal)
    ledger.states.accepting = False
    assert problem(ledger) == ""
    assert state_step(ledger)[0] == "ok"


def test_what_is_damaged_in_the_log_is_no_entry_about_anything(ledger: Ledger) -> None:
    put(ledger, "a", "one")
    behind(ledger, "UPDATE bundles SET headers = X'00'")
    assert list(ledger.database.reader.read(ledger.states.strays)) == [("policy", "a")]


def test_a_database_of_an_older_time_has_no_state_to_show(ledger: Ledger) -> None:
    put(ledger, "a", "one")
    ledger.sequence()
    ledger.close()
    with closing(sqlite3.connect(ledger.where)) as database, database:
        database.execute("DROP TABLE states")
    source = open_offline(Path(ledger.where).parent)
    assert verify(source).steps[-1].status.value == "not checked"
    source.close()
    ledger.open = lambda: None  # type: ignore[method-assign]


# what the comparison says ----------------------------------------------------------------------


def said(entry: str, is_: str | None, index: int = 5) -> Walked:
    walked = Walked()
    walked.changes["policy", "a"] = Said(entry, is_, index)
    walked.change_ids.add(entry)
    return walked


def one(now: str, kept: tuple[str, str] | None, walked: Walked, *, settled: bool = True) -> Any:
    from remit.audit.seal import Kept  # noqa: PLC0415

    standing = Standing("policy", "a", now, Kept(*kept, b"") if kept else None)
    return compare(State([standing], None, settled=settled), walked)


def test_what_was_changed_after_the_checkpoint_is_not_called_wrong_or_right() -> None:
    later = one("2", ("2", "chg_2"), said("chg_1", "1"), settled=False)
    assert (later.wrong, later.later, later.same) == ([], ["policy a"], 0)
    edited = one("3", ("2", "chg_2"), said("chg_1", "1"), settled=False)
    assert (len(edited.wrong), edited.later) == (1, [])
    assert one("2", ("2", "chg_2"), Walked(), settled=False).later == ["policy a"]
    # Where every entry has a position, there is no later one.
    assert len(one("2", ("2", "chg_2"), said("chg_1", "1")).wrong) == 1


def test_a_record_of_an_earlier_entry_is_wrong_also_while_entries_wait() -> None:
    walked = said("chg_2", "2")
    walked.change_ids.add("chg_1")
    assert len(one("1", ("1", "chg_1"), walked, settled=False).wrong) == 1


def test_each_way_to_differ_is_told() -> None:
    assert one("1", ("1", "chg_1"), said("chg_1", "1")).same == 1
    assert str(one("2", ("1", "chg_1"), said("chg_1", "1")).wrong[0]) == "policy a is not as entry 5 left it"
    assert str(one("", ("1", "chg_1"), said("chg_1", "1")).wrong[0]) == "policy a is missing: entry 5 left it there"
    assert "another record" in str(one("1", ("2", "chg_1"), said("chg_1", "1")).wrong[0])
    assert "another record" in str(one("1", ("1", "chg_2"), said("chg_1", "1")).wrong[0])
    assert "another record" in str(one("1", None, said("chg_1", "1")).wrong[0])
    assert "no entry says" in str(one("1", None, Walked()).wrong[0])
    assert "no entry says" in str(one("1", ("1", "chg_1"), said("chg_1", None)).wrong[0])
    assert one("", ("", "chg_1"), said("chg_1", "")).same == 1
    assert len(compare(State([], None, settled=True), said("chg_1", "1")).wrong) == 1
    assert compare(State([], None, settled=True), said("chg_1", None)).wrong == []


# the seal -----------------------------------------------------------------------------------------


def test_a_total_is_the_sum_of_its_rows_in_any_order() -> None:
    rows = [tag(KEYS, "policy", str(number), "d", "e")[1] for number in range(5)]
    one, other = Total(), Total()
    for row in rows:
        one.add(row)
    for row in (*reversed(rows), 7):
        other.add(row)
    other.remove(7)
    assert one == other
    assert read_total(one.text(KEYS), KEYS) == one
    with pytest.raises(IntegrityFailed):
        read_total(one.text(KEYS), StateKeys(rows=KEYS.rows, total=b"x" * 32))


def test_a_seal_covers_every_field_and_where_one_ends() -> None:
    fields = [
        ("policy", "a", "d", "e"),
        ("polic", "ya", "d", "e"),
        ("policy", "a", "", "de"),
        ("policy", "ad", "", "e"),
    ]
    tags = [tag(KEYS, *each) for each in fields]
    assert len({seal for seal, _ in tags}) == len({summand for _, summand in tags}) == len(fields)
    seal, summand = tags[0]
    assert len(seal) == 32
    assert summand != int.from_bytes(seal, "big"), "what stands in the table tells nothing of the sum"


def test_a_gentle_check_finds_the_same_and_rests_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr("time.sleep", rests.append)
    monkeypatch.setattr(states, "_RESTS", 3)
    rows = states._resting(lambda _query, _values: ((at,) for at in range(1000)))
    assert [list(rows("", ())) for _ in range(2)] == [[(at,) for at in range(1000)]] * 2
    assert len(rests) == 3
