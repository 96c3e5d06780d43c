"""`remit coverage`: what passes through Remit, what was found to pass it by, and what nobody can know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.discover import on_this_host
from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, nothing, table, talk
from remit.cli.wire import connect


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("coverage", epilog=examples("remit coverage", "remit coverage --hours 168 --json"))(coverage)


def coverage(
    hours: Annotated[int, typer.Option("--hours", min=1, help="How far back.")] = 24,
    json: Json = False,
    as_: As = None,
) -> int:
    """Say which use of credentials stands behind a decision of Remit, and what was found outside.

    From the log: every use of a secret, with its decision. From imported logs of servers: uses without any. From this
    host: MCP servers of desktop agents that pass Remit by. Exits 9 if anything was used without a decision.
    """
    found = connect(as_).get(f"/v1/coverage?hours={hours}")
    here = on_this_host(Path.cwd())
    outside = [row for row in here["servers"] if row["enabled"] and not row["through_remit"]]
    found |= {"this_host": {"servers": len(here["servers"]), "outside": outside}}
    if json:
        data_json(found)
    else:
        _show(found)
    undecided = sum(row["unmatched"] for row in found["brokered"]) + found["shadow_count"]
    return Exit.DIFFERS if undecided else Exit.OK


def _show(found: dict[str, Any]) -> None:
    talk(f"from {found['from']} to {found['to']}" + ("" if found["complete"] else "; the log reaches less far back"))
    if found["brokered"]:
        columns = ("server", "secret", "uses", "decisions", "unmatched", "outcomes")
        table(columns, [_brokered(row) for row in found["brokered"]])
    else:
        nothing("servers with a credential", next_="credential: in servers/*.yaml, then remit apply DIR")
    for server, count in found["not_observed"].items():
        talk(f"{server}: {count} calls of which an enforcement point did not say what became of them")
    if found["shadows"]:
        columns = ("without a decision", "agent", "uses", "first", "last", "told by")
        table(
            columns,
            [[r["action"], _agent(r), r["count"], r["first"], r["last"], r["source"]] for r in found["shadows"]],
        )
    here = found["this_host"]
    talk(f"on this host: {len(here['outside'])} of {here['servers']} MCP servers pass Remit by (remit discover)")
    for each in found["unknown"]:
        talk(f"cannot be known: {each}")


def _brokered(row: dict[str, Any]) -> list[object]:
    counts = [f"{name} {count}" for name, count in row["outcomes"].items()]
    return [row["server"], row["secret"], row["uses"], row["decisions"], row["unmatched"], counts]


def _agent(row: dict[str, Any]) -> str:
    return str(row["agent"]) if row.get("registered") else f"{row['agent']} (not registered)"
