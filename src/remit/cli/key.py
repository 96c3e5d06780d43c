"""`remit key`: signing keys, and what opens the database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.key_provider import KeyProvider
from remit.cli.key_provider import key_provider as read_key_provider
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_json, data_text, table, talk
from remit.cli.rekey import rekey
from remit.cli.wire import connect, segment
from remit.kernel.errors import Malformed
from remit.server import settings as defaults

_OPENS = {
    "keyfile": "a keyfile", "passphrase": "a passphrase", "pkcs11": "a PKCS#11 token", "transit": "a transit key"
}  # fmt: skip
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
        "remit key rewrap --key-provider ./hsm.yaml --to-keyfile ./keyfile",
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
    key_provider: KeyProvider = None,
    to_keyfile: Annotated[
        Path | None, typer.Option("--to-keyfile", metavar="FILE", help="Made if it is not there.")
    ] = None,
    to_passphrase_file: Annotated[Path | None, typer.Option("--to-passphrase-file", metavar="FILE")] = None,
    to_key_provider: Annotated[
        Path | None, typer.Option("--to-key-provider", metavar="FILE", help="A PKCS#11 token, or a transit key.")
    ] = None,
    json: Json = False,
) -> int:
    """Let something else open a database. Its server must be stopped; nothing else in it changes."""
    from remit.server import rewrap as work  # noqa: PLC0415 - the server is loaded when it is needed
    from remit.server.key_provider import kind_of  # noqa: PLC0415 - likewise

    named = [each for each in (to_keyfile, to_passphrase_file, to_key_provider) if each is not None]
    if len(named) != 1:
        raise Malformed(
            "what is to open it is --to-keyfile, --to-passphrase-file or --to-key-provider", try_="name one of them"
        )
    chosen = read_key_provider(key_provider, keyfile, passphrase_file)
    file, descriptor = defaults.passphrase(passphrase_file, None)
    where = (data or defaults.data_directory(os.environ)).absolute()
    now = defaults.Settings(
        data=where, keyfile=(keyfile or defaults.keyfile_path(os.environ)).absolute(), database=database,
        passphrase_file=file, passphrase_fd=descriptor, key_provider=chosen,
    )  # fmt: skip
    to = defaults.Settings(
        data=where, keyfile=named[0].absolute(), database=database, key_provider=read_key_provider(to_key_provider),
        passphrase_file=None if to_passphrase_file is None else to_passphrase_file.absolute(),
    )  # fmt: skip
    work.rewrap(now, to=to)
    if json:
        data_json({"opened_by": kind_of(to), "file": str(named[0])})
    else:
        option = "key-provider" if to_key_provider else "passphrase-file" if to_passphrase_file else "keyfile"
        data_text(f"from now on {_OPENS[kind_of(to)]} opens it: {named[0]}")
        talk("  because  older copies of the database still open with what opened them before")
        talk(f"  try      remit up --{option} {named[0]}")
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
