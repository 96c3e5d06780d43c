"""`remit secret`: sealed upstream credentials. A value goes in and never comes out."""

from __future__ import annotations

import sys

from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples, group
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment
from remit.kernel.errors import Malformed

app = group("Sealed upstream credentials.")
_MAX = 64 * 1024


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
        table(("secret",), [[row["secret"]] for row in answer["secrets"]])
    return Exit.OK
