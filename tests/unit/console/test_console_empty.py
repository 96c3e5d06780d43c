"""Where there is nothing to show, a page says the command that makes something."""

from __future__ import annotations

import ast
from importlib.resources import files

import pytest

SOURCES = sorted(
    (each for each in (files("remit.console") / "pages").iterdir() if each.name.endswith(".py")), key=lambda it: it.name
)


@pytest.mark.parametrize("source", SOURCES, ids=lambda it: it.name)
def test_every_table_of_a_page_says_a_command(source: object) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "Table":
            said = {keyword.arg for keyword in each.keywords}
            assert {"empty", "command"} <= said, f"line {each.lineno}"
