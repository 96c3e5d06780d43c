"""`remit key rekey`: another root key in place of the one there is."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any, Final

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json
from remit.cli.output import data_json, data_text, table, talk
from remit.cli.wire import Api, connect
from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed

_POLL: Final = 0.5  # seconds between two questions
_SAID: Final = 5.0  # seconds between two lines where no person looks


def rekey(
    *,
    status: Annotated[bool, typer.Option("--status", help="Begin nothing; show how far one is.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Begin nothing; return when none is under way.")] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """Put another root key in place of the one there is, while the server goes on.

    Takes two people: exit 11 until the second one has said so too. No secret, agent, token or record changes.
    """
    if status and wait:
        raise Malformed("--status and --wait are two questions", try_="name one of them")
    api = connect(as_)
    if not (status or wait):
        return _begun(parse(api.raw("POST", "/v1/keys/root/rekey")[1]), json=json)
    found = _waited(api) if wait else api.get("/v1/keys/root")
    if json:
        data_json(found)
        return Exit.OK
    columns = ("generation", "state", "created", "retired")
    table(columns, [[row[column] for column in columns] for row in found["roots"]])
    if found["under_way"]:
        data_text(_how_far(found))
        talk("  try      remit key rekey --wait")
    return Exit.OK


def _begun(answer: dict[str, Any], *, json: bool) -> int:
    if json:
        data_json(answer)
    elif answer["waits"]:
        data_text("nothing is changed yet: keys change when a second person says so, within an hour")
        talk(f"  because  {answer['first']} was the first to say so")
        talk("  try      remit key rekey, with another person's token")
    else:
        data_text(f"root key {answer['keys'][0]['generation']} seals what is new; what there is follows")
        talk("  try      remit key rekey --wait")
    return Exit.APPROVAL if answer["waits"] else Exit.OK


def _waited(api: Api) -> dict[str, Any]:
    """How it stands once nothing is under way; progress on stderr, in one line where a person looks."""
    look, said = sys.stderr.isatty(), 0.0
    found: dict[str, Any] = api.get("/v1/keys/root")
    while found["under_way"]:
        if look:
            sys.stderr.write(f"\r  {_how_far(found)} ")
            sys.stderr.flush()
        elif time.monotonic() - said >= _SAID:
            said = time.monotonic()
            talk(f"  {_how_far(found)}")
        time.sleep(_POLL)
        found = api.get("/v1/keys/root")
    if look:
        sys.stderr.write("\r\033[K")
    return found


def _how_far(found: dict[str, Any]) -> str:
    done, total = found["total"] - found["left"], max(found["total"], 1)
    return f"{done:,} of {found['total']:,} keys are sealed anew ({100 * done // total} %)"
