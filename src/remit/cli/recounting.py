"""`remit certify recount`: all use counted anew from its days, beside a server or without one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remit.cli.exits import Exit
from remit.cli.options import Json, examples
from remit.cli.output import data_json, data_text, talk
from remit.cli.replaying import where

if TYPE_CHECKING:
    from remit.certification.estate.compare import Comparison
    from remit.certification.estate.ports import Estate

_SHOWN = 20
_EVERY = 1_000_000  # days of use between two words of progress


def add(certify: typer.Typer) -> None:
    """Add the command."""

    @certify.command("recount", epilog=examples("remit certify recount --data DIR", "... --duckdb --json"))
    def recount(
        data: Annotated[
            str, typer.Option("--data", metavar="DIR", help="A data directory, or a database's URL; it is only read.")
        ],
        duckdb: Annotated[
            bool, typer.Option("--duckdb", help="For millions: in DuckDB, with the same result.")
        ] = False,
        json: Json = False,
    ) -> int:
        """Count the use of every entitlement anew from its days; exit 8 if it is not what is kept.

        The daily sweep of a server does the same, a part at a time.
        """
        from remit.audit.source_offline import open_offline  # noqa: PLC0415 - loaded when it is asked for
        from remit.certification.estate.compare import compare  # noqa: PLC0415 - the same

        source = open_offline(where(data))
        try:
            with _duck() if duckdb else _plain() as estate:
                found = compare(source.rows, estate, _progress)
        finally:
            source.close()
        _show(found, json=json)
        return Exit.INTEGRITY if found.differences else Exit.OK


def _show(found: Comparison, *, json: bool) -> None:
    many = len(found.differences)
    if json:
        differences = [each._asdict() for each in found.differences]
        data_json({"seen": found.seen, "compared": found.compared, "differences": differences})
        return
    data_text(f"{found.seen} entitlements, {found.compared} compared, {many} differ")
    for each in found.differences[:_SHOWN]:
        data_text(f"{each.agent} {each.action}: kept {each.kept}; counted {each.counted}", style="red")
    if many:
        talk("  try      remit certify run")


def _progress(read: int) -> None:
    if read >= _EVERY and read % _EVERY == 0:
        talk(f"{read} days of use read ...")


@contextmanager
def _duck() -> Iterator[Estate]:
    from remit.certification.estate.duck import DuckEstate  # noqa: PLC0415 - an extra

    with tempfile.TemporaryDirectory(prefix="remit-estate-") as folder:
        estate = DuckEstate.open(Path(folder))
        try:
            yield estate
        finally:
            estate.close()


@contextmanager
def _plain() -> Iterator[Estate]:
    from remit.certification.estate.plain import PlainEstate  # noqa: PLC0415 - loaded when it is asked for

    with PlainEstate.in_memory() as estate:
        yield estate
