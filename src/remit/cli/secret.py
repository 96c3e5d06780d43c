"""`remit secret`: sealed upstream credentials. A value goes in and never comes out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples, group
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment
from remit.kernel.canonical import encode, parse
from remit.kernel.errors import Malformed
from remit.keys.owned_file import read_owned

app = group("Sealed upstream credentials.")
_MAX: Final = 64 * 1024
Person = Annotated[str | None, typer.Option("--person", metavar="PERSON", help="Whose account, if not your own.")]


@app.command(
    "set",
    epilog=examples(
        "printf %s KEY | remit secret set payments-key",
        "remit secret set db-login --file ./db-password --attribute user=payments_a",
    ),
)
def set_(
    name: Name,
    value: Annotated[str | None, typer.Argument(hidden=True)] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A file that only you can read, in place of stdin.")
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", metavar="NAME=TEXT", help="What of it is no secret: user, access_key_id."),
    ] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Set a secret from stdin or a file; one newline at the end is not part of it."""
    if value is not None:
        raise Malformed(
            "a value is not given as an argument: other users of this machine see it, and the shell keeps it;"
            " take another value",
            try_=f"printf %s VALUE | remit secret set {name}",
        )
    api, said = connect(as_), _attributes(attribute or [])
    octets = (_typed() if file is None else read_owned(file, what="file", most=_MAX + 1)).removesuffix(b"\n")
    octets = octets.removesuffix(b"\r")
    if not octets or len(octets) > _MAX:
        raise Malformed("a secret has 8 to 8192 characters", try_=f"printf %s VALUE | remit secret set {name}")
    query = f"?attributes={quote(encode(said).decode(), safe='')}" if said else ""
    _, body = api.raw("PUT", f"/v1/secrets/{segment(name)}{query}", body=octets, media="application/octet-stream")
    if json:
        data_json({"secret": name, "set": True, "version": parse(body)["version"]})
    else:
        data_text(f"set: {name}")
    return Exit.OK


@app.command("list", epilog=examples("remit secret list", "remit secret list --json"))
def list_(json: Json = False, as_: As = None) -> int:
    """List secrets and how they stand, never their values."""
    answer = connect(as_).get("/v1/secrets")
    if json:
        data_json(answer)
    elif not answer["secrets"]:
        nothing("secrets", next_="printf %s VALUE | remit secret set NAME")
    else:
        columns = ("secret", "owner", "kind", "version", "made", "last used", "exposed", "next rotation", "lent by")
        table(columns, map(_row, answer["secrets"]))
    return Exit.OK


@app.command(
    "remove", epilog=examples("remit secret remove payments-key", "remit secret remove payments-key --force --json")
)
def remove(
    name: Name,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Even where a server needs it: its calls are refused.")
    ] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """Erase every version of a secret, with the keys that sealed them.

    Copies of the database from before still have them. At the other system it is worth something: end it there as well.
    """
    answer = connect(as_).delete(f"/v1/secrets/{segment(name)}{'?force=true' if force else ''}")
    if json:
        data_json(answer)
    else:
        erased = ", ".join(map(str, answer["erased"])) or "none: it had no value"
        data_text(f"removed: {name} (versions {erased})")
        talk("  end it at the other system as well")
    return Exit.OK


@app.command("connect", epilog=examples("remit secret connect mail-client", "remit secret connect mail-client --json"))
def connect_(name: Name, json: Json = False, as_: As = None) -> int:
    """Lend your own account at another system to the agents that act for you.

    Prints the address where that system asks you. Be signed in to the console in the same browser (`remit console`):
    the answer counts only there, only for you, once, and for ten minutes.
    """
    answer = connect(as_).post(f"/v1/secrets/{segment(name)}/connect", {})
    if json:
        data_json(answer)
    else:
        data_text(answer["url"])
        talk(f"  open it in a browser where {answer['person']} is signed in to the console: remit console")
    return Exit.OK


@app.command(
    "disconnect",
    epilog=examples("remit secret disconnect mail-client", "remit secret disconnect mail-client --person dana"),
)
def disconnect(name: Name, person: Person = None, json: Json = False, as_: As = None) -> int:
    """Take a lent account back: it is deleted here, and ended at the other system where that can be asked to."""
    api = connect(as_)
    whose = person or api.get("/v1/whoami")["person"]
    answer = api.delete(f"/v1/secrets/{segment(name)}/connections/{segment(whose)}")
    if json:
        data_json(answer)
    else:
        data_text(f"disconnected: {whose} from {name}")
        talk(_ENDED[answer["revoked"]])
    return Exit.OK


def _typed() -> bytes:
    if sys.stdin.isatty():
        talk("reading the value from the terminal; end it with Ctrl-D")
    return sys.stdin.buffer.read(_MAX + 1)


def _attributes(said: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in said]
    if not all(name and equals for name, equals, _ in pairs):
        raise Malformed("an attribute is NAME=TEXT", try_="--attribute user=payments_a")
    return {name: text for name, _, text in pairs}


def _row(row: dict[str, Any]) -> list[object]:
    times = (row[key] for key in ("made", "last_used", "exposed"))
    coming = f"under way: {row['rotating']['step']}" if row["rotating"] else row["next_rotation"]
    held = row["version"] or "not set"
    return [row["secret"], row["owner"], row["kind"], held, *times, coming, _people(row["people"])]


def _people(rows: list[dict[str, Any]]) -> str:
    said = [row["person"] if row["state"] == "live" else f"{row['person']} (ended)" for row in rows]
    return ", ".join(said) or "-"


_ENDED = {
    True: "  the other system has ended it too",
    False: "  the other system did not confirm that it ended it: end it there as well",
    None: "  the other system was not told (no revoke_url): end it there as well",
}
