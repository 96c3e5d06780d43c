"""A line of the log says what its fields are for, and nothing else."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

import remit
from remit.keys.secret import Secret
from remit.server import logs

ROOT = Path(remit.__file__).parent
METHODS = {"debug", "info", "warning", "error", "exception", "critical", "bind"}
CANARY = "canary-value-in-a-field"


@given(st.dictionaries(st.text(max_size=12), st.one_of(st.text(), st.integers(), st.binary(), st.lists(st.text()))))
def test_an_unknown_field_says_nothing(fields: dict[str, object]) -> None:
    said = logs.only_known(None, "info", dict(fields))
    assert said.keys() == fields.keys(), "that there was one is still seen"
    assert {value for name, value in said.items() if name not in logs.KNOWN} <= {logs.DROPPED}


@pytest.mark.parametrize(
    ("fields", "gone"),
    [
        ({"body": CANARY}, True),
        ({"headers": {"authorization": CANARY}}, True),
        ({"detail": {"authorization": CANARY}}, True),
        ({"detail": [{"x": CANARY}]}, True),
        ({"detail": CANARY.encode()}, True),
        ({"detail": Secret(CANARY)}, True),
        ({"detail": CANARY}, False),  # what a known field says as text is for whoever writes the line
    ],
)
def test_what_is_written(capsys: pytest.CaptureFixture[str], fields: dict[str, object], gone: bool) -> None:  # noqa: FBT001 - a table
    before = structlog.get_config()
    try:
        logs.configure()
        structlog.get_logger("test").info("said", **fields)
    finally:
        structlog.configure(**before)
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "said"
    assert (CANARY not in json.dumps(line)) is gone


def test_every_line_that_is_written_has_known_fields() -> None:
    """A field that is written and not known would be a line that tells nobody anything."""
    unknown = {
        (path.relative_to(ROOT).as_posix(), node.lineno, keyword.arg)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _writes(node.func)
        for keyword in node.keywords
        if keyword.arg is not None and keyword.arg not in logs.KNOWN
    }  # fmt: skip
    assert unknown == set()


def _writes(said: ast.expr) -> bool:
    """Whether what is called writes a line: a logger's method, or what one of them was named by (`level`)."""
    if isinstance(said, ast.Name):
        return said.id == "level"
    return (
        isinstance(said, ast.Attribute) and said.attr in METHODS
        and isinstance(said.value, ast.Name) and said.value.id in {"log", "_log", "logger"}
    )  # fmt: skip
