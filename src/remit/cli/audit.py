"""`remit audit`: the log, and the proof that it is complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remit.cli import audit_find, checkpoints
from remit.cli.exits import Exit
from remit.cli.key_provider import KeyProvider
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_block, data_json, data_lines, data_text, nothing, table, talk
from remit.cli.wire import connect
from remit.kernel.errors import ConfigInvalid, Malformed

if TYPE_CHECKING:
    from remit.audit.report import Report

app = group("The log of decisions and changes, and its proof.")


@app.command("verify", epilog=examples("remit audit verify", "remit audit verify --data ./data --keyfile ./keyfile"))
def verify(
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Verify a data directory offline, with no server.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Verify what `audit export` wrote.")
    ] = None,
    keyfile: Annotated[
        Path | None, typer.Option("--keyfile", metavar="FILE", help="With --data: open and check sealed payloads too.")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="The same, if a passphrase opens it.")
    ] = None,
    key_provider: KeyProvider = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Verify the log, and the state beside it, in numbered steps.

    Exit 8 if anything does not hold, naming the entry's index.
    """
    from remit.cli import sources  # noqa: PLC0415 - the verifier is loaded when it is asked for

    if data is not None and export is not None:
        raise Malformed("--data and --export are two ways of reading the log", try_="name one of them")
    if data is None and any(each is not None for each in (keyfile, passphrase_file, key_provider)):
        raise Malformed(
            "--keyfile, --passphrase-file and --key-provider go with --data",
            try_="remit audit verify --data DIR --keyfile FILE",
        )
    provider = sources.provider(keyfile, passphrase_file, key_provider)
    report = sources.verified(data=data, export=export, provider=provider, as_=as_)
    if json:
        data_json(report.as_json())
    else:
        _show(report)
    return Exit.OK if report.ok else Exit.INTEGRITY


_SIGN = {"ok": ("✓", "green"), "failed": ("✗", "bold red"), "not checked": ("-", "yellow")}


def _show(report: Report) -> None:
    for step in report.steps:
        sign, style = _SIGN[step.status.value]
        said = "NOT CHECKED: " if step.status.value == "not checked" else ""
        data_text(f"{step.number:2}. {sign} {step.name}  {said}{step.detail}", style=style)
    if report.ok:
        data_text(f"verified: {_seen(report)}, root {report.root.hex() or '-'}")
        return
    data_text(f"FAILED{_where(report)}", style="bold red")


def _seen(report: Report) -> str:
    """What was verified; never more than what was there to be read."""
    if report.chosen and report.count < report.size:
        return f"{report.count} chosen entries of {report.size}"
    if (report.first, report.count) == (0, report.size):
        return f"{report.size} entries"
    return f"entries {report.first}..{report.first + report.count - 1} of {report.size}"


def _where(report: Report) -> str:
    if report.first_bad_index is None:
        return ""
    if report.exact:
        return f": entry {report.first_bad_index} is the first that is not as it was"
    return f": from entry {report.first_bad_index} on, entries are not as they were"


@app.command("checkpoint", epilog=examples("remit audit checkpoint", "remit audit checkpoint --json"))
def checkpoint(json: Json = False, as_: As = None) -> int:
    """Print the newest signed checkpoint."""
    note = connect(as_).raw("GET", "/v1/audit/checkpoint")[1].decode("utf-8")
    checkpoints.keep(note)
    if json:
        data_json({"checkpoint": note})
    else:
        data_block(note.rstrip("\n"))
    return Exit.OK


@app.command("export", epilog=examples("remit audit export --out log.json", "remit audit export --first 10 --count 5"))
def export(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; else stdout.")] = None,
    first: Annotated[int, typer.Option("--first", min=0, help="Index of the first entry.")] = 0,
    count: Annotated[int | None, typer.Option("--count", min=1, help="How many entries; else all there are.")] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Export entries with their proof, for someone who does not trust this server."""
    from remit.audit import export_live  # noqa: PLC0415 - as above
    from remit.cli import sources  # noqa: PLC0415 - as above

    begun = export_live.begin(sources.getter(connect(as_)), first=first, count=count)
    left = begun.size - begun.end
    if out is None:
        data_lines(begun.text())
    else:
        _write(out, begun.text())
        if json:
            said = {"export": str(out), "first": first, "count": begun.count, "size": begun.size, "left": left}
            data_json(said)
        else:
            data_text(str(out))
    talk(f"entries {first}..{begun.end - 1} of {begun.size}" + (f"; {left} are left" if left else ""))
    if left:
        talk(f"  try      remit audit export --first {begun.end} --out FILE")
    if out is not None:
        talk(f"  try      remit audit verify --export {out}")
    return Exit.OK


def _write(out: Path, text: Iterable[str]) -> None:
    try:
        with out.open("w", encoding="utf-8") as file:
            file.writelines(text)
    except OSError as error:
        raise ConfigInvalid(f"{out} cannot be written", detail=str(error)) from error


@app.command("tail", epilog=examples("remit audit tail", "remit audit tail --count 50 --json"))
def tail(
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="How many.")] = 20,
    json: Json = False,
    as_: As = None,
) -> int:
    """Show the newest entries of the log."""
    answer = connect(as_).get(f"/v1/decisions?limit={count}")
    if json:
        data_json(answer)
    elif not answer["entries"]:
        nothing("entries", next_="remit can AGENT ACTION")
    else:
        columns = ("time", "kind", "id", "agent", "action", "answer", "code", "outcome")
        table(columns, [[_told(row, column) for column in columns] for row in answer["entries"]])
    return Exit.OK


def _told(row: Mapping[str, object], column: str) -> object:
    """One cell. What was refused without a decision has a reason in the place of a code."""
    return row.get("code", row.get("reason")) if column == "code" else row.get(column)


audit_find.register(app)
