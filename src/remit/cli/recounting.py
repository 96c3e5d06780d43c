"""`remit certify recount`: all use counted and everything judged anew, beside a server or without one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import Json, examples
from remit.cli.output import data_json, data_text, talk
from remit.cli.replaying import where
from remit.kernel.clock import rfc3339

if TYPE_CHECKING:
    from remit.certification.estate.anew import Anew
    from remit.certification.estate.compare import Comparison
    from remit.certification.estate.ports import Estate

_SHOWN = 20
_EVERY = 1_000_000  # what is read between two words of progress


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
        """Count all use anew from its days, and judge every entitlement by it; exit 8 if anything is kept otherwise.

        Judged is what the log last said of it, at the end of the record, by the rules that are in force there. The
        daily sweep of a server does the same, a part at a time.
        """
        found, judged = _recounted(data, duckdb=duckdb)
        if json:
            data_json(_body(found, judged))
        else:
            _show(found, judged)
        return Exit.INTEGRITY if found.differences or judged.differences else Exit.OK


def _recounted(data: str, *, duckdb: bool) -> tuple[Comparison, Anew]:
    from remit.access.activation_seal import UNSEALED  # noqa: PLC0415 - loaded when it is asked for
    from remit.audit.source_offline import open_offline  # noqa: PLC0415 - the same
    from remit.certification.estate.anew import anew  # noqa: PLC0415 - the same
    from remit.certification.estate.compare import compare  # noqa: PLC0415 - the same
    from remit.certification.estate.records import Source  # noqa: PLC0415 - the same
    from remit.policy.cedar import CedarEngine  # noqa: PLC0415 - the same
    from remit.server.stored import StoredFacts  # noqa: PLC0415 - the same

    offline = open_offline(where(data))
    try:
        source = Source(offline.tables(), StoredFacts(UNSEALED), CedarEngine())
        with _duck() if duckdb else _plain() as estate:
            found = compare(offline.rows, estate, _progress("days of use"))
            return found, anew(offline.rows, source, estate, _progress("entries of the log"))
    finally:
        offline.close()


def _body(found: Comparison, judged: Anew) -> dict[str, Any]:
    return {
        "seen": found.seen,
        "compared": found.compared,
        "differences": [each._asdict() for each in found.differences],
        "judged": judged.judged,
        "judged_at": rfc3339(judged.at),
        "unsaid": judged.unsaid,
        "otherwise": [each._asdict() for each in judged.differences],
        "turning": [each._asdict() for each in judged.turning],
    }


def _show(found: Comparison, judged: Anew) -> None:
    data_text(f"{found.seen} entitlements, {found.compared} compared, {len(found.differences)} differ")
    for odd in found.differences[:_SHOWN]:
        data_text(f"{odd.agent} {odd.action}: kept {odd.kept}; counted {odd.counted}", style="red")
    many = len(judged.differences)
    turning = f", {len(judged.turning)} about to be looked at" if judged.turning else ""
    unsaid = f", {judged.unsaid} of which the log says nothing" if judged.unsaid else ""
    data_text(f"{judged.judged} judged as of {rfc3339(judged.at)}, {many} stand otherwise{turning}{unsaid}")
    for part, style in ((judged.differences, "red"), (judged.turning, "yellow")):
        for each in part[:_SHOWN]:
            said = f"recorded {each.recorded}; judged {each.judged}; {each.why}"
            data_text(f"{each.agent} {each.purpose} {each.action}: {said}", style=style)
    if max(many, len(found.differences)) > _SHOWN:
        talk("  and more; all of them with --json")
    if many:
        talk("  try      remit audit verify")
    elif found.differences:
        talk("  try      remit certify run")


def _progress(what: str) -> Callable[[int], None]:
    said = 0

    def told(read: int) -> None:
        nonlocal said
        if read // _EVERY > said:
            said = read // _EVERY
            talk(f"{read} {what} read ...")

    return told


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
