"""How a command learns of its MCP servers: by its own flag, variable or a working copy. No file of the user changes.

Formats as their makers document them: `mcp.json` of Claude Code (`mcpServers`, `type: http`);
Codex (`-c mcp_servers.NAME.url="..."`, a TOML value); Gemini CLI (`mcpServers`, `httpUrl`, in
the system settings file, which wins over the user's and the project's).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remit.kernel.errors import ConfigInvalid

PLACE: Final = "{mcp_config}"
GEMINI_SETTINGS: Final = "GEMINI_CLI_SYSTEM_SETTINGS_PATH"
_GEMINI_SYSTEM: Final = Path("/etc/gemini-cli/settings.json")
_PROXIES: Final = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_DIRECT: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is started: the command's words and its environment."""

    argv: list[str]
    environ: dict[str, str]
    folder: Path  # of the run alone


@contextlib.contextmanager
def prepared(
    command: Sequence[str], environ: Mapping[str, str], urls: Mapping[str, str], apis: Mapping[str, str] | None = None
) -> Iterator[Prepared]:
    """The command with its configuration in a folder that is removed at the end.

    Args:
        command: As it was typed.
        environ: Ours.
        urls: The loopback URL of each MCP server.
        apis: The loopback base URL of each HTTP API.

    Raises:
        ConfigInvalid: Gemini's settings on this machine cannot be read.
    """
    folder = Path(tempfile.mkdtemp(prefix="remit-run-", dir=environ.get("XDG_RUNTIME_DIR") or None))  # mode 0700
    try:
        config = folder / "mcp.json"
        _write(config, mcp_json(urls))
        found = variables(environ, urls) | _bases(apis or {}) | {"REMIT_MCP_CONFIG": str(config)}
        argv = [word.replace(PLACE, str(config)) for word in command]
        client = Path(command[0]).name
        if client == "claude":
            argv[1:1] = claude_words(config)
        elif client == "codex":
            argv[1:1] = codex_words(urls)
        elif client == "gemini":
            settings = folder / "gemini-settings.json"
            _write(settings, gemini_settings(_gemini_before(environ), urls))
            found[GEMINI_SETTINGS] = str(settings)
        yield Prepared(argv, found, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def variables(environ: Mapping[str, str], urls: Mapping[str, str]) -> dict[str, str]:
    """The command's environment: ours without anything of Remit's, and with where its servers are."""
    found = {name: value for name, value in environ.items() if not name.startswith("REMIT_")}
    for server, url in urls.items():
        found[f"REMIT_MCP_{server.replace('-', '_').upper()}"] = url
    if len(urls) == 1:
        found["REMIT_MCP_URL"] = next(iter(urls.values()))
    if any(environ.get(name) for name in _PROXIES):
        # A proxy would be told the path that is the run's alone.
        for name in ("NO_PROXY", "no_proxy"):
            found[name] = ",".join(filter(None, (environ.get(name), _DIRECT)))
    return found


def _bases(apis: Mapping[str, str]) -> dict[str, str]:
    """Where its HTTP APIs are: `REMIT_HTTP_NAME`, and `REMIT_HTTP_URL` where there is one."""
    found = {f"REMIT_HTTP_{server.replace('-', '_').upper()}": url for server, url in apis.items()}
    return found | ({"REMIT_HTTP_URL": next(iter(apis.values()))} if len(apis) == 1 else {})


def mcp_json(urls: Mapping[str, str]) -> dict[str, Any]:
    """The generic file, which Claude Code and many others read."""
    return {"mcpServers": {server: {"type": "http", "url": url} for server, url in urls.items()}}


def claude_words(config: Path) -> list[str]:
    """Claude Code: this file, and no other configured server beside it. The second flag ends the first one's list."""
    return ["--mcp-config", str(config), "--strict-mcp-config"]


def codex_words(urls: Mapping[str, str]) -> list[str]:
    """Codex: one override for each server. Servers of its own config.toml stay beside them."""
    # A JSON string of a URL is the same as a TOML one.
    return [word for server, url in urls.items() for word in ("-c", f"mcp_servers.{server}.url={json.dumps(url)}")]


def gemini_settings(before: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """Gemini CLI: the machine's own system settings, with these servers and no others allowed."""
    mcp = before.get("mcp")
    return {
        **before,
        "mcp": {**(mcp if isinstance(mcp, dict) else {}), "allowed": list(urls)},
        "mcpServers": {server: {"httpUrl": url} for server, url in urls.items()},
    }


def _gemini_before(environ: Mapping[str, str]) -> Mapping[str, Any]:
    path = Path(environ.get(GEMINI_SETTINGS) or _GEMINI_SYSTEM)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        # Left out, what an administrator set there would no longer hold.
        raise ConfigInvalid(f"Gemini's system settings {path} cannot be read", detail=str(error)) from error
    if not isinstance(found, dict):
        raise ConfigInvalid(f"Gemini's system settings {path} are no JSON object")
    return found


def _write(path: Path, value: Mapping[str, Any]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
