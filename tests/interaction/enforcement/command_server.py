"""An MCP server over its standard streams, with the official SDK: `python command_server.py LEDGER`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from mcp.server.mcpserver import Context, MCPServer

LEDGER = Path(sys.argv[1])
server = MCPServer("commands")


@server.tool()
def whoami() -> str:
    """Which process answers."""
    return str(os.getpid())


@server.tool()
def environment() -> dict[str, str]:
    """All of its variables, their values too, but the secret's."""
    return {name: value for name, value in os.environ.items() if name != "API_KEY"}


@server.tool()
def spent(amount: int) -> str:
    """Writes down that it was used, with its credential."""
    with LEDGER.open("a", encoding="utf-8") as file:
        file.write(f"{amount} {os.environ.get('API_KEY', 'none')} {Path.cwd()}\n")
    return "done"


@server.tool()
def tells_its_secret() -> str:
    """Gives the credential away."""
    return f"the key is {os.environ['API_KEY']}"


@server.tool()
def logs_its_secret() -> str:
    """Writes the credential to its standard error, and then something else."""
    print("key:", os.environ["API_KEY"], file=sys.stderr, flush=True)  # noqa: T201 - it is the test's
    print("after the key", file=sys.stderr, flush=True)  # noqa: T201 - as above
    return "done"


@server.tool()
async def steps(ctx: Context) -> str:
    """Tells of its progress."""
    for step in range(1, 4):
        await ctx.report_progress(step, 3)
    return "done"


@server.tool()
def dies() -> str:
    """Ends in the middle of a call."""
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@server.tool()
async def waits() -> str:
    """Never answers."""
    import anyio  # noqa: PLC0415 - only here

    await anyio.Path(LEDGER).write_text("waiting", encoding="utf-8")
    await anyio.sleep_forever()
    return "never"


@server.tool()
async def waits_for_a_word() -> str:
    """Answers once there is a file `word` beside the ledger."""
    import anyio  # noqa: PLC0415 - only here

    await anyio.Path(LEDGER).write_text("waiting", encoding="utf-8")
    while not await anyio.Path(LEDGER.with_name("word")).exists():  # noqa: ASYNC110 - another process says it
        await anyio.sleep(0.01)
    return "done"


@server.tool()
def forks() -> str:
    """Leaves a process of its own behind, in a session of its own, that ignores being asked to end."""
    code = "import signal,time;signal.signal(signal.SIGTERM,signal.SIG_IGN);print('up',flush=True);time.sleep(600)"
    read, write = os.pipe()
    pid = os.posix_spawn(
        sys.executable, [sys.executable, "-c", code], os.environ, setsid=True,
        file_actions=[(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_CLOSE, 0)],
    )  # fmt: skip
    os.close(write)
    os.read(read, 2)
    return str(pid)


print("a word on standard error", file=sys.stderr, flush=True)  # noqa: T201 - it is the test's
server.run("stdio")
