"""What clients' files say is found, and no secret in them is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.catalog.command import secretish
from remit.runner.configured.json_text import Unreadable
from remit.runner.configured.model import Entry, Format, Place, is_ours
from remit.runner.configured.places import places
from remit.runner.configured.reading import entries, shown, through

KEY = "s3cr3t-value-0123"


def read(path: Path, text: str, **place: Any) -> dict[str, Entry]:
    path.write_text(text, encoding="utf-8")
    parts: dict[str, Any] = {"client": "c", "scope": "user", "path": path, "key": "mcpServers"} | place
    found = entries(Place(**parts), secretish)
    return {each.name: each for each in found}


def test_gooses_extensions_are_read_flat_and_nested(tmp_path: Path) -> None:
    text = f"""
extensions:
  developer: {{type: builtin, enabled: true}}
  flat: {{type: stdio, enabled: true, cmd: npx, args: [-y, x], envs: {{X_API_KEY: {KEY}}}}}
  nested: {{enabled: false, config: {{type: streamable_http, uri: "https://u:pw@x.test/mcp?api_key={KEY}&y=1"}}}}
"""
    found = read(tmp_path / "config.yaml", text, key="extensions", format=Format.YAML)
    assert set(found) == {"flat", "nested"}
    assert (found["flat"].command, found["flat"].secrets, found["flat"].enabled) == (
        ("npx", "-y", "x"), ("envs.X_API_KEY",), True,
    )  # fmt: skip
    assert (found["nested"].secrets, found["nested"].enabled) == (("url.api_key", "url.password"), False)
    assert shown(found["nested"], secretish) == "https://x.test/mcp?api_key=***&y=***"


def test_servers_of_projects_are_found(tmp_path: Path) -> None:
    text = json.dumps({"projects": {"/x": {"mcpServers": {"l": {"command": "l"}}}, "/y": {}}})
    assert set(read(tmp_path / "c.json", text, each="projects")) == {"l"}


HIDING: list[dict[str, Any]] = [
    {"command": "x", "args": ["--token", KEY]},
    {"command": "x", "args": [f"--api-key={KEY}"]},
    {"command": "x", "args": ["--header", f"Authorization: Bearer {KEY}"]},
    {"command": "x", "args": [f"https://user:{KEY}@x.test/?token={KEY}"]},
    {"command": "x", "args": ["ghp_s3cr3tvalue0123456"]},
    {"command": "x", "env": {"GITHUB_TOKEN": KEY}},
    {"url": f"https://x.test/mcp?token={KEY}"},
    {"url": "https://x.test/mcp", "headers": {"X-Api-Key": KEY}},
]


@pytest.mark.parametrize("said", HIDING)
def test_no_secret_is_shown(tmp_path: Path, said: dict[str, Any]) -> None:
    entry = read(tmp_path / "c.json", json.dumps({"mcpServers": {"s": said}}))["s"]
    told = shown(entry, secretish) + repr(entry)
    assert "s3cr3t" not in told
    assert entry.secrets or "https://x.test/" in told


@pytest.mark.parametrize(
    ("said", "told", "secrets"),
    [
        ({"url": "https://h.test/mcp/s/NTc4ZjA3YTctMmQ5OS00/mcp"}, "https://h.test/mcp/s/***/mcp", ("url.path",)),
        ({"url": "https://h.test/3f1c2a7b-e0d9-4c3f-a1b2-000000000001"}, "https://h.test/***", ("url.path",)),
        ({"command": "npx", "args": ["r", "https://h/8f1c2a7be0d94c3fa1b2"]}, "npx r https://h/***", ("args.1",)),
        ({"command": "npx", "args": ["pg://u:hunter2@h.test/d"]}, "npx pg://h.test/d", ("args.0",)),
        ({"url": "https://h.test/servers/payments-2/mcp"}, "https://h.test/servers/payments-2/mcp", ()),
    ],
)  # fmt: skip
def test_a_url_that_is_a_key_itself_is_not_shown(
    tmp_path: Path, said: dict[str, Any], told: str, secrets: tuple[str, ...]
) -> None:
    entry = read(tmp_path / "c.json", json.dumps({"mcpServers": {"s": said}}))["s"]
    assert (shown(entry, secretish), entry.secrets) == (told, secrets)


def test_what_a_variable_will_hold_is_no_secret_here(tmp_path: Path) -> None:
    said = {"url": "https://x.test", "headers": {"Authorization": "Bearer ${TOKEN}"}, "env": {"A_TOKEN": "$TOKEN"}}
    assert read(tmp_path / "c.json", json.dumps({"mcpServers": {"s": said}}))["s"].secrets == ()


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ({"command": "/opt/bin/remit", "args": ["mcp", "stdio", "--agent", "a"]}, True),
        ({"command": "remit", "args": ["mcp", "stdio"]}, True),
        ({"command": "./remit", "args": ["mcp", "stdio"]}, False),
        ({"command": "bin/remit", "args": ["mcp", "stdio"]}, False),
        ({"command": "${workspaceFolder}/remit", "args": ["mcp", "stdio"]}, False),
        ({"command": "remit", "args": ["mcp", "list"]}, False),
        ({"command": "/opt/bin/not-remit", "args": ["mcp", "stdio"]}, False),
        ({"url": "http://127.0.0.1:8470/mcp/files"}, True),
        ({"url": "http://127.0.0.1:8470/servers/files/mcp"}, True),
        ({"url": "http://127.0.0.1:8470.evil.test/mcp/files"}, False),
        ({"url": "https://x.test/mcp"}, False),
    ],
)
def test_what_passes_through_remit(tmp_path: Path, said: dict[str, Any], passes: bool) -> None:  # noqa: FBT001 - a parameter of the test
    entry = read(tmp_path / "c.json", json.dumps({"mcpServers": {"s": said}}))["s"]
    assert through(entry, ["http://127.0.0.1:8470"]) is passes


@pytest.mark.parametrize("text", ["{broken", "[]", "\x00"])
def test_what_cannot_be_read_is_said_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unreadable):
        read(tmp_path / "c.json", text)


@given(
    st.dictionaries(
        st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=5))
    )
)
def test_only_what_we_write_is_ours(entry: dict[str, Any]) -> None:
    assert not is_ours(entry)


def test_clients_are_found_where_their_variables_say(tmp_path: Path) -> None:
    environ = {"CODEX_HOME": "/elsewhere", "XDG_CONFIG_HOME": str(tmp_path / "config"), "CLAUDE_CONFIG_DIR": "/claude"}
    found = {(each.client, each.scope): each.path for each in places(tmp_path, tmp_path / "p", environ, "linux")}
    assert found["codex", "user"] == Path("/elsewhere/config.toml")
    assert found["claude-code", "user"] == Path("/claude/.claude.json")
    assert found["goose", "user"] == tmp_path / "config" / "goose" / "config.yaml"
    assert found["cursor", "project"] == tmp_path / "p" / ".cursor" / "mcp.json"
