"""No link of a command can lie: it leads to a page that the console has, and to a part that is on it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Match, Route

import remit.cli
from remit.audit.terms import FIELDS
from remit.cli import main, pages
from remit.console import paths
from remit.console.pages import signed_in, words
from remit.console.pages.every import PAGES
from remit.console.pages.model import Page

SEE_ANSWER = frozenset({
    "apply", "why", "freeze", "approval ask", "audit find", "audit evidence", "policy observe", "policy flips",
    "policy enforce", "policy rollback", "review undo",
})  # fmt: skip
NOT_SHOWN = {
    "": {"up", "demo", "diff", "console", "run", "who", "discover", "whoami", "notices"},
    "agent": {"keygen", "secret"},
    "certify": {"recount", "simulate"},
    "breakglass": {"close", "list", "review"},
    "purpose": {"list"},
    "owner": {"list"},
    "policy": {"format", "lint", "test", "diff", "simulate"},
    "mcp": {"install", "uninstall", "stdio"},
    "key": {"rekey", "rewrap"},
    "posture": {"people", "clockwork", "widenings"},
    "proxy": {"ca"},
    "review": {"acknowledge", "acknowledgements"},
    "system": {"add", "list", "remove"},
    "withdrawal": {"list", "show"},
}
"""Commands that name nothing that the console has a page for, or that ask no server."""


def commands(app: typer.Typer, noun: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for each in app.registered_commands:
        assert each.callback is not None
        yield f"{noun} {pages.command_name(each)}".strip(), each.callback
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, str(group.name))


CLI = Path(str(remit.cli.__file__)).parent
COMMANDS = dict(commands(main.app))


def test_of_every_command_it_is_said_where_its_page_is_or_that_there_is_none() -> None:
    nothing = {f"{noun} {verb}".strip() for noun, verbs in NOT_SHOWN.items() for verb in verbs}
    told = [*pages.LINKS, *SEE_ANSWER, *nothing]
    assert sorted(told) == sorted(COMMANDS)


@pytest.mark.parametrize("command", pages.LINKS)
def test_what_a_command_says_is_a_page_and_a_part_of_it(command: str) -> None:
    assert hasattr(COMMANDS[command], "__wrapped__"), "its callback says so"
    takes = set(inspect.signature(COMMANDS[command]).parameters)
    for link in pages.LINKS[command].split(" or "):
        assert takes >= set(pages.parameters(link))
        names, query, fragment = pages.filled(link, dict.fromkeys(takes, "x-1"))
        there(names, query, fragment)


def test_what_commands_say_of_an_answer_is_a_page_too() -> None:
    found = [call for path in CLI.glob("*.py") if path.name != "pages.py" for call in calls(path)]
    assert len(found) >= len(SEE_ANSWER)
    for call in found:
        names = [each.value if isinstance(each, ast.Constant) else "x-1" for each in call.args]
        part = [each.value.value for each in call.keywords if isinstance(each.value, ast.Constant)]
        there(names, {}, str(part[0]) if part else "")


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "see":
            yield node


def there(names: list[Any], query: Mapping[str, str], fragment: str) -> None:
    path = "/".join(("/console", *names))
    if path == paths.CONSENTS:
        return
    page = shown(path)
    assert not fragment or fragment in parts(page)
    assert set(query) <= ({"q"} | (set(FIELDS) if path == "/console/log" else set()))


def shown(path: str) -> Page:
    """The page that the console answers with: the first whose route takes the path."""
    scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
    for each in PAGES:
        if Route(f"/console{each.path}", lambda _: None).matches(scope)[0] is Match.FULL:
            return each
    raise AssertionError(f"no page answers {path}")


def parts(page: Page) -> set[str]:
    """What of it has an address of its own: its tables, plots and headings."""
    module = inspect.getmodule(page.fill)
    assert module is not None
    code = inspect.getsource(module)
    code += "".join(
        inspect.getsource(each) for each in (words, signed_in) if f"{each.__name__.rpartition('.')[2]}." in code
    )
    template = (files("remit.console") / "templates" / page.template).read_text(encoding="utf-8")
    tables, plots = re.findall(r'Table\(\s*name="(\w+)",', code), re.findall(r"f\.plot\('(\w+)'", template)
    return {
        *(f"s-{each}" for each in tables),
        *(f"p-{each}" for each in plots),
        *re.findall(r'id="([\w-]+)"', template),
    }


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMIT_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("REMIT_TOKEN", "x")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REMIT_URL", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def said(capsys: pytest.CaptureFixture[str], **given: object) -> str:
    """What a command says that takes NAME and an agent, and returns 9."""
    app = typer.Typer()

    @app.command("show")
    def show(name: str, agent: str, *, json: bool, data: str) -> int:
        return 9

    pages.link(app, {"show": "agents/{agent}?q={name}#s-x or agents"})
    (command,) = app.registered_commands
    assert command.callback is not None
    assert command.callback(**{"name": "n", "agent": None, "json": False, "data": None, **given}) == 9
    out, err = capsys.readouterr()
    assert out == ""
    return err


@pytest.mark.usefixtures("instance")
def test_a_person_reads_it_last_and_a_program_never(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys) == "  see      http://127.0.0.1:1/console/agents\n"
    assert said(capsys, agent="a b") == "  see      http://127.0.0.1:1/console/agents/a%20b?q=n#s-x\n"
    assert said(capsys, json=True) == ""
    assert said(capsys, data="./data") == "", "no server was asked"


@pytest.mark.usefixtures("nowhere")
def test_nothing_is_said_where_no_instance_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys) == ""


@pytest.mark.usefixtures("instance")
def test_a_token_that_cannot_be_read_fails_no_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REMIT_TOKEN")
    monkeypatch.setenv("REMIT_TOKEN_FILE", "/none/such")
    assert said(capsys) == ""


TEXT = st.text(st.characters(codec="utf-8"), min_size=1)


@given(names=st.lists(TEXT), query=st.dictionaries(TEXT, TEXT))
def test_a_page_is_read_as_it_was_named(names: list[str], query: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REMIT_URL", "http://127.0.0.1:1/")
        patch.setenv("REMIT_TOKEN", "x")
        found = urlsplit(pages.page(*names, query=query, fragment="s-x"))
    assert [unquote(each) for each in found.path.split("/")] == ["", "console", *names]
    assert dict(parse_qsl(found.query, keep_blank_values=True)) == query
    assert found.fragment == "s-x"
