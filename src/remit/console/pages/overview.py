"""What there is to see at once: what goes on, what piles up, what waits for a person, what is stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from remit.console import plotted
from remit.console.desk import Look
from remit.console.drawn import bars, scatter
from remit.console.frame import micros
from remit.console.pages.agent_columns import DAYS
from remit.console.pages.agents import MILLIONTH, standing
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table
from remit.kernel.clock import DAY, Instant

_OVER = (
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="owner", title="Owner", link=f"{PATH}/agents?owner={{owner}}"),
    Column(name="granted", title="Granted", kind="number"),
    Column(name="granted_weight", title="Weight", kind="number", hint="by risk tier: critical counts most"),
    Column(name="used", title="Used", kind="number"),
    Column(name="over", title="Unused", kind="percent", hint="share of what is granted that is not used, by weight"),
    Column(name="risk", title="Risk", kind="percent"),
)
_FREEZES = (
    Column(name="kind", title="What"),
    Column(name="name", title="Name", kind="code"),
    Column(name="reason", title="Why"),
    Column(name="by", title="By"),
    Column(name="since", title="Since", kind="time"),
    Column(name="cut_count", title="Calls cut", kind="number"),
    Column(name="holds", title="Holds", kind="state"),
    Column(name="id", title="Freeze", kind="code", link=f"{PATH}/freezes/{{id}}"),
)
_MINUTES = (
    Column(name="until", title="Minute until", kind="time"),
    Column(name="allow", title="Allowed", kind="number"),
    Column(name="deny", title="Refused", kind="number"),
    Column(
        name="other",
        title="Other",
        kind="number",
        hint="only observed, or nothing could decide it",
    ),
)
_AGES = (
    Column(name="secret", title="Credential", kind="code", link=f"{PATH}/credentials/{{secret}}"),
    Column(name="days", title="Days old", kind="number"),
    Column(name="kind", title="Kind"),
    Column(name="next_rotation", title="Rotates", kind="time"),
    Column(name="exposed", title="Exposed", kind="state"),
)
_DRAWN: Final = 400  # agents in the drawing; the table has all
_WEEK: Final = 7 * DAY
_LOOKED_AT: Final = 200  # boundaries that wait


def fill(look: Look) -> Filled:
    """Figures, curves and three things to do."""
    posture, freezes = look.get("/v1/posture", limit="0"), look.get("/v1/freezes")["freezes"]
    series: Sequence[Mapping[str, Any]] = look.get("/v1/posture/series", days="90")["series"]
    roster, now = look.get("/v1/roster", limit="1000000")["agents"], look.get("/v1/now")
    secrets = (look.maybe("/v1/secrets") or {"secrets": ()})["secrets"]
    at, seconds, aged = Instant(micros(now["at"]) or look.now), now["seconds"], plotted.ages(secrets, look.now, micros)
    points = plotted.spread(roster, most=_DRAWN)
    present, waits = figures(look, now, secrets), waiting(look)
    turned = plotted.turns(series)
    values: dict[str, Any] = {
        "now": present, "all": posture["all"], "day": posture["day"],
        "todo": todo({**present, **waits}, secrets, unused(roster, posture["day"])),
        "scatter": scatter(points), "bars": bars(aged), "aged": len(aged),
        "said": {
            "creep": plotted.creep_said(series), "pace": plotted.paced_said(seconds), "age": plotted.ages_said(aged),
            "turns": plotted.turns_said(turned),
            "risk": plotted.spread_said(points, sum(bool(each["granted"]) for each in roster)),
        },
    }  # fmt: skip
    data = {"creep": plotted.creep(series), "pace": plotted.paced(seconds, at), "turns": turned}
    tables = _tables(roster, freezes, series, plotted.minutes(seconds, at), aged)
    return Filled(title="Overview", tables=tables, values=values, data=data)


def _tables(roster: Any, freezes: Any, series: Any, minutes: Any, aged: Any) -> tuple[Table, ...]:  # noqa: ANN401 - JSON
    over = [
        {
            **{name: each[name] for name in ("agent", "owner", "granted", "granted_weight", "used")},
            "over": each["over_privilege_millionths"] / MILLIONTH, "risk": each["risk_millionths"] / MILLIONTH,
        }
        for each in roster
        if each["granted"]
    ]  # fmt: skip
    stopped = [{**each, "holds": "contained" if each["contained"] else "pending"} for each in freezes]
    return (
        Table(name="over", title="Granted and not used", columns=_OVER, rows=over, sort="-over",
              empty="No agent has access yet.", command="remit apply DIR"),
        Table(name="freezes", title="Stopped", columns=_FREEZES, rows=stopped, empty="Nothing is frozen.",
              command="remit freeze AGENT"),
        Table(name="days", title="Day by day", columns=DAYS, rows=plotted.days(series), sort="-day",
              empty="No day was counted yet.", command="remit posture"),
        Table(name="minutes", title="Decisions, minute by minute", columns=_MINUTES, rows=minutes,
              empty="Nothing was decided.", command="remit can AGENT ACTION"),
        Table(name="ages", title="Age of credentials", columns=_AGES, rows=aged, empty="No credential is kept here.",
              command="printf %s VALUE | remit secret set NAME"),
    )  # fmt: skip


def figures(look: Look, now: Mapping[str, Any], secrets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is so at this moment."""
    reviews = (look.maybe("/v1/reviews", all="true", limit="1000") or {"questions": ()})["questions"]
    requests = (look.maybe("/v1/approvals", state="pending", limit="1000") or {"requests": ()})["requests"]
    minute = now["last_minute"]
    words = look.get("/v1/first-words")["words"]
    return {
        "agents": len(look.view.agents), "states": standing(look.view),
        "decisions": sum(minute.values()), "denied": minute["deny"], "running": now["running"],
        "connected": 1 + sum(each["connected"] for each in now["points"]), "points": 1 + len(now["points"]),
        "reviews": len(reviews), "requests": len(requests), "words": len(words),
        "freezes": len(look.view.freezes),
        "expiring": sum(_soon(each, look.now) for each in secrets),
    }  # fmt: skip


def waiting(look: Look) -> dict[str, Any]:
    """What a person has to look at before it holds. What a boundary would come to takes its time: of a few only."""
    found = look.get("/v1/boundaries", waiting="true", limit=str(_LOOKED_AT))["boundaries"]
    proposed = [each["boundary"] for each in found if each["state"] == "proposed"]  # they come before the others
    return {
        "proposed": proposed,
        "more": len(proposed) == _LOOKED_AT,
        "changed": [each["server"] for each in look.get("/v1/servers")["servers"] if each["waiting"]],
    }


def _soon(secret: Mapping[str, Any], now: int) -> bool:
    """Whether a credential is exposed, or is to be changed within a week."""
    due = micros(secret["next_rotation"]) if secret["next_rotation"] else None
    return bool(secret["exposed"]) or (due is not None and due < now + _WEEK)


def todo(now: Mapping[str, Any], secrets: Sequence[Mapping[str, Any]], idle: Sequence[str]) -> list[dict[str, str]]:
    """At most three things that a person should do now, the worst first, each with the place to do it (pure)."""
    exposed = [each["secret"] for each in secrets if each["exposed"]]
    proposed = f"{count} or more" if (count := len(now["proposed"])) and now["more"] else count
    known = (
        (len(exposed), "bad", "credential is", "credentials are", "known elsewhere and not replaced",
         f"{PATH}/credentials", f"remit secret rotate {exposed[0]}" if exposed else ""),
        (now["freezes"], "bad", "freeze is", "freezes are", "in force: find out why, then unfreeze",
         f"{PATH}#s-freezes", "remit freeze"),
        (now["requests"], "wait", "access request waits", "access requests wait", "for somebody's yes",
         f"{PATH}/requests", "remit approval list"),
        (len(now["changed"]), "wait", "server has", "servers have",
         "tools that nobody has looked at: agents may not call them",
         f"{PATH}/servers", f"remit server review {now['changed'][0]}" if now["changed"] else ""),
        (proposed, "wait", "boundary waits", "boundaries wait", "for an owner's approval",
         f"{PATH}/policies?sort=state#s-boundaries",
         f"remit boundary show {now['proposed'][0]}" if now["proposed"] else ""),
        (now["words"], "wait", "change waits", "changes wait", "for a second person's word",
         f"{PATH}/requests#s-words", "remit operator waiting"),
        (now["reviews"], "wait", "question waits", "questions wait", "for a person",
         f"{PATH}/reviews", "remit review list"),
        (len(idle), "warn", "agent uses", "agents use", "nothing of what was granted: narrow or end it",
         f"{PATH}?sort=-over#s-over", f"remit rightsize {idle[0]}" if idle else ""),
    )  # fmt: skip
    return [
        {"mood": mood, "said": f"{count} {one if count == 1 else many} {rest}", "link": link, "try": tried}
        for count, mood, one, many, rest, link, tried in known
        if count
    ][:3]


def unused(roster: Sequence[Mapping[str, Any]], day: str | None) -> list[str]:
    """Agents that used nothing of what they may when `day` was counted, and got no token since it began (pure).

    What is used later on that day is counted on the next.
    """
    return [
        each["agent"]
        for each in roster
        if each["granted"] and not each["used"] and (each["last_seen"] or "") < (day or "")
    ]


def present(look: Look) -> Filled:
    """The figures of now alone: what the overview asks for again and again."""
    now = look.get("/v1/now")
    return Filled(
        title="Now", values={"now": figures(look, now, (look.maybe("/v1/secrets") or {"secrets": ()})["secrets"])}
    )


def well(look: Look) -> Filled:
    """What `remit doctor` finds wrong: asked for by the overview once it stands, since it looks at much."""
    checks = (look.maybe("/v1/doctor", within="60") or {"checks": ()})["checks"]
    return Filled(title="Is it well", values={"wrong": [each for each in checks if each["status"] != "ok"]})


PAGE = Page(path="", slug="", template="overview.html", fill=fill)
NOW = Page(path="/now", slug="", template="now.html", fill=present)
WELL = Page(path="/well", slug="", template="well.html", fill=well)
