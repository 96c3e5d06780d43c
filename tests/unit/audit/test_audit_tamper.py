"""Tampering with a real database: edit, delete, reorder, truncate, roll back, fork, forge: found, named by index."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from remit.audit.checkpoint import Checkpoint, VerifierKey, parse, sign
from remit.audit.export import read_export, verify_export
from remit.audit.http import routes
from remit.audit.merkle import leaf_hashes
from remit.audit.source_live import LiveSource
from remit.audit.source_offline import open_offline
from remit.audit.tiles import Tree
from remit.audit.verify import verify
from remit.kernel.errors import Malformed, NotFound, RemitError
from remit.storage import bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.audit.conftest import Ledger

    from remit.audit.report import Report

SIZES = (3, 1, 4, 260, 2)  # 270 entries in five bundles; two tiles at level 0, one at level 1


class Kept:
    """A finished log: its file, the newest checkpoint, and an older one."""

    def __init__(self, folder: Path, old: str, new: str) -> None:
        self.folder = folder
        self.old = old
        self.new = new

    def copy(self, to: Path) -> Path:
        shutil.copytree(self.folder, to, dirs_exist_ok=True)
        return to


@pytest.fixture
def kept(ledger: Ledger, tmp_path: Path) -> Kept:
    ledger.owner("agent:bot")
    for number, size in enumerate(SIZES):
        if number == 3:
            ledger.sequence()
            old = ledger.note()
            ledger.clock.at += 60_000_000
        entries = [ledger.change(f"{number}-{slot}") for slot in range(size - 1)]
        last = ledger.recorder.entry("decision", {"agent": "bot"}, about="agent:bot", payload={"n": number})
        ledger.record(*entries, last)
    ledger.sequence()
    new = ledger.note()
    ledger.close()
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(tmp_path / "remit.db", folder / "remit.db")
    ledger.open()
    return Kept(folder, old, new)


def tamper(folder: Path, *statements: str | tuple[str, Sequence[object]]) -> None:
    with closing(sqlite3.connect(folder / "remit.db")) as database, database:
        for statement in statements:
            query, values = (statement, ()) if isinstance(statement, str) else statement
            database.execute(query, values)


def offline(folder: Path, kept: str | None = None) -> Report:
    source = open_offline(folder)
    try:
        return verify(source, kept=kept)
    finally:
        source.close()


def failed(report: Report) -> list[int]:
    return [step.number for step in report.steps if step.status == "failed"]


def unchecked(report: Report) -> list[int]:
    return [step.number for step in report.steps if step.status == "not checked"]


def headers_of(folder: Path, first: int) -> list[bytes]:
    with closing(sqlite3.connect(folder / "remit.db")) as database:
        (stored,) = database.execute("SELECT headers FROM bundles WHERE first = ?", (first,)).fetchone()
    return bundle.unpack(bundle.decompress(stored))


def rewrite(folder: Path, first: int, headers: list[bytes]) -> None:
    packed = bundle.compress(bundle.pack(headers))
    tamper(folder, ("UPDATE bundles SET headers = ? WHERE first = ?", (packed, first)))


def all_headers(folder: Path) -> list[bytes]:
    with closing(sqlite3.connect(folder / "remit.db")) as database:
        rows = database.execute("SELECT headers FROM bundles ORDER BY first").fetchall()
    return [header for (stored,) in rows for header in bundle.unpack(bundle.decompress(stored))]


def rehash(folder: Path) -> Tree:
    """What an attacker does who also rewrites every tile."""
    tree = Tree()
    tree.append(leaf_hashes(all_headers(folder)))
    tamper(
        folder,
        "DELETE FROM tiles",
        *[("INSERT INTO tiles VALUES (?, ?, ?)", (t.level, t.index, t.hashes)) for t in tree.take_full()],
        *[("INSERT INTO tiles VALUES (?, ?, ?)", (t.level, t.index, t.hashes)) for t in tree.partial()],
    )
    return tree


def edited(header: bytes) -> bytes:
    return header.replace(b'"epoch":', b'"epoch":9')


# -------------------------------------------------------------------------------------------------


def test_a_whole_log_verifies(kept: Kept) -> None:
    report = offline(kept.folder, kept.old)
    assert (report.ok, failed(report), unchecked(report)) == (True, [], [8, 9])
    assert "only the log's own key vouches for them" in report.steps[7].detail
    assert unchecked(offline(kept.folder, kept.new)) == [9]
    assert (report.size, report.first_bad_index, report.checkpoint) == (270, None, kept.new)
    assert report.root == parse(kept.new).root
    assert [step.number for step in report.steps] == list(range(1, 12))


def test_without_a_kept_checkpoint_rollback_and_fork_are_said_to_be_unchecked(kept: Kept) -> None:
    report = offline(kept.folder)
    assert (report.ok, unchecked(report)) == (True, [1, 7, 9])
    assert "(7) rollback and fork: NOT CHECKED" in str(report.steps[6])


def test_a_running_server_is_verified_from_its_directory(ledger: Ledger) -> None:
    ledger.grow(5)
    ledger.record(ledger.change("waits"))
    report = offline(Path(ledger.where).parent, ledger.note())
    assert (report.ok, report.size, unchecked(report)) == (True, 5, [8])
    assert "1 entries after the checkpoint" in str(report.steps[7])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_any_bundle_is_found_and_named(kept: Kept, tmp_path: Path, data: st.DataObject) -> None:
    folder = kept.copy(tmp_path / "changed")
    first = data.draw(st.sampled_from([0, 3, 4, 8, 268]))
    with closing(sqlite3.connect(folder / "remit.db")) as database:
        count, stored = database.execute("SELECT count, headers FROM bundles WHERE first = ?", (first,)).fetchone()
    at = data.draw(st.integers(0, len(stored) - 1))
    changed = stored[:at] + bytes([stored[at] ^ data.draw(st.integers(1, 255))]) + stored[at + 1 :]
    tamper(folder, ("UPDATE bundles SET headers = ? WHERE first = ?", (changed, first)))
    report = offline(folder)
    try:
        same = zlib.decompress(changed) == zlib.decompress(stored)  # bits that deflate ignores
    except zlib.error:
        same = False
    assert report.ok is same
    if not same:
        assert report.first_bad_index is not None
        assert first <= report.first_bad_index < first + count


@pytest.mark.parametrize("index", [0, 3, 5, 8, 9, 255, 256, 267, 269])
def test_an_edited_entry_is_named(kept: Kept, index: int) -> None:
    first = max(at for at in (0, 3, 4, 8, 268) if at <= index)
    headers = headers_of(kept.folder, first)
    headers[index - first] = edited(headers[index - first])
    rewrite(kept.folder, first, headers)
    report = offline(kept.folder, kept.old)
    assert report.first_bad_index == index
    assert 4 in failed(report)
    # The signed tree is untouched, so the kept checkpoint can still be compared with it.
    assert 7 not in failed(report)


@pytest.mark.parametrize(("first", "index"), [(0, 0), (3, 3), (4, 4), (268, 268)])
def test_a_deleted_bundle_is_named(kept: Kept, first: int, index: int) -> None:
    tamper(kept.folder, ("DELETE FROM bundles WHERE first = ?", (first,)))
    report = offline(kept.folder)
    assert (report.first_bad_index, failed(report)[:2]) == (index, [3, 4])


def test_a_deleted_bundle_with_the_rest_moved_up_is_named(kept: Kept) -> None:
    tamper(
        kept.folder,
        "DELETE FROM bundles WHERE first = 3",
        "UPDATE bundles SET first = -first WHERE first > 3",
        "UPDATE bundles SET first = -first - 1 WHERE first < 0",
    )
    report = offline(kept.folder)
    assert report.first_bad_index == 3
    assert {3, 4} <= set(failed(report))


def test_a_deleted_entry_is_named(kept: Kept) -> None:
    headers = headers_of(kept.folder, 8)
    del headers[100]
    rewrite(kept.folder, 8, headers)
    assert offline(kept.folder).first_bad_index == 108
    tamper(kept.folder, "UPDATE bundles SET count = 259 WHERE first = 8")
    assert offline(kept.folder).first_bad_index == 108


def test_two_reordered_bundles_are_named(kept: Kept) -> None:
    tamper(
        kept.folder,
        "UPDATE bundles SET first = -1 WHERE first = 3",
        "UPDATE bundles SET first = 7 WHERE first = 4",
        "UPDATE bundles SET first = 3 WHERE first = -1",
        "UPDATE bundles SET first = 4 WHERE first = 7",
    )
    untouched = offline(kept.folder)
    assert untouched.ok  # back where they were
    tamper(
        kept.folder,
        "UPDATE bundles SET first = -1 WHERE first = 3",
        "UPDATE bundles SET first = 3 WHERE first = 4",
        "UPDATE bundles SET first = 7 WHERE first = -1",
    )
    report = offline(kept.folder)
    assert (report.first_bad_index, 4 in failed(report)) == (3, True)


def test_two_swapped_entries_are_named(kept: Kept) -> None:
    headers = headers_of(kept.folder, 8)
    headers[10], headers[11] = headers[11], headers[10]
    rewrite(kept.folder, 8, headers)
    report = offline(kept.folder)
    assert report.first_bad_index == 18
    assert {4, 6} <= set(failed(report))


def test_a_log_cut_short_is_named(kept: Kept) -> None:
    tamper(kept.folder, "DELETE FROM bundles WHERE first >= 8", "DELETE FROM payloads WHERE bundle > 3")
    report = offline(kept.folder)
    assert report.first_bad_index == 8
    assert {3, 4} <= set(failed(report))


def test_a_removed_checkpoint_shows(kept: Kept) -> None:
    tamper(kept.folder, "DELETE FROM checkpoints WHERE size = 270")
    report = offline(kept.folder)
    assert (report.first_bad_index, failed(report)) == (8, [3])
    tamper(kept.folder, "DELETE FROM checkpoints")
    report = offline(kept.folder, kept.old)
    assert {2, 3, 7} <= set(failed(report))


def test_a_rolled_back_file_is_found_with_a_kept_checkpoint(kept: Kept) -> None:
    tamper(
        kept.folder,
        "DELETE FROM checkpoints WHERE size = 270",
        "DELETE FROM bundles WHERE first >= 8",
        "DELETE FROM payloads WHERE bundle > 3",
        "DELETE FROM entries WHERE bundle > 3",
    )
    rehash(kept.folder)
    assert offline(kept.folder).ok  # a perfect old log: nothing inside can tell
    report = offline(kept.folder, kept.new)
    assert (report.first_bad_index, failed(report)) == (8, [7])
    assert "rolled back" in str(report.steps[6])


def fork(folder: Path, ledger: Ledger, *, index: int, first: int) -> None:
    """Edit an entry and sign the new tree with the real key: what a server could do to its own log."""
    headers = headers_of(folder, first)
    headers[index - first] = edited(headers[index - first])
    rewrite(folder, first, headers)
    tree = rehash(folder)
    key = ledger.keys.log_key
    note = sign(Checkpoint(key.origin, tree.size, tree.root()), VerifierKey(key.origin, key.public), key.sign)
    tamper(folder, ("UPDATE checkpoints SET note = ? WHERE size = 270", (note,)))


def test_a_log_rewritten_and_signed_again_is_a_fork(kept: Kept, ledger: Ledger) -> None:
    fork(kept.folder, ledger, index=5, first=4)
    report = offline(kept.folder, kept.old)
    assert (7 in failed(report), "forked" in str(report.steps[6])) == (True, True)
    assert report.first_bad_index == 0  # somewhere below the kept checkpoint
    report = offline(kept.folder, kept.new)
    assert 7 in failed(report)


def test_a_fork_behind_the_kept_checkpoint_is_not_seen_with_it(kept: Kept, ledger: Ledger) -> None:
    fork(kept.folder, ledger, index=20, first=8)
    assert offline(kept.folder, kept.old).ok
    report = offline(kept.folder, kept.new)
    assert (failed(report), report.first_bad_index) == ([7], 8)


def test_an_edit_with_all_hashes_rewritten_is_narrowed_by_older_checkpoints(kept: Kept) -> None:
    headers = headers_of(kept.folder, 8)
    headers[50] = edited(headers[50])
    rewrite(kept.folder, 8, headers)
    rehash(kept.folder)
    report = offline(kept.folder)
    assert (failed(report), report.first_bad_index) == ([4], 8)
    assert "between 8 and 269" in str(report.steps[3])


def test_an_edit_with_its_leaf_hash_rewritten_is_narrowed_by_the_tile_above(kept: Kept) -> None:
    headers = headers_of(kept.folder, 8)
    headers[50] = edited(headers[50])
    rewrite(kept.folder, 8, headers)
    leaves = leaf_hashes(all_headers(kept.folder))
    tamper(kept.folder, ('UPDATE tiles SET hashes = ? WHERE level = 0 AND "index" = 0', (b"".join(leaves[:256]),)))
    report = offline(kept.folder)
    assert (report.first_bad_index, 4 in failed(report), 5 in failed(report)) == (0, True, True)
    assert "between entries 0 and 255" in str(report.steps[3])


@pytest.mark.parametrize(("level", "tile", "index"), [(0, 0, 0), (0, 1, 256), (1, 0, 0)])
def test_a_damaged_or_missing_tile_is_named(kept: Kept, level: int, tile: int, index: int) -> None:
    tamper(
        kept.folder,
        ('UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = ? AND "index" = ?', (level, tile)),
    )
    report = offline(kept.folder, kept.new)
    assert (failed(report), report.first_bad_index) == ([5], index)
    tamper(kept.folder, ('DELETE FROM tiles WHERE level = ? AND "index" = ?', (level, tile)))
    assert failed(offline(kept.folder, kept.new)) == [5]


def test_a_forged_checkpoint_is_refused(kept: Kept) -> None:
    forger = Ed25519PrivateKey.generate()
    point = parse(kept.new)
    public = VerifierKey(point.origin, forger.public_key().public_bytes_raw())
    forged = sign(Checkpoint(point.origin, 270, bytes(32)), public, forger.sign)
    tamper(kept.folder, ("UPDATE checkpoints SET note = ? WHERE size = 270", (forged,)))
    report = offline(kept.folder, kept.old)
    assert 2 in failed(report)
    assert report.checkpoint is None  # nothing to keep


def test_a_forged_checkpoint_with_its_key_is_found_with_a_kept_one(kept: Kept) -> None:
    forger = Ed25519PrivateKey.generate()
    raw = forger.public_key().public_bytes_raw()
    point = parse(kept.new)
    tamper(kept.folder, "DELETE FROM checkpoints WHERE size < 270")
    forged = sign(point, VerifierKey(point.origin, raw), forger.sign)
    tamper(
        kept.folder,
        ("UPDATE checkpoints SET note = ?", (forged,)),
        ("UPDATE signing_keys SET public = ? WHERE use = 'log'", (json.dumps({"x": _base64url(raw)}),)),
    )
    assert offline(kept.folder).ok  # with its own key everything fits
    report = offline(kept.folder, kept.old)
    assert {1, 7} <= set(failed(report))


def _base64url(raw: bytes) -> str:
    from base64 import urlsafe_b64encode  # noqa: PLC0415 - used here only

    return urlsafe_b64encode(raw).decode().rstrip("=")


def test_a_pinned_key_is_enough_to_see_another(kept: Kept, ledger: Ledger) -> None:
    source = open_offline(kept.folder)
    report = verify(source, key=ledger.log.key.text())
    assert (report.ok, unchecked(report)) == (True, [7, 9])
    report = verify(source, key=VerifierKey(ledger.log.key.name, bytes(32)).text())
    source.close()
    assert 1 in failed(report)


def test_an_index_that_was_edited_is_named(kept: Kept) -> None:
    tamper(kept.folder, "UPDATE entries SET slot = 200 WHERE bundle = 4 AND slot = 100")
    report = offline(kept.folder)
    assert (failed(report), report.first_bad_index) == ([6], 108)
    tamper(kept.folder, "DELETE FROM entries WHERE bundle = 1")
    assert (failed(offline(kept.folder)), offline(kept.folder).first_bad_index) == ([6], 0)


def test_an_index_row_too_many_shows(kept: Kept) -> None:
    tamper(kept.folder, "INSERT INTO entries VALUES ('dec_ghost', 1, 0)")
    assert failed(offline(kept.folder)) == [6]


def test_a_lost_payload_is_named(kept: Kept) -> None:
    tamper(kept.folder, "DELETE FROM payloads WHERE bundle = 3")
    report = offline(kept.folder)
    assert (failed(report), report.first_bad_index) == ([9], 7)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE bundles SET count = 'many' WHERE first = 3",
        "UPDATE bundles SET count = 1000000000000 WHERE first = 3",
        "UPDATE bundles SET first = 'first' WHERE first = 3",
        "UPDATE bundles SET first = 4611686018427387904 WHERE first = 3",
        "UPDATE bundles SET first = -5 WHERE first = 3",
        "UPDATE bundles SET headers = 'text' WHERE first = 3",
        "UPDATE bundles SET headers = x'' WHERE first = 3",
        "UPDATE payloads SET sealed = 'text' WHERE bundle = 2",
        "UPDATE payloads SET sealed = x'ffffffff' WHERE bundle = 2",
        "UPDATE tiles SET hashes = 'text'",
        "UPDATE checkpoints SET note = 7",
        "UPDATE checkpoints SET note = ''",
        "UPDATE signing_keys SET public = 'x' WHERE use = 'log'",
        "UPDATE signing_keys SET public = '{\"x\": 5}' WHERE use = 'log'",
        "DELETE FROM meta WHERE key = 'deployment'",
        "DELETE FROM signing_keys",
        "DROP TABLE tiles",
        "DROP TABLE bundles",
    ],
)
def test_no_row_however_odd_breaks_the_verifier(kept: Kept, damage: str) -> None:
    tamper(kept.folder, damage)
    assert not offline(kept.folder).ok
    assert not offline(kept.folder, kept.old).ok


def test_an_entry_that_two_readers_could_read_differently_is_refused(ledger: Ledger) -> None:
    from remit.storage.model import Entry  # noqa: PLC0415 - used here only

    ledger.record(Entry("chg_1", b'{"id":"chg_1","id":"chg_2","kind":"change","v":1}'))
    ledger.sequence()
    report = offline(Path(ledger.where).parent)
    assert (failed(report)[0], report.first_bad_index) == (3, 0)


def test_forwarded_calls_without_an_outcome_are_listed(ledger: Ledger) -> None:
    one, two = (ledger.recorder.entry("decision", {"forwarded": True}) for _ in range(2))
    ledger.record(one, two, ledger.recorder.entry("decision", {"forwarded": False}))
    ledger.record(ledger.recorder.entry("outcome", {"decision": one.id, "outcome": "ok"}))
    ledger.sequence()
    report = offline(Path(ledger.where).parent)
    assert report.ok
    assert f"2 forwarded calls, 1 without an outcome so far: {two.id}" in report.steps[9].detail


def test_an_empty_log_is_no_failure(ledger: Ledger) -> None:
    report = offline(Path(ledger.where).parent)
    assert (report.ok, report.size, report.checkpoint) == (True, 0, None)


def test_there_must_be_a_database(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_offline(tmp_path)


def test_a_log_in_postgresql_is_verified_offline(either: Ledger) -> None:
    either.grow(3, 5)
    where = either.where if isinstance(either.where, str) else either.where.parent
    source = open_offline(where)
    report = verify(source, kept=either.note())
    source.close()
    assert (report.ok, report.size, unchecked(report)) == (True, 8, [])


# over HTTP ---------------------------------------------------------------------------------------


def live(ledger: Ledger) -> LiveSource:
    def problem(_request: object, error: Exception) -> Response:
        assert isinstance(error, NotFound)
        return Response(status_code=404)

    client = TestClient(
        Starlette(
            routes=routes(ledger.log, ledger.states, lambda _request, _action: None),
            exception_handlers={RemitError: problem},
        )
    )

    def get(where: str) -> bytes:
        answer = client.get(where)
        if answer.status_code == 404:
            raise NotFound("not found")
        assert answer.status_code == 200
        return answer.content

    return LiveSource(get)


def in_place(ledger: Ledger, query: str, *values: object) -> None:
    tamper(Path(ledger.where).parent, (query, values))


def test_a_server_is_verified_over_http(ledger: Ledger) -> None:
    ledger.grow(3, 1200)
    old = ledger.note()
    ledger.grow(5)
    ledger.record(ledger.change("waits"))
    report = verify(live(ledger), kept=old)
    assert (report.ok, report.size, unchecked(report)) == (True, 1208, [6, 8])


def test_a_server_with_an_edited_entry_is_named_over_http(ledger: Ledger) -> None:
    ledger.grow(3, 4, 300)
    folder = Path(ledger.where).parent
    headers = headers_of(folder, 7)
    headers[40] = edited(headers[40])
    in_place(ledger, "UPDATE bundles SET headers = ? WHERE first = 7", bundle.compress(bundle.pack(headers)))
    report = verify(live(ledger), kept=ledger.note())
    assert (report.first_bad_index, 4 in failed(report)) == (47, True)


def test_a_server_with_a_changed_byte_is_named_over_http(ledger: Ledger) -> None:
    ledger.grow(3, 4, 30)
    with closing(sqlite3.connect(ledger.where)) as database:
        (stored,) = database.execute("SELECT headers FROM bundles WHERE first = 3").fetchone()
    half = len(stored) // 2
    changed = stored[:half] + bytes([stored[half] ^ 1]) + stored[half + 1 :]
    in_place(ledger, "UPDATE bundles SET headers = ? WHERE first = 3", changed)
    here, there = offline(Path(ledger.where).parent), verify(live(ledger))
    assert here.first_bad_index == there.first_bad_index
    assert 3 <= (there.first_bad_index or 0) < 7
    assert {3, 4} <= set(failed(there))


def test_a_server_with_a_missing_bundle_is_named_over_http(ledger: Ledger) -> None:
    ledger.grow(3, 4, 30)
    in_place(ledger, "DELETE FROM bundles WHERE first = 3")
    report = verify(live(ledger))
    assert report.first_bad_index == 3


@pytest.mark.parametrize(
    "page",
    [
        "[]",
        '{"entries": 5}',
        '{"entries": ["?"]}',
        '{"entries": [5]}',
        '{"entries": [], "damaged": 5}',
        '{"entries": [], "damaged": {"count": -1, "problem": ""}}',
        '{"entries": [], "damaged": {"count": 1000000, "problem": ""}}',
        '{"entries": ["AAAA"]}',
        '{"entries": []}',
    ],
)
def test_no_answer_of_a_server_breaks_the_verifier(ledger: Ledger, page: str) -> None:
    ledger.grow(3)
    honest = live(ledger)

    def entries(_request: object) -> Response:
        return Response(page)

    lying = TestClient(Starlette(routes=[Route("/v1/audit/entries", entries)]))
    source = LiveSource(lambda where: lying.get(where).content if "entries" in where else honest._get(where))
    report = verify(source, kept=ledger.note())
    assert (report.ok, report.first_bad_index) == (False, 0)


# exports -----------------------------------------------------------------------------------------


def exported(ledger: Ledger, *, first: int = 2, count: int = 6) -> dict[str, Any]:
    client = TestClient(Starlette(routes=routes(ledger.log, ledger.states, lambda _request, _action: None)))
    body: dict[str, Any] = client.get(f"/v1/audit/export?first={first}&count={count}").json()
    return body


def checked(body: dict[str, Any], **kept: str) -> Report:
    return verify_export(read_export(json.dumps(body).encode()), **kept)


def test_an_export_with_a_changed_entry_names_it(ledger: Ledger) -> None:
    ledger.grow(20)
    body = exported(ledger)
    assert checked(body).ok
    body["entries"][3]["header"], body["entries"][4]["header"] = (
        body["entries"][4]["header"],
        body["entries"][3]["header"],
    )
    report = checked(body)
    assert (report.first_bad_index, failed(report)) == (5, [4])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_character_of_an_export_is_found(ledger: Ledger, data: st.DataObject) -> None:
    if ledger.log.checkpoint() is None:
        ledger.grow(20)
    body = exported(ledger)
    content = json.dumps(body)
    at = data.draw(st.integers(0, len(content) - 1))
    char = data.draw(st.sampled_from('0129AZaz+/="{}[],: x'))
    changed = content[:at] + char + content[at + 1 :]
    try:
        same = json.loads(changed) == body
    except ValueError:
        same = False
    try:
        export = read_export(changed.encode())
    except Malformed:
        assert not same
        return
    report = verify_export(export, key=ledger.log.key.text(), kept=ledger.note())
    if export.as_json() != body:
        assert not report.ok


def test_an_exports_own_key_is_not_trusted_where_one_was_kept(ledger: Ledger) -> None:
    ledger.grow(9)
    body = exported(ledger)
    assert unchecked(checked(body)) == [1, 7, 8]
    assert unchecked(checked(body, kept=ledger.note())) == [8]
    other = VerifierKey(ledger.log.key.name, bytes(32)).text()
    assert 1 in failed(checked(body, key=other))


def test_an_export_that_lost_its_end_or_has_none_fails(ledger: Ledger) -> None:
    ledger.grow(20)
    body = exported(ledger)  # 2..7 of 20
    report = checked(body)
    assert (report.ok, report.first, report.count, report.size) == (True, 2, 6, 20)
    cut = checked(body | {"entries": body["entries"][:4]})
    assert (failed(cut), cut.first_bad_index, cut.exact, cut.count) == ([3], 6, False, 4)
    longer = checked(body | {"count": 4})
    assert (failed(longer), longer.first_bad_index, longer.exact) == ([3], 6, False)
    assert failed(checked(body | {"entries": []})) == [3]
    assert failed(checked(body | {"entries": [], "count": 0})) == [3]
    for count in (None, "6", 6.0, True):
        with pytest.raises(Malformed):
            checked(body | {"count": count})


def test_what_an_export_leaves_out_is_counted_and_not_checked(ledger: Ledger) -> None:
    ledger.grow(20)
    said = {step.number: step.detail for step in checked(exported(ledger)).steps}
    assert said[8] == "14 of 20 entries are not in this file: 0..1, 8..19"
    for first, count, rest in ((0, 20, "all 20 entries"), (0, 5, "15 of 20"), (19, 1, "19 of 20")):
        report = checked(exported(ledger, first=first, count=count))
        assert report.ok
        assert report.steps[-1].detail.startswith(rest)
        assert (8 in unchecked(report)) is (count < 20)


def test_an_export_of_a_fork_shows(ledger: Ledger) -> None:
    ledger.grow(9)
    body, key = exported(ledger), ledger.keys.log_key
    other = sign(Checkpoint(key.origin, 9, bytes(32)), VerifierKey(key.origin, key.public), key.sign)
    assert failed(checked(body, kept=other)) == [7]


@pytest.mark.parametrize("content", ["", "5", "[]", "{}", '{"format": "other"}', '{"format": "remit-audit-export/v1"}'])
def test_what_is_no_export_is_refused(content: str) -> None:
    with pytest.raises(Malformed):
        read_export(content.encode())


@pytest.mark.parametrize("changed", [{"count": -1}, {"first": -1}, {"count": True}, {"note": "all is well"}])
def test_an_export_with_impossible_numbers_or_other_members_is_none(ledger: Ledger, changed: dict[str, Any]) -> None:
    ledger.grow(20)
    body = exported(ledger)
    assert read_export(json.dumps(body).encode()).as_json() == body
    with pytest.raises(Malformed):
        read_export(json.dumps(body | changed).encode())
    body["entries"][0]["note"] = "all is well"
    with pytest.raises(Malformed):
        read_export(json.dumps(body).encode())


# the verifier itself -----------------------------------------------------------------------------

_PROGRAM = """
import sys
from remit.audit import export, source_live
from remit.audit.source_offline import open_offline
from remit.audit.verify import verify
report = verify(open_offline(sys.argv[1]))
rooms = {name.split(".")[1] for name in sys.modules if name.startswith("remit.")}
print(report.ok, sorted(rooms), "sqlalchemy" in sys.modules, "starlette" in sys.modules, "aiohttp" in sys.modules)
"""


def test_offline_verification_imports_only_kernel_and_audit(kept: Kept) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(kept.folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True ['audit', 'kernel', 'keys'] False False False"
