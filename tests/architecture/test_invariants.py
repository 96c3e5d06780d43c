"""Every invariant on the map names the tests that fail when it is broken, and those tests are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
MARK = "Architecture invariant: "
# One for each invariant of the design.
COUNT = 11
_TEST = re.compile(r"- `(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`\Z")


def invariants(page: str) -> dict[str, list[tuple[str, str]]]:
    """The invariants of a page, each with the file and name of its tests: the list that follows the paragraph."""
    found: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] | None = None
    for line in page.splitlines():
        if line.startswith("#"):
            current = None
        elif line.startswith(MARK):
            current = found.setdefault(line.removeprefix(MARK), [])
        elif current is not None and line.startswith("- "):
            match = _TEST.match(line)
            assert match is not None, f"no test by its file and name: {line}"
            current.append((match[1], match[2]))
    return found


def functions(path: Path) -> set[str]:
    """The test functions at the top of a file; nothing if there is no such file."""
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


INVARIANTS = invariants(PAGE)


def test_the_map_names_them_all() -> None:
    assert len(INVARIANTS) == COUNT
    assert PAGE.count(MARK) == COUNT


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_an_invariant_has_tests_that_are_there(invariant: str) -> None:
    named = INVARIANTS[invariant]
    assert named != []
    assert [f"{file}::{name}" for file, name in named if name not in functions(ROOT / file)] == []


def test_it_sees_what_is_missing() -> None:
    page = (
        f"{MARK}one thing.\nMore of it.\n\n- `tests/architecture/test_invariants.py::test_gone`\n\n## Next\n\n- `x`\n"
    )
    assert invariants(page) == {"one thing.": [("tests/architecture/test_invariants.py", "test_gone")]}
    assert "test_gone" not in functions(Path(__file__))
    assert functions(Path(__file__).with_name("no_such_file.py")) == set()
    with pytest.raises(AssertionError, match="no test by its file and name"):
        invariants(f"{MARK}two\n\n- the usual ones\n")
