"""`remit policy simulate`: every recorded decision made again, as it was, and as a change would have made it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.key_provider import KeyProvider
from remit.cli.options import As, Json, examples
from remit.kernel.errors import Malformed

_WIDEN = "widen"
Tree = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="What would stand: policies/ and boundaries/ in it.")
]
Prune = Annotated[bool, typer.Option("--prune", help="Nothing that DIR does not name would stand.")]
Lapse = Annotated[
    list[str] | None, typer.Option("--lapse", metavar="AGENT=ACTION", help="An entitlement that would have lapsed.")
]
Since = Annotated[str | None, typer.Option("--since", metavar="WHEN", help="From this day, or RFC 3339 time, on.")]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="To the end of this day, or this time.")]
Agent = Annotated[str | None, typer.Option("--agent", metavar="NAME", help="The decisions about one agent only.")]
Base = Annotated[str | None, typer.Option("--base", metavar="DIGEST", help="What was in force when this was planned.")]
FailOn = Annotated[str | None, typer.Option("--fail-on", metavar="widen", help="Exit 9 if a denial would be an allow.")]
AtLeast = Annotated[
    int, typer.Option("--at-least", min=0, metavar="N", help="With --fail-on: exit 9 if fewer were decided again.")
]
Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="A data directory or database; no server.")]
Keyfile = Annotated[Path | None, typer.Option("--keyfile", metavar="FILE", help="With --data: what opens payloads.")]
Passphrase = Annotated[Path | None, typer.Option("--passphrase-file", metavar="FILE", help="The same, as passphrase.")]
Processes = Annotated[int | None, typer.Option("--processes", min=1, max=64, help="With --data; else one per core.")]


def add(policy: typer.Typer) -> None:
    """Add the command."""
    epilog = examples(
        "remit policy simulate ./remit --fail-on widen",
        "remit policy simulate --data ./data --keyfile ./keyfile --json",
    )
    policy.command("simulate", epilog=epilog)(simulate)


def simulate(
    directory: Tree = None, *, prune: Prune = False, lapse: Lapse = None, since: Since = None, until: Until = None,
    agent: Agent = None, base: Base = None, fail_on: FailOn = None, at_least: AtLeast = 1, data: Data = None,
    keyfile: Keyfile = None, passphrase_file: Passphrase = None,
    key_provider: KeyProvider = None, processes: Processes = None, json: Json = False,
    as_: As = None,
) -> int:  # fmt: skip
    """Decide the recorded calls again: as it was, which must give what was recorded, and as DIR would have it.

    Each call is judged on the state as it was then: what a different answer would have led to is not played on.
    Without DIR and --lapse, only the record is checked. Exit 8 if a decision does not come out as it was recorded,
    or was made by another version of the engine; 9 if the base moved, or with --fail-on widen something widens or
    fewer than --at-least were decided again: where nothing was, nothing is known of the change.
    """
    if fail_on not in {None, _WIDEN}:
        raise Malformed("what can be failed on is: widen")
    if data is None and (keyfile or passphrase_file or key_provider or processes):
        raise Malformed("--keyfile, --passphrase-file, --key-provider and --processes go with --data")
    asked = _asked(directory, lapse or (), prune=prune)
    from remit.cli import simulations  # noqa: PLC0415 - the engine is loaded when it is asked for

    if data is None:
        found = simulations.live(asked, since=since, until=until, agent=agent, base=base, as_=as_)
    else:
        opens = simulations.Opens(keyfile, passphrase_file, key_provider)
        count = processes or len(os.sched_getaffinity(0))
        found = simulations.offline(
            data, opens, asked, since=since, until=until, agent=agent, base=base, processes=count
        )
    simulations.tell(found, json=json)
    if found["differs"]:
        return Exit.INTEGRITY
    if found["candidate"] is None and fail_on is None:
        return Exit.OK
    shown = simulations.enough(found, 0 if fail_on is None else at_least)
    widens = fail_on == _WIDEN and found["changes"].get(_WIDEN)
    return Exit.DIFFERS if widens or not shown else Exit.OK


def _asked(directory: Path | None, lapse: list[str] | tuple[()], *, prune: bool) -> dict[str, Any]:
    """What would stand, as the door takes it."""
    documents: list[dict[str, Any]] = []
    if directory is not None:
        from remit.cli import tree  # noqa: PLC0415 - YAML is read where files are named
        from remit.server.documents import TEXTS  # noqa: PLC0415 - the engine is loaded with it

        documents = [each for each in tree.read(directory).documents if each["kind"] in TEXTS | {"boundary"}]
    elif prune:
        raise Malformed("--prune goes with a directory", try_="remit policy simulate DIR --prune")
    pairs = [each.split("=", 1) for each in lapse]
    if any(len(pair) != 2 for pair in pairs):  # noqa: PLR2004 - a pair
        raise Malformed("an entitlement is named AGENT=ACTION", try_="--lapse invoice-bot=payments/transfer")
    return {"documents": documents, "prune": prune, "lapsed": pairs}
