"""`remit policy diff`: whether a change can widen anyone's access, with a call that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json
from remit.cli.output import data_json, data_text, patiently, talk
from remit.cli.wire import connect
from remit.kernel.clock import SystemClock
from remit.kernel.errors import Malformed

_SIGN = {"widens": ">", "unknown": "?", "narrows": "<", "same": "="}
_STYLE = {"widens": "red", "unknown": "yellow", "narrows": "green", "same": None}
_FAILS = {"widens", "unknown"}


def diff(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR | OLD NEW", help="Against what is in force; or two, without a server.")
    ],
    prune: Annotated[bool, typer.Option("--prune", help="As if what DIR does not name were taken away.")] = False,
    fail_on: Annotated[
        str | None, typer.Option("--fail-on", metavar="widen", help="Exit 9 if anything widens, or may.")
    ] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Say of each policy and boundary that differs whether it lets through what is stopped now.

    widens: a call is shown that was denied and would be allowed; it was decided on both sides. narrows, same: the
    structure proves that nothing more is let through. unknown: neither was found; taken as if it widens.
    """
    if fail_on not in {None, "widen"}:
        raise Malformed("--fail-on takes widen", detail=str(fail_on))
    if len(directories) > 2:  # noqa: PLR2004 - the old and the new
        raise Malformed("one directory, or two: the old and the new")
    found = _offline(*directories) if len(directories) == 2 else _asked(directories[0], as_, prune=prune)  # noqa: PLR2004 - the old and the new
    if json:
        data_json(found)
    else:
        show(found)
    return Exit.DIFFERS if fail_on and found["verdict"] in _FAILS else Exit.OK


def _offline(old: Path, new: Path) -> dict[str, Any]:
    from remit.cli import tree  # noqa: PLC0415 - YAML is read by few commands
    from remit.policy.cedar import CedarEngine  # noqa: PLC0415 - only here the engine runs in the command itself
    from remit.server import policy_diff  # noqa: PLC0415 - as above

    was, now = (policy_diff.side(tree.read(each).documents) for each in (old, new))
    rows = policy_diff.directories(was, now, CedarEngine(), now=SystemClock().now())
    return policy_diff.told(rows, against=str(old))


def _asked(directory: Path, as_: str | None, *, prune: bool) -> dict[str, Any]:
    from remit.cli import tree  # noqa: PLC0415 - YAML is read by few commands

    api = connect(as_)
    with patiently("trying calls at the edges of what changed ..."):
        found: dict[str, Any] = api.post(
            "/v1/policy/diff", {"documents": tree.read(directory).documents, "prune": prune}
        )
    return found


def show(found: Mapping[str, Any]) -> None:
    """What the answer says, for people."""
    for row in found["changes"]:
        _show_row(row)
    counts = found["counts"]
    said = ", ".join(f"{counts[each]} {each}" for each in _SIGN if counts[each])
    talk(f"against {found['against']}: {said or 'nothing differs'}", style=_STYLE[found["verdict"]])


def _show_row(row: Mapping[str, Any]) -> None:
    place = f"  ({row['file']}:{row['line']})" if row["file"] else ""
    verdict = row["verdict"]
    data_text(
        f"{_SIGN[verdict]} {row['effect']} {row['name']}  {row['change']}  {verdict}{place}", style=_STYLE[verdict]
    )
    for reason in row["because"]:
        data_text(f"  because  {reason}")
    if (example := row["example"]) is not None:
        _show_example(example)


def _show_example(example: Mapping[str, Any]) -> None:
    whose = "" if example["registered"] else "an agent like "
    data_text(
        f"  call     {whose}{example['agent']} of {example['owner']}, for {example['purpose']}: {example['action']}"
    )
    arguments = ", ".join(f"{name}={value}" for name, value in example["arguments"].items())
    data_text(f"           with {arguments or 'no arguments'}, at {example['at']}{_more(example)}")
    if example["checked_by"] == "cedar":
        data_text("  checked  Cedar alone: no, and would be yes")
        return
    before = example["before"]
    stopped = before.get("policy") or before.get("cause") or before.get("title")
    data_text(f"  checked  denied now ({before['code']}: {stopped}), and would be allowed")


def _more(example: Mapping[str, Any]) -> str:
    classes = ", ".join(example["data_classes"])
    parts = [
        f"; data of class {classes}" if classes else "",
        f"; run {example['run']}" if example["run"] else "",
        f"; once {example['given']}" if example.get("given") else "",
    ]
    return "".join(parts)
