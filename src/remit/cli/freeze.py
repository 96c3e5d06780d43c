"""`remit freeze` and `remit unfreeze`: a stop that holds before the command returns."""

from __future__ import annotations

import time
from shlex import quote
from typing import Annotated, Any

import typer

from remit.cli import checkpoints
from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.pages import see
from remit.cli.wire import Api, Refused, connect, segment
from remit.kernel.errors import Malformed

KINDS = ("agent", "instance", "owner", "server", "tool", "credential", "all")
_WHAT = f"KIND is one of {', '.join(KINDS)}; agent if left out"
_What = Annotated[list[str], typer.Argument(metavar="[KIND] NAME | all", help=_WHAT)]
# Every enforcement point has confirmed, or has run out of its lease of 5 s, after this many.
_PATIENCE = 8.0
_POLL = 0.2
_CALLS_SHOWN = 20


def add(app: typer.Typer) -> None:
    """Add the commands."""
    # An instance is named by a thumbprint, and one in 64 of those begins with a dash.
    named: dict[str, Any] = {"ignore_unknown_options": True}
    app.command(
        "freeze",
        context_settings=named,
        epilog=examples('remit freeze invoice-bot --reason "acting strangely"', "remit freeze tool payments/transfer"),
    )(freeze)
    app.command(
        "unfreeze", context_settings=named, epilog=examples("remit unfreeze invoice-bot", "remit unfreeze all")
    )(unfreeze)


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
    what: Annotated[list[str] | None, typer.Argument(metavar="[KIND] NAME | all", help=_WHAT)] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the log.")] = "",
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Wait until every enforcement point holds it, a few seconds at most."),
    ] = True,
    json: Json = False,
    as_: As = None,
) -> int:
    """Stop an agent, instance, owner, server, tool, credential or everything now.

    An owner stands for all their agents. A tool is named SERVER/TOOL. A credential is a named secret (then no
    server gets it) or the thumbprint of a client key. An instance is the thumbprint of its key; a key need not
    have been seen yet, any other name must exist.

    When this returns, new calls are refused here and the calls under way are cut: they are counted and listed,
    as outcome_unknown where a call had been sent and nothing is known of it. Contained means that no enforcement
    point is pending: each has confirmed, or has been silent for so long that it refuses by itself.

    With no name, list what is frozen.
    """
    if not what:
        return _listing(connect(as_).get("/v1/freezes"), json=json)
    kind, name = _target(what)
    api = connect(as_)
    answer = api.post("/v1/freezes", {"kind": kind, "name": name, "reason": reason})
    checkpoints.keep_from(api)
    if wait:
        answer = _contained(api, answer)
    if json:
        data_json(answer)
    else:
        _say(kind, name, answer)
    return Exit.OK


def _contained(api: Api, answer: dict[str, Any]) -> dict[str, Any]:
    """The freeze as it stands once no point is pending, or when patience ends; progress on stderr."""
    until, said = time.monotonic() + _PATIENCE, None
    while answer["pending"] and time.monotonic() < until:
        if answer["pending"] != said:
            said = answer["pending"]
            talk(f"  waiting for {', '.join(said)}")
        time.sleep(_POLL)
        try:
            answer = api.get(f"/v1/freezes/{segment(answer['id'])}")
        except Refused as error:
            if error.problem["code"] != "not_found":
                raise
            talk("  it was ended meanwhile")
            break
    return answer


def _say(kind: str, name: str, answer: dict[str, Any]) -> None:
    counts = ", ".join(f"{len(answer[state])} {state}" for state in ("confirmed", "expired", "pending"))
    state = "contained" if answer["contained"] else "not yet contained"
    data_text(f"frozen: {kind} {name}, {state} ({counts})")
    for state in ("expired", "pending"):
        if answer[state]:
            talk(f"  {state}  {', '.join(answer[state])}")
    if answer["cut_count"]:
        data_text(f"cut: {answer['cut_count']} calls under way")
        shown = answer["cut"][:_CALLS_SHOWN]
        columns = ("decision", "agent", "action", "outcome")
        table(columns, [[row[column] for column in columns] for row in shown])
        if answer["cut_count"] > len(shown):
            talk(f"  and {answer['cut_count'] - len(shown)} more; the log names all of them")
    target = "all" if kind == "all" else f"{kind} {quote(name)}"
    talk(f"  try      remit unfreeze {target}")
    see("freezes", answer["id"])


def _state(row: dict[str, Any]) -> str:
    return "yes" if row["contained"] else f"pending: {', '.join(row['pending'])}"


def _listing(answer: dict[str, list[dict[str, Any]]], *, json: bool) -> int:
    if json:
        data_json(answer)
    elif not answer["freezes"]:
        nothing("freezes", next_="remit freeze AGENT")
    else:
        columns = ("kind", "name", "since", "by", "reason")
        rows = [[*(row[column] for column in columns), _state(row)] for row in answer["freezes"]]
        table((*columns, "contained"), rows)
    if not json:
        see(fragment="s-freezes")
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
