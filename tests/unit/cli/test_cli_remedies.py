"""Whoever is told what to try can type it: every command in a remedy is there, with its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from tests.unit.console.test_console_commands import said, wrong

ROOT = Path(str(files("remit")))
SOURCES = sorted(source for source in ROOT.rglob("*.py") if re.search(r"\b(try_|next_)=", source.read_text("utf-8")))
PARTS = re.compile(r",? (?:or|then|which|and)\b|, |; ")  # a remedy may name one command after the other, in a sentence


def remedies(source: str) -> Iterator[str]:
    """What is passed as `try_` or `next_`, cut into what may be one command each."""
    for each in ast.walk(ast.parse(source)):
        if isinstance(each, ast.keyword) and each.arg in {"try_", "next_"}:
            for text in said(each.value):
                yield from PARTS.split(text)


def test_remedies_are_found() -> None:
    assert len(SOURCES) > 50
    assert [*remedies('f(try_=f"remit server refresh {name}, or remit server nothing")')] == [
        "remit server refresh \u2026", " remit server nothing",
    ]  # fmt: skip
    assert [*wrong(" remit server nothing")]


@pytest.mark.parametrize("source", SOURCES, ids=lambda it: str(it.relative_to(ROOT)))
def test_every_command_that_is_told_to_try_is_there(source: Path) -> None:
    assert [each for text in remedies(source.read_text("utf-8")) for each in wrong(text)] == []
