"""One agent: who answers for it, what it may do and does, what is known against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from remit.console import plotted
from remit.console.desk import Look
from remit.console.drawn import lanes, meters
from remit.console.entries import line
from remit.console.graph import graph
from remit.console.happened import happened
from remit.console.pages.agent_columns import (
    ACCESS,
    BOUNDARIES,
    CREDENTIALS,
    DAYS,
    DELEGATIONS,
    ENTRIES,
    HAPPENED,
    LIMITS,
    REVIEWS,
    RUNS,
    SIGNALS,
)
from remit.console.pages.model import Filled, Page
from remit.console.tables import Column, Table
from remit.kernel.clock import SECOND, Instant, rfc3339
from remit.kernel.names import AgentName, split_action
from remit.policy.view import View

_NEWEST: Final = "20"  # entries about it, and of its own changes and freezes: each is read from a bundle of its own
_EACH: Final = "20"  # of its verdicts, and of its refusals, in the timeline
_MARKS: Final = 150  # in the drawing; the table has all


def fill(look: Look) -> Filled:
    """Everything about it that this person may read."""
    name = look.path["name"]
    agent, activations = look.get(f"/v1/agents/{name}"), look.get("/v1/activations", agent=name)
    series = list(look.get("/v1/posture/series", agent=name, days="90")["series"])
    entries = _entries(look, agent=name, limit=_NEWEST)
    beside = Beside.of(look, name)
    past = happened(
        name, entries=marked(look, name), changes=beside.changes, questions=beside.questions,
        rotations=beside.rotations, secrets=beside.secrets,
    )  # fmt: skip
    record = look.view.agents.get(AgentName(name))
    bounds = bounding(look.get(f"/v1/agents/{name}/limits")["limits"])
    values: dict[str, Any] = {
        "agent": agent, "privilege": activations["privilege"], "frozen": look.view.freezes.get(("agent", name)),
        "owner_frozen": look.view.freezes.get(("owner", agent["owner"])),
        "risk": record.risk.value / 10_000 if record else 0,
        "lanes": lanes(past[:_MARKS], look.now), "past": len(past), "meters": meters(bounds),
        "said": {"creep": plotted.creep_said(series)},
    }  # fmt: skip
    data = {"creep": plotted.creep(series), "graph": graph(name, activations["activations"])}
    tables = (
        *_certified(look, agent, activations["activations"], bounds),
        *_around(look, name, beside),
        *_lately(past, entries),
        *_days(series),
    )
    return Filled(title=name, tables=tables, values=values, data=data)


class Beside:
    """What other doors tell that has to do with an agent; nothing of what this person may not see."""

    def __init__(self, *, secrets: Any, questions: Any, rotations: Any, changes: Any) -> None:  # noqa: ANN401 - JSON
        self.secrets = secrets
        self.questions = questions
        self.rotations = rotations
        self.changes = changes

    @classmethod
    def of(cls, look: Look, name: str) -> Beside:
        """Ask for it."""
        asked = (look.maybe("/v1/reviews", all="true", limit="1000") or {"questions": ()})["questions"]
        servers = credentials_of(look.view, name)
        secrets = (look.maybe("/v1/secrets") or {"secrets": ()})["secrets"]
        return cls(
            secrets=[{**each, "servers": servers[each["secret"]]} for each in secrets if each["secret"] in servers],
            questions=[each for each in asked if each.get("agent") == name],
            rotations=(look.maybe("/v1/rotations") or {"rotations": ()})["rotations"] if servers else (),
            changes=[
                *_entries(look, kind="change", what="freeze", target_name=name, limit=_NEWEST),
                *_entries(look, kind="change", what="agent", name=name, limit=_NEWEST),
            ],
        )


def _entries(look: Look, **sought: str) -> list[Mapping[str, Any]]:
    """Entries of the log; none where this person may not read it."""
    found = look.maybe("/v1/decisions", **sought)
    return [] if found is None else list(found["entries"])


def marked(look: Look, name: str) -> list[Mapping[str, Any]]:
    """Its newest verdicts and refusals, asked for by themselves: what it calls all day would crowd them out."""
    return [
        *_entries(look, agent=name, kind="verdict", limit=_EACH),
        *_entries(look, agent=name, kind="decision", answer="deny", limit=_EACH),
    ]


def credentials_of(view: View, name: str) -> dict[str, list[str]]:
    """The secrets that the servers within an agent's boundaries get, each with those servers (pure)."""
    record = view.agents.get(AgentName(name))
    boundaries = record.boundaries if record else ()
    servers = {split_action(action)[0] for boundary in boundaries for action in boundary.rules}
    found: dict[str, list[str]] = {}
    for server in sorted(servers):
        known = view.server(server)
        if known is not None and known.credential is not None:
            found.setdefault(known.credential.secret, []).append(server)
    return found


def certified(rows: Sequence[Mapping[str, Any]], now: Instant) -> list[dict[str, Any]]:
    """Entitlements, each with when it lapses without a further use (pure)."""
    return [
        {
            **each,
            "next_check": None if each["lapses_in_seconds"] is None
            else rfc3339(Instant(now + each["lapses_in_seconds"] * SECOND)),
        }
        for each in rows
    ]  # fmt: skip


def bounding(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Limits and hours with what is sorted and drawn of them (pure)."""
    return [
        {
            **each, "used": number(each["used"]), "most": number(each["max"]),
            "share": None if each["used"] is None else each["used_millionths"] / 10_000,
            "state": None if each["open"] is None else "open" if each["open"] else "shut",
            "until": each["resets"] if each["open"] is None else None if each["open"] else each["opens"],
            "said": f"{each['used']} of {each['max']} {each['what']}",
        }
        for each in rows
    ]  # fmt: skip


def number(said: str | int | None) -> float | int | None:
    """A budget is told as text, exactly; a table sorts numbers."""
    return float(said) if isinstance(said, str) else said


def runs(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The runs that its newest entries belong to (pure)."""
    found: dict[str, dict[str, Any]] = {}
    for each in entries:
        if each["kind"] != "decision" or not each.get("run"):
            continue
        row = found.setdefault(each["run"], {
            "run": each["run"], "instance": each.get("instance", ""), "purpose": each.get("purpose", ""), "calls": 0,
            "refused": 0, "last": each["time"],
        })  # fmt: skip
        row["calls"] += 1
        row["refused"] += each.get("decision") == "deny"
        row["last"] = max(row["last"], each["time"])
    return list(found.values())


def _certified(look: Look, agent: Any, activations: Any, bounds: Any) -> tuple[Table, ...]:  # noqa: ANN401 - JSON
    return (
        Table(
            name="access", title="Access", columns=ACCESS, rows=certified(activations, look.now), sort="action",
            empty="It may do nothing yet: no boundary of it was approved.", command="remit boundary list",
        ),
        Table(
            name="boundaries", title="Boundaries", columns=BOUNDARIES, rows=list(agent["boundaries"]),
            empty="No boundary names it.", command="remit apply DIR",
        ),
        Table(
            name="limits", title="Limits and hours", columns=LIMITS, rows=bounds,
            empty="No boundary of it has a rate, a budget, a volume or hours.", command="remit boundary list",
        ),
    )  # fmt: skip


def _around(look: Look, name: str, beside: Beside) -> tuple[Table, ...]:
    return (
        Table(
            name="credentials", title="Credentials that its servers get", columns=CREDENTIALS,
            rows=_picked(beside.secrets, CREDENTIALS), empty="Its servers get none, or you may not see them.",
            command="remit secret list",
        ),
        Table(
            name="delegations", title="Who acts for whom now", columns=DELEGATIONS,
            rows=_picked(look.get(f"/v1/agents/{name}/delegations")["delegations"], DELEGATIONS),
            empty="Nobody acts for it, and it acts for nobody.", command=f"remit agent delegations {name}",
        ),
        Table(
            name="reviews", title="Questions about it", columns=REVIEWS, rows=_picked(beside.questions, REVIEWS),
            sort="due", empty="Nobody is asked anything about it.", command="remit review list --all",
        ),
        Table(
            name="signals", title="Known against it", columns=SIGNALS,
            rows=list(look.get(f"/v1/agents/{name}/signals")["signals"]),
            empty="Nothing is known against it.", command=f"remit agent signal {name} anomaly",
        ),
    )  # fmt: skip


def _lately(past: Any, entries: Any) -> tuple[Table, ...]:  # noqa: ANN401 - JSON
    told = [
        {
            "time": rfc3339(Instant(each["at"])), "lane": each["lane"], "said": each["said"],
            "entry": each["to"].removeprefix("log/") if each["to"].startswith("log/") else None,
        }
        for each in past
    ]  # fmt: skip
    return (
        Table(
            name="happened", title="What happened to it", columns=HAPPENED, rows=told, sort="-time",
            empty="Nothing yet.", command="remit audit tail",
        ),
        Table(
            name="runs", title="Runs of its newest entries", columns=RUNS, rows=runs(entries), sort="-last",
            empty="It has not worked lately.", command="remit run --agent NAME -- CMD",
        ),
        Table(
            name="entries", title="Newest entries", columns=ENTRIES,
            rows=[line(each, each.get("index")) for each in entries], sort="-time",
            empty="Nothing of it is recorded, or you may not read the log.", command="remit audit tail",
        ),
    )  # fmt: skip


def _days(series: Any) -> tuple[Table, ...]:  # noqa: ANN401 - JSON
    return (
        Table(
            name="days", title="Day by day", columns=DAYS, rows=plotted.days(series), sort="-day",
            empty="It was not counted yet.", command="remit posture",
        ),
    )  # fmt: skip


def _picked(rows: Any, columns: tuple[Column, ...]) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    return [{column.name: row.get(column.name) for column in columns} for row in rows]


PAGE = Page(path="/agents/{name}", slug="agents", template="agent.html", fill=fill)
