"""`remit certify simulate`: what certification would have done over a recorded history. Needs no server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remit.cli.exits import Exit
from remit.cli.options import Json, examples
from remit.kernel.errors import Malformed

Where = Annotated[Path, typer.Option("--history", metavar="FILE", help="JSON lines: docs/usage-format.md; .gz too.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Every transition, refusal and day, as files.")]
Picture = Annotated[
    list[Path] | None, typer.Option("--plot", metavar="FILE", help="Privilege over time, as .svg or .png.")
]
Answers = Annotated[
    str, typer.Option("--answers-after", metavar="TIME", help="How long people take who are asked, such as 8h.")
]
Complete = Annotated[
    bool, typer.Option("--assume-complete", help="Take the record to be complete: without it, coverage lines say so.")
]


def simulated(
    where: Where, out: Out = None, pictures: Picture = None, answers_after: Answers = "1d", *,
    assume_complete: Complete = False, json: Json = False,
) -> int:  # fmt: skip
    """Run the engine over a history with a virtual clock, against fixed idle windows and a quarterly review.

    Says what would have been withdrawn, given back and refused, and how much privilege stood from day to day, direct
    (usable at once) and latent (usable again without a person). The same history gives the same bytes.
    """
    for path in pictures or ():
        if path.suffix not in {".svg", ".png"}:
            raise Malformed(f"{path.name} is neither .svg nor .png")
    from remit.cli.simulated import play  # noqa: PLC0415 - half a second that other commands do not pay

    play(
        where, out=out, pictures=pictures or (), answers_after=answers_after, assume_complete=assume_complete, json=json
    )
    return Exit.OK


def add(certify: typer.Typer) -> None:
    """Add the command."""
    epilog = examples(
        "remit certify simulate --history history.jsonl --plot privilege.svg",
        "remit certify simulate --history history.jsonl.gz --out simulated --json",
    )
    certify.command("simulate", epilog=epilog)(simulated)
