"""Tables and their mapping files; the native format; which format a file has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remit.certification.usage.ingest import Line
from remit.certification.usage.model import Kind, RefusedLine
from remit.connectors import lines
from remit.connectors.format import Format
from remit.connectors.formats import guess
from remit.connectors.mapping import EMPTY, Mapping, mapping_of
from remit.connectors.model import Passed
from remit.connectors.table import read_csv, read_jsonl, time_of
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.server.yaml_text import read as read_yaml

YAML = """
identities:
  "svc-invoice*": invoice-bot
  "svc-*": other-bot
servers:
  Payments (EU): payments
columns: {at: when, agent: who, server: system, tool: operation, kind: result, id: event.id}
values:
  kind: {ok: use, no: denial, broken: error}
constants: {purpose: pay-invoices}
time: milliseconds
"""


def mapping(text: str = YAML) -> Mapping:
    return mapping_of(read_yaml(text, file="m.yaml")[0].value, where="m.yaml")


def rows(*said: str, header: str = "when,who,system,operation,result,event.id,note") -> bytes:
    return "\n".join([header, *said]).encode()


GOOD = '1793523612123,svc-invoice-7,Payments (EU),list_invoices,ok,e1,"a, b"'


def test_a_row_becomes_an_event() -> None:
    (found,) = read_csv([rows(GOOD)], mapping(), "sheet")
    assert isinstance(found, Line)
    told = found.event
    assert (told.agent, told.action, told.purpose) == ("invoice-bot", "payments/list_invoices", "pay-invoices")
    assert (told.id, told.kind, told.at, told.body) == ("e1", Kind.USE, 1_793_523_612_123_000, "{}")


def test_an_object_becomes_the_same_event() -> None:
    said = {
        "when": 1_793_523_612_123, "who": "svc-invoice-7", "system": "Payments (EU)", "operation": "list_invoices",
        "result": "ok", "event": {"id": "e1"}, "note": [1],
    }  # fmt: skip
    (from_json,) = read_jsonl([json.dumps(said).encode()], mapping(), "sheet")
    (from_csv,) = read_csv([rows(GOOD)], mapping(), "sheet")
    assert isinstance(from_json, Line)
    assert isinstance(from_csv, Line)
    assert from_json.event == from_csv.event


def test_the_first_identity_that_matches_counts_and_strangers_are_passed_over() -> None:
    others = [GOOD.replace("svc-invoice-7", name).replace("e1", name) for name in ("svc-x", "alice")]
    found = list(read_csv([rows(GOOD, *others)], mapping(), "sheet"))
    assert [each.event.agent if isinstance(each, Line) else type(each) for each in found] == [
        "invoice-bot", "other-bot", Passed,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        GOOD + ",more", "1,2", GOOD.replace("ok", "maybe"), GOOD.replace("1793523612123", "today"),
        GOOD.replace("1793523612123", "-5"), GOOD.replace("list_invoices", ""),
        GOOD.replace("Payments (EU)", "New one"),
        GOOD.replace("e1", "e\x01"), GOOD.replace('"a, b"', '"a" b"'),
    ],
)  # fmt: skip
def test_a_bad_row_is_refused_by_itself(wrong: str) -> None:
    found = list(read_csv([rows(GOOD, wrong, GOOD.replace("e1", "e2"))], mapping(), "sheet"))
    assert [(type(each), each.line) for each in found] == [(Line, 2), (RefusedLine, 3), (Line, 4)]


def test_a_row_that_is_no_utf_8_or_too_long_is_refused_by_itself() -> None:
    long = GOOD.replace("a, b", "x" * (1 << 20)).encode()
    latin = GOOD.encode().replace(b"e1", b"e\xe9")
    body = b"\n".join([rows(GOOD), latin, long, GOOD.replace("e1", "e2").encode()])
    found = list(read_csv([body], mapping(), "sheet"))
    assert sorted((each.line, type(each).__name__) for each in found)[:3] == [
        (2, "Line"), (3, "RefusedLine"), (4, "RefusedLine"),
    ]  # fmt: skip
    assert len(found) == 4


def test_rows_without_an_id_are_one_if_they_say_the_same() -> None:
    plain = mapping("columns: {at: t, agent: a, action: x}")
    body = b"t,a,x\n2026-01-01T00:00:00Z,bot,s/t\n2026-01-01T00:00:00Z,bot,s/t\n2026-01-01T00:00:01Z,bot,s/t\n"
    ids = [each.event.id for each in read_csv([b"\xef\xbb\xbf" + body], plain, "s") if isinstance(each, Line)]
    assert len(ids) == 3
    assert len(set(ids)) == 2


def test_a_number_may_come_from_a_column() -> None:
    numbered = mapping("columns: {at: t, agent: a, action: x, seq: n}")
    body = b"t,a,x,n\n2026-01-01T00:00:00Z,bot,s/t,7\n2026-01-01T00:00:00Z,bot,s/t,x\n"
    found = list(read_csv([body], numbered, "s"))
    assert isinstance(found[0], Line)
    assert found[0].event.seq == 7
    assert isinstance(found[1], RefusedLine)


@pytest.mark.parametrize(
    ("text", "form", "micros"),
    [
        ("2026-01-01T00:00:00Z", "rfc3339", 1_767_225_600_000_000),
        ("1767225600", "seconds", 1_767_225_600_000_000),
        ("1767225600.25", "seconds", 1_767_225_600_250_000),
        ("1767225600001", "milliseconds", 1_767_225_600_001_000),
        ("1767225600000001", "microseconds", 1_767_225_600_000_001),
        ("1767225600000001999", "nanoseconds", 1_767_225_600_000_001),
        ("01.01.2026 00:00", "%d.%m.%Y %H:%M", 1_767_225_600_000_000),
        ("2026-01-01 01:00:00+0100", "%Y-%m-%d %H:%M:%S%z", 1_767_225_600_000_000),
    ],
)
def test_times(text: str, form: str, micros: int) -> None:
    assert time_of(text, form) == micros


@pytest.mark.parametrize(
    ("text", "form"), [("1e9", "seconds"), ("", "seconds"), ("x", "%Y"), ("31.02.2026", "%d.%m.%Y")]
)
def test_no_times(text: str, form: str) -> None:
    with pytest.raises(Malformed):
        time_of(text, form)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("when,who", ConfigInvalid),
        ("when,who,system,operation,result,event.id,who", Malformed),
        ("", ConfigInvalid),
    ],
)
def test_a_header_that_does_not_fit_is_refused_whole(header: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(read_csv([rows(GOOD, header=header)], mapping(), "s"))


def test_a_table_that_the_mapping_does_not_fit_is_refused_whole() -> None:
    with pytest.raises(Malformed, match="not a table"):
        list(read_csv([rows("1,2", "3,4")], mapping(), "s"))
    with pytest.raises(Malformed, match="not a table"):
        list(read_jsonl([b'5\n{"a":1}'], mapping("columns: {at: t, agent: a, action: x}"), "s"))
    for read in (read_csv, read_jsonl):
        with pytest.raises(ConfigInvalid, match="no mapping"):
            list(read([b"a,b\n1,2"], EMPTY, "s"))


@pytest.mark.parametrize(
    "text",
    [
        "who: {a: b}", "identities: [a]", "identities: {a: B}", "servers: {a: [b]}", "columns: {at: a, agent: b}",
        "columns: {at: a, action: b}", "columns: {at: a, agent: b, server: c}",
        "columns: {at: a, agent: b, action: c, colour: d}",
        "columns: {at: a, agent: b, action: c}\ntime: local",
        "columns: {at: a, agent: b, action: c}\nvalues: {kind: use}",
        "constants: {at: true}",
    ],
)  # fmt: skip
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid):
        mapping(text)


def test_a_mapping_is_an_object() -> None:
    with pytest.raises(ConfigInvalid, match="no mapping"):
        mapping_of(["a"], where="m.yaml")


USE: dict[str, Any] = {"kind": "use", "at": "2026-01-31T08:00:00Z", "seq": 1, "agent": "bot", "action": "s/t"}


def test_native_lines_are_read_and_bad_ones_refused_by_themselves() -> None:
    good = json.dumps(USE)
    wrong = ["{", '{"kind":"use"}', '{"kind":"use","kind":"use"}', json.dumps(USE | {"at": 1.5}), "[" * 100, '"x"']
    found = list(lines.read(["\n".join([good, *wrong, "", good]).encode()], EMPTY, "src"))
    assert [(type(each), each.line) for each in found] == [
        (Line, 1), *((RefusedLine, number) for number in range(2, 8)), (Line, 9),
    ]  # fmt: skip
    assert [type(each) for each in lines.parsed([USE, 5, {}], "src")] == [Line, RefusedLine, RefusedLine]


def test_a_file_of_other_lines_is_refused_whole() -> None:
    with pytest.raises(Malformed, match="not a usage file"):
        list(lines.read([b"hello\nworld\n"], EMPTY, "src"))
    assert list(lines.read([], EMPTY, "src")) == []


@pytest.mark.parametrize(
    ("first", "told", "form"),
    [
        (b'{"Records":[', EMPTY, Format.CLOUDTRAIL), (b'\n{ "Records" : [', mapping(), Format.CLOUDTRAIL),
        (b'{"resourceSpans":[', EMPTY, Format.OTEL), (b'{"activity_id":1,"class_uid":6003}', EMPTY, Format.OCSF),
        (b'[\n {"class_uid": 6003', EMPTY, Format.OCSF), (json.dumps(USE).encode(), EMPTY, Format.NATIVE),
        (b"when,who\n", mapping(), Format.CSV), (b'{"when":1}', mapping(), Format.JSONL),
    ],
)  # fmt: skip
def test_the_format_shows(first: bytes, told: Mapping, form: Format) -> None:
    assert guess(first, told, name="f") is form


@pytest.mark.parametrize("first", [b"when,who\n", b"{}", b"\x00\x01", b""])
def test_a_format_that_does_not_show_is_asked_for(first: bytes) -> None:
    with pytest.raises(Malformed, match="not known"):
        guess(first, EMPTY, name="f")
