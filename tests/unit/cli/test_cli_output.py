import json
import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.cli import output


@given(st.text())
def test_nothing_printed_can_drive_the_terminal(text: str) -> None:
    shown = output.plain(text)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert not any(ord(char) < 32 and char not in "\n\t" for char in shown)


def test_data_goes_to_stdout_and_talk_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output.data_text("data [red]not markup[/red]")
    output.complain("it failed", because="of this", try_="that")
    out, err = capsys.readouterr()
    assert out == "data [red]not markup[/red]\n"
    assert err.splitlines() == ["✗ it failed", "  because  of this", "  try      that"]


def test_json_is_one_line_and_exact(capsys: pytest.CaptureFixture[str]) -> None:
    output.data_json({"amount": Decimal("500.10"), "name": "\x1b[31m"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "\x1b" not in out
    assert json.loads(out)["amount"] == "500.10"


def test_a_table_is_not_wrapped_where_it_is_piped(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("name", "value"), [["a" * 60, "b" * 60], ["\x1b]0;title\x07", None]])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "\\u001b" in lines[2]
    assert "a" * 60 in lines[1]


def test_a_long_wait_is_explained_and_a_short_one_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with output.patiently("asking ..."):
        pass
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(output, "_PATIENCE", 0.0)
    talk, over = output.talk, threading.Event()

    def said(text: str) -> None:
        talk(text)
        over.set()

    monkeypatch.setattr(output, "talk", said)
    with output.patiently("asking ..."):
        assert over.wait(60)
    assert capsys.readouterr() == ("", "asking ...\n")
