"""`remit key`: signing keys, and what opens the database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_json, data_text, table, talk
from remit.cli.rekey import rekey
from remit.cli.wire import connect, segment
from remit.kernel.errors import Malformed
from remit.server import settings as defaults

app = group("Keys: what tokens are signed with, and what opens the database.")


@app.command("list", epilog=examples("remit key list", "remit key list --json"))
def list_(json: Json = False, as_: As = None) -> int:
    """List signing keys: which one signs, which only verify, and when each moves on."""
    answer = connect(as_).get("/v1/keys")
    if json:
        data_json(answer)
    else:
        columns = ("kid", "use", "algorithm", "state", "since", "moves")
        table(columns, [[row.get(column) for column in columns] for row in answer["keys"]])
    return Exit.OK


@app.command(
    "rotate",
    epilog=examples("remit key rotate token", "remit key rotate set --emergency --as dana"),
)
def rotate(
    use: Annotated[str, typer.Argument(metavar="USE", help="token, or set: security event tokens.")],
    *,
    algorithm: Annotated[
        str | None,
        typer.Option("--algorithm", metavar="ALG", help="Of a token key: ES256 or Ed25519. Left out: as before."),
    ] = None,
    emergency: Annotated[
        bool,
        typer.Option("--emergency", help="At once: every key of this use is retired, its tokens die, streams are cut."),
    ] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """Rotate a signing key. Takes two people: exit 11 until the second one has said so too."""
    body: dict[str, Any] = {"emergency": emergency} | ({} if algorithm is None else {"algorithm": algorithm})
    answer = connect(as_).post(f"/v1/keys/{segment(use)}/rotate", body)
    return _told(answer, again="remit key rotate, with another person's token", json=json)


@app.command("retire", epilog=examples("remit key retire KID", "remit key retire KID --json"))
def retire(
    kid: Annotated[str, typer.Argument(metavar="KID", help="A key that is pending or only verifies.")],
    json: Json = False,
    as_: As = None,
) -> int:
    """Retire a key before its time: what it signed dies. Takes two people, as rotating does."""
    answer = connect(as_).delete(f"/v1/keys/{segment(kid)}")
    return _told(answer, again="remit key retire, with another person's token", json=json)


app.command("rekey", epilog=examples("remit key rekey --as dana", "remit key rekey --wait"))(rekey)


@app.command(
    "rewrap",
    epilog=examples(
        "remit key rewrap --to-passphrase-file ./passphrase",
        "remit key rewrap --passphrase-file ./passphrase --to-keyfile ./keyfile",
    ),
)
def rewrap(
    *,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="[$XDG_DATA_HOME/remit]")] = None,
    database: Annotated[str | None, typer.Option("--database", metavar="URL", help="postgresql://...")] = None,
    keyfile: Annotated[
        Path | None,
        typer.Option("--keyfile", metavar="FILE", help="What opens it now. [$XDG_CONFIG_HOME/remit/keyfile]"),
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="What opens it now; - is standard input.")
    ] = None,
    to_keyfile: Annotated[
        Path | None, typer.Option("--to-keyfile", metavar="FILE", help="Made if it is not there.")
    ] = None,
    to_passphrase_file: Annotated[Path | None, typer.Option("--to-passphrase-file", metavar="FILE")] = None,
    json: Json = False,
) -> int:
    """Let another keyfile or passphrase open a database. Its server must be stopped; nothing else in it changes."""
    from remit.server import rewrap as work  # noqa: PLC0415 - the server is loaded when it is needed

    if (to_keyfile is None) == (to_passphrase_file is None):
        raise Malformed("what is to open it is --to-keyfile or --to-passphrase-file", try_="name one of them")
    kind, to = (work.KEYFILE, to_keyfile) if to_keyfile else (work.PASSPHRASE, to_passphrase_file)
    file, descriptor = defaults.passphrase(passphrase_file, None)
    work.rewrap(
        defaults.Settings(
            data=(data or defaults.data_directory(os.environ)).absolute(),
            keyfile=(keyfile or defaults.keyfile_path(os.environ)).absolute(),
            database=database,
            passphrase_file=file,
            passphrase_fd=descriptor,
        ),
        kind=kind,
        to=(to or Path()).absolute(),
    )
    if json:
        data_json({"opened_by": kind, "file": str(to)})
    else:
        data_text(f"from now on a {kind} opens it: {to}")
        talk("  because  older copies of the database still open with what opened them before")
        talk(f"  try      remit up --{'passphrase-file' if kind == work.PASSPHRASE else 'keyfile'} {to}")
    return Exit.OK


def _told(answer: dict[str, Any], *, again: str, json: bool) -> int:
    if json:
        data_json(answer)
    elif answer["waits"]:
        data_text("nothing is changed yet: keys change when a second person says so, within an hour")
        talk(f"  because  {answer['first']} was the first to say so")
        talk(f"  try      {again}")
    else:
        columns = ("kid", "use", "algorithm", "state")
        table(columns, [[row[column] for column in columns] for row in answer["keys"]])
        talk("  try      remit key list")
    return Exit.APPROVAL if answer["waits"] else Exit.OK
