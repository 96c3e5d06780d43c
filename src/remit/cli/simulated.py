"""Playing a history for `remit certify simulate`, and telling what came of it. It loads the engine."""

from __future__ import annotations

import json as json_text
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from remit.certification.simulation.history import History, history
from remit.certification.simulation.play import Outcome, simulate
from remit.certification.simulation.series import RULES, compared, moved_line, of_day, refused_line, report
from remit.cli import plot
from remit.cli.output import complain, data_json, data_text, facts, table, talk
from remit.connectors.files import chunks
from remit.connectors.stream import lines
from remit.kernel.canonical import parse
from remit.kernel.clock import parse_duration
from remit.kernel.errors import ConfigInvalid, Malformed

_FIRST = 3  # refused lines that are shown
_EVERY = 1.0  # seconds between two words of progress


def play(
    where: Path, *, out: Path | None, pictures: Sequence[Path], answers_after: str, assume_complete: bool, json: bool
) -> None:
    """Play it, write what was asked for, and tell of it."""
    played = _read(where)
    progress = _Progress(len(played.lines))
    outcome = simulate(
        played, answers_after=parse_duration(answers_after), assume_complete=assume_complete, each_day=of_day,
        progress=progress.says,
    )  # fmt: skip
    rules = [compared(played, rule) for rule in RULES]
    said = report(played, outcome, rules)
    if out is not None:
        _write(out, outcome, said)
    for path in pictures:
        _picture(path, outcome, rules)
    if json:
        data_json(said)
    else:
        _show(said, played, out)


class _Progress:
    """A word on stderr about each second of a long playing."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._said = time.monotonic()

    def says(self, done: int) -> None:
        """So many lines are played."""
        now = time.monotonic()
        if now - self._said >= _EVERY:
            self._said = now
            talk(f"played {100 * done // max(1, self._lines)} % of {self._lines} lines")


def _read(where: Path) -> History:
    found = history(_objects(where))
    if not found.lines:
        first = f": line {found.refused[0][0]}: {found.refused[0][1]}" if found.refused else ""
        raise ConfigInvalid(f"{where.name} holds no history{first}", try_="see docs/usage-format.md")
    return found


def _objects(where: Path) -> Iterator[tuple[int, Any]]:
    for piece in lines(chunks(where)):
        try:
            yield piece.number, None if piece.body is None else parse(piece.body)
        except Malformed:
            yield piece.number, None


def _write(out: Path, outcome: Outcome, said: Mapping[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    _lines(out / "transitions.jsonl", (moved_line(each) for each in outcome.moved))
    _lines(out / "refused.jsonl", (refused_line(each) for each in outcome.refused))
    _lines(out / "series.jsonl", outcome.days)
    (out / "report.json").write_text(json_text.dumps(said, sort_keys=True, indent=1) + "\n", encoding="utf-8")


def _lines(path: Path, rows: Any) -> None:  # noqa: ANN401 - any rows
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json_text.dumps(row, sort_keys=True, separators=(",", ":")) + "\n")


def curves(outcome: Outcome, rules: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, list[float | None]]]:
    """The lines of the plot: privilege, as a share of what was granted, in per cent."""
    granted = [int(day["standing"]) for day in outcome.days]

    def share(values: Iterable[int]) -> list[float | None]:
        return [100 * value / whole if whole else None for value, whole in zip(values, granted, strict=False)]

    yield "Remit: usable now", share(int(day["direct"]) for day in outcome.days)
    yield "Remit: or by itself", share(int(day["direct"]) + int(day["latent"]) for day in outcome.days)
    for each in rules:
        yield each["rule"], share(each["direct"])


def _picture(path: Path, outcome: Outcome, rules: list[dict[str, Any]]) -> None:
    series = dict(curves(outcome, rules))
    words: dict[str, Any] = {
        "title": "Privilege that an agent can use, of what was granted",
        "labels": [str(day["day"]) for day in outcome.days],
        "y": "per cent of the weight of what was granted (critical 40, high 10, medium 3, low 1)",
    }
    if path.suffix == ".svg":
        path.write_text(plot.line_plot(series, **words), encoding="utf-8")
    else:
        from remit.cli import plot_png  # noqa: PLC0415 - loaded when it is asked for

        path.write_bytes(plot_png.line_plot(series, **words))
    talk(f"wrote {path}")


def _show(said: Mapping[str, Any], played: History, out: Path | None) -> None:
    if played.refused:
        complain(f"{len(played.refused)} lines were not taken")
        for number, why in played.refused[:_FIRST]:
            talk(f"  line {number}: {why}")
    data_text(f"{said['from']} to {said['until']}: {said['entitlements']} entitlements, {said['uses']} uses")
    first, last = said["privilege"]["first_day"], said["privilege"]["last_day"]
    table(
        ("privilege", "first day", "last day", "of granted"),
        [
            (name, first[name], last[name], _share(last[name], last["standing"]))
            for name in ("direct", "latent", "person")
        ],
    )
    facts(
        {
            "lapses": said["lapses"],
            "given back": f"{said['reactivations']} by the use that needed it, within the boundary",
            "would refuse": ", ".join(f"{many} {why}" for why, many in said["would_be_refused"].items()) or "nothing",
            "records doubted": said["questions"],
        }
    )
    table(
        ("instead", "uses refused", "still usable on the last day"),
        [(each["rule"], each["refused"], _share(each["direct"], last["standing"])) for each in said["rules"]],
    )
    if out is not None:
        talk(f"wrote {out}/transitions.jsonl, refused.jsonl, series.jsonl and report.json")


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
