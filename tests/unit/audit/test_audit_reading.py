"""Reading a running server's log: finding, outcomes, newest first, following, proving; over HTTP too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from remit.audit import log
from remit.audit.checkpoint import parse, parse_key, verify
from remit.audit.export import read_export, verify_export
from remit.audit.http import routes
from remit.audit.merkle import verify_inclusion
from remit.audit.stored import read_bundle
from remit.audit.tiles import path
from remit.kernel.canonical import parse as parse_json
from remit.kernel.clock import HOUR, Instant
from remit.kernel.errors import Forbidden, IntegrityFailed, Malformed, NotFound, RemitError
from remit.storage.model import Entry

if TYPE_CHECKING:
    from tests.unit.audit.conftest import Ledger

ARGUMENTS = {"arguments": {"amount": parse_json("500.00"), "to": "DE89"}}


def decision(ledger: Ledger, agent: str = "bot", **fields: Any) -> Entry:
    return ledger.recorder.entry("decision", {"agent": agent, **fields}, about=f"agent:{agent}", payload=ARGUMENTS)


def run(ledger: Ledger, statement: str) -> None:
    ledger.database.writer.change(lambda tx: tx.connection.execute(text(statement)))


def test_an_entry_is_found_with_its_payload(ledger: Ledger) -> None:
    ledger.owner("agent:bot")
    ledger.record(ledger.change("before"))
    made = decision(ledger, code="not_granted")
    ledger.record(ledger.change("beside"), made)
    found = ledger.log.find(made.id)
    assert (found.header["code"], found.payload, found.index) == ("not_granted", ARGUMENTS, None)
    ledger.sequence()
    assert ledger.log.find(made.id).index == 2
    assert ledger.log.find(made.id).header["epoch"] == ledger.database.epoch
    with pytest.raises(NotFound):
        ledger.log.find("dec_none")


def test_an_entry_without_payload_has_none(ledger: Ledger) -> None:
    made = ledger.change("x")
    ledger.record(made)
    assert ledger.log.find(made.id).payload is None


def test_a_payload_is_gone_when_its_key_is_erased(ledger: Ledger) -> None:
    ledger.owner("agent:bot")
    made = decision(ledger)
    ledger.record(made)
    ledger.database.writer.change(lambda tx: ledger.keys.erase_data_key(tx, "agent:bot"))
    assert ledger.log.find(made.id).payload == "erased"


def test_what_is_recorded_after_an_erasure_is_read_and_what_was_before_is_not(ledger: Ledger) -> None:
    ledger.owner("agent:bot")
    before = decision(ledger)
    ledger.record(before)
    ledger.database.writer.change(lambda tx: ledger.keys.erase_data_key(tx, "agent:bot"))
    ledger.owner("agent:bot")
    after = decision(ledger)
    ledger.record(after)
    assert ledger.log.find(before.id).payload == "erased"
    assert isinstance(ledger.log.find(after.id).payload, dict)


def test_a_payload_that_was_swapped_or_lost_is_found(ledger: Ledger) -> None:
    ledger.owner("agent:bot")
    one, two = decision(ledger), decision(ledger)
    ledger.record(one)
    ledger.record(two)
    run(ledger, "UPDATE payloads SET sealed = (SELECT sealed FROM payloads AS p WHERE p.bundle <> payloads.bundle)")
    with pytest.raises(IntegrityFailed):
        ledger.log.find(one.id)
    run(ledger, "DELETE FROM payloads")
    with pytest.raises(IntegrityFailed, match="missing"):
        ledger.log.find(one.id)


def test_an_index_that_points_elsewhere_is_found(ledger: Ledger) -> None:
    one, two = ledger.change("one"), ledger.change("two")
    ledger.record(one, two)
    run(ledger, "UPDATE entries SET slot = 1 - slot")
    with pytest.raises(IntegrityFailed, match="another entry"):
        ledger.log.find(one.id)
    run(ledger, "UPDATE entries SET slot = 7")
    with pytest.raises(IntegrityFailed):
        ledger.log.find(two.id)
    run(ledger, "DELETE FROM bundles")
    with pytest.raises(IntegrityFailed):
        ledger.log.find(two.id)


def test_an_outcome_is_found_after_its_decision(ledger: Ledger) -> None:
    ledger.owner("agent:bot")
    one, two = decision(ledger), decision(ledger)
    ledger.record(one, two)
    assert ledger.log.outcome_of(one.id) is None
    for number in range(70):
        ledger.record(ledger.change(str(number)))
    ledger.record(ledger.recorder.entry("outcome", {"decision": one.id, "outcome": "ok"}))
    assert (ledger.log.outcome_of(one.id) or {})["outcome"] == "ok"
    assert ledger.log.outcome_of(two.id) is None
    assert ledger.log.outcome_of("dec_none") is None


def test_the_newest_come_first_and_are_filtered(ledger: Ledger) -> None:
    ledger.owner("agent:bot")
    ledger.owner("agent:other-bot")
    made = [decision(ledger, agent, code=code) for agent in ("bot", "other-bot") for code in ("revoked", 'a "b"')]
    ledger.record(*made[:3])
    ledger.record(made[3])

    def ids(limit: int, **filters: object) -> list[str]:
        return [entry.header["id"] for entry in ledger.log.recent(limit, **filters)]

    assert ids(10, kind="decision") == [entry.id for entry in reversed(made)]
    assert ids(2, kind="decision", agent=None) == [made[3].id, made[2].id]
    assert ids(10, agent="bot") == [made[1].id, made[0].id]
    assert ids(10, agent="other-bot", code="revoked") == [made[2].id]
    assert ids(10, code='a "b"') == [made[3].id, made[1].id]
    assert ids(10, epoch=ledger.database.epoch, agent="nobody") == []
    assert ids(0) == []


def test_the_newest_are_read_no_further_back_than_asked(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.owner("agent:bot")
    made, noon = [], ledger.clock.at
    for _ in range(6):
        made.append(decision(ledger, "bot"))
        ledger.record(made[-1])
        ledger.clock.at += HOUR
    read: list[object] = []

    def reading(stored: object, count: object) -> tuple[list[bytes], str]:
        read.append(stored)
        return read_bundle(stored, count)

    monkeypatch.setattr(log, "read_bundle", reading)
    # (at, how many at the least, how many commits are opened): one more tells that the rest is older
    for at, least, opened in ((noon + 6 * HOUR, 0, 1), (noon + 4 * HOUR, 2, 3), (noon + HOUR, 5, 6)):
        read.clear()
        found = [each.header["id"] for each in ledger.log.since(Instant(at), 100, kind="decision")]
        assert found == [each.id for each in reversed(made)][: len(found)]
        assert (len(found), len(read)) == (least, opened)
    assert len(ledger.log.since(Instant(noon), 2, kind="decision")) == 2


def test_the_log_can_be_followed(ledger: Ledger) -> None:
    ledger.grow(2, 3)
    assert [entry.index for entry in ledger.log.after(-1)] == [0, 1, 2, 3, 4]
    assert [entry.index for entry in ledger.log.after(1, 2)] == [2, 3]
    assert ledger.log.after(4) == []


def test_pages_may_begin_and_end_anywhere(ledger: Ledger) -> None:
    ledger.grow(*[3] * 70)
    whole = ledger.log.entries(0, 1000)
    assert len(whole) == 210
    for first, count in ((0, 1), (1, 1), (2, 200), (207, 10), (210, 5), (0, 0)):
        assert ledger.log.entries(first, count) == whole[first : first + count]


def test_a_gap_is_not_read_over(ledger: Ledger) -> None:
    ledger.grow(2, 2, 2)
    run(ledger, "DELETE FROM bundles WHERE first = 2")
    with pytest.raises(IntegrityFailed):
        ledger.log.entries(0, 6)
    assert [(part.first, part.count, bool(part.problem)) for part in ledger.log.stretches(1, 5)] == [
        (1, 1, False),
        (2, 2, True),
        (4, 2, False),
    ]


def test_entries_are_proved(ledger: Ledger) -> None:
    ledger.grow(300, 5)
    proved = ledger.log.prove(254, 4)
    signed = verify(proved.checkpoint, ledger.log.key)
    for index, (entry, proof) in enumerate(proved.entries, proved.first):
        verify_inclusion(entry, index=index, size=signed.size, proof=proof, root=signed.root)
    assert proved.first + len(proved.entries) == 258
    with pytest.raises(NotFound):
        ledger.log.prove(305, 1)


def client(ledger: Ledger, *, allowed: bool = True) -> TestClient:
    def authorize(_request: Request, action: str) -> None:
        assert action == "readAudit"
        if not allowed:
            raise Forbidden("not this operator")

    def problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RemitError)
        status = {NotFound: 404, Malformed: 400, Forbidden: 403}[type(error)]
        return Response(status_code=status)

    app = Starlette(routes=routes(ledger.log, ledger.states, authorize), exception_handlers={RemitError: problem})
    return TestClient(app)


def test_the_log_is_served(ledger: Ledger) -> None:
    ledger.grow(260)
    ledger.record(ledger.change("waits"))
    http = client(ledger)
    assert parse(http.get("/v1/audit/checkpoint").text) == verify(
        ledger.note(), parse_key(http.get("/v1/audit/key").text)
    )
    full = http.get("/v1/audit/tile/0/000").content
    assert full == ledger.log.tile(0, 0) == http.get("/v1/audit/tile/0/0").content
    assert http.get("/v1/audit/" + path(0, 1, 3)).content == (ledger.log.tile(0, 1) or b"")[:96]
    assert http.get("/v1/audit/" + path(0, 1)).content == ledger.log.tile(0, 1)
    assert http.get("/v1/audit/" + path(0, 1, 5)).status_code == 404
    assert http.get("/v1/audit/tile/9/0").status_code == 404
    page = http.get("/v1/audit/entries?first=258&count=10").json()
    assert (page["first"], len(page["entries"]), page["damaged"], page["waiting"]) == (258, 2, None, 1)


def test_an_export_is_served_and_verifies(ledger: Ledger) -> None:
    ledger.grow(10)
    content = client(ledger).get("/v1/audit/export?first=3&count=4").content
    report = verify_export(read_export(content), kept=ledger.note())
    assert (report.ok, report.size, report.first_bad_index) == (True, 10, None)
    assert len(json.loads(content)["entries"]) == 4


@pytest.mark.parametrize(
    "query",
    [
        "entries?first=-1",
        "entries?count=x",
        "entries?first=1e3",
        "entries?first=99999999999999999999",
        "tile/0/x001",
        "tile/a/000",
        "tile/0/000.p/999",
        "tile/0",
    ],
)
def test_malformed_questions_are_refused(ledger: Ledger, query: str) -> None:
    assert client(ledger).get(f"/v1/audit/{query}").status_code == 400


def test_nothing_is_served_to_who_may_not(ledger: Ledger) -> None:
    ledger.grow(1)
    http = client(ledger, allowed=False)
    for what in ("checkpoint", "key", "tile/0/000", "entries", "export"):
        assert http.get(f"/v1/audit/{what}").status_code == 403


def test_an_empty_log_has_no_checkpoint(ledger: Ledger) -> None:
    http = client(ledger)
    assert http.get("/v1/audit/checkpoint").status_code == 404
    assert http.get("/v1/audit/export").status_code == 404
    assert http.get("/v1/audit/entries").json() == {"first": 0, "entries": [], "damaged": None, "waiting": 0}


def test_equal_arguments_show_as_equal_and_say_nothing(ledger: Ledger) -> None:
    one = ledger.recorder.mac(b"500.00")
    assert one == ledger.recorder.mac(b"500.00") != ledger.recorder.mac(b"500.01")
    assert len(one) == 64


def test_nothing_is_recorded_in_the_clear_for_want_of_a_key(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        decision(ledger)
    with pytest.raises(ValueError, match="about"):
        ledger.recorder.entry("decision", {}, payload={"a": 1})
