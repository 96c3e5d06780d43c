"""One entry goes into a configuration and out again, and every other byte stays."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.runner.configured import json_text, toml_text
from remit.runner.configured.json_text import Unreadable

ENTRY = {"command": "/opt/remit", "args": ["mcp", "stdio", "--agent", "desk", "--server", "files"]}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
SERVERS = st.dictionaries(st.text(max_size=6).filter(lambda name: name != "files"), VALUES, max_size=3)
INDENTS = st.sampled_from([None, 1, 2, 4, "\t"])


@st.composite
def documents(draw: Any) -> dict[str, Any]:
    found = draw(st.dictionaries(st.text(max_size=6), VALUES, max_size=3))
    found.pop("mcpServers", None)
    if draw(st.booleans()):
        found["mcpServers"] = draw(SERVERS)
    items = list(found.items())
    return dict(draw(st.permutations(items)))


@given(documents(), INDENTS, st.booleans())
def test_it_adds_that_entry_and_nothing_else(document: dict[str, Any], indent: Any, ends: bool) -> None:  # noqa: FBT001 - drawn
    text = json.dumps(document, indent=indent, ensure_ascii=False) + ("\n" if ends else "")
    after = json_text.put(text, "mcpServers", "files", ENTRY)
    wanted = document | {"mcpServers": {**document.get("mcpServers", {}), "files": ENTRY}}
    assert json.loads(after) == wanted
    assert json_text.put(after, "mcpServers", "files", ENTRY) == after


@given(documents(), INDENTS)
def test_what_went_in_comes_out_again(document: dict[str, Any], indent: Any) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    back = json_text.take(json_text.put(text, "mcpServers", "files", ENTRY), "mcpServers", "files")
    assert json.loads(back) == document | {"mcpServers": document.get("mcpServers", {})}
    if document.get("mcpServers"):
        assert back == text


@given(documents(), st.sampled_from(["mcpServers", "other"]))
def test_taking_what_is_not_there_changes_nothing(document: dict[str, Any], key: str) -> None:
    text = json.dumps(document, indent=2)
    assert json_text.take(text, key, "files") == text


COMMENTED = """\
// my servers
{
  /* these are mine */
  "inputs": [], // none
  "servers": {
    // the first
    "one": {"command": "x", "args": ["a//b", "/* no comment */"],},
  },
}
"""


def test_comments_and_spare_commas_stay_byte_for_byte() -> None:
    after = json_text.put(COMMENTED, "servers", "files", ENTRY)
    assert json_text.read(after).value["servers"] == {
        "one": {"command": "x", "args": ["a//b", "/* no comment */"]}, "files": ENTRY,
    }  # fmt: skip
    for line in COMMENTED.splitlines():
        if line.strip() not in {"}", "},"}:
            assert line.rstrip(",") in after
    assert json_text.take(after, "servers", "files") == COMMENTED


@pytest.mark.parametrize("text", ["", "  \n", "// only a comment\n"])
def test_an_empty_file_becomes_one_with_that_entry(text: str) -> None:
    assert json.loads(json_text.put(text, "mcpServers", "files", ENTRY)) == {"mcpServers": {"files": ENTRY}}


@pytest.mark.parametrize("text", ["[]", '{"a": 1', "{} {}", '{"a": 01x}', "nonsense", '{"a" 1}', "[" * 200])
def test_what_is_no_object_is_left_alone(text: str) -> None:
    with pytest.raises(Unreadable):
        json_text.put(text, "mcpServers", "files", ENTRY)


def test_a_holder_that_is_no_object_is_left_alone() -> None:
    with pytest.raises(Unreadable):
        json_text.put('{"mcpServers": []}', "mcpServers", "files", ENTRY)


TOML = """\
# what I like
model = "gpt"   # this one

[mcp_servers.one]   # mine
command = "x"

[mcp_servers.one.env]
A = "[not a header]"

[profiles.fast]
model = "small"
"""


@pytest.mark.parametrize("text", [TOML, "", "a = 1\n", 'model = """\n[mcp_servers.files]\n"""\n'])
def test_a_table_goes_in_and_out_of_toml(text: str) -> None:
    after = toml_text.put(text, "mcp_servers", "files", ENTRY)
    assert after.startswith(text)
    before = tomllib.loads(text)
    assert tomllib.loads(after) == before | {"mcp_servers": {**before.get("mcp_servers", {}), "files": ENTRY}}
    assert toml_text.put(after, "mcp_servers", "files", ENTRY) == after
    assert toml_text.take(after, "mcp_servers", "files") == text


def test_a_table_in_the_middle_goes_out_with_those_below_it() -> None:
    after = toml_text.take(TOML, "mcp_servers", "one")
    assert tomllib.loads(after) == {"model": "gpt", "profiles": {"fast": {"model": "small"}}}
    assert after.startswith('# what I like\nmodel = "gpt"   # this one\n')


@pytest.mark.parametrize(
    "text",
    ['mcp_servers = {one = {command = "x"}}\n', 'mcp_servers.files.command = "y"\n', "a = \n", "mcp_servers = 1\n"],
)
def test_a_form_that_is_left_to_people_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        toml_text.put(text, "mcp_servers", "files", ENTRY)


@given(st.text(alphabet="ab-_. é\"'\\]", min_size=1, max_size=8))
def test_any_name_is_a_key_of_toml(name: str) -> None:
    after = toml_text.put(TOML, "mcp_servers", name, ENTRY)
    assert tomllib.loads(after)["mcp_servers"][name] == ENTRY
