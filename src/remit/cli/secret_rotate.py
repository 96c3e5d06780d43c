"""`remit secret rotate`, `rotations` and `end`: secrets are changed at their providers, step by step."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import Api, connect, segment

_LOOK: Final = 0.2  # seconds
_DONE, _UNDONE = "done", "undone"
_COLUMNS = ("rotation", "secret", "cause", "step", "old", "new", "started", "ended", "told")
_SAYS: Final = {
    "create": "a new credential is made at its provider",
    "verify": "the new one is tried as a call would use it",
    "promote": "calls begin to use the new one",
    "drain": "calls that have the old one in hand end",
    "revoke": "the old one is taken away",
    "confirm": "it is read again whether the old one is gone",
    "undo": "the new one is taken away again; calls use the old one",
}


def add(app: typer.Typer) -> None:
    """Register the commands with those of `remit secret`."""
    app.command(
        "rotate", epilog=examples("remit secret rotate payments-key --wait", "remit secret rotate payments-key --json")
    )(rotate)
    app.command("rotations", epilog=examples("remit secret rotations", "remit secret rotations payments-key --json"))(
        rotations
    )
    app.command(
        "end",
        epilog=examples("remit secret end payments-key --version 3", "remit secret end db-login --version 3 --json"),
    )(end)


def rotate(
    name: Name,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Say each step as it is taken, and wait for the end.")] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """Change a secret at its provider, now, as its document says. No call is refused meanwhile.

    Exit code 1 if it came to nothing: then calls use the value that they used before.
    """
    api = connect(as_)
    answer = api.post(f"/v1/secrets/{segment(name)}/rotate", {})
    if wait:
        answer = _waited(api, answer, quiet=json)
    if json:
        data_json(answer)
    elif wait:
        data_text(_ending(answer))
    else:
        data_text(f"{answer['rotation']}: {name} is at {answer['step']}")
        talk(f"  try      remit secret rotations {name}")
    return Exit.UNEXPECTED if answer["step"] == _UNDONE else Exit.OK


def rotations(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of one secret.")] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """List rotations, newest first: why each began, how far it is, what its provider said last."""
    answer = connect(as_).get("/v1/rotations" + (f"?secret={segment(name)}" if name else ""))
    if json:
        data_json(answer)
    elif not answer["rotations"]:
        nothing("rotations", next_="remit secret rotate NAME")
    else:
        table(_COLUMNS, [[row[column] or "-" for column in _COLUMNS] for row in answer["rotations"]])
    return Exit.OK


def end(
    name: Name,
    *,
    version: Annotated[int, typer.Option("--version", metavar="N", min=1, help="Which one; calls do not use it.")],
    json: Json = False,
    as_: As = None,
) -> int:
    """End a version that a rotation left behind, once it is gone at its provider: its value is erased here.

    A rotation that has it in hand and that its provider refuses, as an incident said, is left with it.
    """
    answer = connect(as_).post(f"/v1/secrets/{segment(name)}/versions/{version}/end", {})
    if json:
        data_json(answer)
    else:
        data_text(f"{answer['state']}: version {version} of {name}")
        talk("  nothing of it is here any more: see to it that it is gone at its provider")
    return Exit.OK


def _waited(api: Api, answer: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    said: tuple[str, str] | None = None
    while True:
        now = (answer["step"], answer["told"])
        if not quiet and now != said and answer["step"] in _SAYS:
            talk(f"  {answer['step']:<8} {answer['told'] or _SAYS[answer['step']]}")
        if answer["step"] in {_DONE, _UNDONE}:
            return answer
        said = now
        time.sleep(_LOOK)
        answer = api.get(f"/v1/rotations/{segment(answer['rotation'])}")


def _ending(answer: dict[str, Any]) -> str:
    if answer["step"] == _DONE:
        gone = f", and version {answer['old']} is gone" if answer["old"] else ""
        return f"done: calls use version {answer['new']} of {answer['secret']}{gone}"
    return f"undone: {answer['told'] or 'calls use what they used before of ' + answer['secret']}"
