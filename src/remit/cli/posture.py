"""`remit posture`: how much privilege there is, whose it is, and how it changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.plot import line_plot
from remit.cli.wire import connect, segment
from remit.kernel.errors import Malformed

_SPARKS: Final = "▁▂▃▄▅▆▇█"
_WIDEST: Final = 60  # of a spark line; a longer series shows every n-th day and the last
_SHOWN: Final = 20  # agents
_NEXT: Final = "the first figures are there within a minute of: remit up"
Agent = Annotated[str | None, typer.Argument(metavar="AGENT", help="All agents together, if left out.")]
Days = Annotated[int, typer.Option("--days", metavar="N", min=1, max=800, help="How many days back.")]
# What is shown as a line: its name, and how it is read from one day's figures.
SERIES: Final[Mapping[str, Callable[[Mapping[str, Any]], int | None]]] = {
    "direct weight": lambda row: row["direct"]["weight"],
    "latent weight": lambda row: row["latent"]["weight"],
    "granted weight": lambda row: row["granted_weight"],
    "standing privilege": lambda row: row["standing_thousandths"] // 1000,
    "unused entitlements": lambda row: row["unused"],
    "over-privilege, %": lambda row: row["over_privilege_millionths"] // 10_000,
    "creep index": lambda row: row["creep_index_hundredths"] // 100,
    "withdrawn in 90 d": lambda row: row["withdrawn"],
    "hours to withdrawal, median": lambda row: row["withdrawn_after_hours"]["median"],
    "hours to withdrawal, p95": lambda row: row["withdrawn_after_hours"]["p95"],
    "instances": lambda row: row["instances"]["live"],
}
_PLOTTED: Final = ("granted weight", "direct weight", "latent weight", "standing privilege")
_LINES: Final = [(name, SERIES[name]) for name in _PLOTTED]


class _ShowsByItself(TyperGroup):
    """`remit posture AGENT` is `remit posture show AGENT`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - its type is private to typer
        """Put the word in where it was left out."""
        if not args or (args[0] not in self.commands and args[0] not in {"-h", "--help"}):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Privilege over time: direct, latent, unused; people; clockwork; what approvals added.",
    cls=_ShowsByItself,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command("show", epilog=examples("remit posture", "remit posture invoice-bot --days 30 --json"))
def show(agent: Agent = None, days: Days = 90, json: Json = False, as_: As = None) -> int:
    """Show the figures of an agent, or of all, and how each moved.

    Figures are taken once a UTC day, on the first one each minute. What each means stands in docs/posture.md.
    """
    api = connect(as_)
    rows = _series(api.get(_path(agent, days)))
    today = None if agent else api.get("/v1/posture")
    if json:
        data_json({"agent": agent, "series": rows, **({} if today is None else {"today": today})})
    elif not rows:
        nothing("figures", next_=_NEXT)
    else:
        head = ("figure", f"on {rows[-1]['day']}", "before", f"since {rows[0]['day']}")
        table(head, [_line(name, rows) for name in SERIES])
        if today is not None:
            _agents(today["agents"])
    return Exit.OK


def _path(agent: str | None, days: int) -> str:
    return f"/v1/posture/series?days={days}" + (f"&agent={segment(agent)}" if agent else "")


def _series(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(answer["series"])


def _line(name: str, rows: Sequence[Mapping[str, Any]]) -> list[object]:
    values = [SERIES[name](row) for row in rows]
    return [name, values[-1], values[0], spark(values)]


def spark(values: Sequence[int | None]) -> str:
    """A series as one line of blocks, from its lowest to its highest; what is not known is a gap."""
    step = -(-len(values) // _WIDEST)
    some = list(values[::-1][::step][::-1]) if step else []
    known = [value for value in some if value is not None]
    low, high = min(known, default=0), max(known, default=0)
    most = len(_SPARKS) - 1
    return "".join(" " if value is None else _SPARKS[(value - low) * most // max(1, high - low)] for value in some)


def _agents(agents: Sequence[Mapping[str, Any]]) -> None:
    worst = sorted(agents, key=lambda each: (-each["creep_index_hundredths"], each["agent"]))[:_SHOWN]
    columns = ("agent", "owner", "creep index", "over-privilege", "direct", "latent", "unused", "instances")
    table(
        columns,
        [
            (
                each["agent"],
                each["owner"],
                f"{_hundredths(each['creep_index_hundredths'])} {each['creep']}",
                _percent(each["over_privilege_millionths"]),
                each["direct"]["weight"],
                each["latent"]["weight"],
                f"{each['unused']} of {each['granted']}",
                f"{each['instances']['live']} of {each['instances']['most']}",
            )
            for each in worst
        ],
    )
    if len(agents) > len(worst):
        talk(f"the {len(worst)} agents with the highest index of {len(agents)}; all of them: remit posture --json")


def _hundredths(value: int) -> str:
    return f"{value // 100}.{value % 100:02}"


def _percent(millionths: int) -> str:
    return f"{millionths // 10_000}.{millionths % 10_000 // 1000} %"


@app.command("people", epilog=examples("remit posture people", "remit posture people --json"))
def people(json: Json = False, as_: As = None) -> int:
    """Show what each person reaches through agents that they own or stand in for; who gained most comes first."""
    answer = connect(as_).get("/v1/posture/people")
    if json:
        data_json(answer)
    elif not answer["people"]:
        nothing("figures", next_=_NEXT)
    else:
        columns = (
            "person",
            "owns",
            "direct",
            "latent",
            "stands in for",
            "direct",
            "latent",
            f"since {answer['since']}",
        )
        table(columns, [_person(each) for each in answer["people"]])
    return Exit.OK


def _person(each: Mapping[str, Any]) -> list[object]:
    owns, other = each["owns"], each["stands_in"]
    parts = [part[name] for part in (owns, other) for name in ("agents", "direct", "latent")]
    return [each["person"], *parts, f"{each['gained']:+}"]


@app.command("clockwork", epilog=examples("remit posture clockwork", "remit posture clockwork invoice-bot --json"))
def clockwork(agent: Agent = None, json: Json = False, as_: As = None) -> int:
    """Show what is used like a clock though its boundary declares no cadence: an honest job, or use for show.

    Looked at are the last 60 days. A machine cannot tell them apart; whoever knows the job can.
    """
    answer = connect(as_).get("/v1/posture/clockwork" + (f"?agent={segment(agent)}" if agent else ""))
    rows = [(each["agent"], one) for each in answer["agents"] for one in each["activations"]]
    if json:
        data_json(answer)
    elif not rows:
        talk("nothing is used like a clock without a declared cadence")
    else:
        columns = ("agent", "purpose", "action", "boundary", "days", "every", "last")
        table(columns, [_clockwork(agent, one) for agent, one in rows])
        talk("used like a clock: declare `cadence` in its boundary, or ask what it is for")
        if answer["more"]:
            talk(f"agents behind {answer['more']} were not looked at: remit posture clockwork AGENT")
    return Exit.OK


def _clockwork(agent: str, each: Mapping[str, Any]) -> list[object]:
    hours, minutes = divmod(each["every_seconds"] // 60, 60)
    every = f"{hours} h {minutes:02} min"
    said = [each["purpose"], each["action"], ", ".join(each["boundaries"]), each["days"], every, each["last"]]
    return [agent, *said]


@app.command("widenings", epilog=examples("remit posture widenings", "remit posture widenings --year 2026 --json"))
def widenings(
    year: Annotated[int | None, typer.Option("--year", metavar="YYYY", help="This year, if left out.")] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Show which approvals widened the boundaries of each agent in a UTC year, by whom, and what is left."""
    answer = connect(as_).get("/v1/posture/widenings" + (f"?year={year}" if year else ""))
    rows = [(agent, each) for agent in answer["agents"] for each in agent["widenings"]]
    if json:
        data_json(answer)
    elif not rows:
        talk(f"nothing was widened in {answer['year']}")
    else:
        columns = ("agent", "boundary", "version", "by", "at", "points", "weight", "left this year", "widens")
        table(columns, [_widening(agent, each) for agent, each in rows])
    return Exit.OK


def _widening(agent: Mapping[str, Any], each: Mapping[str, Any]) -> list[object]:
    left = "no limit" if agent["left"] is None else f"{agent['left']} of {agent['max_widening']}"
    weight = f"{each['weight_before']} > {each['weight_after']}"
    said = [each[name] for name in ("boundary", "version", "by", "at", "points")]
    return [agent["agent"], *said, weight, left, each["widens"]]


@app.command("plot", epilog=examples("remit posture plot --out posture.svg", "... plot invoice-bot --out bot.svg"))
def plot(
    agent: Agent = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="An SVG; overwritten if it is there.")] = Path(
        "posture.svg"
    ),
    days: Days = 90,
    json: Json = False,
    as_: As = None,
) -> int:
    """Draw direct, latent, granted and standing privilege over time."""
    rows = _series(connect(as_).get(_path(agent, days)))
    if not rows:
        nothing("figures", next_=_NEXT)
        return Exit.OK
    dates = _every_day(rows)
    by_day = {row["day"]: row for row in rows}
    lines = {name: [read(by_day[day]) if day in by_day else None for day in dates] for name, read in _LINES}
    title = f"Privilege of {agent}" if agent else "Privilege of all agents"
    picture = line_plot(lines, title=title, labels=dates, y="weight in points")
    try:
        out.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise Malformed(f"{out} cannot be written", detail=str(error)) from error
    if json:
        data_json({"file": str(out), "days": len(rows)})
    else:
        data_text(str(out))
    return Exit.OK


def _every_day(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every date from the first row's to the last's: a day without figures is a gap and no shorter way."""
    first, last = (dt.date.fromisoformat(rows[at]["day"]) for at in (0, -1))
    return [(first + dt.timedelta(days=at)).isoformat() for at in range((last - first).days + 1)]
