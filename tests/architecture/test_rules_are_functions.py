"""No clock, randomness or float inside a rule: what the import contract for rules cannot see, read from their code."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACT = next(c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["name"] == "Rules do no I/O")
RULES = {name: ROOT / "src" / Path(*name.split(".")).with_suffix(".py") for name in CONTRACT["source_modules"]}
# Calls by whose last name something comes in that is no argument.
OUTSIDE = {"now", "today", "utcnow", "uuid1", "uuid4", "urandom", "getrandom", "monotonic", "perf_counter", "time_ns"}
BUILTINS = {"id", "hash", "open", "input", "globals"}
# A pin is RFC 8785 over a definition, and RFC 8785 writes numbers as doubles.
FLOATS_ALLOWED = {"remit.catalog.pin"}


def impurities(source: str, *, floats: bool) -> list[str]:
    """What makes the code of a rule more than a function, each with its line."""
    return [
        f"{node.lineno}: {why}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.expr, ast.stmt)) and (why := _impurity(node, floats=floats))
    ]


def _impurity(node: ast.AST, *, floats: bool) -> str:
    match node:
        case ast.Global():
            return "global state"
        case ast.Call(func=ast.Name(id=name)) if name in OUTSIDE | BUILTINS:
            return f"a call of {name}"
        case ast.Call(func=ast.Attribute(attr=name)) if name in OUTSIDE:
            return f"a call of {name}"
        case ast.Name(id="float") | ast.Constant(value=float()) if not floats:
            return "a float"
        case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()) if not floats:
            return "a division"
    return ""


@pytest.mark.parametrize("module", sorted(RULES))
def test_a_rule_reads_nothing_but_its_arguments(module: str) -> None:
    source = RULES[module].read_text(encoding="utf-8")
    assert impurities(source, floats=module in FLOATS_ALLOWED) == []


def test_every_rule_that_the_map_names_is_under_the_contract() -> None:
    """`ARCHITECTURE.md` says which rules are pure; the contract must say the same of each."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    said = page.partition("Rules that are pure and where they are tested:")[2].partition("`tests/unit")[0]
    named = {f"remit.{path.removesuffix('.py').replace('/', '.')}" for path in said.split("`")[1::2]}
    assert named
    assert named - RULES.keys() == set()


@pytest.mark.parametrize(
    "line", ["x = datetime.now()", "x = uuid4()", "x = 0.5", "x = 1 / 2", "x /= 2", "x = float('1')", "x = hash(x)"]
)
def test_it_sees_what_it_looks_for(line: str) -> None:
    assert impurities(line, floats=False) != []
