"""Every requirement has a test that shows it, and every mark names a requirement."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from requirements import REQUIREMENTS  # type: ignore[import-not-found] # found by the line above

TESTS = Path(__file__).parents[1]


def marks(source: str) -> list[str]:
    """The ids in `pytest.mark.requirement("...")` in a test file."""
    return [
        ast.literal_eval(node.args[0])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "requirement"
        and node.args
    ]


def shown() -> set[str]:
    return {each for path in TESTS.rglob("test_*.py") for each in marks(path.read_text(encoding="utf-8"))}


def gaps(required: set[str], marked: set[str]) -> dict[str, set[str]]:
    return {"no test shows": required - marked, "no such requirement": marked - required}


def test_requirements_and_marks_agree() -> None:
    assert gaps({each.id for each in REQUIREMENTS}, shown()) == {"no test shows": set(), "no such requirement": set()}


def test_it_fails_both_ways() -> None:
    assert gaps({"a", "b"}, {"b", "c"}) == {"no test shows": {"a"}, "no such requirement": {"c"}}
    assert marks('@pytest.mark.requirement("x:y")\ndef test(): ...') == ["x:y"]


def test_an_id_stands_once_and_has_a_source() -> None:
    ids: Counter[Any] = Counter(each.id for each in REQUIREMENTS)
    assert [each for each, count in ids.items() if count > 1] == []
    assert [each.id for each in REQUIREMENTS if not each.source.startswith(("https://", "design: "))] == []
