"""What each client is given, against the files of the fixtures."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from remit.kernel.errors import ConfigInvalid
from remit.runner.clients import GEMINI_SETTINGS, prepared, variables

FIXTURES = Path(__file__).with_name("fixtures")
BASE = "http://127.0.0.1:4711/RANDOM/mcp"
URLS = {"crm": f"{BASE}/crm", "pay-out": f"{BASE}/pay-out"}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PATH": "/bin", "XDG_RUNTIME_DIR": str(tmp_path)}


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text(encoding="utf-8"))


def test_any_command_gets_the_generic_file(environ: dict[str, str], tmp_path: Path) -> None:
    with prepared(["agent", "--mcp={mcp_config}", "{}"], environ, URLS) as made:
        config = Path(made.environ["REMIT_MCP_CONFIG"])
        assert made.argv == ["agent", f"--mcp={config}", "{}"]
        assert config.read_text(encoding="utf-8") == (FIXTURES / "mcp.json").read_text(encoding="utf-8")
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700
        assert config.is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_after_a_failure(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), prepared(["agent"], environ, URLS):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_claude_code(environ: dict[str, str]) -> None:
    with prepared(["/usr/bin/claude", "-p", "do it"], environ, URLS) as made:
        config = made.environ["REMIT_MCP_CONFIG"]
        assert [word.replace(config, "FILE") for word in made.argv] == fixture("claude-words.json")


def test_codex(environ: dict[str, str]) -> None:
    with prepared(["codex", "exec", "do it"], environ, URLS) as made:
        assert made.argv == fixture("codex-words.json")
        overrides = tomllib.loads("\n".join(word for word in made.argv if word.startswith("mcp_servers.")))
    assert overrides == {"mcp_servers": {name: {"url": url} for name, url in URLS.items()}}


def test_gemini_keeps_what_the_machine_says(environ: dict[str, str], tmp_path: Path) -> None:
    theirs = tmp_path / "system.json"
    said = {
        "security": {"auth": {"enforcedType": "oauth-personal"}},
        "mcp": {"excluded": ["old"], "allowed": ["theirs"]},
        "mcpServers": {"theirs": {"command": "x"}},
    }
    theirs.write_text(json.dumps(said), encoding="utf-8")
    with prepared(["gemini"], environ | {GEMINI_SETTINGS: str(theirs)}, URLS) as made:
        working = Path(made.environ[GEMINI_SETTINGS])
        assert working.read_text(encoding="utf-8") == (FIXTURES / "gemini-settings.json").read_text(encoding="utf-8")
        assert stat.S_IMODE(working.stat().st_mode) == 0o600
    assert json.loads(theirs.read_text(encoding="utf-8")) == said
    assert not working.exists()


def test_gemini_without_settings_of_the_machine(environ: dict[str, str], tmp_path: Path) -> None:
    with prepared(["gemini"], environ | {GEMINI_SETTINGS: str(tmp_path / "none.json")}, URLS) as made:
        settings = json.loads(Path(made.environ[GEMINI_SETTINGS]).read_text(encoding="utf-8"))
    assert settings == {key: fixture("gemini-settings.json")[key] for key in ("mcpServers",)} | {
        "mcp": {"allowed": ["crm", "pay-out"]}
    }


@pytest.mark.parametrize("text", ["{", "[]"])
def test_settings_that_cannot_be_read_are_not_left_out(environ: dict[str, str], tmp_path: Path, text: str) -> None:
    theirs = tmp_path / "system.json"
    theirs.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigInvalid), prepared(["gemini"], environ | {GEMINI_SETTINGS: str(theirs)}, URLS):
        pass


def test_nothing_of_remits_own_reaches_the_command() -> None:
    before = {
        "HOME": "/h",
        "REMIT_TOKEN": "secret",
        "REMIT_TOKEN_FILE": "/f",
        "REMIT_URL": "http://r",
        "REMIT_MCP_OTHER": "stale",
    }
    assert variables(before, {"pay-out": "u"}) == {"HOME": "/h", "REMIT_MCP_PAY_OUT": "u", "REMIT_MCP_URL": "u"}
    assert variables(before, {"a": "1", "b": "2"}) == {"HOME": "/h", "REMIT_MCP_A": "1", "REMIT_MCP_B": "2"}


def test_a_proxy_is_not_told_the_path() -> None:
    found = variables({"https_proxy": "x", "HTTP_PROXY": "http://proxy", "NO_PROXY": "internal"}, {})
    assert (found["NO_PROXY"], found["no_proxy"]) == ("internal,127.0.0.1", "127.0.0.1")
    assert "NO_PROXY" not in variables({"PATH": "/bin"}, {})
