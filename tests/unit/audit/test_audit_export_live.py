"""Exports of a running server: all of the log, page by page, under one checkpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from remit.audit import export_live
from remit.audit.export import read_export, verify_export
from remit.audit.http import routes
from remit.audit.source_live import Get
from remit.kernel.errors import IntegrityFailed, Malformed, NotFound

if TYPE_CHECKING:
    from tests.unit.audit.conftest import Ledger


def getter(ledger: Ledger) -> Get:
    client = TestClient(Starlette(routes=routes(ledger.log, ledger.states, lambda _request, _action: None)))
    return lambda path: client.get(path).content


def written(get: Get, **wanted: Any) -> bytes:
    return "".join(export_live.begin(get, **wanted).text()).encode()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_live, "_PAGE", 10)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("first", "count", "shown"),
    [
        (0, None, (0, 300)), (295, None, (295, 5)), (0, 5, (0, 5)), (0, 10, (0, 10)), (3, 25, (3, 25)),
        (290, 10, (290, 10)), (290, 99, (290, 10)), (299, None, (299, 1)),
    ],
)  # fmt: skip
def test_as_much_is_written_as_was_asked_for(
    ledger: Ledger, first: int, count: int | None, shown: tuple[int, int]
) -> None:
    ledger.grow(300)
    report = verify_export(read_export(written(getter(ledger), first=first, count=count)), kept=ledger.note())
    assert (report.ok, report.size, (report.first, report.count)) == (True, 300, shown)
    begun = export_live.begin(getter(ledger), first=first, count=count)
    assert (begun.count, begun.end, begun.size) == (shown[1], sum(shown), 300)


@pytest.mark.usefixtures("small_pages")
def test_a_log_that_grows_meanwhile_is_exported_as_it_was(ledger: Ledger) -> None:
    ledger.grow(25)
    ask, asked = getter(ledger), 0

    def growing(path: str) -> bytes:
        nonlocal asked
        answer, asked = ask(path), asked + 1
        ledger.grow(300)  # past the end of a tile, and a newer checkpoint each time
        return answer

    content = written(growing)
    report = verify_export(read_export(content))
    assert (report.ok, report.size, report.count, asked) == (True, 25, 25, 3)
    assert report.steps[-1].detail == "all 25 entries under the checkpoint are in this file"


def test_more_than_a_page_of_the_server_is_exported_whole(ledger: Ledger) -> None:
    ledger.grow(1203)
    content = written(getter(ledger))
    assert json.loads(content)["count"] == 1203
    report = verify_export(read_export(content), kept=ledger.note())
    assert (report.ok, report.count) == (True, 1203)


def test_a_file_that_was_cut_anywhere_is_found(ledger: Ledger) -> None:
    ledger.grow(12)
    lines = written(getter(ledger)).splitlines(keepends=True)
    for end in range(len(lines)):
        with pytest.raises(Malformed):
            read_export(b"".join(lines[:end]))
        closed = b"".join(lines[:end]).rstrip().rstrip(b",") + b"]}"
        if end:
            assert verify_export(read_export(closed)).ok is (end > 12)


def test_what_no_checkpoint_covers_is_not_there(ledger: Ledger) -> None:
    ledger.grow(12)
    for size, first in ((None, 12), (13, 0), (5, 5)):
        with pytest.raises(NotFound):
            ledger.log.prove(first, 1, size=size)
    assert len(ledger.log.prove(0, 9, size=5).entries) == 5


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("page", [b"{}", b"[]", b"no", b'{"entries": []}', b'{"entries": [1]}', None])
def test_a_server_that_sends_something_else_is_found(ledger: Ledger, page: bytes | None) -> None:
    ledger.grow(25)
    ask = getter(ledger)
    too_many = json.dumps({"entries": json.loads(ask("/v1/audit/export?first=0&count=11"))["entries"]}).encode()

    def lying(path: str) -> bytes:
        if "size" not in path:
            return ask(path)
        return too_many if page is None else page

    with pytest.raises(IntegrityFailed):
        written(lying)
    with pytest.raises(IntegrityFailed):
        written(lambda _path: page or b"{}")
