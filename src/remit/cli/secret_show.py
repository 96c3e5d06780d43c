"""`remit secret show`, `versions` and `history`: how a secret stands, and what was done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples
from remit.cli.output import data_json, data_text, facts, nothing, table
from remit.cli.wire import connect, segment

_VERSIONS: Final = ("version", "state", "attributes", "made", "since", "last_used", "exposed", "exposure")
_FACTS: Final = ("secret", "owner", "kind", "version", "made", "last_used", "exposed", "next_rotation")


def add(app: typer.Typer) -> None:
    """Register the commands with those of `remit secret`."""
    app.command("show", epilog=examples("remit secret show payments-key", "remit secret show payments-key --json"))(
        show
    )
    app.command(
        "versions", epilog=examples("remit secret versions payments-key", "remit secret versions payments-key --json")
    )(versions)
    app.command(
        "history",
        epilog=examples("remit secret history payments-key", "remit secret history payments-key --limit 10 --json"),
    )(history)


def show(name: Name, json: Json = False, as_: As = None) -> int:
    """Show a secret: where it may go, which servers use it, how it is changed. Never its value."""
    answer = connect(as_).get(f"/v1/secrets/{segment(name)}")
    if json:
        data_json(answer)
        return Exit.OK
    held = sum(each["state"] in {"pending", "active", "draining"} for each in answer["versions"])
    places = [_place(each) for each in answer["allow"]] if answer["allow"] else ["anywhere"]
    facts(
        {key.replace("_", " "): answer[key] for key in _FACTS}
        | {"may go to": "; ".join(places), "used by": [_use(each) for each in answer["servers"]]}
        | {"changed by": _way(answer), "rotating": _under_way(answer["rotating"]), "versions held": held}
        | ({"labels": [f"{key}={text}" for key, text in answer["labels"].items()]} if answer["labels"] else {})
    )
    return Exit.OK


def versions(name: Name, json: Json = False, as_: As = None) -> int:
    """List the versions of a secret: which one calls use, which still drains, which are erased."""
    answer = connect(as_).get(f"/v1/secrets/{segment(name)}")
    if json:
        data_json({"secret": answer["secret"], "versions": answer["versions"]})
    elif not answer["versions"]:
        nothing("versions", next_=f"printf %s VALUE | remit secret set {name}")
    else:
        columns = [key.replace("_", " ") for key in _VERSIONS]
        table(columns, [[_cell(each[key]) for key in _VERSIONS] for each in reversed(answer["versions"])])
    return Exit.OK


def history(
    name: Name,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="At most so many.")] = 100,
    json: Json = False,
    as_: As = None,
) -> int:
    """List what was done to a secret, newest first, by whom, as the log says it."""
    answer = connect(as_).get(f"/v1/secrets/{segment(name)}/history?limit={limit}")
    if json:
        data_json(answer)
    elif not answer["entries"]:
        data_text("nothing that the log still reaches")
    else:
        rows = [[each["time"], each["change"], _by(each), _about(each), each["entry"]] for each in answer["entries"]]
        table(("time", "change", "by", "about", "entry"), rows)
    return Exit.OK


def _place(said: Mapping[str, str]) -> str:
    return f"{said['place'] or 'any place'} at {said['host'] or 'any host'}{said['path']}"


def _use(said: Mapping[str, Any]) -> str:
    return f"{said['server']} ({'; '.join(said['places'])})"


def _way(said: Mapping[str, Any]) -> str:
    if said["dynamic"]:
        return f"{said['dynamic']['maker']} makes one for each instance, for {said['dynamic']['ttl_seconds']} s at most"
    if not said["rotate"]:
        return "hand"
    every = said["rotate"]["every_seconds"]
    when = [f"every {every} s"] if every else []
    return f"{said['rotate']['rotator']}, {', '.join([*when, *(f'upon {each}' for each in said['rotate']['on'])])}"


def _under_way(said: Mapping[str, str] | None) -> str:
    return "" if said is None else f"{said['step']}, for {said['cause']}, since {said['started']}"


def _by(said: Mapping[str, str]) -> str:
    return f"{said['as']} (with the token of {said['by']})" if "as" in said else said["by"]


def _about(said: Mapping[str, Any]) -> str:
    numbers = said.get("versions") or ([said["version"]] if "version" in said else [])
    parts = [f"version {', '.join(map(str, numbers))}"] if numbers else []
    return "; ".join([*parts, *(str(said[key]) for key in ("rotation",) if key in said)])


def _cell(value: object) -> object:
    return ", ".join(f"{key}={text}" for key, text in value.items()) if isinstance(value, dict) else value
