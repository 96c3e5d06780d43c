"""Each code's page has the same parts: an agent or a person who lands there finds what to do without reading all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from remit.cli.exits import Exit, for_denial, for_error
from remit.cli.main import app
from remit.policy.model import Code
from remit.server.problem import STATUS

FOLDER = Path(__file__).parents[2] / "docs" / "errors"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")
PARTS = (
    "What it means", "Who can act", "Is this you? Run this check", "What the agent does", "What the person does",
)  # fmt: skip
CHECK = re.compile(r"```console\n(.*?)\n```", re.DOTALL)


def parts(code: str) -> dict[str, str]:
    """The text of each part, by its heading."""
    _, *found = re.split(r"^## (.+)\n", (FOLDER / f"{code}.md").read_text("utf-8"), flags=re.MULTILINE)
    return {heading: text.strip() for heading, text in zip(found[::2], found[1::2], strict=True)}


@pytest.mark.parametrize("code", PAGES)
def test_a_page_has_its_parts_and_none_is_empty(code: str) -> None:
    found = parts(code)
    assert tuple(found) == PARTS
    assert all(found.values())


@pytest.mark.parametrize("code", PAGES)
def test_its_check_is_a_command_there_is_and_shows_what_that_prints(code: str) -> None:
    shown = CHECK.findall(parts(code)[PARTS[2]])
    assert shown
    lines = [line for each in shown for line in each.splitlines()]
    commands = [line.removeprefix("$ ").split() for line in lines if line.startswith("$ remit ")]
    assert commands
    assert any(not line.startswith("$") for line in lines), "the page shows no output"
    top = typer.main.get_command(app)
    for _, noun, *rest in commands:
        command = top.commands.get(noun)  # type: ignore[attr-defined] # a group
        assert command is not None, noun
        if rest and hasattr(command, "commands"):
            assert rest[0] in command.commands, (noun, rest[0])


@pytest.mark.parametrize("code", sorted(set(STATUS) - {"method_not_allowed", "not_implemented", "unexpected"}))
def test_an_errors_page_says_its_status_and_exit_code(code: str) -> None:
    said = parts(code)[PARTS[0]]
    assert f"HTTP {STATUS[code]}." in said
    assert code == "session_unknown" or f"Exit code {for_error(code).value}." in said


@pytest.mark.parametrize("exit_code", list(Exit))
def test_every_exit_code_is_told_with_the_codes_that_lead_to_it(exit_code: Exit) -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", parts("exit_codes")[PARTS[0]], re.MULTILINE))
    assert str(exit_code.value) in rows
    for code in ("approval_required", "enforcement_unavailable"):
        assert (f"`{code}`" in rows[str(exit_code.value)]) == (for_denial(code) is exit_code)
    for code in STATUS.keys() - {
        "method_not_allowed",
        "not_implemented",
        "unexpected",
        "session_unknown",
    }:
        assert (f"`{code}`" in rows[str(exit_code.value)]) == (for_error(code) is exit_code)


def test_every_denial_has_its_page() -> None:
    assert {*Code} - {Code.NOT_VISIBLE, Code.REPLAYED_PROOF} <= set(PAGES)
