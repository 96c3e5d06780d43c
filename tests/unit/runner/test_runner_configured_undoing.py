"""Whatever was put into a client's file and however often, it is given back to the byte, or it is said why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.errors import ConfigInvalid, Conflict
from remit.runner.configured import editing, json_text, saving, toml_text
from remit.runner.configured.model import Format, Place
from remit.runner.configured.undoing import undone

COMMENTED = '// mine\n{\n  "theme": "dark", /* so */\n  "mcpServers": {\n    "one": {"command": "x"},\n  },\n}\n'
JSONS = [
    "", "{}", "{ }\n", "// only this\n", '{"mcpServers": {}}', '\ufeff{"a": 1}', COMMENTED,
    json.dumps({"b": [1], "mcpServers": {"one": {"command": "x", "env": {"A": "1"}}, "two": {"url": "u"}}}, indent=4),
    '{\r\n\t"mcpServers": {\r\n\t\t"two": {"command": "y"},\r\n\t\t"one": {"command": "x"}\r\n\t}\r\n}',
]  # fmt: skip
TOMLS = [
    "", "# mine\n", 'model = "x"', 'model = "x"\n\n\n',
    '[mcp_servers.one]\ncommand = "x"\n[mcp_servers.one.env]\nA = "1"\n\n# two\n[mcp_servers.two]\nurl = "u"\n\n[z]\n',
]  # fmt: skip
TEXTS = st.sampled_from([(Format.JSON, each) for each in [None, *JSONS]] + [(Format.TOML, each) for each in TOMLS])
STEPS = st.lists(
    st.tuples(st.sampled_from(["one", "two", "three"]), st.sampled_from(["a", "b"])), min_size=1, max_size=5
)


def entry(agent: str) -> dict[str, Any]:
    return {"command": "/opt/remit", "args": ["mcp", "stdio", "--agent", agent, "--server", "s"]}


def key(format_: Format) -> str:
    return "mcp_servers" if format_ is Format.TOML else "mcpServers"


def put(text: str | None, format_: Format, name: str, value: dict[str, Any]) -> str:
    rules: Any = toml_text if format_ is Format.TOML else json_text
    return str(rules.put(text or "", key(format_), name, value))


def played(format_: Format, text: str | None, steps: list[tuple[str, str]]) -> tuple[str, list[str]]:
    """The text after entries went in one after the other, and what it was before each, the newest first."""
    kept: list[str] = []
    for name, agent in steps:
        after = put(text, format_, name, entry(agent))
        if after != text and text is not None:
            kept.insert(0, text)
        text = after
    assert text is not None
    return text, kept


@given(TEXTS, STEPS)
def test_whatever_went_in_the_first_text_comes_back_to_the_byte(
    first: tuple[Format, str | None], steps: list[tuple[str, str]]
) -> None:
    format_, text = first
    after, kept = played(format_, text, steps)
    found = undone(after, kept, key=key(format_), format_=format_)
    assert (found.after, found.exact, found.lost) == (text, True, ())
    assert set(found.gone) == {name for name, _ in steps}


@given(TEXTS, STEPS, st.sampled_from(["one", "two", "three"]))
def test_taking_one_out_leaves_what_the_others_alone_make(
    first: tuple[Format, str | None], steps: list[tuple[str, str]], name: str
) -> None:
    format_, text = first
    after, kept = played(format_, text, steps)
    found = undone(after, kept, key=key(format_), format_=format_, names=[name])
    stays = dict(step for step in steps if step[0] != name)
    if name not in dict(steps):
        assert found.after == after
        return
    wanted = json_text.read(text or "").value if format_ is Format.JSON else toml_text.read(text or "")
    had = (wanted.get(key(format_)) or {}) | {each: entry(agent) for each, agent in stays.items()}
    read = json_text.read(found.after or "").value if format_ is Format.JSON else toml_text.read(found.after or "")
    assert (read or {}).get(key(format_), {}) == had
    if not stays:
        assert found.after == text


def test_what_somebody_else_changed_stays_and_what_was_replaced_is_put_back() -> None:
    first = '{\n  "mcpServers": {\n    "one": {"command": "x", "env": {"A": "1"}}\n  }\n}\n'
    after, kept = played(Format.JSON, first, [("one", "a"), ("two", "a")])
    changed = after.replace("{\n", '{\n  "starts": 7,\n', 1)
    found = undone(changed, kept, key="mcpServers", format_=Format.JSON)
    assert not found.exact
    assert found.after is not None
    assert json.loads(found.after) == {"starts": 7, "mcpServers": {"one": {"command": "x", "env": {"A": "1"}}}}


def test_what_cannot_be_put_back_is_named() -> None:
    first = '[mcp_servers.one]\ncommand = "x"\nenv = {A = "1"}\n'
    after, kept = played(Format.TOML, first, [("one", "a")])
    found = undone("mine = 1\n" + after, kept, key="mcp_servers", format_=Format.TOML)
    assert (found.exact, found.lost) == (False, ("one",))
    assert toml_text.read(found.after or "")["mine"] == 1


def test_an_entry_that_was_deleted_before_ours_came_stays_deleted() -> None:
    with_it, without = '{"mcpServers": {"one": {"command": "x"}}}', '{"mcpServers": {}}'
    after, _ = played(Format.JSON, without, [("one", "a")])
    found = undone(after.replace("{", '{"n": 1, ', 1), [without, with_it], key="mcpServers", format_=Format.JSON)
    assert json.loads(found.after or "") == {"n": 1, "mcpServers": {}}


def at(path: Path) -> Place:
    return Place(client="cursor", scope="user", path=path, key="mcpServers")


def change(place: Place, name: str, *, replace: bool = False) -> Path | None:
    before, after = editing.installed(place, name, entry("a"), replace=replace)
    return saving.save(place, before, after)


def test_every_change_keeps_what_stood_there_and_no_backup_is_written_over(tmp_path: Path) -> None:
    place = at(tmp_path / "mcp.json")
    first = '{"mcpServers": {"mine": {"command": "x", "env": {"KEY": "only here"}}}}'
    place.path.write_text(first, encoding="utf-8")
    place.path.chmod(0o600)
    assert change(place, "files") == tmp_path / "mcp.json.remit-backup"
    second = place.path.read_text(encoding="utf-8")
    with pytest.raises(Conflict):
        change(place, "mine")
    assert change(place, "mine", replace=True) == tmp_path / "mcp.json.remit-backup.1"
    third = place.path.read_text(encoding="utf-8")
    assert saving.kept(place) == [second, first]
    found = editing.uninstalled(place, [])
    assert saving.save(place, found.before, found.after) == tmp_path / "mcp.json.remit-backup.2"
    assert place.path.read_text(encoding="utf-8") == first
    assert saving.kept(place) == [third, second, first]
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


def test_a_file_that_was_not_there_is_gone_again_and_a_link_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "dots" / "mcp.json")
    assert change(at(link), "files") is None
    made = editing.uninstalled(at(link), [])
    backup = saving.save(at(link), made.before, made.after)
    assert (made.after, made.exact) == (None, True)
    assert backup == tmp_path / "dots" / "mcp.json.remit-backup"
    assert backup.read_text(encoding="utf-8") == made.before
    assert link.is_symlink()
    assert not link.exists()


def test_what_is_no_backup_of_ours_is_neither_read_nor_written_over(tmp_path: Path) -> None:
    place = at(tmp_path / "mcp.json")
    place.path.write_text("{}", encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept", encoding="utf-8")
    (tmp_path / "mcp.json.remit-backup").symlink_to(elsewhere)
    (tmp_path / "mcp.json.remit-backup.old").write_text("kept", encoding="utf-8")
    (tmp_path / "mcp.json.remit-backup.10").write_bytes(b"\xff")
    assert change(place, "files") == tmp_path / "mcp.json.remit-backup.11"
    assert elsewhere.read_text(encoding="utf-8") == "kept"
    assert saving.kept(place) == ["{}", "kept"]


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    place = at(tmp_path / "mcp.json")
    place.path.write_text("{}", encoding="utf-8")
    before, after = editing.installed(place, "files", entry("a"), replace=False)
    place.path.write_text('{"theirs": 1}', encoding="utf-8")
    with pytest.raises(ConfigInvalid, match="changed meanwhile"):
        saving.save(place, before, after)
    assert [each.name for each in tmp_path.iterdir()] == ["mcp.json"]


def test_a_link_that_stands_where_the_backup_goes_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: it is put there between the look at what is there and the write."""
    place, victim = at(tmp_path / "c.json"), tmp_path / "victim"
    place.path.write_text("{}")
    victim.write_text("mine")
    (tmp_path / "c.json.remit-backup").symlink_to(victim)
    monkeypatch.setattr(saving, "_numbered", lambda _: [])
    with pytest.raises(ConfigInvalid):
        saving.save(place, "{}", '{"a": 1}')
    assert (victim.read_text(), place.path.read_text()) == ("mine", "{}")
