"""`remit run`: an agent as it is, behind Remit."""

from __future__ import annotations

import json as json_module
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remit.cli.locate import Unreachable
from remit.cli.options import examples
from remit.cli.output import plain
from remit.kernel.errors import ConfigInvalid
from remit.kernel.names import check_name
from remit.server.settings import data_directory

if TYPE_CHECKING:
    from remit.runner.tally import Tally


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "run",
        epilog=examples(
            "remit run --agent invoice-bot -- python agent.py",
            "remit run --agent invoice-bot --server payments -- claude -p 'Pay what is due'",
        ),
        context_settings={"allow_interspersed_args": False},
    )(run)


def run(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The command, with its arguments.")],
    *,
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="The agent that the command is.")],
    purpose: Annotated[
        str | None, typer.Option("--purpose", metavar="NAME", help="What it works for. [its only purpose]")
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option("--server", metavar="NAME", help="An MCP server it gets; may be repeated. [all of its own]"),
    ] = None,
    proxy: Annotated[
        bool, typer.Option("--proxy", help="Its HTTP goes through Remit's forward proxy (remit up --proxy).")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="The server's data directory. [$XDG_DATA_HOME/remit]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The line at the end is one JSON object.")] = False,
) -> int:
    """Run a command as an agent, with no secret in its hands.

    It gets the URLs of its MCP servers in REMIT_MCP_<SERVER> (and REMIT_MCP_URL, if there is
    one server), and as a configuration file in REMIT_MCP_CONFIG; {mcp_config} in CMD is
    replaced by the file's path. claude, codex and gemini are configured by themselves.
    The exit code is the command's. A line on stderr says at the end what happened.
    """
    from remit.runner.model import Plan  # noqa: PLC0415 - loaded for this command only
    from remit.runner.run import run as begin  # noqa: PLC0415 - as above

    if sys.platform != "linux":
        raise ConfigInvalid("remit run needs Linux: it asks the kernel whose a connection is")
    where = local_data(data)
    plan = Plan(
        data=where,
        base=local_base(where),
        agent=check_name(agent, what="an agent"),
        purpose=None if purpose is None else check_name(purpose, what="a purpose"),
        servers=tuple(dict.fromkeys(check_name(name, what="a server") for name in server or ())),
        command=tuple(command),
        environ=dict(os.environ),
        proxied=proxy,
        interactive=sys.stdin.isatty(),
    )

    def say(tally: Tally, run_id: str) -> None:
        whisper(json_module.dumps(tally.summary(agent, run_id)) if json else tally.line(agent, run_id))

    return begin(plan, say=say, warn=lambda text: whisper(f"remit run: {text}"))


def whisper(line: str) -> None:
    """Print one line on stderr."""
    # Without rich, which takes longer to load than the rest of this command.
    sys.stderr.write(plain(line) + "\n")
    sys.stderr.flush()


def local_data(given: Path | None) -> Path:
    """The data directory: as given, or the one whose admin token the environment names, or the default one."""
    if given is not None:
        return given.absolute()
    token_file = os.environ.get("REMIT_TOKEN_FILE")
    if token_file and _instance(Path(token_file).absolute().parent):
        return Path(token_file).absolute().parent
    return data_directory(os.environ)


def local_base(data: Path) -> str:
    """The URL of the server on `data`.

    Raises:
        Unreachable: None runs there, or the environment names another.
    """
    url, wanted = _instance(data).get("url"), os.environ.get("REMIT_URL", "").rstrip("/")
    if not isinstance(url, str):
        raise Unreachable(
            "no Remit is running here", detail=f"there is no instance.json in {data}", try_="remit up, or --data DIR"
        )
    if wanted and wanted != url:
        raise Unreachable(
            "the Remit that REMIT_URL names does not run here",
            detail=f"a command is attested on the local socket of its server, and {data} is that of {url}",
            try_="--data DIR, or unset REMIT_URL",
        )
    return url


def _instance(data: Path) -> dict[str, Any]:
    try:
        found = json_module.loads((data / "instance.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise ConfigInvalid("instance.json cannot be read", detail=str(error), try_="remit up") from error
    return found if isinstance(found, dict) else {}
