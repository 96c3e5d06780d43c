"""`remit freeze` and `remit unfreeze`: a stop that holds before the command returns."""

from __future__ import annotations

from typing import Annotated

import typer

from remit.cli import checkpoints
from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment
from remit.kernel.errors import Malformed

KINDS = ("agent", "instance", "owner", "server", "tool", "credential", "all")
_What = Annotated[
    list[str], typer.Argument(metavar="[KIND] NAME | all", help=f"KIND is one of {', '.join(KINDS)}; agent if left out")
]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "freeze",
        epilog=examples('remit freeze invoice-bot --reason "acting strangely"', "remit freeze server payments"),
    )(freeze)
    app.command("unfreeze", epilog=examples("remit unfreeze invoice-bot", "remit unfreeze all"))(unfreeze)


def _target(words: list[str]) -> tuple[str, str]:
    match words:
        case ["all"]:
            return "all", "*"
        case [name]:
            return "agent", name
        case [kind, name] if kind in KINDS and kind != "all":
            return kind, name
        case _:
            raise Malformed("freeze takes a name, a kind and a name, or all", try_=f"KIND is one of {', '.join(KINDS)}")


def freeze(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND] NAME | all", help=f"KIND is one of {', '.join(KINDS)}; agent if left out"),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the log.")] = "",
    json: Json = False,
    as_: As = None,
) -> int:
    """Stop an agent, instance, server or everything now.

    With no name, list what is frozen.
    """
    if not what:
        return _listing(connect(as_).get("/v1/freezes"), json=json)
    kind, name = _target(what)
    api = connect(as_)
    answer = api.post("/v1/freezes", {"kind": kind, "name": name, "reason": reason})
    checkpoints.keep_from(api)
    if json:
        data_json(answer)
    else:
        data_text(f"frozen: {kind} {name}, contained")
        talk(f"  try      remit unfreeze {'all' if kind == 'all' else f'{kind} {name}'}")
    return Exit.OK


def _listing(answer: dict[str, list[dict[str, object]]], *, json: bool) -> int:
    if json:
        data_json(answer)
    elif not answer["freezes"]:
        nothing("freezes", next_="remit freeze AGENT")
    else:
        columns = ("kind", "name", "since", "by", "reason")
        table(columns, [[row[column] for column in columns] for row in answer["freezes"]])
    return Exit.OK


def unfreeze(what: _What, json: Json = False, as_: As = None) -> int:
    """End a freeze. Ending `all` takes two people: exit 11 until the second one has said so too."""
    kind, name = _target(what)
    answer = connect(as_).delete(f"/v1/freezes/{kind}/{segment(name)}")
    waits = bool(answer.get("waits"))
    if json:
        data_json(answer)
    elif waits:
        data_text("not yet unfrozen: everything starts again when a second person says so")
        talk(f"  because  {answer['first']} was the first to say so")
        talk("  try      remit unfreeze all, with another person's token")
    else:
        data_text(f"unfrozen: {kind} {name}")
    return Exit.APPROVAL if waits else Exit.OK
