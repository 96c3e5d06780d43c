"""Which files the known clients read, as their makers document them (November 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from remit.runner.configured.model import Format, Place

CLIENTS: Final = ("claude-code", "codex", "gemini", "cursor", "vscode")  # those that `remit mcp install` knows


def places(home: Path, project: Path, environ: Mapping[str, str], platform: str) -> list[Place]:
    """Every file in which a known client may keep servers, the user's own before the project's.

    Args:
        home: The user's home.
        project: The folder that is worked in.
        environ: For the variables by which clients are moved.
        platform: As `sys.platform` names it.
    """
    set_ = environ.get("XDG_CONFIG_HOME", "")
    config = Path(set_) if set_.startswith("/") else home / ".config"
    if platform == "darwin":
        config = home / "Library" / "Application Support"
    claude = Path(environ["CLAUDE_CONFIG_DIR"]) if environ.get("CLAUDE_CONFIG_DIR") else home
    codex = Path(environ["CODEX_HOME"]) if environ.get("CODEX_HOME") else home / ".codex"
    found = [
        _json("claude-code", "user", claude / ".claude.json"),
        _json("claude-code", "local", claude / ".claude.json", each="projects"),
        _json("claude-code", "project", project / ".mcp.json"),
        _toml("codex", "user", codex / "config.toml"),
        _toml("codex", "project", project / ".codex" / "config.toml"),
        _json("gemini", "user", home / ".gemini" / "settings.json"),
        _json("gemini", "project", project / ".gemini" / "settings.json"),
        _json("cursor", "user", home / ".cursor" / "mcp.json"),
        _json("cursor", "project", project / ".cursor" / "mcp.json"),
        *(_json("vscode", "user", config / each / "User" / "mcp.json", "servers") for each in _CODES),
        _json("vscode", "project", project / ".vscode" / "mcp.json", "servers"),
        _json("claude-desktop", "user", config / "Claude" / "claude_desktop_config.json"),
        Place(client="goose", scope="user", path=_goose(home, config, platform), key="extensions", format=Format.YAML),
        _json("copilot", "user", home / ".copilot" / "mcp-config.json"),
        _json("mcp.json", "project", project / "mcp.json"),
    ]
    # In the home itself a project's file may be the user's own.
    return list({(each.path, each.each): each for each in reversed(found)}.values())[::-1]


_CODES: Final = ("Code", "Code - Insiders", "VSCodium")


def _goose(home: Path, config: Path, platform: str) -> Path:
    return (home / ".config" if platform == "darwin" else config) / "goose" / "config.yaml"


def _json(client: str, scope: str, path: Path, key: str = "mcpServers", *, each: str | None = None) -> Place:
    return Place(client=client, scope=scope, path=path, key=key, each=each)


def _toml(client: str, scope: str, path: Path) -> Place:
    return Place(client=client, scope=scope, path=path, key="mcp_servers", format=Format.TOML)
