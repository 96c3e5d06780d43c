"""`remit rightsize`: narrower boundaries from what was used, and what they would have refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, data_text, nothing, patiently, table, talk
from remit.cli.wire import connect, segment
from remit.kernel.errors import Conflict, Malformed

_PERCENT = re.compile(r"([0-9]{1,4})%?\Z")
_SHOWN = 10  # would-be denials


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "rightsize",
        epilog=examples("remit rightsize invoice-bot", "remit rightsize invoice-bot --dial exact --out new.yaml"),
    )(rightsize)


def rightsize(
    agent: Annotated[str, typer.Argument(metavar="AGENT")],
    *,
    dial: Annotated[
        str,
        typer.Option(
            "--dial",
            metavar="exact|tool|server",
            help="exact: arguments held to what was used. tool: to what repeats. server: whole servers that were used.",
        ),
    ] = "tool",
    headroom: Annotated[
        str, typer.Option("--headroom", metavar="PERCENT", help="What numbers may go beyond what was used.")
    ] = "20",
    hold_out: Annotated[
        str, typer.Option("--hold-out", metavar="PERCENT", help="Newest calls that judge and do not teach.")
    ] = "30%",
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="NAME", help="Only this one.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the proposals as YAML.")] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Propose narrower boundaries from use, or a first one from imported use. Nothing is applied.

    A part of the calls is held out: what the proposal would have refused of them is shown.
    """
    query = f"dial={segment(dial)}&headroom={_percent(headroom)}&hold_out={_percent(hold_out)}"
    query += f"&purpose={segment(purpose)}" if purpose else ""
    with patiently("reading what was used ..."):
        answer = connect(as_).get(f"/v1/agents/{segment(agent)}/rightsize?{query}")
    documents = [each["document"] for each in answer["proposals"] if each["document"]]
    if out is not None and documents:
        _write(out, documents)
    if json:
        data_json(answer)
    elif not answer["proposals"]:
        nothing(f"boundaries and imported uses of {agent}", next_="remit agent list")
    else:
        for each in answer["proposals"]:
            _show(each)
        _close(answer, out if documents else None)
    return Exit.OK


def _percent(text: str) -> int:
    match = _PERCENT.match(text)
    if match is None:
        raise Malformed("a whole number of per cent is expected, such as 30%")
    return int(match[1])


def _write(out: Path, documents: list[Any]) -> None:
    from remit.cli.yaml_out import write  # noqa: PLC0415 - YAML is written by this command only

    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(write(documents))
    except FileExistsError as error:
        raise Conflict(f"{out} is there already, and is not overwritten", try_="another name for --out") from error
    except OSError as error:
        raise Malformed(f"{out} cannot be written", detail=str(error)) from error


def _show(found: dict[str, Any]) -> None:
    calls, first = found["calls"], found["version"] is None
    talk(f"{found['boundary']} for {found['purpose']}: " + ("a first draft" if first else "narrower"), style="bold")
    columns = ("action", "tier", "used", "held out", "proposed", "would deny")
    table(columns, [[row["action"], row["tier"], row["used"], row["held_out"], _said(row), row["would_deny"]]
                    for row in found["rows"]])  # fmt: skip
    for action, why in found["left_out"].items():
        talk(f"  left out {action}: it {why}")
    for each in found["denials"][:_SHOWN]:
        talk(f"  denies   {each['time'][:19]}Z {each['action']} {each['code']}{_where(each['violations'])}")
    if found["would_deny"] > _SHOWN:
        talk(f"  and      {found['would_deny'] - _SHOWN} more: --json")
    actions, weight = found["actions"], found["weight"]
    talk(f"  learned from {calls['learned']} calls; would deny {found['would_deny']} of {calls['held_out']} held out")
    talk(
        f"  actions {actions['before']} to {actions['after']}, privilege weight {weight['before']} to {weight['after']}"
    )
    if not found["document"]:
        talk("  nothing was used: take the boundary out of its directory, then remit apply DIR --prune", style="yellow")


def _said(row: dict[str, Any]) -> str:
    if not row["kept"]:
        return "removed" if not row["held_out"] else "not in it"
    return ", ".join(f"{name} {_bound(bound)}" for name, bound in row["when"].items()) or "any arguments"


def _bound(bound: dict[str, Any]) -> str:
    """A bound in words: `max 500.00`, `in EUR|USD`."""
    parts = (
        f"{word} {'|'.join(map(str, value)) if isinstance(value, list) else value}" for word, value in bound.items()
    )
    return " ".join(parts)


def _where(violations: list[dict[str, Any]]) -> str:
    said = (f"{each['path'].removeprefix('/')} {each.get('actual', 'is missing')}" for each in violations)
    return f": {', '.join(said)}" if violations else ""


def _close(answer: dict[str, Any], out: Path | None) -> None:
    log, imported = answer["log"], answer["imported"]
    if not log["whole"]:
        talk(f"only the newest {log['entries']} entries of the log were read, back to {log['oldest']}", style="yellow")
    if imported["without_purpose"]:
        talk(f"{imported['without_purpose']} imported uses name no purpose: say --purpose NAME", style="yellow")
    if out is None:
        talk("  try      --out FILE, then remit diff DIR with it")
    else:
        data_text(str(out))
        talk(f"  try      remit diff DIR, once {out} has taken the place of the boundary in DIR; then remit apply DIR")
