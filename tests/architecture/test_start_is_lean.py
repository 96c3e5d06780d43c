"""What is typed all day does not load what only a server needs, nor a start what only the first request needs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"
HEAVY = ("sqlalchemy", "cedarpy", "cryptography", "starlette", "uvicorn", "aiohttp", "mcp", "rich.console", "pydantic")
# Loaded once it is ready (`server/run`: warm), or when first asked for; a tenth to a half of a start, all in all.
LATER = (
    "aiohttp", "alembic", "cryptography.x509", "duckdb", "jinja2", "mcp", "mcp_types", "psycopg", "pydantic",
    "rich", "sqlalchemy.dialects.postgresql", "typer",
    "remit.certification.service", "remit.certification.posture.report", "remit.certification.replaying.replays",
    "remit.certification.rightsizing.rightsize", "remit.console.http", "remit.outbound.pool", "remit.reviews.service",
    "remit.server.apply", "remit.server.compose_api", "remit.server.compose_governance", "remit.server.openapi",
    "remit.tokens.clients.mtls",
)  # fmt: skip


def loaded(by: str, names: tuple[str, ...]) -> list[str]:
    """Which of `names` an import brings with it, in a process of its own."""
    asked = f"import {by}, sys; print(*[name for name in {names!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return found.stdout.split()


def test_the_command_line_starts_without_the_server() -> None:
    assert loaded("remit.cli.main", HEAVY) == []


def test_a_server_is_ready_without_what_its_first_calls_load() -> None:
    assert loaded("remit.server.compose", LATER) == []


def test_a_log_without_colours_takes_them_from_nobody_else() -> None:
    """`remit/logs` loads structlog as if there were no rich, which others want."""
    assert loaded("remit.logs, rich.console", ("structlog", "rich")) == ["structlog", "rich"]
    assert loaded("rich, remit.logs", ("structlog", "rich")) == ["structlog", "rich"]


def _inside(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    """The imports that run when their function is called."""
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from (each for each in ast.walk(function) if isinstance(each, ast.ImportFrom))


def _is_there(module: str, name: str) -> bool:
    if hasattr(importlib.import_module(module), name):
        return True
    try:
        importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True


def test_what_is_imported_later_is_there() -> None:
    """Else nobody would see it missing before somebody asks for it."""
    imports = {
        (str(each.module), alias.name)
        for file in (SRC / "remit").rglob("*.py")
        for each in _inside(ast.parse(file.read_text(encoding="utf-8")))
        for alias in each.names
    }
    assert len(imports) > 100
    assert [each for each in sorted(imports) if not _is_there(*each)] == []
