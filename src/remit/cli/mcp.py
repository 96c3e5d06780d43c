"""`remit mcp`: desktop agents, which speak MCP over their standard streams and keep their servers in a file."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remit.cli import mcp_install
from remit.cli.exits import Exit
from remit.cli.options import examples, group
from remit.cli.run import local_base, local_data, whisper
from remit.cli.wire import Refused, connect, segment
from remit.kernel.errors import ConfigInvalid, Conflict, Malformed
from remit.kernel.names import check_name

if TYPE_CHECKING:
    from remit.runner.tally import Tally

app = group("Desktop agents behind Remit.")
mcp_install.add(app)


@app.command(
    "stdio",
    epilog=examples(
        "remit mcp stdio --agent desk --server files", "remit mcp stdio --agent desk --server files -- mcp-files /srv"
    ),
    context_settings={"allow_interspersed_args": False},
)
def stdio(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- CMD...]", help="The command that the server must be.")
    ] = None,
    *,
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="The agent that the client is.")],
    server: Annotated[str, typer.Option("--server", metavar="NAME", help="The MCP server.")],
    purpose: Annotated[
        str | None, typer.Option("--purpose", metavar="NAME", help="What it works for. [its only purpose]")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="The server's data directory. [$XDG_DATA_HOME/remit]")
    ] = None,
) -> int:
    """Serve one MCP server, through Remit, to the client on our standard streams.

    A client starts this in place of the server's own command. stdout carries MCP and nothing else.
    With -- CMD the server must be registered as exactly that command; Remit starts it, not this.
    """
    from remit.runner.desktop import serve  # noqa: PLC0415 - loaded for this command only
    from remit.runner.model import Plan  # noqa: PLC0415 - as above

    if sys.platform != "linux":
        raise ConfigInvalid("remit mcp stdio needs Linux: it attests on the server's local socket")
    where = local_data(data)
    plan = Plan(
        data=where,
        base=local_base(where),
        agent=check_name(agent, what="an agent"),
        purpose=None if purpose is None else check_name(purpose, what="a purpose"),
        servers=(check_name(server, what="a server"),),
        command=("remit", "mcp", "stdio", "--server", server, *(command or ())),
        environ=dict(os.environ),
        interactive=False,
    )
    if command:
        _must_be(server, command)

    def say(tally: Tally, run: str) -> None:
        whisper(tally.line(agent, run).replace("remit run", "remit mcp stdio", 1))

    serve(plan, say=say)
    return Exit.OK


def _must_be(server: str, command: list[str]) -> None:
    """See that `server` is registered as `command`.

    Raises:
        Malformed, Conflict: It is not; what to write is said.
    """
    try:
        found = connect().get(f"/v1/servers/{segment(server)}")
    except Refused as error:
        if error.problem.get("code") != "not_found":
            raise
        raise Malformed(
            f"there is no server {server}", detail=f"servers/{server}.yaml would say:\n{document(server, command)}",
            try_="write it, then: remit apply DIR",
        ) from error  # fmt: skip
    if found.get("command") != command:
        now = shlex.join(found["command"]) if found.get("command") else str(found.get("url"))
        raise Conflict(
            f"{server} is another command", detail=f"it is {now}", try_=f"leave out -- {shlex.join(command)}"
        )


def document(server: str, command: list[str]) -> str:
    """The document that registers `server` as `command`, for its author to finish."""
    import json  # noqa: PLC0415 - a list of words in JSON is one in YAML

    return f"server: {server}\nkind: mcp\ncommand: {json.dumps(command)}\nreview: pin-on-first-use"
