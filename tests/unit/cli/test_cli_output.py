import contextlib
import io
import json
import re
import sys
import threading
import unicodedata
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.cli import output

# What ends lines, moves the cursor, reorders or hides, and what is long and blank, beside words that look like ours.
HOSTILE = st.sampled_from([
    "\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\t", "\x1b[2K", "\x1b]0;t\x07", "\x9b1A", "\x08",
    "\u202e", "\u2066", "\u200e", "\u061c", "\u200b", "\u2060", "\ufeff", "\u00ad",
    "\U000e0041", "\u3164", "\u2800", "\ud800", "\uffff",
    " " * 200, "\u00a0" * 90, "\u3000 " * 60, "approved: 3 definitions of payments", "  held: nothing", "x",
])  # fmt: skip
SAID = st.lists(HOSTILE | st.text(max_size=4), max_size=8).map("".join)


@given(SAID | st.text())
def test_nothing_printed_can_drive_the_terminal(text: str) -> None:
    for shown in (output.plain(text), output.foreign(text)):
        assert all(char in "\n\t" or unicodedata.category(char)[0] != "C" for char in shown)
        assert not set(shown) & set("\x1b\u202e\u2028\u2029\u061c\u3164\U000e0041\ud800")
        shown.encode("utf-8")


@given(SAID | st.text())
def test_what_somebody_else_said_is_one_line_without_a_long_blank(text: str) -> None:
    shown = output.foreign(text)
    assert len(shown.splitlines()) <= 1
    assert "\t" not in shown
    assert not re.search(r"\s{3,}", shown)
    assert output.foreign(shown) == shown
    words = re.findall(r"[a-z]+", text)
    assert all(word in shown for word in words)  # nothing that is seen is left out


@given(SAID)
def test_no_command_prints_more_lines_than_it_means_to(text: str) -> None:
    tellings: list[tuple[Callable[[], None], int]] = [
        (lambda: output.data_text(f"held: {output.foreign(text)}"), 1),
        (lambda: output.data_text(text), 1),
        (lambda: output.facts({"why": text, "by": [text, text]}), 2),
        (lambda: output.table(("tool", "state"), [[text, "new"]]), 2),
    ]
    for tell, most in tellings:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            tell()
        assert len(out.getvalue().splitlines()) <= most


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


class Terminal(io.StringIO):
    """A terminal that keeps what it was sent."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_what_has_a_page_leads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMIT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("REMIT_TOKEN", "x")
    monkeypatch.setenv("TERM", "xterm-256color")
    for where, links in ((Terminal(), 3), (io.StringIO(), 0)):
        monkeypatch.setattr(sys, "stdout", where)
        output.table(["id", "agent", "boundary", "state"], [["dec_1", "bot", "a/b?c", "active"], [None, "", None, "x"]])
        text = where.getvalue()
        assert text.count("\x1b]8;id=") == links
        if links:
            for path in ("log/dec_1", "agents/bot", "policies/a%2Fb%3Fc"):
                assert f"http://127.0.0.1:1/console/{path}\x1b\\" in text
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.delenv("REMIT_URL")
    monkeypatch.setenv("XDG_DATA_HOME", "/nowhere")
    output.table(["agent"], [["bot"]])
    assert "bot" in terminal.getvalue()
    assert "\x1b]8" not in terminal.getvalue()
