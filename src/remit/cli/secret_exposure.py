"""`remit secret exposed`, `exposure` and `posture`: what to do when one leaked, who used it, and how they are kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from remit.cli import posture as privilege
from remit.cli import secret
from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples
from remit.cli.output import data_json, data_lines, data_text, nothing, patiently, table, talk
from remit.cli.wire import Api, connect, segment

app = secret.app
Version = Annotated[int | None, typer.Option("--version", metavar="N", min=1, help="Which one.")]
Csv = Annotated[bool, typer.Option("--csv", help="All calls as CSV on stdout.")]
_DAY: Final = 86_400
_PAGE: Final = 10_000
_SHOWN: Final = 50
_COLUMNS: Final = ("at", "decision", "agent", "purpose", "action", "outcome", "used")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


@app.command(
    "exposed",
    epilog=examples(
        'remit secret exposed payments-key --reason "it was in a ticket"',
        'remit secret exposed payments-key --version 3 --reason "in a backup"',
    ),
)
def exposed(
    name: Name,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Where it was seen; never the value.")],
    version: Version = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Say that a secret is known elsewhere: no call uses it until it is replaced.

    Without --version, that is the one that calls use. Entitlements to servers that get it are suspended meanwhile.
    """
    body = {"reason": reason, **({} if version is None else {"version": version})}
    answer = connect(as_).post(f"/v1/secrets/{segment(name)}/exposed", body)
    if json:
        data_json(answer)
        return Exit.OK
    data_text(f"exposed: {name} version {answer['version']}" + ("" if answer["news"] else " (known before)"))
    if answer["refused"]:
        talk(f"  calls are refused at: {', '.join(answer['servers']) or 'no server'}")
        talk("  it is being rotated" if answer["rotates"] else f"  next: printf %s NEW | remit secret set {name}")
    talk(f"  who used it: remit secret exposure {name} --version {answer['version']}")
    return Exit.OK


@app.command(
    "exposure", epilog=examples("remit secret exposure payments-key", "remit secret exposure payments-key --csv")
)
def exposure(
    name: Name, version: Version = None, as_csv: Csv = False, json: Json = False, as_: As = None
) -> int:  # fmt: skip
    """List every call that used a version since it was made, or may have: those whose end nobody recorded.

    Without --version, of the newest that was exposed, else of the newest.
    """
    with patiently("reading the log"):
        head, calls = _all(connect(as_), name, version)
    if json:
        data_json({**head, "calls": calls})
    elif as_csv:
        data_lines(_as_csv(calls))
    elif not calls:
        talk(f"no call used {name} version {head['version']}")
    else:
        table(_COLUMNS, [[each[column] for column in _COLUMNS] for each in calls[-_SHOWN:]])
        certain = sum(each["used"] == "yes" for each in calls)
        more = "" if len(calls) <= _SHOWN else f"; the last {_SHOWN} are shown: --csv or --json has all"
        talk(f"  version {head['version']}: {certain} calls used it, {len(calls) - certain} may have{more}")
    return Exit.OK


def _all(api: Api, name: str, version: int | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is said of the version, and all calls by when they were decided."""
    path = f"/v1/secrets/{segment(name)}/exposure?limit={_PAGE}"
    page = api.get(path + (f"&version={version}" if version else ""))
    found = list(page["calls"])
    path += f"&version={page['version']}"  # the same one on every page
    while page["more"] is not None:
        page = api.get(f"{path}&after={page['more']}")
        found += page["calls"]
    head = {key: value for key, value in page.items() if key not in {"calls", "more"}}
    once = {each["decision"]: each for each in found}  # one under way at the end of a page may have ended on the next
    return head, sorted(once.values(), key=lambda each: (each["at"], each["decision"]))


def _as_csv(calls: list[dict[str, Any]]) -> Iterator[str]:
    yield ",".join(_COLUMNS) + "\n"
    for each in calls:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow([_cell(each[column]) for column in _COLUMNS])
        yield line.getvalue()


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: what an agent may name itself after stands there."""
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


@privilege.app.command("secrets", epilog=examples("remit posture secrets", "remit posture secrets --json"))
@app.command("posture", epilog=examples("remit secret posture", "remit secret posture --json"))
def posture(json: Json = False, as_: As = None) -> int:
    """Show how secrets are kept: the longest-lived first, who uses them, what should be looked at."""
    answer = connect(as_).get("/v1/secrets/posture")
    if json:
        data_json(answer)
    elif not answer["secrets"]:
        nothing("secrets", next_="printf %s VALUE | remit secret set NAME")
    else:
        table(("secret", "version", "age", "last use", "calls", "agents", "look at"), map(_row, answer["secrets"]))
        talk(f"  changed by people alone: {answer['static_millionths'] // 10_000} %")
    return Exit.OK


def _row(each: dict[str, Any]) -> list[object]:
    age = "-" if each["age_seconds"] is None else f"{each['age_seconds'] // _DAY} d"
    agents = ", ".join(each["agents"][:3]) + (", ..." if len(each["agents"]) > 3 else "")  # noqa: PLR2004 - a cell
    return [
        each["secret"], each["version"] or "-", age, each["last_use"] or "never", each["calls"], agents or "-",
        ", ".join(each["findings"]) or "-",
    ]  # fmt: skip
