"""`remit audit find` and `remit audit evidence`: entries of the whole log that answer, and their proofs as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, data_lines, data_text, nothing, table, talk
from remit.cli.pages import see
from remit.cli.wire import connect
from remit.kernel.errors import ConfigInvalid

_COLUMNS: Final = ("time", "kind", "id", "agent", "action", "answer", "code", "index")
Agent = Annotated[str, typer.Option("--agent", metavar="NAME", help="Of this agent.")]
Action = Annotated[str, typer.Option("--action", metavar="ACTION", help="About this action, like payments/transfer.")]
Server = Annotated[str, typer.Option("--server", metavar="NAME", help="About this server.")]
Kind = Annotated[str, typer.Option("--kind", metavar="KIND", help="Of this kind: decision, change, verdict, ...")]
Answer = Annotated[str, typer.Option("--answer", metavar="ANSWER", help="allow, deny or would_deny.")]
Code = Annotated[str, typer.Option("--code", metavar="CODE", help="Refused with this code.")]
Person = Annotated[str, typer.Option("--person", metavar="PERSON", help="That name this person.")]
Run = Annotated[str, typer.Option("--run", metavar="RUN", help="Of this run.")]
Secret = Annotated[str, typer.Option("--secret", metavar="NAME", help="Made with this secret, or about it.")]
From = Annotated[str, typer.Option("--from", metavar="TIME", help="Since: YYYY-MM-DD, or RFC 3339.")]
To = Annotated[str, typer.Option("--to", metavar="TIME", help="Until, inclusive: the same.")]
Text = Annotated[str, typer.Option("--text", metavar="WORDS", help="With these words in a name or reason.")]
Where = Annotated[
    list[str] | None, typer.Option("--where", metavar="FIELD=VALUE", help="Another field: purpose, boundary, name, ...")
]
Before = Annotated[str, typer.Option("--before", metavar="INDEX", help="Only older ones than this index or entry.")]


def find(  # noqa: PLR0917 - one option for each field
    agent: Agent = "", action: Action = "", server: Server = "", kind: Kind = "", answer: Answer = "", code: Code = "",
    person: Person = "", run: Run = "", secret: Secret = "", since: From = "", until: To = "", text: Text = "",
    where: Where = None, before: Before = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="How many.")] = 20,
    json: Json = False, as_: As = None,
) -> int:  # fmt: skip
    """Find entries of the whole log, the newest first. Fields are compared whole, words without case."""
    asked = _asked(
        where, agent=agent, action=action, server=server, kind=kind, answer=answer, code=code, person=person, run=run,
        secret=secret, text=text, before=before, **{"from": since, "to": until},
    )  # fmt: skip
    found = connect(as_).get(f"/v1/decisions?{urlencode({**asked, 'limit': count})}")
    if json:
        data_json(found)
        return Exit.OK
    if found["entries"]:
        table(_COLUMNS, [[_told(row, column) for column in _COLUMNS] for row in found["entries"]])
    else:
        nothing("entries", next_="remit audit tail")
    if found["next"] is not None:
        talk(f"  try      --before {found['next']} for the older ones")
    see("log", query=asked)
    return Exit.OK


def evidence(  # noqa: PLR0917 - as above
    entry: Annotated[str, typer.Option("--entry", metavar="ENTRY", help="This one entry.")] = "",
    agent: Agent = "", action: Action = "", server: Server = "", kind: Kind = "", answer: Answer = "", code: Code = "",
    person: Person = "", run: Run = "", secret: Secret = "", since: From = "", until: To = "", text: Text = "",
    where: Where = None, before: Before = "",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; else stdout.")] = None,
    as_: As = None,
) -> int:  # fmt: skip
    """Write entries with what proves them, up to 10,000: `remit audit verify --export` needs no server for it."""
    from remit.audit.evidence import file_of  # noqa: PLC0415 - loaded when it is asked for

    asked = _asked(
        where, entry=entry, agent=agent, action=action, server=server, kind=kind, answer=answer, code=code,
        person=person, run=run, secret=secret, text=text, before=before, **{"from": since, "to": until},
    )  # fmt: skip
    api = connect(as_)

    def ask(query: Mapping[str, str]) -> Mapping[str, Any]:
        answered: Mapping[str, Any] = api.get(f"/v1/evidence?{urlencode(query)}")
        return answered

    pieces = file_of(ask, asked)
    if out is None:
        data_lines(pieces)
        _see(asked)
        return Exit.OK
    try:
        with out.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
    except OSError as error:
        raise ConfigInvalid(f"{out} cannot be written", detail=str(error)) from error
    data_text(str(out))
    talk(f"  try      remit audit verify --export {out}")
    _see(asked)
    return Exit.OK


def _see(asked: Mapping[str, str]) -> None:
    """The page of the one entry, or the log asked for the same."""
    if "entry" in asked:
        see("log", asked["entry"])
    else:
        see("log", query=asked)


def register(app: typer.Typer) -> None:
    """Add them to `remit audit`."""
    app.command(
        "find",
        epilog=examples("remit audit find --agent invoice-bot --answer deny", "remit audit find --text transfer"),
    )(find)
    app.command(
        "evidence",
        epilog=examples(
            "remit audit evidence --entry dec_01m8ftxy5cbt6psv7vzsmr7g29 --out evidence.json",
            "remit audit evidence --agent invoice-bot --from 2026-11-01 --out evidence.json",
        ),
    )(evidence)


def _asked(where: list[str] | None, **given: str) -> dict[str, str]:
    """What was said, by the names of the API's filters."""
    pairs = (each.partition("=")[::2] for each in where or ())
    return {name: value for name, value in (*given.items(), *pairs) if value}


def _told(row: Mapping[str, object], column: str) -> object:
    """One cell. What was refused without a decision has a reason in the place of a code; an outcome is an answer."""
    if column == "answer":
        return row.get("answer") or row.get("outcome")
    return row.get("code", row.get("reason")) if column == "code" else row.get(column)
