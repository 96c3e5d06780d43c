"""`remit proxy`: the forward proxy."""

from __future__ import annotations

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_block, data_json
from remit.cli.wire import connect

app = group("The forward proxy, for agents that know nothing of Remit.")


@app.callback()
def _of_all() -> None:
    """Keep `ca` a command of its own."""


@app.command("ca", epilog=examples("remit proxy ca > remit-ca.pem", "remit proxy ca --json"))
def ca(json: Json = False, as_: As = None) -> int:
    """Print the certificate of the proxy's authority (PEM), for a client's trust store.

    `remit run --proxy` hands it to its command by itself.
    """
    answer = connect(as_).get("/v1/proxy/ca")
    if json:
        data_json(answer)
    else:
        data_block(answer["pem"].rstrip("\n"))
    return Exit.OK
