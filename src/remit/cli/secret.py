"""`remit secret`: sealed upstream credentials. A value goes in and never comes out."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples, group
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment
from remit.kernel.errors import Malformed

app = group("Sealed upstream credentials.")
_MAX = 64 * 1024
Person = Annotated[str | None, typer.Option("--person", metavar="PERSON", help="Whose account, if not your own.")]


@app.command("set", epilog=examples("printf %s KEY | remit secret set payments-key", "remit secret set NAME < FILE"))
def set_(name: Name, json: Json = False, as_: As = None) -> int:
    """Set a secret from stdin; one newline at the end is not part of it."""
    api = connect(as_)
    if sys.stdin.isatty():
        talk("reading the value from the terminal; end it with Ctrl-D")
    value = sys.stdin.buffer.read(_MAX + 1)
    value = value.removesuffix(b"\n").removesuffix(b"\r")
    if not value or len(value) > _MAX:
        raise Malformed("a secret has 8 to 8192 characters", try_=f"printf %s VALUE | remit secret set {name}")
    api.raw("PUT", f"/v1/secrets/{segment(name)}", body=value, media="application/octet-stream")
    if json:
        data_json({"secret": name, "set": True})
    else:
        data_text(f"set: {name}")
    return Exit.OK


@app.command("list", epilog=examples("remit secret list", "remit secret list --json"))
def list_(json: Json = False, as_: As = None) -> int:
    """List the names of secrets, never their values."""
    answer = connect(as_).get("/v1/secrets")
    if json:
        data_json(answer)
    elif not answer["secrets"]:
        nothing("secrets", next_="printf %s VALUE | remit secret set NAME")
    else:
        table(("secret", "lent by"), [[row["secret"], _people(row["people"])] for row in answer["secrets"]])
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


def _people(rows: list[dict[str, Any]]) -> str:
    said = [row["person"] if row["state"] == "live" else f"{row['person']} (ended)" for row in rows]
    return ", ".join(said) or "-"


_ENDED = {
    True: "  the other system has ended it too",
    False: "  the other system did not confirm that it ended it: end it there as well",
    None: "  the other system was not told (no revoke_url): end it there as well",
}
