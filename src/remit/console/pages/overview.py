"""What there is to see at once: what piles up, what was refused, what waits for a person, what is stopped."""

from __future__ import annotations

from collections import Counter
from typing import Any

from remit.console.desk import Look
from remit.console.pages.agent import creep
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table

_FREEZES = (
    Column(name="kind", title="What"),
    Column(name="name", title="Name", kind="code"),
    Column(name="reason", title="Why"),
    Column(name="by", title="By"),
    Column(name="since", title="Since", kind="time"),
    Column(name="cut_count", title="Calls cut", kind="number"),
)
_OVER = (
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="owner", title="Owner"),
    Column(name="granted", title="Granted", kind="number"),
    Column(name="used", title="Used", kind="number"),
    Column(name="unused", title="Unused", kind="number"),
    Column(
        name="over", title="Over-privilege", kind="percent", hint="share of what is granted that is not used, by weight"
    ),
)
_MILLIONTH = 10_000


def fill(look: Look) -> Filled:
    """Figures, curves and three things to do."""
    posture, freezes = look.get("/v1/posture"), look.get("/v1/freezes")["freezes"]
    series = look.get("/v1/posture/series", days="90")["series"]
    reviews = (look.maybe("/v1/reviews", all="true") or {"questions": ()})["questions"]
    checks = look.get("/v1/doctor", within="60")["checks"]
    over = [
        {**{name: row[name] for name in ("agent", "owner", "granted", "used", "unused")},
         "over": row["over_privilege_millionths"] / _MILLIONTH}
        for row in posture["agents"]
    ]  # fmt: skip
    tables = (
        Table(
            name="over", title="Granted and not used", columns=_OVER, rows=over, sort="-over",
            empty="No agent has access yet.", command="remit apply DIR",
        ),
        Table(name="freezes", title="Stopped", columns=_FREEZES, rows=list(freezes), empty="Nothing is frozen.",
              command="remit freeze AGENT"),
    )  # fmt: skip
    states = Counter(record.agent.state.value for record in look.view.agents.values())
    values: dict[str, Any] = {
        "agents": len(look.view.agents), "states": states, "freezes": len(freezes), "reviews": len(reviews),
        "all": posture["all"], "todo": _todo(checks, reviews, over),
    }  # fmt: skip
    return Filled(title="Overview", tables=tables, values=values, data={"creep": creep(list(series))})


def _todo(
    checks: list[dict[str, Any]], reviews: list[dict[str, Any]], over: list[dict[str, Any]]
) -> list[dict[str, str]]:
    """At most three things that a person should do now, the worst first."""
    found = [
        {
            "mood": "bad" if each["status"] == "fail" else "warn",
            "said": each["detail"],
            "try": each.get("try", ""),
            "link": "",
        }
        for each in sorted(checks, key=lambda each: each["status"] != "fail")
        if each["status"] != "ok"
    ]
    if reviews:
        found.insert(
            0,
            {
                "mood": "wait",
                "said": f"{len(reviews)} questions wait for a person",
                "try": "remit review list",
                "link": f"{PATH}/reviews",
            },
        )
    if idle := [row for row in over if row["granted"] and not row["used"]]:
        found.append(
            {
                "mood": "warn",
                "said": f"{len(idle)} agents use nothing of what they may",
                "try": "",
                "link": f"{PATH}?sort=-over",
            }
        )
    return found[:3]


PAGE = Page(path="", slug="", template="overview.html", fill=fill)
