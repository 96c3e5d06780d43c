"""A command line makes only what its first word names, and says what it would say among all."""

from __future__ import annotations

import pytest
import typer

from remit.cli import main

ALL = typer.main.get_command(main.app)
WORDS = sorted(ALL.commands)  # type: ignore[attr-defined] # it is a group


@pytest.mark.parametrize("word", WORDS)
def test_each_is_what_it_is_among_all(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    ALL.main(args=[word, "--help"], prog_name="remit", standalone_mode=False)
    among_all = capsys.readouterr().out
    assert "Usage: remit " + word in among_all
    assert main.run([word, "--help"]) == 0
    assert capsys.readouterr().out == among_all


@pytest.mark.parametrize("word", WORDS)
def test_the_others_are_not_made(word: str) -> None:
    chosen = typer.main.get_command(main._app_for([word, "--help"]))
    assert list(chosen.commands) == [word]  # type: ignore[attr-defined] # it is a group


@pytest.mark.parametrize("words", [[], ["--help"], ["no-such"], ["--version"], ["--", "agent"]])
def test_where_none_is_named_all_are_there(words: list[str]) -> None:
    assert main._app_for(words) is main.app


def test_a_word_that_is_none_is_told_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["agents"]) == 2
    assert "No such command 'agents'" in capsys.readouterr().err
