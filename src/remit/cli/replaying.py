"""Deriving verdicts again: from a running server, or from a data directory or database without one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from remit.cli.output import data_json, data_text, talk
from remit.cli.wire import connect, segment
from remit.kernel.errors import IntegrityFailed, NotFound

_PATIENCE = 1.0  # seconds between two words of progress
_SHOWN = 20
_WELL = frozenset({"same", "by_hand", "not_replayable", "other_engine"})


def one(verdict: str, data: str | None, as_: str | None) -> dict[str, Any]:
    """A verdict and what its replay comes to.

    Raises:
        NotFound, IntegrityFailed: There is no such verdict; it cannot be read.
    """
    return connect(as_).get(f"/v1/verdicts/{segment(verdict)}") if data is None else _offline(data, verdict)


def show(answer: Mapping[str, Any]) -> None:
    """For a person."""
    if answer["replay"] == "same":
        data_text(f"same: {answer['derived']}", style="green")
    elif answer["replay"] == "by_hand":
        data_text(f"by hand: {_who(answer['verdict'])} decided, which no rule derives", style="yellow")
    elif answer["replay"] == "not_replayable":
        data_text(f"not replayable: {answer['cause']}; {answer['detail']}", style="yellow")
    elif answer["replay"] == "other_engine":
        data_text(f"not derived: {answer['detail']}", style="yellow")
    else:
        data_text(f"recorded: {answer['recorded']}")
        data_text(f"derived:  {answer['derived'] or 'nothing: ' + answer['detail']}")
        data_text(f"cause:    {answer['cause']}: {answer['detail']}", style="bold red")


def _who(verdict: Mapping[str, Any]) -> str:
    acting = verdict.get("as")
    return f"{verdict.get('by')}" if acting is None else f"{acting} (with the token of {verdict.get('by')})"


def every(data: str | None, as_: str | None) -> dict[str, Any]:
    """What every verdict of the log comes to; says on stderr how far it is."""
    return _parts(as_) if data is None else _all_offline(data)


def show_all(answer: Mapping[str, Any]) -> None:
    """For a person."""
    counts = ", ".join(f"{many} {outcome}" for outcome, many in answer["counts"].items())
    data_text(f"{answer['verdicts']} verdicts: {counts or 'none'}")
    other = answer["counts"].get("other_engine", 0)
    if other:
        data_text(
            f"{other} not derived: another edition of the rules made them, which this one cannot tell", style="yellow"
        )
    odd = answer["differs"]
    for each in odd[:_SHOWN]:
        name = each["id"] or f"entry {each['index']}"
        data_text(f"{name}  {each['agent']} {each['action']}: {each['cause']}: {each['detail']}", style="red")
    if len(odd) > _SHOWN:
        talk(f"  and {len(odd) - _SHOWN} more; all of them with --json")


def _parts(as_: str | None) -> dict[str, Any]:
    api, told = connect(as_), _told()
    found: dict[str, Any] = {"verdicts": 0, "counts": {}, "differs": []}
    at: int | None = 0
    while at is not None:
        answer = api.get(f"/v1/certification/replay?from={at}")
        found["verdicts"] += answer["verdicts"]
        found["differs"] += answer["differs"]
        for outcome, many in answer["counts"].items():
            found["counts"][outcome] = found["counts"].get(outcome, 0) + many
        told(found["verdicts"])
        at = answer["next"]
    return found


def _told() -> Callable[[int], None]:
    began = [time.monotonic()]

    def told(many: int) -> None:
        if time.monotonic() - began[0] >= _PATIENCE:
            began[0] = time.monotonic()
            talk(f"{many} verdicts derived again ...")

    return told


def _all_offline(data: str) -> dict[str, Any]:
    from remit.audit.source_offline import open_offline  # noqa: PLC0415 - loaded when it is asked for
    from remit.certification.replaying.kept import Kept  # noqa: PLC0415 - the same
    from remit.certification.replaying.replays import Summary, lines  # noqa: PLC0415 - the same

    source, found, told = open_offline(where(data)), Summary(), _told()
    try:
        for line in lines(source.stretches(None), Kept(source.rows)):
            if line is None:
                told(found.counts.total())
            else:
                found.take(line)
    finally:
        source.close()
    return found.body()


def where(data: str) -> Path | str:
    """A data directory, or the URL of a database."""
    return data if "://" in data else Path(data)


def _offline(data: str, verdict: str) -> dict[str, Any]:
    """What the server answers, from what is stored. Whether the entry is the one recorded, `audit verify` says."""
    from remit.audit.source_offline import open_offline  # noqa: PLC0415 - loaded when it is asked for
    from remit.certification.replaying.kept import Kept  # noqa: PLC0415 - the same
    from remit.certification.replaying.rederive import rederive  # noqa: PLC0415 - the same

    source = open_offline(where(data))
    try:
        said, index = source.entry(verdict)
        if said["kind"] != "verdict":
            raise NotFound(f"{verdict} is no verdict"[:200], try_="remit certify list")
        again = rederive(said, Kept(source.rows))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise IntegrityFailed("this verdict cannot be derived again", detail=repr(error)) from error
    finally:
        source.close()
    shown = {"recorded": again.recorded.decode(), "derived": again.derived.decode()}
    return {
        "verdict": said, "index": index, "replay": again.outcome, "cause": again.cause, "detail": again.detail, **shown,
    }  # fmt: skip


def show_one_or_all(verdict: str | None, data: str | None, as_: str | None, *, json: bool) -> bool:
    """Derive one verdict again, or with None every one, and print what comes of it; whether all is well."""
    answer = every(data, as_) if verdict is None else one(verdict, data, as_)
    fine = not answer["differs"] if verdict is None else answer["replay"] in _WELL
    if json:
        data_json(answer)
    elif verdict is None:
        show_all(answer)
    else:
        show(answer)
    if not fine:
        talk("  try      remit audit verify")
    return fine
