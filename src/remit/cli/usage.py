"""`remit usage`: what other sources tell of use, and when they told everything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples, group
from remit.cli.output import complain, data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment
from remit.connectors.format import Format

app = group("Usage that other sources tell of, and when their record is complete.")
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of one source; .gz is unpacked.")]
Source = Annotated[str, typer.Option("--source", metavar="NAME", help="Who tells it; see remit usage sources.")]
Form = Annotated[Format | None, typer.Option("--format", help="Guessed from the file without it.")]
Map = Annotated[
    Path | None,
    typer.Option("--map", metavar="FILE", help="Who and what is meant: docs/usage-import.md."),
]
Covers = Annotated[
    list[str] | None,
    typer.Option(
        "--covers", metavar="FROM..UNTIL", help="The files tell everything of this time; a date is its first moment."
    ),
]


@app.command(
    "import",
    epilog=examples(
        "remit usage import trail/*.json.gz --source aws --map aws.yaml --covers 2026-10-01..2026-11-01",
        "remit usage import calls.jsonl --source gateway --json",
    ),
)
def import_(
    files: Files, source: Source, format_: Form = None, map_: Map = None, covers: Covers = None, json: Json = False,
    as_: As = None,
) -> int:  # fmt: skip
    """Import files of usage: CloudTrail, OCSF, OpenTelemetry, CSV or JSON lines with a mapping, or the native format.

    Importing the same twice, late or in another order changes nothing. What is refused is named, and the rest is
    taken. Only where the record is complete can an entitlement lapse for not being used: say so with --covers.
    """
    from remit.cli import usage_import  # noqa: PLC0415 - reads every format, which other commands do not pay for

    sent, covered = usage_import.send(files, source, format_, map_, covers or (), as_)
    if json:
        data_json({"source": source, "files": len(files), **sent.shape(), "covered": covered})
    else:
        usage_import.show(source, sent)
    if covers and not covered:
        complain(
            "the windows of --covers were not taken",
            because=f"{sent.lost} lines were not understood: each may have been a use",
            try_="mend what is refused above, and import the same files again",
        )
        return Exit.DIFFERS
    return Exit.OK


@app.command(
    "register",
    epilog=examples("remit usage register aws --server aws-s3 --server aws-sqs", "... gateway --server payments"),
)
def register(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    server: Annotated[list[str], typer.Option("--server", metavar="NAME", help="Whose use it tells of; repeatable.")],
    json: Json = False,
    as_: As = None,
) -> int:
    """Register a source, or say which servers it tells of from now on.

    From then on the entitlements of those servers lapse only where this source says that its record is complete.
    """
    answer = connect(as_).post("/v1/usage/sources", {"source": name, "servers": server})
    if json:
        data_json(answer)
    else:
        data_text(f"{answer['source']} tells of {', '.join(answer['servers'])}")
        talk(f"  try      remit usage import FILE --source {name} --covers FROM..UNTIL")
    return Exit.OK


@app.command("sources", epilog=examples("remit usage sources", "remit usage sources --json"))
def sources(json: Json = False, as_: As = None) -> int:
    """List who tells of use."""
    answer = connect(as_).get("/v1/usage/sources")
    if json:
        data_json(answer)
    elif not answer["sources"]:
        nothing("sources", next_="remit usage register NAME --server SERVER")
    else:
        columns = ("source", "servers", "imports", "complete until", "state", "since", "expected by")
        table(columns, [_row(row) for row in answer["sources"]])
        for row in answer["sources"]:
            _silent(row)
    return Exit.OK


def _row(row: dict[str, Any]) -> list[object]:
    until = row["windows"][-1][1] if row["windows"] else None
    said = [row[name] for name in ("state", "silent_since", "expected")]
    return [row["source"], row["servers"], row["batch"], until, *said]


def _silent(row: dict[str, Any]) -> None:
    if row["state"] == "silent":
        name = row["source"]
        talk(f"{name} is silent: nothing on {', '.join(row['servers'])} lapses for want of use until it tells more")
        talk(f"  try      remit usage import FILE --source {name} --covers FROM..UNTIL")
        talk(f"  or       remit usage unregister {name}, if it will never speak again")


@app.command(
    "unregister",
    epilog=examples("remit usage unregister gateway", "remit usage unregister gateway --yes"),
)
def unregister(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without it only what hangs on the source is shown.")
    ] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """Take a source that will never speak again off its servers: idle clocks no longer wait for it.

    What it told stays. What has been idle while it was silent may lapse at once, on its whole servers. A source that
    comes back is registered again.
    """
    api, path = connect(as_), f"/v1/usage/sources/{segment(name)}"
    answer = api.delete(path) if yes else api.get(path)
    if json:
        data_json(answer)
        return Exit.OK
    count, whose = answer["entitlements"], answer["agents"]
    data_text(
        f"{name} {'told' if yes else 'tells'} of {', '.join(answer['servers'])}: {count} entitlements, {whose} agents"
    )
    for line in _left(answer):
        talk(f"  then     {line}")
    talk("  try      remit certify run" if yes else f"  try      remit usage unregister {name} --yes")
    return Exit.OK


def _left(answer: dict[str, Any]) -> list[str]:
    """By what use is measured without the source."""
    alone = answer["alone"]
    others = [server for server in answer["servers"] if server not in alone]
    by_own = f"use of {', '.join(alone)} is measured by Remit's own record: what goes past Remit counts no more"
    by_others = f"use of {', '.join(others)} is measured by the sources that are left"
    return [line for line, said in ((by_own, alone), (by_others, others)) if said]


@app.command("coverage", epilog=examples("remit usage coverage", "remit usage coverage --server aws-s3 --json"))
def coverage(
    server: Annotated[str | None, typer.Option("--server", metavar="NAME")] = None, json: Json = False, as_: As = None
) -> int:
    """Show when the record of use is complete, and its gaps: `#` complete, `+` in part, `.` not."""
    from remit.certification.usage.line import instant_of  # noqa: PLC0415 - as above
    from remit.cli.usage_timeline import timeline  # noqa: PLC0415 - as above

    answer = connect(as_).get("/v1/usage/coverage" + (f"?server={segment(server)}" if server else ""))
    if json:
        data_json(answer)
    elif not answer["servers"]:
        nothing("sources", next_="remit usage register NAME --server SERVER")
    else:
        for row in answer["servers"]:
            data_text(f"{row['server']}  told by {', '.join(row['sources'])}", style="bold")
            for line in timeline([(instant_of(start), instant_of(until)) for start, until in row["windows"]]):
                data_text(line)
    return Exit.OK
