from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # `benchmarks` is no installed package

from benchmarks import gateway, plot, results, run
from benchmarks.report import Wish, row, wished_row

GOOD = row("good", [50.0, 60.0], "%", floor=45, aim=65)
BAD = row("bad <&>", [150.0], "ms", floor=100, aim=20, less_is_better=True)
ONLY_TOLD = row("  told", [1.0], "us")
WISH = Wish(floor=45, aim=75, why="two are more than one", where="docs/adr/some.md")
WISHED = wished_row("  wished", [26.1], "%", wish=WISH)


def outcome(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]) -> int:
    monkeypatch.setattr(run, "measured", lambda name: {"name": name, "rows": rows})
    return run.main(["decide"])


def test_a_missed_floor_fails_the_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(monkeypatch, [GOOD, BAD]) == 1
    assert "bad <&>" in capsys.readouterr().err
    assert outcome(monkeypatch, [GOOD, ONLY_TOLD]) == 0


def test_a_wish_that_is_missed_is_said_and_does_not_fail_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, [GOOD, WISHED]) == 0
    assert "missed, see `docs/adr/some.md`" in capsys.readouterr().out
    page = results.page([{"name": "gateway", "rows": [GOOD, WISHED]}], load=0.1, seconds=60)
    assert "| 26.1 | 26.1 .. 26.1 | % | 45 | 75 | missed, see `docs/adr/some.md` |" in page
    assert "wished (26.1 %, floor 45, aim 75): two are more than one (`docs/adr/some.md`)." in page
    assert "Below the floor" not in page
    assert 'class="bad"' in plot.svg([WISHED])


def test_a_wish_that_is_met_is_no_miss() -> None:
    for value, reached in ((46.0, "floor"), (75.0, "aim")):
        met = wished_row("  wished", [value], "%", wish=WISH)
        assert results.cells(met)[-1] == reached
        page = results.page([{"name": "gateway", "rows": [met]}], load=0.1, seconds=60)
        assert "Missed" not in page


def test_the_share_of_direct_calls_shows_its_floor_and_the_share_of_a_bare_gateway_is_judged() -> None:
    found = gateway.rows({"direct": [1000.0], "bare": [400.0], "dpop": [260.0], "none": [300.0]})
    judged = [(each["what"], each["ok"]) for each in found if each["ok"] is not None]
    assert judged == [("MCP calls/s through the gateway, DPoP, of a bare gateway", True)]
    (of_direct,) = (each for each in found if each["what"] == "  DPoP, of direct")
    assert (of_direct["floor"], of_direct["aim"], of_direct["met"]) == (45.0, 75.0, False)
    assert (run.HERE.parent / of_direct["where"]).is_file()


def test_the_pages_that_are_checked_in_say_what_the_generator_says() -> None:
    pages = {names: (run.HERE / name).read_text(encoding="utf-8") for names, name in run.PAGES.items()}
    assert f"{gateway.WISH.why} (`{gateway.WISH.where}`)." in pages[run.NAMES]
    assert pages[run.NAMES].endswith(f"## What to know about them\n{results.NOTES}")
    for names, page in pages.items():
        assert re.findall(r"^- \*\*(\w+)\*\*: ", page, re.MULTILINE) == list(names)
        for name in names:
            assert f"- **{name}**: {results.HOW[name]}\n" in page


def test_a_row_may_have_a_floor_and_no_aim() -> None:
    page = results.page([{"name": "freeze", "rows": [row("good", [50.0], "%", floor=45)]}], load=0.1, seconds=60)
    assert "| **good** | 50 | 50 .. 50 | % | 45 |  | floor |" in page
    assert "short of the aim" not in page


def test_a_benchmark_without_a_report_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> dict[str, Any]:
        return run.read(name, "", "Traceback", 1)

    monkeypatch.setattr(run, "measured", broken)
    assert run.main(["decide"]) == 1


@pytest.mark.parametrize(
    ("rows", "status"),
    [([GOOD, BAD], 0), ([GOOD], 1), ([], 0), ([GOOD], -15)],
    ids=["hidden", "late", "empty", "killed"],
)
def test_a_report_must_agree_with_its_exit_code(rows: list[dict[str, Any]], status: int) -> None:
    with pytest.raises(run.Broken):
        run.read("some", json.dumps({"name": "some", "rows": rows}), "", status)


def test_a_report_is_read_with_the_exit_code_that_fits() -> None:
    for rows, status in (([GOOD, ONLY_TOLD], 0), ([BAD], 1)):
        report = {"name": "some", "rows": rows}
        assert run.read("some", json.dumps(report), "", status) == report


def test_nothing_is_written_unless_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "measured", lambda name: {"name": name, "rows": [GOOD]})
    assert run.main([]) == 0
    assert list(tmp_path.iterdir()) == []
    assert run.main(["--write"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"RESULTS.md", "results.svg"}
    assert run.main(["--long", "--write"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"RESULTS.md", "RESULTS-LONG.md", "results.svg"}


def test_every_benchmark_is_explained_and_there() -> None:
    assert set(run.ALL) == set(results.HOW)
    assert all((run.HERE / f"{name}.py").is_file() for name in run.ALL)


def test_the_page_says_what_is_below_a_floor() -> None:
    page = results.page([{"name": "freeze", "rows": [GOOD, BAD]}], load=0.1, seconds=60)
    assert "Below the floor: bad <&>." in page
    assert "short of the aim: good." in page


def test_the_picture_is_well_formed_and_shows_what_has_a_floor() -> None:
    picture = ET.fromstring(plot.svg([GOOD, BAD, ONLY_TOLD]))  # noqa: S314 - made a line above
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "good" in texts
    assert "bad <&>" in texts
    assert "told" not in texts
