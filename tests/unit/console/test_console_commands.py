"""No command that a page tells somebody to type is one that there is not, nor has it an option that it has not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import takewhile
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from remit.cli import main
from remit.console.pages.log import command
from remit.server.http_entries import FILTERS

ROOT = Path(str(files("remit.console")))
SOURCES = sorted([*ROOT.rglob("*.py"), *ROOT.glob("templates/*.html"), *ROOT.glob("static/*.js")])
COMMAND = re.compile(r"\bremit ((?:[a-z][a-z-]*(?: |(?=\W|$)))+)([^<`\"\n]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
APP = typer.main.get_command(main.app)
BY_THEMSELVES = {"posture"}  # groups that are a command too


def texts(source: Path) -> Iterator[str]:
    """What a file says: the texts of a program, the whole of a template without its expressions."""
    text = source.read_text(encoding="utf-8")
    if source.suffix != ".py":
        yield re.sub(r"\{[{%].*?[}%]\}", "\u2026", text)
        return
    yield from said(ast.parse(text))


def said(tree: ast.AST) -> Iterator[str]:
    """The texts of a program; "\u2026" stands for what it fills in."""
    parts = {id(part) for each in ast.walk(tree) if isinstance(each, ast.JoinedStr) for part in ast.walk(each)}
    for each in ast.walk(tree):
        if isinstance(each, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "\u2026" for part in each.values)  # type: ignore[misc]
        elif isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in parts:
            yield each.value


def options(words: list[str]) -> set[str] | None:
    """The options of the command that these words begin with; None if there is none."""
    command, behind = APP, list(words)
    while behind and isinstance(command, TyperGroup) and behind[0] in command.commands:
        command = command.commands[behind.pop(0)]
    if isinstance(command, TyperGroup) and (behind or words[0] not in BY_THEMSELVES):
        return None
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def wrong(text: str) -> Iterator[str]:
    for words, rest in COMMAND.findall(text):
        known = options(words.split())
        whole = text != f"remit {words}" and not rest.startswith("\u2026 ")  # else the page itself puts the rest there
        if known is None and whole:
            yield f"remit {words}{rest}: there is no such command"
        elif known is not None:
            asked = "".join(takewhile(lambda sign: sign != "|", rest))
            yield from (f"remit {words}{rest}: no option {each}" for each in OPTION.findall(asked) if each not in known)


@pytest.mark.parametrize("source", SOURCES, ids=lambda it: str(it.relative_to(ROOT)))
def test_every_command_of_a_page_is_there(source: Path) -> None:
    assert [each for text in texts(source) for each in wrong(text)] == []


def test_one_that_is_not_there_is_found() -> None:
    assert [*wrong("remit usage source add NAME")]
    assert [*wrong("remit secret leases --secret \u2026")]
    assert not [
        *wrong("remit secret leases \u2026"),
        *wrong("remit posture"),
        *wrong("remit freeze \u2026 --reason TEXT"),
    ]


@pytest.mark.parametrize("verb", ["find", "evidence"])
def test_the_log_is_asked_by_the_command_for_all_that_the_page_can_be_asked_for(verb: str) -> None:
    known = options(["audit", verb]) or set()
    for name in FILTERS:
        asked = command(verb, {name: "some thing"})
        assert set(OPTION.findall(asked)) <= known, asked
    assert command(verb, {"purpose": "pay", "agent": "bot"}) == f"remit audit {verb} --where purpose=pay --agent bot"
    assert command(verb, {"name": "a b"}) == f"remit audit {verb} --where name='a b'"
